"""The parts and tensors of a PyTorch module, as `named_modules`, `parameters` and `buffers` give them. Torch's own go through layers of generators for each
question, which for a small network costs as much as a pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def parts_of(module: Any) -> dict[str, Any]:
    """Every part by its dotted path, the module itself first under "", each once, in the order they were registered."""
    found: dict[str, Any] = {}
    seen, left = set(), [("", module)]
    while left:
        name, part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        found[name] = part
        inner = part._modules
        if inner:
            left += [(f"{name}.{key}" if name else key, one) for key, one in reversed(list(inner.items())) if one is not None]
    return found


def parameters_of(parts: Iterable[Any]) -> list[Any]:
    """The parameters of these parts themselves, each once."""
    return list({id(one): one for part in parts for one in part._parameters.values() if one is not None}.values())


def tensors_of(parts: Iterable[Any]) -> list[Any]:
    """The parameters and then the buffers of these parts themselves, each once."""
    parts = list(parts)
    buffers = {id(one): one for part in parts for one in part._buffers.values() if one is not None}
    return [*parameters_of(parts), *buffers.values()]
