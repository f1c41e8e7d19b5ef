"""Inputs found by gradient ascent: one loop in NumPy, float64, around a network's own gradients, so that every framework climbs alike.

The loop knows no model: an objective takes inputs with channels last and gives values and gradients. `docs/theory/feature-visualization.md` has what it costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.core.layout import from_last, to_last
from pellucid.core.method import Progress
from pellucid.core.model import Model
from pellucid.maths.climbing import Adam, Plateau
from pellucid.maths.parameterisation import Parameterisation
from pellucid.maths.transformations import Moves

Array = np.ndarray
Objective = Callable[[Array, Array], tuple[Array, Array]]
"""(inputs (n, *grid, channels), their numbers (n,) among all that are climbed) → (values (n,), gradients like the inputs)."""
AGAIN = 8
"""How often a start without a gradient is drawn again, each time louder."""


@dataclass(frozen=True)
class Ascent:
    """Where a climb came to: inputs (n, *grid, channels) and their parameters; the objective at every step (steps, n), NaN after a row's end; the steps that
    each took and why it ended; how often its start was drawn again for want of a gradient; and how much each place was asked to change, (n, *grid)."""

    inputs: Array
    parameters: Array
    history: Array
    steps: Array
    ends: tuple[str, ...]
    redrawn: Array
    importance: Array


def model_objective(model: Model, value: Callable[[Array, Array], tuple[Array, Array]]) -> Objective:
    """An objective of inputs as a model takes them, as one of inputs with channels last in float64."""
    channels, dtype = model.traits.channels, np.float32

    def objective(inputs: Array, rows: Array) -> tuple[Array, Array]:
        values, gradients = value(np.ascontiguousarray(from_last(inputs, channels), dtype=dtype), rows)
        return np.asarray(values, np.float64), to_last(np.asarray(gradients), channels).astype(np.float64)

    return objective


def ascend(
    objective: Objective,
    parameterisation: Parameterisation,
    plateau: Plateau,
    *,
    seeds: Array,
    moves: Moves | None = None,
    seed: int = 0,
    start: Array | None = None,
    rate: float | None = None,
    progress: Progress = lambda share: None,
) -> Ascent:
    """Climb side by side from random starts, one for each of `seeds` (n, k) of whole numbers, or from given parameters `start` (n, ...).

    At each step all inputs go through one random transformation. What has reached its plateau rests, the rest goes on. What has no gradient at its start, such
    as a unit that is silent there, is drawn again, louder.
    """
    generators = [np.random.default_rng([seed, *map(int, row)]) for row in seeds]
    parameters = parameterisation.starts(generators) if start is None else np.array(start, np.float64)
    shaken, moves, grid = np.random.default_rng(seed), moves or Moves(), parameterisation.grid
    adam, rows = Adam(parameterisation.rate if rate is None else rate), np.arange(len(parameters))
    history = np.full((plateau.budget, len(rows)), np.nan)
    redrawn, steps, ends = np.zeros(len(rows), int), np.zeros(len(rows), int), [""] * len(rows)
    importance = np.zeros((len(rows), *grid))
    for step in range(plateau.budget):
        inputs = parameterisation.made_of(parameters[rows])
        move = moves.draw(shaken, grid)
        history[step, rows], gradients = objective(move(inputs), rows)
        gradients = move.transpose(gradients)
        importance[rows] += np.abs(gradients).mean(axis=-1)
        parameters[rows] = adam.step(parameters[rows], parameterisation.transpose(parameters[rows], inputs, gradients))
        flat = ~gradients.reshape(len(rows), -1).any(axis=1)
        for row in rows[flat & (redrawn[rows] < AGAIN)] if start is None else ():
            redrawn[row] += 1
            parameters[row] = parameterisation.start(generators[row], 0.1 * 1.5 ** redrawn[row])
        why = plateau.ended(history[: step + 1, rows])
        steps[rows] = step + 1
        for row, reason in zip(rows, why, strict=True):
            ends[row] = reason
        going = np.array([not reason for reason in why])
        progress(float(np.mean([1.0 if end else (step + 1) / plateau.budget for end in ends])))
        if not going.all():
            adam.keep(going)
            rows = rows[going]
        if not len(rows):
            break
    return Ascent(parameterisation.made_of(parameters), parameters, history[: int(steps.max(initial=0))], steps, tuple(ends), redrawn, importance)
