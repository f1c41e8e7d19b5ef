"""What a recurrent layer of a PyTorch module computes, and the gradients of all that it gives out: outputs and last states."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pellucid.adapters import _torch_packed
from pellucid.adapters._torch import first, on_host, removed, turned
from pellucid.core.errors import UnsupportedError
from pellucid.core.model import batches
from pellucid.core.recurrence import GRU, LSTM, SIMPLE, Cell, Recurrence, StateGradients
from pellucid.core.target import Target

Array = np.ndarray
Probed = Callable[[Mapping[str, Any], dict[str, list[list[Any]]]], contextlib.AbstractContextManager[None]]
Read = Callable[[str, Any, Sequence[Sequence[Any]]], StateGradients]
KINDS = {"LSTM": LSTM, "GRU": GRU, "RNN": SIMPLE}


def recurrence(name: str, part: Any) -> Recurrence:
    """What an `nn.LSTM`, `nn.GRU` or `nn.RNN` computes, or one of their cells."""
    if getattr(part, "proj_size", 0):
        raise UnsupportedError(f"layer '{name}' projects its state (proj_size={part.proj_size}), which is not served; build it without.")
    if isinstance(part, nn.RNNCellBase):
        return Recurrence(((_cell(part, ("ih", "hh"), False),),))
    if not isinstance(part, nn.RNNBase):
        raise UnsupportedError(f"layer '{name}' is a {type(part).__name__}, whose recurrence is not known; known are nn.LSTM, nn.GRU and nn.RNN.")
    sides = ("", "_reverse") if part.bidirectional else ("",)
    levels = [tuple(_cell(part, (f"ih_l{level}{side}", f"hh_l{level}{side}"), bool(side)) for side in sides) for level in range(part.num_layers)]
    return Recurrence(tuple(levels), zero_where_masked=True)


def _cell(part: Any, names: tuple[str, str], backwards: bool) -> Cell:
    kind = next(kind for stem, kind in KINDS.items() if type(part).__name__.startswith(stem) or stem in [one.__name__ for one in type(part).__mro__])
    kernel, recurrent = (on_host(getattr(part, f"weight_{name}")).T for name in names)
    biases = [on_host(getattr(part, f"bias_{name}")) if part.bias else np.zeros(kernel.shape[1]) for name in names]
    order = np.arange(kernel.shape[1])
    if kind == GRU:  # torch has the reset gate first
        order = order.reshape(3, -1)[[1, 0, 2]].ravel()
    activation = getattr(part, "nonlinearity", "tanh")
    return Cell(kind, kernel[:, order], recurrent[:, order], biases[0][order], biases[1][order], activation, reset_after=True, backwards=backwards)


def state_gradients(model: Any, inputs: Array, target: Target, chosen: Mapping[str, Any], probed: Probed, read: Read) -> dict[str, StateGradients]:
    """Of a `TorchModule` that has met its data: a zero probe is added to each tensor that a layer gives out, whose gradient it then has. `read` takes the
    gradients of a layer's calls as that layer gives them out."""
    weights, found = target.effective_weights, []
    with model._borrowed(gradients=True):
        for part in batches(len(inputs), model.batch_size):
            calls: dict[str, list[list[Any]]] = {name: [] for name in chosen}
            with probed(chosen, calls):
                scores, _ = model._scores(model._tensor(inputs[part]), model._tensor(weights[part]), target)
            leaves = [leaf for made in calls.values() for call in made for leaf in call]
            back = torch.autograd.grad(scores.sum(), leaves, allow_unused=True) if scores.requires_grad else [None] * len(leaves)
            at = iter(torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, back, strict=True))
            found.append({name: read(name, chosen[name], [[next(at) for _ in call] for call in calls[name]]) for name in chosen})
    return {name: _joined([one[name] for one in found]) for name in chosen}


@contextlib.contextmanager
def probed(parts: Mapping[str, Any], calls: dict[str, list[list[Any]]], length: _torch_packed.Length) -> Iterator[None]:
    """Notes the probes of each call of these parts; what is packed is padded to `length` for its probe."""

    def hook_of(name: str) -> Any:
        def hook(part: Any, _: Any, output: Any) -> Any:
            probes: list[Any] = []
            calls[name].append(probes)
            packed = first(output)
            if not isinstance(packed, _torch_packed.Packed):
                return with_probes(output, probes)
            sequence = with_probes(turned(part, _torch_packed.padded(name, packed, length(name, packed))), probes)
            return _torch_packed.repacked(packed, turned(part, sequence)), *with_probes(output[1:], probes)

        return hook

    with removed([part.register_forward_hook(hook_of(name)) for name, part in parts.items()]):
        yield


def with_probes(output: Any, probes: list[Any]) -> Any:
    """An output with a probe added to each tensor in it."""
    if isinstance(output, (tuple, list)):
        return type(output)([with_probes(one, probes) for one in output])
    probes.append(torch.zeros_like(output, requires_grad=True))
    return output + probes[-1]


def of_layer(name: str, part: Any, calls: Sequence[Sequence[Any]]) -> StateGradients:
    """The gradients of one batch of a layer of torch's own, samples first."""
    if isinstance(part, nn.RNNCellBase):
        return StateGradients(on_host(torch.stack([call[0] for call in calls], dim=1)), total=True)
    outputs, *states = once(name, calls)
    outputs = outputs if part.batch_first else outputs.transpose(0, 1)
    return StateGradients(on_host(outputs), tuple(tuple(on_host(state[k]) for state in states) for k in range(len(states[0]))))


def once(name: str, calls: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """The only call of a layer."""
    if len(calls) != 1:
        raise UnsupportedError(f"layer '{name}' is used {len(calls)} times; the gradients of its states are served where it is used once.")
    return calls[0]


def _joined(parts: Sequence[StateGradients]) -> StateGradients:
    """Of all batches."""
    cells = tuple(tuple(np.concatenate(pieces) for pieces in zip(*cell, strict=True)) for cell in zip(*(part.states for part in parts), strict=True))
    return StateGradients(np.concatenate([part.outputs for part in parts]), cells, parts[0].total)
