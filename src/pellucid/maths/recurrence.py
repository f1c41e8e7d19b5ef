"""LSTM, GRU and simple recurrences step by step, in the precision of the network, and their gradients back through time, in float64, whose range they need.

With x_t the input, h_t the state, σ the recurrent activation and φ the activation (Hochreiter & Schmidhuber 1997; Gers et al. 2000; Cho et al. 2014):

    LSTM    i, f, o = σ(x W + h U + b);  g = φ(x W + h U + b);  c_t = f c + i g;  h_t = o φ(c_t)
    GRU     z, r = σ(x W + h U + b);  n = φ(x W + b + (r h) U), or φ(x W + b + r (h U + b'));  h_t = z h + (1 − z) n
    simple  h_t = φ(x W + h U + b)

A masked step leaves the state as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.recurrence import GRU, LSTM, SIMPLE, Cell

Array = np.ndarray
Function = Callable[[Array], Array]


def _sigmoid(z: Array) -> Array:
    """The logistic function, through tanh, which is four times as fast."""
    found = np.tanh(0.5 * z)
    found += 1.0
    found *= 0.5
    return found


ACTIVATIONS: Mapping[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "sigmoid": (_sigmoid, lambda y: y * (1 - y)),
    "hard_sigmoid": (lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda y: ((y > 0) & (y < 1)) / 6.0),
    "relu": (lambda z: np.maximum(z, 0), lambda y: (y > 0).astype(y.dtype)),
    "linear": (lambda z: z, np.ones_like),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda y: (1 - np.abs(y)) ** 2),
    "softplus": (lambda z: np.logaddexp(0, z), lambda y: -np.expm1(-y)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda y: np.where(y > 0, 1.0, y + 1)),
}
"""Name → the function, and its slope as a function of what it gave."""


@dataclass(frozen=True)
class Replay:
    """A recurrence gone through again. All (samples, time, units), in the order of the input: the states after each step, and what the cell made on the way.

    `cell` is None where there is none. `made` (samples, time, parts · units) is what each part of the cell gave; `inner`, of an LSTM what its output gate acts
    on, of a GRU what its reset gate acts on. `initial` holds the states before the first step; `inputs` and `mask` are what was given.
    """

    kind: Cell
    hidden: Array
    cell: Array | None
    made: Array
    inner: Array
    initial: tuple[Array, ...]
    inputs: Array
    mask: Array | None

    @property
    def gates(self) -> dict[str, Array]:
        """Each part by its name, (samples, time, units); NaN at masked steps, whose gates are not used."""
        found = parts(self.kind, self.made)
        return found if self.mask is None else {name: np.where(self.mask[..., None], one, np.nan) for name, one in found.items()}


def parts(cell: Cell, made: Array) -> dict[str, Array]:
    """The part of each gate in an array (..., parts · units)."""
    return dict(zip(cell.gates, np.split(made, len(cell.gates), axis=-1), strict=True))


def replay(cell: Cell, inputs: Array, initial: tuple[Array, ...] = (), mask: Array | None = None) -> Replay:
    """Go through a sequence (samples, time, inputs) from its states `initial`, zero where none are given; `mask` (samples, time) is False where a step is left
    out."""
    kind = np.result_type(inputs, cell.kernel, np.float32)
    samples, steps, _ = inputs.shape
    made = np.ascontiguousarray(inputs.swapaxes(0, 1), kind) @ cell.kernel.astype(kind)  # by time steps: what a step reads and writes lies together
    made += cell.bias.astype(kind)
    weights = replace(cell, recurrent=cell.recurrent.astype(kind), recurrent_bias=cell.recurrent_bias.astype(kind))
    states = tuple(np.asarray(one, kind) for one in initial) or tuple(np.zeros((samples, cell.units), kind) for _ in range(1 + (cell.kind == LSTM)))
    begun, step = states, _STEPS[cell.kind]
    hidden, inner = np.empty((steps, samples, cell.units), kind), np.empty((steps, samples, cell.units), kind)
    memory = np.empty_like(hidden) if cell.kind == LSTM else None
    for t in range(steps - 1, -1, -1) if cell.backwards else range(steps):
        new, inner[t] = step(weights, made[t], states)
        states = new if mask is None else tuple(np.where(mask[:, t, None], one, before) for one, before in zip(new, states, strict=True))
        hidden[t] = states[0]
        if memory is not None:
            memory[t] = states[1]
    cells = None if memory is None else memory.swapaxes(0, 1)
    return Replay(cell, hidden.swapaxes(0, 1), cells, made.swapaxes(0, 1), inner.swapaxes(0, 1), begun, inputs, mask)


def _lstm_step(cell: Cell, sums: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
    """The states after a step; `sums` hold the input's part, and what each part of the cell gave afterwards."""
    sums += states[0] @ cell.recurrent
    sums += cell.recurrent_bias
    units, gate, act = cell.units, ACTIVATIONS[cell.recurrent_activation][0], ACTIVATIONS[cell.activation][0]
    sums[:, : 2 * units], sums[:, 2 * units : 3 * units] = gate(sums[:, : 2 * units]), act(sums[:, 2 * units : 3 * units])
    sums[:, 3 * units :] = gate(sums[:, 3 * units :])
    i, f, g, o = np.split(sums, 4, axis=-1)
    memory = f * states[1]
    memory += i * g
    given = act(memory)
    return (o * given, memory), given


