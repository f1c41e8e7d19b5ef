"""Weights of a layer in one layout, whatever framework they are of: convolutions (rows, columns, inputs, outputs), dense ones (inputs, outputs), recurrent ones
and projections of attention by part (parts, inputs, units), embeddings (rows, size)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.model import Layer, Model

Array = np.ndarray
CONVOLUTION, DENSE, PARTS, TABLE = ("row", "column", "input", "output"), ("input", "output"), ("part", "input", "unit"), ("entry", "size")
LSTM, GRU, PLAIN = ("input", "forget", "cell", "output"), ("update", "reset", "candidate"), ("state",)
_ATTENTION = ("query", "key", "value")
_GATES = {"LSTM": LSTM, "LSTMCell": LSTM, "GRU": GRU, "GRUCell": GRU}
_BY_NUMBER = {4.0: LSTM, 3.0: GRU, 1.0: PLAIN}
RECURRENT = (*_GATES, "SimpleRNN", "SimpleRNNCell", "RNN", "RNNCell")
_TORCH_GRU = (1, 0, 2)
"""PyTorch has the reset gate before the update gate."""


NATIVE = ("PyTorch", "TorchScript")
"""Frameworks whose layers have their outputs first."""


@dataclass(frozen=True)
class Kernel:
    """The weights of one layer, or of one direction of a recurrent one: `subject` is its name, `axes` those of `values`, `parts` names the gates or
    projections. `second` is what else has the same role: the recurrent part (parts, units, units), or the pointwise kernel of a separable convolution.
    `apart` says that each filter of a convolution reads an input of its own."""

    layer: Layer
    subject: str
    values: Array
    axes: tuple[str, ...]
    parts: tuple[str, ...] = ()
    second: Array | None = None
    apart: bool = False


def kernels(model: Model, layers: Sequence[Layer]) -> list[Kernel]:
    """The kernels of these layers; those without weights, or with weights of another kind (a normalisation's), give none."""
    weights = model.weights()
    native = model.traits.framework in NATIVE
    found = []
    for layer in layers:
        arrays = weights.get(layer.name, ())
        if arrays:
            found += _of_layer(layer, arrays, native)
    return _as_images(model, _told_apart(model, found))


def _told_apart(model: Model, found: list[Kernel]) -> list[Kernel]:
    """The same, depthwise convolutions marked. PyTorch's are known by filters with one input; the network's first convolution may have such ones for a gray
    image."""
    first = next((layer.name for layer in model.layers() if "Conv" in layer.kind), None)

    def depthwise(kernel: Kernel) -> bool:
        by_kind = kernel.layer.kind.startswith(("Depthwise", "Separable"))
        return kernel.axes == CONVOLUTION and kernel.values.shape[2] == 1 < kernel.values.shape[3] and (by_kind or kernel.layer.name != first)

    return [replace(kernel, apart=True) if depthwise(kernel) else kernel for kernel in found]


def _of_layer(layer: Layer, arrays: Sequence[Array], native: bool) -> list[Kernel]:
    kind, first = layer.kind, arrays[0]
    if kind == "Bidirectional":
        sides = (arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :])
        found = [one for side in sides for one in _recurrent(layer, side, native)]
        return [replace(one, subject=layer.name if i == 0 else f"{layer.name} ({i + 1})") for i, one in enumerate(found)]
    if kind in RECURRENT:
        return _recurrent(layer, arrays, native)
    if kind in ("MultiHeadAttention", "MultiheadAttention"):
        return _attention(layer, arrays, native)
    if kind.startswith("Embedding") and first.ndim == 2:
        return [Kernel(layer, layer.name, first, TABLE)]
    if "Conv" in kind and first.ndim >= 3:
        apart = kind.startswith(("Depthwise", "Separable"))
        second = _grid(arrays[1], native) if kind.startswith("Separable") else None
        return [Kernel(layer, layer.name, _grid(first, native, transposed="Transpose" in kind, apart=apart), CONVOLUTION, (), second)]
    matrix = next((array for array in arrays if array.ndim == 2), None)
    if matrix is None:
        return []
    return [Kernel(layer, layer.name, matrix.T if native else matrix, DENSE)]


