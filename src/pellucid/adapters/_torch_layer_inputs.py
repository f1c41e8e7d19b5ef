"""What the layers of a PyTorch module are given, samples first, channels where the layer has them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pellucid.adapters import _torch_packed
from pellucid.adapters._layer_inputs import in_order, joined
from pellucid.adapters._torch import removed
from pellucid.core.errors import UnsupportedError
from pellucid.core.model import batches

Array = np.ndarray


Unpack = Callable[[Any], list[Any]]


def tensors(value: Any, unpack: Unpack) -> Iterator[Any]:
    """Every tensor in an argument, nested ones in their order; a packed sequence is unpacked."""
    if isinstance(value, _torch_packed.Packed):
        yield from unpack(value)
    elif isinstance(value, torch.Tensor):
        if value.ndim:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item, unpack)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors(item, unpack)


def of_call(part: Any, args: Sequence[Any], kwargs: Mapping[str, Any], unpack: Unpack) -> list[Any]:
    """The tensors that one call of a layer is given."""
    given = in_order(part.forward, args, kwargs)
    if isinstance(part, nn.RNNBase) and given:
        sequence, *states = given.values()
        time_first = not part.batch_first and isinstance(sequence, torch.Tensor) and sequence.ndim == 3
        found = [sequence.transpose(0, 1)] if time_first else list(tensors(sequence, unpack))
        return [*found, *(value.transpose(0, 1) if value.ndim == 3 else value for value in tensors(states, unpack))]
    if isinstance(part, nn.MultiheadAttention):
        return [_of_attention(part, name, value) for name, value in given.items() if isinstance(value, torch.Tensor)]
    return list(tensors(given, unpack))


def _of_attention(part: Any, name: str, value: Any) -> Any:
    """Queries, keys and values samples first; the mask of pairs as (1, queries, keys), or (samples, heads, queries, keys) where each head has its own."""
    if name == "attn_mask":
        return value[None] if value.ndim == 2 else value.reshape(-1, part.num_heads, *value.shape[1:])
    return value.transpose(0, 1) if name in ("query", "key", "value") and not part.batch_first and value.ndim == 3 else value


def layer_inputs(model: Any, inputs: Array, chosen: Mapping[str, Any]) -> dict[str, tuple[Array, ...]]:
    """What each chosen layer of a `TorchModule` that has met its data is given."""

    def parts() -> Iterator[tuple[int, dict[str, list[Any]]]]:
        for part in batches(len(inputs), model.forward_batch_size):
            seen: dict[str, list[list[Any]]] = {}
            with model._borrowed(gradients=False), watched(chosen, seen, model._meeting.length):
                model._outputs(model._tensor(inputs[part]), logits=False)
            for name in chosen:
                if name not in seen:
                    raise UnsupportedError(f"layer '{name}' is not called for these inputs, so that it is given nothing.")
            yield part.stop - part.start, {name: [on_host(value) for value in last_given(chosen[name], seen[name])] for name in chosen}

    return joined(parts())


@contextlib.contextmanager
def watched(parts: Mapping[str, Any], seen: dict[str, list[list[Any]]], length: _torch_packed.Length) -> Iterator[None]:
    """Notes of each call of these parts what it is given; the tensors are kept apart from what the module may change in place. A packed sequence is given as
    one that is padded to `length`, samples first, and the mask of its steps."""

    def hook_of(name: str) -> Any:
        def unpack(packed: Any) -> list[Any]:
            steps = length(name, packed)
            return [_torch_packed.padded(name, packed, steps), _torch_packed.mask(packed, steps)]

        def hook(part: Any, args: Any, kwargs: Any) -> None:
            seen.setdefault(name, []).append([value.detach().clone() for value in of_call(part, args, kwargs, unpack)])

        return hook

    with removed([part.register_forward_pre_hook(hook_of(name), with_kwargs=True) for name, part in parts.items()]):
        yield


def last_given(part: Any, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """What a layer is given by its last call; of a cell that is called step by step by every call, along a time axis."""
    if isinstance(part, nn.RNNCellBase) and len(calls) > 1:
        length = min(len(call) for call in calls)
        return [torch.stack([call[i] for call in calls], dim=1) for i in range(length)]
    return list(calls[-1])


def on_host(value: Any) -> Any:
    """As NumPy's array; masks stay boolean."""
    if value.dtype == torch.bool:
        return value.cpu().numpy()
    return value.to("cpu", torch.float64 if value.dtype == torch.float64 else torch.float32).numpy()
