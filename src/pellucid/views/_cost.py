"""What a layer costs: multiply-adds for one sample, from the shapes of its output and of its weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from pellucid.core.model import INPUT, Layer

Shape = tuple[int | None, ...]
Kernels = Sequence[tuple[int, ...]]
UNKNOWN = math.nan
LOOKED_UP = re.compile(r"Embedding|Gather")
CONVOLVES, SPREADS = re.compile(r"Conv"), re.compile(r"Transpose")
MULTIPLIES = re.compile(r"Dense|Linear|Gemm|MatMul|TimeDistributed|Einsum")
ATTENDS = re.compile(r"Attention")
KEEPS = re.compile(r"Norm|PReLU")
"""Kinds whose numbers are not multiplied as a matrix; a normalisation after a layer can be made part of its weights."""


def multiply_adds(layers: Sequence[Layer], kernels: Mapping[str, Kernels], connections: Mapping[str, Sequence[str]], given: Shape | None) -> dict[str, float]:
    """Multiply-adds of each layer for one sample, of convolutions, dense and recurrent layers and attention; 0 for what only adds, compares or looks up; NaN
    where the layer's kind or a shape is not known. A layer that is used several times is counted once. `given` is the shape of the network's input."""
    shapes: dict[str, Shape | None] = {layer.name: layer.shape for layer in layers} | {INPUT: given}
    return {layer.name: _of(layer, _own(layer, kernels), [shapes.get(name) for name in connections.get(layer.name, ())]) for layer in layers}


def _own(layer: Layer, kernels: Mapping[str, Kernels]) -> list[tuple[int, ...]] | None:
    """The weights of a layer and of parts of it that are no layers; where they are not shown, all its numbers as one kernel."""
    found = [shape for name, shapes in kernels.items() if name == layer.name or name.startswith(f"{layer.name}.") for shape in shapes]
    return found if found or kernels or not layer.parameters else None


def _of(layer: Layer, kernels: list[tuple[int, ...]] | None, sources: Sequence[Shape | None]) -> float:
    if LOOKED_UP.search(layer.kind) or KEEPS.search(layer.kind):
        return 0.0
    matrices = [shape for shape in kernels or () if len(shape) > 1]
    if layer.sequential:
        return _recurrent(layer, matrices, sources)
    if ATTENDS.search(layer.kind):
        return _attention(layer, matrices)
    if CONVOLVES.search(layer.kind):
        whole = _positions(layer) if not SPREADS.search(layer.kind) else _grid(sources[0] if sources else None, layer.channel_axis)
        return whole * (layer.parameters if kernels is None else _size([shape for shape in matrices if len(shape) > 2]))
    if MULTIPLIES.search(layer.kind):
        return _product(layer, kernels, matrices, sources)
    return UNKNOWN if matrices else 0.0


def _size(shapes: Kernels) -> float:
    return float(sum(math.prod(shape) for shape in shapes)) or UNKNOWN


def _grid(shape: Shape | None, axis: int) -> float:
    """Places of a shape, its channels apart."""
    if shape is None or None in shape:
        return UNKNOWN
    return float(math.prod(size or 0 for size in (shape[1:] if axis == 0 else shape[:-1])))


def _positions(layer: Layer) -> float:
    return _grid(layer.shape, layer.channel_axis)


def _product(layer: Layer, kernels: list[tuple[int, ...]] | None, matrices: Kernels, sources: Sequence[Shape | None]) -> float:
    """A product with a matrix of weights, at every place that is no feature; or of two outputs with each other."""
    if layer.shape is None or None in layer.shape:
        return UNKNOWN
    whole = float(math.prod(size or 0 for size in layer.shape))
    if kernels is None:
        return whole / max(layer.shape[-1] or 1, 1) * layer.parameters
    if not matrices:
        inner = sources[0][-1] if len(sources) > 1 and sources[0] else None
        return whole * inner if inner else UNKNOWN
    kernel = max(matrices, key=math.prod)
    shared = 0
    while shared < min(len(kernel) - 1, len(layer.shape)) and kernel[-1 - shared] == layer.shape[-1 - shared]:
        shared += 1
    features = math.prod(size or 1 for size in layer.shape[len(layer.shape) - max(shared, 1) :])
    return whole / max(features, 1) * math.prod(kernel)


def _recurrent(layer: Layer, matrices: Kernels, sources: Sequence[Shape | None]) -> float:
    """The products of a step, as many times as there are steps. A bias of two rows (of a GRU) is no product."""
    deep = [shape for shape in matrices if len(shape) > 2]
    kept: list[tuple[int, ...]] = []
    for shape in deep or matrices:
        biased = shape[0] == 2 and len(kept) > 1 and kept[-1][1] == kept[-2][1] == shape[1]
        kept += [] if biased and not deep else [shape]
    source = next((shape for shape in sources if shape is not None and len(shape) > 1), (None,))
    steps = layer.shape[0] if layer.shape is not None and len(layer.shape) == 2 else 1 if "Cell" in layer.kind else source[0]
    places = _grid(layer.shape[-3:], -1) if "Conv" in layer.kind and layer.shape is not None else 1.0
    return UNKNOWN if steps is None else steps * places * _size(kept)


def _attention(layer: Layer, matrices: Kernels) -> float:
    """Projections of each token, and the products of tokens with each other and with what they hold, as of self-attention."""
    if layer.shape is None or len(layer.shape) < 2 or None in layer.shape:
        return UNKNOWN
    tokens, width = layer.shape[-2] or 1, layer.shape[-1] or 1
    spread = [shape for shape in matrices if len(shape) > 2]
    projections = spread or list(matrices)
    inner = math.prod(spread[0][1:]) if spread else width
    return (tokens * _size(projections) if projections else 0.0) + 2.0 * tokens**2 * inner
