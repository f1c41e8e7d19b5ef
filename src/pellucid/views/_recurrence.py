"""A recurrent layer gone through again: states, gates and gradients of each of its cells, from what the layer is given and what the score gives back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.recurrence import FORGET_GATE, GRU, LSTM, UPDATE_GATE, Cell, Recurrence, StateGradients
from pellucid.maths.recurrence import ACTIVATIONS, Back, Replay, backpropagate, horizon, replay, time_constants

Array = np.ndarray
DIFFERENCE = 1e-3
"""How far the states may be from the framework's own, of their largest, before the view refuses to show gates."""
ROUNDINGS = 4
"""In half precision: how many roundings of the largest they may be off."""

OVERFLOWING = 1e30
"""From here on a state may be finite on one side alone."""


@dataclass(frozen=True)
class Run:
    """One cell gone through: `subject` is what it is called in the view, `made` its states and gates, `back` the gradient of the score, `alone` the length of
    the gradient (samples, time) of what is read last of it alone, and `read` that step (samples,), −1 where the score reads nothing."""

    subject: str
    cell: Cell
    made: Replay
    back: Back | None = None
    norms: Array | None = None
    alone: Array | None = None
    read: Array | None = None

    @property
    def kept(self) -> Array | None:
        """The share of a unit's memory that is kept at each step; None where no gate says so."""
        name = {LSTM: FORGET_GATE, GRU: UPDATE_GATE}.get(self.cell.kind)
        return None if name is None else self.made.gates[name]

    @property
    def used(self) -> Array:
        """Which steps are not masked, (samples, time)."""
        shape = self.made.hidden.shape[:2]
        return np.ones(shape, bool) if self.made.mask is None else self.made.mask

    def processed(self, array: Array) -> Array:
        """An array (samples, time, …) in the order in which the steps are made, or back again."""
        return array[:, ::-1] if self.cell.backwards else array

    def horizons(self, share: float) -> Array:
        """How many steps back the gradient falls below a share of its last, (samples,)."""
        if self.alone is None or self.read is None:
            return np.full(len(self.made.hidden), np.nan)
        return horizon(self.processed(self.alone), share, self.processed(self.used & self.until_read))

    def horizon_steps(self, share: float) -> Array:
        """The time step at which that is, (samples,); NaN where the gradient does not fall so far."""
        found = np.full(len(self.made.hidden), np.nan)
        for row, (steps, back) in enumerate(zip(self.used & self.until_read, self.horizons(share), strict=True)):
            order = np.flatnonzero(steps)[:: 1 if self.cell.backwards else -1]
            if np.isfinite(back):
                found[row] = order[int(back)]
        return found

    @property
    def until_read(self) -> Array:
        """Which steps are made until the last one that the score reads, (samples, time)."""
        steps = np.arange(self.made.hidden.shape[1])
        read = np.full(len(self.made.hidden), -1) if self.read is None else self.read
        past = steps >= read[:, None] if self.cell.backwards else steps <= read[:, None]
        reached: Array = past & (read[:, None] >= 0)
        return reached

    @property
    def constants(self) -> Array | None:
        """The time constant of each unit, (units,), in steps."""
        return None if self.kept is None else time_constants(self.kept[self.used])


def served(described: Recurrence, layer: str) -> Recurrence:
    """The same, or an error where an activation is not known here."""
    for cell in described.cells:
        for name in (cell.activation, cell.recurrent_activation):
            if name not in ACTIVATIONS:
                raise UnsupportedError(f"layer '{layer}' uses the activation '{name}', which is not served; served are {', '.join(ACTIVATIONS)}.")
    return described


