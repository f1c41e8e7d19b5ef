"""What each node of an ONNX graph is fed by, and the shapes of the weights that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SHAPES = ("Shape", "Size")
"""Kinds whose outputs tell of sizes alone, so that nothing is fed by them."""


def connections(nodes: Iterable[Any], inputs: Iterable[str], places: Mapping[str, str], reads: Any) -> dict[str, tuple[str, ...]]:
    """Layer → the layers whose output reaches it through nodes that are none; "input" for the network's own. `places` holds the tensor of each layer, `reads`
    gives the tensors that a node reads, in its branches too."""
    names = {tensor: name for name, tensor in places.items()}
    reached: dict[str, tuple[str, ...]] = dict.fromkeys(inputs, ("input",))
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        order = [*node.input, *sorted(reads(node) - set(node.input))]
        together = tuple(dict.fromkeys(source for tensor in order for source in reached.get(tensor, ())))
        name = next((names[tensor] for tensor in node.output if tensor in names), None)
        if name is not None:
            found[name] = together
        made = (name,) if name is not None else () if node.op_type in SHAPES else together
        reached |= {tensor: made for tensor in node.output if tensor}
    return found


def kernel_shapes(nodes: Iterable[Any], weights: Mapping[str, Any], places: Mapping[str, str], floats: Iterable[int]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Layer → the shapes of the initialisers of numbers that it reads, in the order of its arguments."""
    names, kinds = {tensor: name for name, tensor in places.items()}, set(floats)
    found = {}
    for node in nodes:
        name = next((names[tensor] for tensor in node.output if tensor in names), None)
        own = [weights[tensor] for tensor in node.input if tensor in weights and weights[tensor].data_type in kinds]
        if name is not None and own:
            found[name] = tuple(tuple(int(size) for size in one.dims) for one in own)
    return found
