"""What a recorder of a training reads of a network at one moment: norms, what units answer to the probe, kernels as pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.model import Layer, Model, batches
from pellucid.views._units import Span, by_place, is_head, read, span_of

Array = np.ndarray
AT_ONCE = 64e6
"""Bytes of layers' values that are looked at together."""
PICTURED = 3
"""Layers that are pictured where nobody chose: the first, one in the middle, and the last of their kind."""
_ACTIVATION = re.compile(r"relu|elu|sigmoid|tanh|silu|swish|mish|soft(plus|sign)|activation", re.IGNORECASE)


def norm_of(arrays: Sequence[Array]) -> float:
    """The Euclidean norm of several arrays taken together, summed in float64.

    >>> norm_of([np.array([3.0]), np.array([[4.0]])])
    5.0
    """
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))


def tells(layer: Layer) -> bool:
    """Whether a layer's units are worth looking at: it has weights, or is an activation."""
    return layer.parameters > 0 or layer.sequential or _ACTIVATION.search(layer.kind) is not None


def telling_pictures(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that are pictured where nobody chose: of the convolutions, else of the recurrent layers, else of those whose units are looked at, all but the
    last, the first, one in the middle, and the last."""
    found = [layer for layer in layers if "Conv" in layer.kind] or [layer for layer in layers if layer.sequential]
    found = found or [layer for layer in layers if tells(layer)][:-1]
    return [found[i] for i in sorted({0, len(found) // 2, len(found) - 1})][:PICTURED] if found else []


def readable(model: Model, probe: Array, layers: Sequence[Layer]) -> list[Layer]:
    """Those of some layers that can be read: all, as a rule. One whose output does not count samples cannot."""
    try:
        read(model, probe[:2], layers)
    except UnsupportedError:
        return [layer for layer in layers if len(layers) > 1 and readable(model, probe, [layer])]
    return list(layers)


def looked_at(
    model: Model, probe: Array, layers: Sequence[Layer], pictured: Sequence[Layer], rows: int
) -> tuple[dict[str, dict[str, float]], dict[str, Array]]:
    """Two things in one pass over the probe. Layer → mean and standard deviation of its values, the share of units that are dead (the same number everywhere
    for every sample; zero, where the activation has a floor) and those that are saturated (at an end of its range at more than half of the places).
    And pictured layer → its values for the first rows."""
    known = {layer.name: layer for layer in [*layers, *pictured]}
    wanted, shown = {layer.name for layer in layers}, {layer.name for layer in pictured}
    sums: dict[str, list[Array]] = {}
    kept: dict[str, list[Array]] = {}
    one = 4.0 * sum(float(np.prod([size or 64 for size in layer.shape])) for layer in known.values() if layer.shape)
    for part in batches(len(probe), int(max(1, AT_ONCE // max(one, 1)))):
        for name, values in read(model, probe[part], list(known.values())).items() if known else ():
            if name in wanted:
                sums.setdefault(name, []).append(_summed(by_place(values), span_of(known[name])))
            if name in shown and part.start < rows:
                kept.setdefault(name, []).append(values[: rows - part.start].copy())
    told = {layer.name: _told(np.stack(sums[layer.name]), span_of(layer), is_head(model, layer)) for layer in layers}
    return told, {name: np.concatenate(parts) for name, parts in kept.items()}


def _told(parts: Array, span: Span, head: bool) -> dict[str, float]:
    """What the sums of `_summed` say, of each part of the probe."""
    count, total, squares, ends = (parts[:, k].sum(axis=0) for k in range(4))
    low, high = parts[:, 4].min(axis=0), parts[:, 5].max(axis=0)
    places, mean = count.sum(), total.sum() / count.sum()
    told = {"mean": mean, "sd": np.sqrt(max(squares.sum() / places - mean**2, 0.0))}
    told["dead"] = np.mean((low == 0) & (high == 0) if span.floor else low == high)
    if span.ends and not head:
        told["saturated"] = np.mean(2 * ends > count)
    return {name: float(value) for name, value in told.items()}


def _summed(values: Array, span: Span) -> Array:
    """Of values (samples, places, units), by unit: their number, sum, sum of squares, how many lie at an end, the least and the largest."""
    rows = values.reshape(-1, values.shape[-1])
    ends = span.at_end(rows).sum(axis=0) if span.ends else np.zeros(rows.shape[1])
    squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64, optimize=False)
    return np.stack([np.full(rows.shape[1], float(len(rows))), rows.sum(axis=0, dtype=np.float64), squares, ends, rows.min(axis=0), rows.max(axis=0)])


def kernels_last(kernels: Array, layer: Layer) -> Array | None:
    """The kernels of a convolution as (rows, columns, input channels, filters), wherever its framework has these; None of one that is not over two axes."""
    if kernels.ndim != 4:
        return None
    filters = layer.shape[layer.channel_axis] if layer.shape else None
    return kernels.transpose(2, 3, 1, 0) if layer.channel_axis == 0 and kernels.shape[0] == filters else kernels
