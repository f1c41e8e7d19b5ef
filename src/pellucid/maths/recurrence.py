"""LSTM, GRU and simple recurrences step by step, and their gradients back through time, in float64.

With x_t the input, h_t the state, σ the recurrent activation and φ the activation (Hochreiter & Schmidhuber 1997; Gers et al. 2000; Cho et al. 2014):

    LSTM    i, f, o = σ(x W + h U + b);  g = φ(x W + h U + b);  c_t = f c + i g;  h_t = o φ(c_t)
    GRU     z, r = σ(x W + h U + b);  n = φ(x W + b + (r h) U), or φ(x W + b + r (h U + b'));  h_t = z h + (1 − z) n
    simple  h_t = φ(x W + h U + b)

A masked step leaves the state as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pellucid.core.recurrence import CANDIDATE, FORGET_GATE, GRU, INPUT_GATE, LSTM, OUTPUT_GATE, RESET_GATE, UPDATE_GATE, Cell

Array = np.ndarray
Function = Callable[[Array], Array]


def _unit(z: Array) -> Array:
    return np.ones_like(z)


def _silu_slope(z: Array) -> Array:
    s = expit(z)
    slope: Array = s * (1 + z * (1 - s))
    return slope


ACTIVATIONS: Mapping[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (expit, lambda z: expit(z) * (1 - expit(z))),
    "hard_sigmoid": (lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: (np.abs(z) < 3) / 6.0),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "linear": (lambda z: z, _unit),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "softplus": (lambda z: np.logaddexp(0, z), expit),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))),
    "silu": (lambda z: z * expit(z), _silu_slope),
}
"""Name → the function and its slope, both of the sum it is given."""


@dataclass(frozen=True)
class Replay:
    """A recurrence gone through again. All (samples, time, units), in the order of the input: states after each step, and what each part of the cell gave.

    `cell` is None where there is none; `sums` (samples, time, parts · units) are what the activations were given, `inner` what a GRU's reset gate acts on.
    `initial` holds the states before the first step. A masked step has NaN for its gates, which are not used.
    """

    hidden: Array
    cell: Array | None
    gates: Mapping[str, Array]
    sums: Array
    inner: Array | None
    initial: tuple[Array, ...]
    inputs: Array
    mask: Array | None


def replay(cell: Cell, inputs: Array, initial: tuple[Array, ...] = (), mask: Array | None = None) -> Replay:
    """Go through a sequence (samples, time, inputs) from its states `initial`, zero where none are given; `mask` (samples, time) is False where a step is left
    out."""
    inputs = np.asarray(inputs, np.float64)
    samples, steps, _ = inputs.shape
    order = range(steps - 1, -1, -1) if cell.backwards else range(steps)
    projected = inputs @ cell.kernel + cell.bias
    states = tuple(np.asarray(one, np.float64) for one in initial) or tuple(np.zeros((samples, cell.units)) for _ in range(1 + (cell.kind == LSTM)))
    begun, step = states, _STEPS[cell.kind]
    hidden, memory = np.empty((samples, steps, cell.units)), np.empty((samples, steps, cell.units))
    sums, inner = np.empty_like(projected), np.empty_like(hidden)
    for t in order:
        new, sums[:, t], held = step(cell, projected[:, t], states)
        inner[:, t] = 0.0 if held is None else held
        states = new if mask is None else tuple(np.where(mask[:, t, None], one, before) for one, before in zip(new, states, strict=True))
        hidden[:, t], memory[:, t] = states[0], states[-1]
    return Replay(hidden, memory if cell.kind == LSTM else None, _gates(cell, sums, mask), sums, inner if cell.kind == GRU else None, begun, inputs, mask)


def parts(cell: Cell, sums: Array) -> dict[str, Array]:
    """The part of each gate in an array (..., parts · units)."""
    return dict(zip(cell.gates, np.split(sums, len(cell.gates), axis=-1), strict=True))


def _gates(cell: Cell, sums: Array, mask: Array | None) -> dict[str, Array]:
    found = {name: _function(cell, name)(one) for name, one in parts(cell, sums).items()}
    return found if mask is None else {name: np.where(mask[..., None], one, np.nan) for name, one in found.items()}


def _function(cell: Cell, gate: str) -> Function:
    return ACTIVATIONS[cell.activation if gate == CANDIDATE else cell.recurrent_activation][0]


def _slope(cell: Cell, gate: str) -> Function:
    return ACTIVATIONS[cell.activation if gate == CANDIDATE else cell.recurrent_activation][1]


def _lstm_step(cell: Cell, x: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array, Array | None]:
    hidden, memory = states
    sums = x + hidden @ cell.recurrent + cell.recurrent_bias
    i, f, g, o = (_function(cell, name)(one) for name, one in parts(cell, sums).items())
    memory = f * memory + i * g
    return (o * ACTIVATIONS[cell.activation][0](memory), memory), sums, None


def _gru_step(cell: Cell, x: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array, Array | None]:
    (hidden,) = states
    units = cell.units
    if cell.reset_after:
        own = hidden @ cell.recurrent + cell.recurrent_bias
        sums, inner = x + own, own[:, 2 * units :]
    else:
        own = hidden @ cell.recurrent[:, : 2 * units] + cell.recurrent_bias[: 2 * units]
        sums, inner = x.copy(), hidden
        sums[:, : 2 * units] += own
    gate, act = ACTIVATIONS[cell.recurrent_activation][0], ACTIVATIONS[cell.activation][0]
    z, r = gate(sums[:, :units]), gate(sums[:, units : 2 * units])
    last = r * inner if cell.reset_after else (r * hidden) @ cell.recurrent[:, 2 * units :] + cell.recurrent_bias[2 * units :]
    sums[:, 2 * units :] = x[:, 2 * units :] + last
    return (z * hidden + (1 - z) * act(sums[:, 2 * units :]),), sums, inner


def _simple_step(cell: Cell, x: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array, Array | None]:
    sums = x + states[0] @ cell.recurrent + cell.recurrent_bias
    return (ACTIVATIONS[cell.activation][0](sums),), sums, None


_STEPS = {LSTM: _lstm_step, GRU: _gru_step, "simple": _simple_step}


@dataclass(frozen=True)
class Back:
    """Gradients of a score: `hidden` and `cell` (samples, time, units) with respect to the states after each step, each as if the other were held, what later
    steps do with them counted; `inputs` (samples, time, inputs); all in the order of the input. `initial`: with respect to the states before the first step."""

    hidden: Array
    cell: Array | None
    inputs: Array
    initial: tuple[Array, ...]

    @property
    def norms(self) -> Array:
        """The length of the gradient with respect to the whole state after each step, (samples, time)."""
        square = (self.hidden**2).sum(axis=-1)
        norms: Array = np.sqrt(square if self.cell is None else square + (self.cell**2).sum(axis=-1))
        return norms


def backpropagate(cell: Cell, made: Replay, outputs: Array, last: tuple[Array, ...] = ()) -> Back:
    """Back through time, of `outputs` (samples, time, units), the gradients that reach each step's state from outside, and `last`, those that reach the last
    states."""
    samples, steps, units = made.hidden.shape
    order = range(steps) if cell.backwards else range(steps - 1, -1, -1)
    earlier = 1 if cell.backwards else -1
    count = 1 + (cell.kind == LSTM)
    carried = tuple(np.asarray(one, np.float64) for one in last) or tuple(np.zeros((samples, units)) for _ in range(count))
    found = [np.empty((samples, steps, units)) for _ in range(count)]
    inputs = np.empty(made.inputs.shape)
    for t in order:
        carried = (carried[0] + outputs[:, t], *carried[1:])
        for kept, one in zip(found, carried, strict=True):
            kept[:, t] = one
        before = _states(made, t + earlier)
        given, passed = _BACK[cell.kind](cell, made, t, before, carried)
        if made.mask is not None:
            used = made.mask[:, t, None]
            passed = tuple(np.where(used, new, old) for new, old in zip(passed, carried, strict=True))
            given = np.where(used, given, 0.0)
        inputs[:, t] = given @ cell.kernel.T
        carried = passed
    return Back(found[0], found[1] if count == 2 else None, inputs, carried)


def _states(made: Replay, t: int) -> tuple[Array, ...]:
    """The states after a step, or those at the beginning."""
    if not 0 <= t < made.hidden.shape[1]:
        return made.initial
    return (made.hidden[:, t],) if made.cell is None else (made.hidden[:, t], made.cell[:, t])


def _lstm_back(cell: Cell, made: Replay, t: int, before: tuple[Array, ...], after: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
    """The gradient of the sums of one step, and those of the states before it."""
    act, slope = ACTIVATIONS[cell.activation]
    by = parts(cell, made.sums[:, t])
    i, f, g, o = (_function(cell, name)(by[name]) for name in (INPUT_GATE, FORGET_GATE, CANDIDATE, OUTPUT_GATE))
    memory = f * before[1] + i * g
    cells = after[1] + after[0] * o * slope(memory)
    at = {INPUT_GATE: cells * g, FORGET_GATE: cells * before[1], CANDIDATE: cells * i, OUTPUT_GATE: after[0] * act(memory)}
    given = np.concatenate([at[name] * _slope(cell, name)(by[name]) for name in cell.gates], axis=-1)
    return given, (given @ cell.recurrent.T, cells * f)


def _gru_back(cell: Cell, made: Replay, t: int, before: tuple[Array, ...], after: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
    by, units, inner = parts(cell, made.sums[:, t]), cell.units, made.inner
    z, r, n = (_function(cell, name)(by[name]) for name in (UPDATE_GATE, RESET_GATE, CANDIDATE))
    (hidden,), (reached,) = before, after
    to_new = reached * (1 - z) * _slope(cell, CANDIDATE)(by[CANDIDATE])
    to_update = reached * (hidden - n) * _slope(cell, UPDATE_GATE)(by[UPDATE_GATE])
    back, last = cell.recurrent[:, : 2 * units].T, cell.recurrent[:, 2 * units :].T
    if cell.reset_after and inner is not None:
        to_reset, through = to_new * inner[:, t], (to_new * r) @ last
    else:
        mixed = to_new @ last
        to_reset, through = mixed * hidden, mixed * r
    to_reset = to_reset * _slope(cell, RESET_GATE)(by[RESET_GATE])
    gates = np.concatenate([to_update, to_reset], axis=-1)
    return np.concatenate([gates, to_new], axis=-1), (reached * z + gates @ back + through,)


def _simple_back(cell: Cell, made: Replay, t: int, before: tuple[Array, ...], after: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
    given = after[0] * ACTIVATIONS[cell.activation][1](made.sums[:, t])
    return given, (given @ cell.recurrent.T,)


_BACK = {LSTM: _lstm_back, GRU: _gru_back, "simple": _simple_back}


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