def _grid(kernel: Array, native: bool, *, transposed: bool = False, apart: bool = False) -> Array:
    """A convolution's kernel as (rows, columns, inputs, outputs), the filters of a depthwise one, where inputs are kept `apart`, each with one input; of a
    series it has one row, of volumes the slices lie below each other."""
    if native:
        kernel = np.moveaxis(kernel, (0, 1), (-2, -1) if transposed else (-1, -2))
    elif transposed:
        kernel = np.swapaxes(kernel, -1, -2)
    elif apart:
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    kernel = np.ascontiguousarray(kernel)
    return kernel[None] if kernel.ndim == 3 else kernel.reshape(-1, *kernel.shape[-3:])


def _recurrent(layer: Layer, arrays: Sequence[Array], native: bool) -> list[Kernel]:
    """One for each layer and direction that the weights hold: a kernel is followed by its recurrent part, which has as many columns."""
    matrices = [array.T if native else array for array in arrays if array.ndim == 2]
    found: list[Kernel] = []
    i = 0
    while i + 1 < len(matrices):
        kernel, again = matrices[i], matrices[i + 1]
        gates = _GATES.get(layer.kind) or _BY_NUMBER.get(again.shape[1] / len(again), ())
        i += 1
        if not gates or kernel.shape[1] != again.shape[1] or again.shape[1] % len(gates):
            continue
        i += 1
        both = [_by_part(array, len(gates), native and gates is GRU) for array in (kernel, again)]
        found.append(Kernel(layer, layer.name if not found else f"{layer.name} ({len(found) + 1})", both[0], PARTS, gates, both[1]))
    return found


def _by_part(matrix: Array, parts: int, turned: bool) -> Array:
    """A matrix (inputs, parts × units) as (parts, inputs, units)."""
    found = matrix.reshape(len(matrix), parts, -1).transpose(1, 0, 2)
    return np.ascontiguousarray(found[list(_TORCH_GRU)] if turned else found)


def _attention(layer: Layer, arrays: Sequence[Array], native: bool) -> list[Kernel]:
    """The projections to queries, keys and values."""
    if native:
        joint = next((array for array in arrays if array.ndim == 2 and len(array) == 3 * array.shape[1]), None)
        return [] if joint is None else [Kernel(layer, layer.name, joint.reshape(3, -1, joint.shape[1]).transpose(0, 2, 1), PARTS, _ATTENTION)]
    kernels = [array.reshape(len(array), -1) for array in arrays if array.ndim == 3][:3]
    if len(kernels) < 3 or len({kernel.shape for kernel in kernels}) > 1:
        return []
    return [Kernel(layer, layer.name, np.stack(kernels), PARTS, _ATTENTION)]


def _as_images(model: Model, found: list[Kernel]) -> list[Kernel]:
    """The same, a dense first layer that reads a flattened image in that image's shape."""
    shape = model.traits.input_shape or ()
    first = next((one for one in model.layers() if one.parameters), None)
    if len(shape) not in (2, 3) or None in shape or model.packing is not None or first is None:
        return found
    sides = tuple(int(side or 1) for side in shape)

    def turned(kernel: Kernel) -> Kernel:
        if kernel.layer.name != first.name or kernel.axes != DENSE or len(kernel.values) != np.prod(sides):
            return kernel
        values = kernel.values.reshape(*sides, -1)
        if len(sides) == 2:
            values = values[:, :, None]
        elif model.traits.channels == "first":
            values = values.transpose(1, 2, 0, 3)
        return Kernel(kernel.layer, kernel.subject, np.ascontiguousarray(values), CONVOLUTION)

    return [turned(kernel) for kernel in found]
