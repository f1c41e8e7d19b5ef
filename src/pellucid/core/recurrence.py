"""What a recurrent layer computes, in words that every framework shares: so that its gates can be shown, which no framework gives out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
LSTM, GRU, SIMPLE = "lstm", "gru", "simple"
INPUT_GATE, FORGET_GATE, CANDIDATE, OUTPUT_GATE = "input gate", "forget gate", "candidate", "output gate"
UPDATE_GATE, RESET_GATE = "update gate", "reset gate"
GATES: Mapping[str, tuple[str, ...]] = {
    LSTM: (INPUT_GATE, FORGET_GATE, CANDIDATE, OUTPUT_GATE),
    GRU: (UPDATE_GATE, RESET_GATE, CANDIDATE),
    SIMPLE: (CANDIDATE,),
}
"""The parts of each kind of cell, in the order in which its weights stand here. The candidate is what would be written; all others lie between 0 and 1."""


@dataclass(frozen=True)
class Cell:
    """One direction of one level of a recurrent layer.

    `kernel` (inputs, parts · units), `recurrent` (units, parts · units), `bias` and `recurrent_bias` (parts · units,), the parts in the order of `GATES`.
    The update gate of a GRU says how much of the state is kept. `reset_after`: its reset gate acts after the product with the recurrent kernel; where it acts
    before, its candidate has no bias on that side.
    `backwards`: the sequence is read from its end.
    """

    kind: str
    kernel: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = False
    backwards: bool = False

    @property
    def units(self) -> int:
        return len(self.recurrent)

    @property
    def gates(self) -> tuple[str, ...]:
        return GATES[self.kind]


@dataclass(frozen=True)
class Recurrence:
    """A recurrent layer: levels from the input up, each of one direction or two, whose states are merged ("concat", "sum", "ave", "mul") for the next level.

    `zero_where_masked`: what the layer gives for a masked step is zero, and not the state it keeps. `as_processed`: the layer gives the states of a sequence
    that is read from its end in the order in which they are made.
    """

    levels: tuple[tuple[Cell, ...], ...]
    merge: str = "concat"
    zero_where_masked: bool = False
    as_processed: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for level in self.levels for cell in level)


@dataclass(frozen=True)
class StateGradients:
    """The gradients of a score with respect to what a recurrent layer gives out.

    `outputs` (samples, time, units), or (samples, units) where it gives its last output alone. `states`, the last states that it gives out besides, each
    (samples, units): for each cell its hidden state, and of an LSTM its cell state; empty where it gives out none. `total`: the gradients of each step
    hold what later steps do with it too, because the network itself goes through the steps.
    """

    outputs: Array
    states: tuple[tuple[Array, ...], ...] = ()
    total: bool = False