def forward(layer: str, described: Recurrence, given: Sequence[Array]) -> list[list[Run]]:
    """Each level's cells gone through, from the arrays that the layer is given: the sequence, a mask, and states to begin with."""
    sequence, *rest = given
    if sequence.ndim != 3:
        raise UnsupportedError(f"layer '{layer}' is given {sequence.shape}; a recurrence is read from (samples, time, features).")
    mask = next((one for one in rest if one.dtype == np.bool_ and one.shape == sequence.shape[:2]), None)
    begin = _by_cell(described, [one for one in rest if one.dtype != np.bool_])
    below, levels = sequence, []
    for number, cells in enumerate(described.levels):
        runs = [Run(_subject(layer, described, number, cell), cell, replay(cell, below, next(begin), mask)) for cell in cells]
        levels.append(runs)
        below = merged(described.merge, [run.made.hidden for run in runs])
    return levels


def _by_cell(described: Recurrence, states: Sequence[Array]) -> Iterator[tuple[Array, ...]]:
    """The states that each cell begins with: given one after the other, or along an axis of each array."""
    place = 0
    for number, cell in enumerate(described.cells):
        count = 1 + (cell.kind == LSTM)
        if not states:
            yield ()
        elif states[0].ndim == 3:
            yield tuple(one[:, number] for one in states[:count])
        else:
            yield tuple(states[place : place + count])
        place += count


def _subject(layer: str, described: Recurrence, number: int, cell: Cell) -> str:
    """What one cell is called: as the layer where it is the only one."""
    parts = [f"level {number + 1}"] if len(described.levels) > 1 else []
    if len(described.levels[number]) > 1:
        parts.append("backward" if cell.backwards else "forward")
    return f"{layer} ({', '.join(parts)})" if parts else layer


def merged(how: str, states: Sequence[Array]) -> Array:
    """The states of the directions as the next level, or the layer's reader, is given them."""
    if len(states) == 1:
        return states[0]
    if how == "concat":
        return np.concatenate(states, axis=-1)
    first, second = states
    return first * second if how == "mul" else (first + second) / (2 if how == "ave" else 1)


def parted(how: str, gradient: Array, runs: Sequence[Run]) -> list[Array]:
    """The gradient of merged states as one for each direction; `gradient` is (samples, time, units)."""
    if len(runs) == 1:
        return [gradient]
    if how == "concat":
        return np.split(gradient, [runs[0].cell.units], axis=-1)
    if how == "mul":
        return [gradient * runs[1].made.hidden, gradient * runs[0].made.hidden]
    return [gradient / (2 if how == "ave" else 1)] * 2


def check_states(layer: str, described: Recurrence, levels: Sequence[Sequence[Run]], states: Array) -> None:
    """Raise where the states are not the framework's own, so that gates would be wrong."""
    found = merged(described.merge, [run.made.hidden for run in levels[-1]])
    if described.as_processed:
        states = states[:, ::-1]
    used = levels[-1][0].used
    if found.shape != states.shape:
        raise UnsupportedError(f"layer '{layer}' has states of shape {states.shape}, and its recurrence gives {found.shape}; it computes something else.")
    mine, known = found[used], states[used]
    finite = np.isfinite(mine) & np.isfinite(known)
    difference = float(np.abs(mine[finite] - known[finite]).max(initial=0.0))
    largest = float(np.abs(known[finite]).max(initial=0.0)) or 1.0
    if (~finite & ((np.abs(mine) < OVERFLOWING) | (np.abs(known) < OVERFLOWING))).any():  # what overflows does so in both, if not at the same step
        difference = np.inf
    if not difference <= max(DIFFERENCE, ROUNDINGS * _rounding(known)) * largest:
        raise UnsupportedError(
            f"layer '{layer}': its recurrence, gone through again, gives states that differ by {difference / largest:.1e} of their largest from the network's "
            "own, so that its gates would be wrong; it begins from a kept state (stateful), or computes something else besides."
        )


def _rounding(states: Array) -> float:
    """How coarse the numbers of states in half precision are, as a part of themselves; 0 of states in another one, and where they are all zero."""
    single = states.astype(np.float32)
    if not single.any():
        return 0.0
    if not (single.view(np.uint32) & 0xFFFF).any():
        return 2.0**-8  # bfloat16
    with np.errstate(over="ignore"):
        return 2.0**-11 if np.array_equal(single.astype(np.float16).astype(np.float32), single) else 0.0


