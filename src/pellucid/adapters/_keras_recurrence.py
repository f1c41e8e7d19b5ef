"""What a recurrent layer of a Keras model computes, and the gradients of all that it gives out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.recurrence import GATES, GRU, LSTM, SIMPLE, Cell, Recurrence, StateGradients
from pellucid.core.target import Target

Array = np.ndarray
Host = Callable[[Any], Array]
KINDS = {"LSTMCell": LSTM, "GRUCell": GRU, "SimpleRNNCell": SIMPLE}
PLACE = "\0"
"""Between a layer's name and the number of one of its several outputs."""


def place_of(name: str) -> tuple[str, int]:
    """The layer and which of its outputs is meant: the first, where no other is named."""
    layer, _, place = name.partition(PLACE)
    return layer, int(place or 0)


def recurrence(name: str, layer: Any, host: Host) -> Recurrence:
    """What a layer computes; refused where it runs a cell that is not Keras's own."""
    if not hasattr(layer, "forward_layer"):
        levels = _levels(name, layer, host)
        return Recurrence(levels, "concat", bool(layer.zero_output_for_mask), as_processed=bool(layer.go_backwards))
    if layer.merge_mode is None:
        raise UnsupportedError(f"layer '{name}' gives its two directions apart (merge_mode=None), which is not served; merge them.")
    sides = [_levels(name, side, host) for side in (layer.forward_layer, layer.backward_layer)]
    if any(len(side) > 1 for side in sides):
        raise UnsupportedError(f"layer '{name}' has two directions of several cells each, which is not served.")
    return Recurrence((tuple(side[0][0] for side in sides),), layer.merge_mode, bool(layer.forward_layer.zero_output_for_mask))


def _levels(name: str, layer: Any, host: Host) -> tuple[tuple[Cell, ...], ...]:
    if not hasattr(layer, "cell"):
        raise UnsupportedError(f"layer '{name}' is a {type(layer).__name__}, whose recurrence is not known.")
    cells = layer.cell.cells if type(layer.cell).__name__ == "StackedRNNCells" else [layer.cell]
    return tuple((_cell(name, cell, bool(layer.go_backwards), host),) for cell in cells)


def _cell(name: str, cell: Any, backwards: bool, host: Host) -> Cell:
    kind = KINDS.get(type(cell).__name__) if type(cell).__module__.startswith("keras.") else None
    if kind is None:
        raise UnsupportedError(f"layer '{name}' runs a {type(cell).__name__}, whose recurrence is not known; known are {', '.join(KINDS)}.")
    recurrent = host(cell.recurrent_kernel)
    zeros = np.zeros(len(GATES[kind]) * len(recurrent))
    bias = zeros if cell.bias is None else host(cell.bias)
    inner = bias[1] if bias.ndim == 2 else zeros
    gate = getattr(getattr(cell, "recurrent_activation", None), "__name__", "sigmoid")
    after = bool(getattr(cell, "reset_after", False))
    return Cell(kind, host(cell.kernel), recurrent, bias[0] if bias.ndim == 2 else bias, inner, cell.activation.__name__, gate, after, backwards)


def state_gradients(model: Any, inputs: Array, target: Target, layers: Sequence[str]) -> dict[str, StateGradients]:
    """Of a Keras model, the gradients of the outputs and, where a layer gives out its last states, of these too."""
    names = {name: [f"{name}{PLACE}{k}" for k in range(1, 1 + _given_out(layer))] for name, layer in model.recurrent(layers).items()}
    found = model.gradients(inputs, target, [*names, *(one for more in names.values() for one in more)]).gradients
    return {name: StateGradients(found[name], by_cell([found[one] for one in more], model.recurrence(name))) for name, more in names.items()}


def _given_out(layer: Any) -> int:
    """How many states a layer gives out besides its output."""
    if not layer.return_state:
        return 0
    sides = (layer.forward_layer, layer.backward_layer) if hasattr(layer, "forward_layer") else (layer,)
    return sum(len(side.cell.state_size) if isinstance(side.cell.state_size, (list, tuple)) else 1 for side in sides)


def by_cell(states: list[Array], described: Recurrence) -> tuple[tuple[Array, ...], ...]:
    """The states that a layer gives out one after the other, as those of each of its cells."""
    found, place = [], 0
    for cell in described.cells if states else ():
        count = 1 + (cell.kind == LSTM)
        found.append(tuple(states[place : place + count]))
        place += count
    return tuple(found)
