"""Inputs found by gradient ascent: one loop in NumPy, float64, around a network's own gradients, so that every framework climbs alike.

The loop knows no model: an objective takes inputs with channels last and gives values and gradients. `docs/theory/feature-visualization.md` has what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import ModelError
from pellucid.core.layout import from_last, to_last
from pellucid.core.method import Progress
from pellucid.maths.climbing import BLOCK, BUDGET, LIMIT, Adam, Plateau
from pellucid.maths.parameterisation import Parameterisation
from pellucid.maths.transformations import Moves, Resampling
from pellucid.maths.variation import Limit, contrast_with_gradient, unit, variation_with_gradient

Array = np.ndarray
Objective = Callable[[Array, Array], tuple[Array, Array]]
"""(inputs (n, *grid, channels), their numbers (n,) among all that are climbed) → (values (n,), gradients like the inputs)."""
AGAIN = 8
"""How often a start without a gradient is drawn again, each time louder."""
EVERY = BLOCK
"""At every so many steps it is asked which rows have reached their plateau."""
NOT_YET = 0.95
"""The most of its way that a row which goes on is told to have made."""
WITHIN = 0.02
"""By what share a row may be above a limit when it rests."""


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

    def taken(self, rows: Array) -> Ascent:
        """Some of the climbs, in this order."""
        ends = tuple(self.ends[int(row)] for row in rows)
        found = {name: getattr(self, name)[rows] for name in _BY_ROW}
        return Ascent(history=self.history[:, rows], ends=ends, **found)


_BY_ROW = ("inputs", "parameters", "steps", "redrawn", "importance")


def side_by_side(parts: Sequence[Ascent]) -> Ascent:
    """Climbs that were made one after the other, as one."""
    longest = max(len(part.history) for part in parts)
    histories = [np.pad(part.history, ((0, longest - len(part.history)), (0, 0)), constant_values=np.nan) for part in parts]
    together = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_ROW}
    return Ascent(history=np.concatenate(histories, axis=1), ends=tuple(end for part in parts for end in part.ends), **together)


def within(progress: Progress, begin: float, end: float) -> Progress:
    """What is told how far a part has come, and tells how far the whole has."""
    return lambda share: progress(begin + (end - begin) * share)


def model_objective(value: Callable[[Array, Array], tuple[Array, Array]], channels: str) -> Objective:
    """An objective of inputs as a model takes them, whose channels lie `channels`, as one of inputs with channels last in float64."""

    def objective(inputs: Array, rows: Array) -> tuple[Array, Array]:
        values, gradients = value(np.ascontiguousarray(from_last(inputs, channels), dtype=np.float32), rows)
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
    limit: float | None = None,
    contrast: float | None = None,
    finer: float = 1.0,
    progress: Progress = lambda share: None,
) -> Ascent:
    """Climb side by side from random starts, one for each of `seeds` (n, k) of whole numbers, or from given parameters `start` (n, ...).

    At each step all inputs go through one random transformation. What has reached its plateau rests, the rest goes on. What has no gradient at its start, such
    as a unit that is silent there, is drawn again, louder. `limit` is the greatest total variation, `contrast` the greatest contrast, in shares of the range;
    what is above does not rest. What reaches its plateau goes on from there in steps `finer` times smaller, if they are to be, to the plateau of these.
    """
    generators = [np.random.default_rng([seed, *map(int, row)]) for row in seeds]
    climb = _Climb(parameterisation, parameterisation.starts(generators) if start is None else np.array(start, np.float64), plateau.budget)
    climb.limit_to(limit, contrast)
    climb.finer = finer
    shown = (moves or Moves()).evenly(np.random.default_rng(seed), parameterisation.grid)
    for step in range(plateau.budget):
        silent = climb.one_step(objective, next(shown), step)
        for row in silent[climb.redrawn[silent] < AGAIN] if start is None else ():
            climb.redrawn[row] += 1
            climb.parameters[row] = parameterisation.start(generators[row], 0.1 * 1.5 ** climb.redrawn[row])
        climb.rest(plateau)
        progress(float(np.maximum(climb.near, (step + 1) / plateau.budget).mean()))
        if not len(climb.rows):
            break
    return climb.result()


class _Climb:
    """The state of a climb; `rows` are those that still go on."""

    def __init__(self, made: Parameterisation, parameters: Array, budget: int) -> None:
        self.made, self.parameters, self.rows = made, parameters, np.arange(len(parameters))
        self.adam = Adam(made.rate)
        self.limits: list[Limit] = []
        self.history = np.full((budget, len(parameters)), np.nan)
        self.redrawn, self.steps, self.ends = np.zeros(len(parameters), int), np.zeros(len(parameters), int), [""] * len(parameters)
        self.importance = np.zeros((len(parameters), *made.grid))
        self.finer, self.slower, self.near = 1.0, np.ones(len(parameters)), np.zeros(len(parameters))
        self.above, self.since = np.zeros(len(parameters), bool), np.zeros(len(parameters), int)

    def limit_to(self, variation: float | None, contrast: float | None) -> None:
        """Hold the images to these; what has no grid has no neighbours."""
        reach = self.made.palette.high - self.made.palette.low
        given = ((variation_with_gradient, variation), (contrast_with_gradient, contrast))
        self.limits = [Limit(measure, most, reach) for measure, most in given if most is not None and self.made.grid]

    def one_step(self, objective: Objective, move: Resampling, step: int) -> Array:
        """All rows one step further up; the numbers of those that have no gradient."""
        rows, parameters = self.rows, self.parameters[self.rows]
        inputs = self.made.made_of(parameters)
        self.history[step, rows], gradients = objective(move(inputs), rows)
        if not np.isfinite(gradients.sum()):
            raise ModelError(f"at step {step} the network's gradient is infinite or no number; look at gradient_flow, and at its weights.")
        gradients = move.transpose(gradients)
        self.importance[rows] += np.abs(gradients) @ np.full(gradients.shape[-1], 1 / gradients.shape[-1])
        silent = ~gradients.reshape(len(rows), -1).any(axis=1)
        if self.limits:
            pulls, above = zip(*(limit.pull(inputs) for limit in self.limits), strict=True)
            gradients, excess = unit(gradients) - sum(pulls), np.max(above, axis=0)
            self.since[rows] = np.where((excess > 0) & (self.since[rows] == 0), step - step % EVERY, self.since[rows])
            self.above[rows] = excess > WITHIN
        self.parameters[rows] = self.adam.step(parameters, self.made.transpose(parameters, inputs, gradients), self.slower[rows])
        self.steps[rows] = step + 1
        return rows[silent]

    def rest(self, plateau: Plateau) -> None:
        """Let those rest that have reached their plateau within the limit, as seen since they first met it, or for which no step is left."""
        taken = int(self.steps.max())
        if taken % EVERY and taken < plateau.budget:
            return
        for row in map(int, self.rows):
            (why,), near = plateau.judged(self.history[:taken, [row]], int(self.since[row]))
            part = near[0] if self.finer <= 1 else (near[0] + (self.slower[row] > 1)) / 2
            self.ends[row] = self._end(row, why, taken, taken >= plateau.budget)
            self.near[row] = 1.0 if self.ends[row] else max(self.near[row], NOT_YET * part)
        going = np.array([not self.ends[row] for row in self.rows])
        if not going.all():
            self.adam.keep(going)
            for limit in self.limits:
                limit.keep(going)
            self.rows = self.rows[going]

    def _end(self, row: int, why: str, taken: int, last: bool) -> str:
        """How a row ends for which a plateau has been found, or the budget; "" where it goes on, within a limit or in finer steps."""
        held = self.above[row] and self.importance[row].any()  # what never had a gradient has no image that could be brought below a limit
        if held and last:
            return BUDGET if why == BUDGET else LIMIT
        if held:
            self.since[row] = taken if why and self._brought_within(row) else self.since[row]
            return ""
        if why and not last and self.slower[row] < self.finer:
            self.slower[row], self.since[row], why = self.finer, taken, ""
        return why

    def _brought_within(self, row: int) -> bool:
        """Bring a flat row that is above a limit down to it, all values nearer to their mean: in proportion to that, variation and contrast fall. Left to the
        limit's pull, values far out on the sigmoid hardly move. False where the parameterisation does not make such an image, as fixed amplitudes do not."""
        image = self.made.made_of(self.parameters[[row]])
        mean = image.mean(axis=tuple(range(1, image.ndim - 1)), keepdims=True)
        share = min(float(limit.most / limit.measure(image, limit.reach)[0][0]) for limit in self.limits)
        parameters = self.made.fitted(mean + share * (image - mean))
        nearer = self.made.made_of(parameters)
        within = all(limit.measure(nearer, limit.reach)[0][0] <= limit.most * (1 + WITHIN) for limit in self.limits)
        if within:
            self.parameters[row] = parameters[0]
        return within

    def result(self) -> Ascent:
        taken = int(self.steps.max(initial=0))
        inputs = self.made.made_of(self.parameters)
        return Ascent(inputs, self.parameters, self.history[:taken], self.steps, tuple(self.ends), self.redrawn, self.importance)