def back(described: Recurrence, levels: Sequence[Sequence[Run]], reached: StateGradients) -> list[Run]:
    """The cells, level by level, with the gradients of the score."""
    if reached.total:
        return [_of_totals(run, np.asarray(reached.outputs, np.float64)) for run in levels[-1]]
    found: list[list[Run]] = []
    states = list(reached.states)
    outside = [_at_steps(run, one, described) for run, one in zip(levels[-1], _outputs(described, levels[-1], reached.outputs), strict=True)]
    for runs in reversed(levels):
        last, states = (states[-len(runs) :], states[: -len(runs)]) if states else ([()] * len(runs), [])
        with_gradients = [_with_gradients(run, one, ends) for run, one, ends in zip(runs, outside, last, strict=True)]
        found.insert(0, with_gradients)
        level = len(levels) - len(found)
        if level:
            inward = sum((run.back.inputs for run in with_gradients if run.back is not None), np.zeros(runs[0].made.inputs.shape))
            outside = parted(described.merge, inward, levels[level - 1])
    return [run for runs in found for run in runs]


def _outputs(described: Recurrence, runs: Sequence[Run], gradient: Array) -> list[Array]:
    """The gradient of what the layer gives, for each direction; of its last output alone without a time axis."""
    gradient = np.asarray(gradient, np.float64)
    if gradient.ndim == 3:
        return parted(described.merge, gradient[:, ::-1] if described.as_processed else gradient, runs)
    ends = [replace(run, made=replace(run.made, hidden=_final(run))) for run in runs]
    return [one[:, 0] for one in parted(described.merge, gradient[:, None], ends)]


def _final(run: Run) -> Array:
    """The last state, with a time axis of one step."""
    return run.made.hidden[:, :1] if run.cell.backwards else run.made.hidden[:, -1:]


def _at_steps(run: Run, gradient: Array, described: Recurrence) -> Array:
    """The gradient that reaches each step's state from outside, (samples, time, units)."""
    if gradient.ndim == 2:
        every = np.zeros(run.made.hidden.shape)
        every[:, 0 if run.cell.backwards else -1] = gradient
    else:
        every = gradient
    return np.where(run.used[..., None], every, 0.0) if described.zero_where_masked else every


def _with_gradients(run: Run, outside: Array, last: tuple[Array, ...]) -> Run:
    """A run with the gradient of all that is read of it, and of what is read last alone."""
    outside = outside.copy()
    ends = tuple(np.asarray(one, np.float64) for one in last)
    whole = backpropagate(run.cell, run.made, outside, ends)
    reads = (outside != 0).any(axis=-1)
    if ends:
        reads[np.arange(len(reads)), _last_of(run, run.used)] |= np.any([(one != 0).any(axis=-1) for one in ends], axis=0)  # which stands still from there on
    read = _last_of(run, reads)
    if (reads.sum(axis=1) <= 1).all():
        return replace(run, back=whole, norms=whole.norms, alone=whole.norms, read=read)
    only = np.zeros_like(reads)
    only[np.arange(len(read)), read] = read >= 0
    alone = backpropagate(run.cell, run.made, np.where(only[..., None], outside, 0.0), ends)
    return replace(run, back=whole, norms=whole.norms, alone=alone.norms, read=read)


def _last_of(run: Run, reads: Array) -> Array:
    """The last of these steps, (samples, time), in the order in which they are made; −1 where there is none."""
    steps = reads.shape[1]
    back_from_last = np.argmax(run.processed(reads)[:, ::-1], axis=1)
    place = back_from_last if run.cell.backwards else steps - 1 - back_from_last
    return np.where(reads.any(axis=1), place, -1)


def _of_totals(run: Run, gradient: Array) -> Run:
    """A run whose gradients hold already what later steps do."""
    norms = np.sqrt((gradient**2).sum(axis=-1))
    return replace(run, norms=norms, alone=norms, read=_last_of(run, norms > 0))