def _gru_step(cell: Cell, sums: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
    (hidden,), units = states, cell.units
    gate, act = ACTIVATIONS[cell.recurrent_activation][0], ACTIVATIONS[cell.activation][0]
    own = hidden @ (cell.recurrent if cell.reset_after else cell.recurrent[:, : 2 * units])
    own += cell.recurrent_bias[: own.shape[1]]
    sums[:, : 2 * units] = gate(sums[:, : 2 * units] + own[:, : 2 * units])
    z, r = sums[:, :units], sums[:, units : 2 * units]
    inner = own[:, 2 * units :] if cell.reset_after else hidden
    sums[:, 2 * units :] += r * inner if cell.reset_after else (r * inner) @ cell.recurrent[:, 2 * units :]
    n = act(sums[:, 2 * units :])
    sums[:, 2 * units :] = n
    return (n + z * (hidden - n),), inner


def _simple_step(cell: Cell, sums: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
    sums += states[0] @ cell.recurrent
    sums += cell.recurrent_bias
    sums[:] = ACTIVATIONS[cell.activation][0](sums)
    return (sums,), sums


_STEPS = {LSTM: _lstm_step, GRU: _gru_step, SIMPLE: _simple_step}


@dataclass(frozen=True)
class Back:
    """Gradients of a score: `hidden` and `cell` (samples, time, units) with respect to the states after each step, each as if the other were held, what later
    steps do with them counted; `sums` (samples, time, parts · units) with respect to what the activations are given; all in the order of the input. `initial`:
    with respect to the states before the first step."""

    kind: Cell
    hidden: Array
    cell: Array | None
    sums: Array
    initial: tuple[Array, ...]

    @property
    def inputs(self) -> Array:
        """With respect to the inputs, (samples, time, inputs)."""
        found: Array = self.sums @ self.kind.kernel.T
        return found

    @property
    def norms(self) -> Array:
        """The length of the gradient with respect to the whole state after each step, (samples, time)."""
        square = _square(self.hidden)
        norms: Array = np.sqrt(square if self.cell is None else square + _square(self.cell))
        return norms


def _square(array: Array) -> Array:
    found: Array = np.einsum("...u,...u->...", array, array)
    return found


def backpropagate(cell: Cell, made: Replay, outputs: Array, last: tuple[Array, ...] = ()) -> Back:
    """Back through time, of `outputs` (samples, time, units), the gradients that reach each step's state from outside, and `last`, those that reach the last
    states."""
    samples, steps, units = made.hidden.shape
    earlier = 1 if cell.backwards else -1
    count = 1 + (cell.kind == LSTM)
    weights = replace(cell, recurrent=np.ascontiguousarray(cell.recurrent.T, np.float64))  # turned, once
    carried = tuple(np.asarray(one, np.float64) for one in last) or tuple(np.zeros((samples, units)) for _ in range(count))
    found = [np.empty((steps, samples, units)) for _ in range(count)]
    sums = np.empty((steps, samples, made.made.shape[-1]))
    for t in range(steps) if cell.backwards else range(steps - 1, -1, -1):
        carried = (carried[0] + outputs[:, t], *carried[1:])
        for kept, one in zip(found, carried, strict=True):
            kept[t] = one
        passed = _BACK[cell.kind](weights, made.made[:, t], made.inner[:, t], _states(made, t + earlier), carried, sums[t])
        if made.mask is not None:
            used = made.mask[:, t, None]
            passed = tuple(np.where(used, new, old) for new, old in zip(passed, carried, strict=True))
            sums[t] *= used
        carried = passed
    hidden, *cells = (one.swapaxes(0, 1) for one in found)
    return Back(cell, hidden, cells[0] if cells else None, sums.swapaxes(0, 1), carried)


def _states(made: Replay, t: int) -> tuple[Array, ...]:
    """The states after a step, or those at the beginning."""
    if not 0 <= t < made.hidden.shape[1]:
        return made.initial
    return (made.hidden[:, t],) if made.cell is None else (made.hidden[:, t], made.cell[:, t])


States = tuple[Array, ...]


def _lstm_back(cell: Cell, made: Array, given: Array, before: States, after: States, sums: Array) -> States:
    """The gradients of the states before a step; those of the sums go into `sums`. The recurrent kernel is turned."""
    gate, slope, units = ACTIVATIONS[cell.recurrent_activation][1], ACTIVATIONS[cell.activation][1], given.shape[-1]
    i, f, g, o = np.split(made, 4, axis=-1)
    cells = after[0] * o
    cells *= slope(given)
    cells += after[1]
    to_input, to_forget, to_candidate, to_output = np.split(sums, 4, axis=-1)
    np.multiply(cells, g, out=to_input)
    np.multiply(cells, before[1], out=to_forget)
    np.multiply(cells, i, out=to_candidate)
    np.multiply(after[0], given, out=to_output)
    sums[:, : 2 * units] *= gate(made[:, : 2 * units])
    to_candidate *= slope(g)
    to_output *= gate(o)
    cells *= f
    return sums @ cell.recurrent, cells


def _gru_back(cell: Cell, made: Array, inner: Array, before: States, after: States, sums: Array) -> States:
    z, r, n = np.split(made, 3, axis=-1)
    (hidden,), (reached,), units = before, after, inner.shape[-1]
    gate, slope = ACTIVATIONS[cell.recurrent_activation][1], ACTIVATIONS[cell.activation][1]
    to_update, to_reset, to_new = np.split(sums, 3, axis=-1)
    to_new[:] = reached * (1 - z) * slope(n)
    to_update[:] = reached * (hidden - n)
    back, last = cell.recurrent[: 2 * units], cell.recurrent[2 * units :]
    if cell.reset_after:
        through = (to_new * r) @ last
        to_reset[:] = to_new * inner
    else:
        mixed = to_new @ last
        through = mixed * r
        to_reset[:] = mixed * inner
    sums[:, : 2 * units] *= gate(made[:, : 2 * units])
    return (reached * z + sums[:, : 2 * units] @ back + through,)


def _simple_back(cell: Cell, made: Array, inner: Array, before: States, after: States, sums: Array) -> States:
    np.multiply(after[0], ACTIVATIONS[cell.activation][1](made), out=sums)
    return (sums @ cell.recurrent,)


_BACK = {LSTM: _lstm_back, GRU: _gru_back, SIMPLE: _simple_back}


def horizon(norms: Array, share: float, steps: Array | None = None) -> Array:
    """After how many steps back a norm (samples, steps), in the order in which the steps are made, falls below a share of its last, (samples,).

    `steps` (samples, steps) says which count. Infinite where it does not fall so far; NaN where the last is zero.

    >>> horizon(np.array([[0.1, 0.2, 0.4, 0.8], [1.0, 1.0, 1.0, 1.0]]), 0.3).tolist()
    [2.0, inf]
    """
    found = np.full(len(norms), np.nan)
    for row, line in enumerate(norms):
        back = (line if steps is None else line[steps[row]])[::-1]
        if len(back) and back[0] > 0:
            below = np.flatnonzero(back < share * back[0])
            found[row] = float(below[0]) if len(below) else np.inf
    return found


def time_constants(kept: Array) -> Array:
    """After how many steps a unit's memory falls to 1/e, −1/ln of the mean share that it keeps at a step, over (samples, time, units); infinite where it keeps
    all.

    >>> time_constants(np.full((1, 3, 1), np.exp(-0.25))).round(3).tolist()
    [4.0]
    """
    mean = np.clip(np.nanmean(kept.reshape(-1, kept.shape[-1]), axis=0), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        constants: Array = -1.0 / np.log(mean)
    constants[mean >= 1.0] = np.inf
    return np.abs(constants)
