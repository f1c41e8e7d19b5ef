"""What each layer of a PyTorch module is fed by, read from autograd's graph of one pass."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from pellucid.adapters._torch import removed
from pellucid.adapters._torch_packed import LONGEST, Length, Packed, leaves_of, with_data
from pellucid.core.model import INPUT, Call

Names = tuple[str, ...]


class Traced:
    """The nodes at which layers' outputs begin, and what is found going back from others to them. Each output is copied first, so that it has a node of its
    own, also where a layer gives back what it was given."""

    def __init__(self, inner: frozenset[str], length: Length) -> None:
        self.inner, self.length = inner, length
        self.found: dict[str, Call] = {}
        self._uses: Counter[str] = Counter()
        self._begins: dict[Any, str] = {}
        self._sources: dict[Any, Names] = {}

    def begin(self, name: str, tensor: Any) -> Any:
        """A copy of a tensor, which begins here."""
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return tensor
        copy = (tensor if tensor.requires_grad else tensor.detach().requires_grad_()).clone()
        self._begins[copy.grad_fn] = name
        return copy

    def note(self, name: str, given: Any, made: Any, samples: int) -> Any:
        """Note what feeds a layer that made this of what it was given; what it gives instead. One that holds other layers is fed by the last of them."""
        leaves = [one.data if isinstance(one, Packed) else one for one in leaves_of(made if name in self.inner else given)]
        tensors = [one for one in leaves if isinstance(one, torch.Tensor)]
        sources = [source for one in tensors if one.grad_fn is not None for source in self._back(one.grad_fn)]
        whole = not sources and any(one.ndim and len(one) == samples for one in tensors)
        self._uses[name] += 1
        use = name if self._uses[name] == 1 else f"{name} ({self._uses[name]})"
        shape = next((self._shape(name, one) for one in leaves_of(made) if isinstance(one, (torch.Tensor, Packed))), None)
        self.found[use] = Call(name, (INPUT,) if whole else tuple(dict.fromkeys(sources)), shape)
        return with_data(made, lambda one: self.begin(use, one))

    def _shape(self, name: str, made: Any) -> tuple[int | None, ...]:
        """Of what a layer gave, without the axis of samples."""
        return (self.length(name, made) or len(made.batch_sizes), *made.data.shape[1:]) if isinstance(made, Packed) else tuple(made.shape[1:])

    def _back(self, last: Any) -> Names:
        """The layers from which a node comes; where several meet at one, its own name."""
        stack = [(last, iter(last.next_functions))]
        while stack:
            node, before = stack[-1]
            if node in self._begins:
                self._sources[node] = (self._begins[node],)
            following = next((one for one, _ in before if one is not None and one not in self._sources), None) if node not in self._sources else None
            if following is not None:
                stack.append((following, iter(following.next_functions)))
                continue
            stack.pop()
            if node not in self._sources:
                self._sources[node] = self._met(node)
        return self._sources[last]

    def _met(self, node: Any) -> Names:
        together = tuple(dict.fromkeys(source for one, _ in node.next_functions if one is not None for source in self._sources[one]))
        if len(together) < 2:
            return together
        kind = re.sub(r"Backward\d*$", "", node.name()).lower()
        name = next(name for number in range(1, len(self.found) + 2) if (name := f"{kind}_{number}") not in self.found)
        self.found[name] = Call("", together)
        return (name,)


def calls(call: Callable[[Any], Any], x: Any, parts: Mapping[str, Any], length: Length = LONGEST) -> dict[str, Call]:
    """Every use of each of these parts and its sources, as a pass of `x` (samples, *shape) through the module shows; the module is borrowed already."""
    inner = frozenset(name for name in parts if any(other.startswith(f"{name}.") for other in parts))
    traced = Traced(inner, length)
    with _hooked(parts, lambda name, given, made: traced.note(name, given, made, len(x))):
        call(traced.begin(INPUT, x))
    return traced.found


@contextlib.contextmanager
def _hooked(parts: Mapping[str, Any], change: Callable[[str, Any, Any], Any]) -> Iterator[None]:
    def hook_of(name: str) -> Callable[..., Any]:
        return lambda _, arguments, keywords, output: change(name, (arguments, keywords), output)

    with removed([part.register_forward_hook(hook_of(name), with_kwargs=True) for name, part in parts.items()]):
        yield
