"""Recurrences held against slow twins written from the papers, and their gradients against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pellucid.core.recurrence import CANDIDATE, FORGET_GATE, GATES, GRU, INPUT_GATE, LSTM, OUTPUT_GATE, RESET_GATE, SIMPLE, UPDATE_GATE, Cell
from pellucid.maths.recurrence import ACTIVATIONS, backpropagate, horizon, replay, time_constants

UNITS, INPUTS, STEPS, SAMPLES = 3, 2, 6, 2
STEP, SLOPE = 1e-6, 1e-6
"""Of finite differences, and how near to them a gradient is."""


def a_cell(kind: str, seed: int = 0, **more: object) -> Cell:
    draw = np.random.default_rng(seed).normal
    wide = UNITS * len(GATES[kind])
    inner = np.zeros(wide) if kind == GRU and not more.get("reset_after") else 0.5 * draw(size=wide)
    return Cell(kind, draw(size=(INPUTS, wide)), 0.7 * draw(size=(UNITS, wide)), draw(size=wide), inner, **more)  # type: ignore[arg-type]


CELLS = {
    "lstm": a_cell(LSTM),
    "lstm backwards": a_cell(LSTM, 1, backwards=True),
    "gru": a_cell(GRU, 2),
    "gru, reset after": a_cell(GRU, 3, reset_after=True),
    "gru, reset after, backwards": a_cell(GRU, 4, reset_after=True, backwards=True),
    "simple": a_cell(SIMPLE, 5),
    "softsign and hard sigmoid": a_cell(LSTM, 6, activation="softsign", recurrent_activation="hard_sigmoid"),
}


def sigmoid(z: float) -> float:
    return 1 / (1 + np.exp(-z))


def twin(cell: Cell, x: np.ndarray) -> tuple[list[list[float]], dict[str, list[list[float]]]]:
    """One sample, unit by unit, as the papers have it; tanh and the logistic function."""
    hidden, memory = [0.0] * UNITS, [0.0] * UNITS
    states: list[list[float]] = []
    seen: dict[str, list[list[float]]] = {name: [] for name in cell.gates}
    for step in x[::-1] if cell.backwards else x:

        def given(place: int, unit: int, step: np.ndarray = step) -> float:
            column = place * UNITS + unit
            return float(sum(step[k] * cell.kernel[k, column] for k in range(INPUTS)) + cell.bias[column])

        def back(place: int, unit: int, state: list[float]) -> float:
            column = place * UNITS + unit
            return float(sum(state[k] * cell.recurrent[k, column] for k in range(UNITS)) + cell.recurrent_bias[column])

        if cell.kind == LSTM:
            i, f, o = ([sigmoid(given(p, u) + back(p, u, hidden)) for u in range(UNITS)] for p in (0, 1, 3))
            g = [float(np.tanh(given(2, u) + back(2, u, hidden))) for u in range(UNITS)]
            memory = [f[u] * memory[u] + i[u] * g[u] for u in range(UNITS)]
            hidden = [o[u] * float(np.tanh(memory[u])) for u in range(UNITS)]
            made = {INPUT_GATE: i, FORGET_GATE: f, CANDIDATE: g, OUTPUT_GATE: o}
        elif cell.kind == GRU:
            z, r = ([sigmoid(given(p, u) + back(p, u, hidden)) for u in range(UNITS)] for p in (0, 1))
            if cell.reset_after:
                n = [float(np.tanh(given(2, u) + r[u] * back(2, u, hidden))) for u in range(UNITS)]
            else:
                reset = [r[u] * hidden[u] for u in range(UNITS)]
                n = [float(np.tanh(given(2, u) + back(2, u, reset))) for u in range(UNITS)]
            hidden = [z[u] * hidden[u] + (1 - z[u]) * n[u] for u in range(UNITS)]
            made = {UPDATE_GATE: z, RESET_GATE: r, CANDIDATE: n}
        else:
            hidden = [float(np.tanh(given(0, u) + back(0, u, hidden))) for u in range(UNITS)]
            made = {CANDIDATE: hidden}
        states.append(hidden)
        for name, values in made.items():
            seen[name].append(values)
    turn = -1 if cell.backwards else 1
    return states[::turn], {name: values[::turn] for name, values in seen.items()}


@pytest.mark.parametrize("name", [name for name in CELLS if "hard" not in name])
def test_states_and_gates_are_those_of_the_slow_twin(name: str) -> None:
    cell, x = CELLS[name], np.random.default_rng(9).normal(size=(SAMPLES, STEPS, INPUTS))
    made = replay(cell, x)
    for row in range(SAMPLES):
        states, gates = twin(cell, x[row])
        np.testing.assert_allclose(made.hidden[row], states, rtol=1e-12)
        for gate, values in gates.items():
            np.testing.assert_allclose(made.gates[gate][row], values, rtol=1e-12)


def score(cell: Cell, x: np.ndarray, mask: np.ndarray | None, weights: np.ndarray, ends: tuple[np.ndarray, ...], nudged: tuple[int, int, np.ndarray]) -> float:
    """Σ weights · h_t + Σ ends · last states, where a state after one step is moved: 0 the hidden state, 1 the cell state."""
    which, at, change = nudged
    order = range(STEPS - 1, -1, -1) if cell.backwards else range(STEPS)
    states = tuple(np.zeros((SAMPLES, UNITS)) for _ in range(1 + (cell.kind == LSTM)))
    total = 0.0
    for t in order:
        one = replay(replace(cell, backwards=False), x[:, t : t + 1], states, None if mask is None else mask[:, t : t + 1])
        states = (one.hidden[:, 0],) if one.cell is None else (one.hidden[:, 0], one.cell[:, 0])
        if t == at:
            states = tuple(state + change if k == which else state for k, state in enumerate(states))
        total += float((weights[:, t] * states[0]).sum())
    return total + sum(float((end * state).sum()) for end, state in zip(ends, states, strict=False))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_to_the_states_are_finite_differences(name: str, masked: bool) -> None:
    cell, draw = CELLS[name], np.random.default_rng(3)
    x, weights = draw.normal(size=(SAMPLES, STEPS, INPUTS)), draw.normal(size=(SAMPLES, STEPS, UNITS))
    mask = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool) if masked else None
    ends = tuple(draw.normal(size=(SAMPLES, UNITS)) for _ in range(1 + (cell.kind == LSTM)))
    made = replay(cell, x, (), mask)
    back = backpropagate(cell, made, weights, ends)
    for which, found in enumerate([back.hidden] if back.cell is None else [back.hidden, back.cell]):
        for t in range(STEPS):
            for unit in range(UNITS):
                for row in range(SAMPLES):
                    change = np.zeros((SAMPLES, UNITS))
                    change[row, unit] = STEP
                    up, down = (score(cell, x, mask, weights, ends, (which, t, sign * change)) for sign in (1, -1))
                    assert found[row, t, unit] == pytest.approx((up - down) / (2 * STEP), rel=SLOPE, abs=1e-7)
    whole = [score(cell, x + sign * STEP * direction, mask, weights, ends, (0, -1, np.zeros(()))) for sign in (1, -1) for direction in (np.ones_like(x),)]
    assert back.inputs.sum() == pytest.approx((whole[0] - whole[1]) / (2 * STEP), rel=SLOPE)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_finite_differences(name: str) -> None:
    function, slope = ACTIVATIONS[name]
    z = np.array([-4.1, -1.7, -0.3, 0.2, 1.9, 3.6])
    np.testing.assert_allclose(slope(function(z)), (function(z + STEP) - function(z - STEP)) / (2 * STEP), rtol=1e-6, atol=1e-8)


def test_a_masked_step_leaves_the_state_and_has_no_gates() -> None:
    cell, x = CELLS["lstm"], np.random.default_rng(1).normal(size=(1, STEPS, INPUTS))
    mask = np.array([[True, True, False, True, True, True]])
    made = replay(cell, x, (), mask)
    np.testing.assert_array_equal(made.hidden[0, 2], made.hidden[0, 1])
    assert np.isnan(made.gates[FORGET_GATE][0, 2]).all()
    np.testing.assert_allclose(made.hidden[:, mask[0]], replay(cell, x[:, mask[0]]).hidden)


def test_states_to_begin_with_go_on_from_where_a_part_ended() -> None:
    cell, x = CELLS["lstm"], np.random.default_rng(1).normal(size=(SAMPLES, STEPS, INPUTS))
    whole, first = replay(cell, x), replay(cell, x[:, :3])
    assert first.cell is not None
    np.testing.assert_allclose(replay(cell, x[:, 3:], (first.hidden[:, -1], first.cell[:, -1])).hidden, whole.hidden[:, 3:])


def test_horizons_and_time_constants_of_known_decay() -> None:
    back = 3.0 * 0.5 ** np.arange(12)[::-1]
    assert horizon(np.stack([back, np.ones(12), np.zeros(12)]), 0.01)[0] == 7  # 2⁻⁷ is the first below 1 %
    assert np.isinf(horizon(np.ones((1, 4)), 0.01))[0]
    assert np.isnan(horizon(np.zeros((1, 4)), 0.01))[0]
    kept = np.stack([np.full((2, 5), 0.5), np.full((2, 5), 1.0), np.full((2, 5), 0.0)], axis=-1)
    np.testing.assert_allclose(time_constants(kept), [1 / np.log(2), np.inf, 0.0])
