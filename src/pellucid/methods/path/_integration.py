"""The engine of straight paths: gradients summed along them by a rule that is refined, sample by sample, until its error is small enough.

The error estimate is a model of what makes it: a ReLU network's gradient along a path is piecewise constant with jumps, a jump between two
nodes a distance h apart lies anywhere between them, and leaves an error of variance h²/12 times its square. Squared differences of neighbouring
gradients, summed on the device, so give each feature's variance; `docs/theory/integrated-gradients-error.md` shows how well.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Task
from pellucid.core.model import PathRows
from pellucid.core.outcome import Check
from pellucid.maths.quadrature import RULES, cosine_positions, jump_weights
from pellucid.methods import _stopping

Array = np.ndarray

FIRST_NODES = 4
"""Nodes of the nested rule are first 4, then 8, then multiples of what they were."""
LEAST_NODES = 8
"""No stop before the second level: an error estimate needs a few differences."""
MOST_REFINED = 4
"""The largest factor of one refinement; smaller ones are chosen where the error, which falls like 1/nodes, is predicted to meet the tolerance."""
PLAN = 1.05
"""Refine a little further than predicted: a refinement too few costs more than a node too many."""
MEAN_OF_NORMAL = 0.798
"""E|N(0, 1)|: turns standard deviations into expected absolute errors."""
QUANTILE = 1.32
"""The 95 % quantile of the summed absolute error over its expectation, calibrated on trained networks with hundreds of input elements; the least allowed."""
CHI = 1.35
"""For sums over few elements. The 95 % quantile of χ with n degrees of freedom over its mean is 1 + 1.163/√(n − ½); elements that share
their jumps are fewer than they seem, and 1.35 is calibrated on exact ReLU networks of 8 inputs."""
SMALL_SAMPLE = 6.0
"""Few differences estimate the variance poorly: the quantile is widened by 1 + 6/degrees²."""
SMOOTH = 0.3
"""Jumps let successive changes fall by one over the factor of refinement; where they fall by less than this over the factor, the integrand is smooth."""
INDEPENDENT = 0.6
"""Degrees of freedom per difference: one jump shows in few of them, so that they tell less than as many independent numbers."""
ROUNDING = 3e-7
"""Float32 rounding of a summed gradient, relative to the largest value."""
FLOATS_AT_ONCE = 1_000_000
"""Samples whose sums are held at once: as many as keep each array of sums at this size."""


@dataclass(frozen=True)
class Integral:
    """Per sample of a chunk: values, standard deviation of the error, degrees of freedom, relative L1 error, nodes used, and how it ended."""

    values: Array
    error: Array
    degrees: Array
    estimate: Array
    nodes: Array
    stops: list[Check]


class _State:
    """Running sums of one chunk; rows are samples. `nodes` is the size of each sample's rule, `factor` how much the last refinement multiplied it,
    `before` the one before that; a change shows the error of the rule before it."""

    def __init__(self, shape: tuple[int, ...], span: Array) -> None:
        count = shape[0]
        self.span = span
        self.sums, self.variance = np.zeros(shape), np.zeros(shape)
        self.values, self.error = np.zeros(shape), np.zeros(shape)
        self.degrees, self.change = np.zeros(count), np.full(count, np.nan)
        self.estimate, self.predicted = np.full(count, np.inf), np.full(count, np.inf)
        self.nodes, self.factor = np.full(count, FIRST_NODES), np.ones(count, dtype=int)
        self.before = np.ones(count, dtype=int)

    def refine(self, active: Array, sums: Array, roughness: Array) -> None:
        """Take in the new nodes of the active samples."""
        before, column = self.values[active], (-1,) + (1,) * (self.values.ndim - 1)
        self.sums[active] += sums
        total = 0.5 / np.tan(np.pi / (4 * self.nodes[active]))  # Σ sin φ, the last halved
        self.values[active] = self.sums[active] / total.reshape(column)
        held, fresh = self.degrees[active], np.array([len(_new(c, f)) - 1 for c, f in zip(self.nodes[active], self.factor[active], strict=True)])
        old = (held / self.factor[active] ** 2 / (held + fresh)).reshape(column)
        self.variance[active] = self.variance[active] * old + roughness * (fresh / (held + fresh)).reshape(column)
        self.degrees[active] = held + fresh
        self._estimate(active, before)

    def _estimate(self, active: Array, before: Array) -> None:
        axes = tuple(range(1, self.values.ndim))
        values, factor = self.values[active], self.factor[active]
        norm = np.maximum(np.abs(values).sum(axes), _stopping.TINY)
        error = np.sqrt(self.variance[active])
        jump = MEAN_OF_NORMAL * error.sum(axes) / norm
        gap = np.abs(values.sum(axes) - self.span[active]) / norm
        change = np.where(factor > 1, np.abs(values - before).sum(axes) / norm, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            smooth = change / self.change[active] < SMOOTH / self.before[active]
            tail = change / (factor**2 - 1.0)  # what is left where the error falls with the square of the cells
        estimate = np.where(smooth, np.minimum(jump, np.maximum(tail, 2 * gap)), jump)
        shrink = np.divide(estimate, jump, out=np.ones_like(jump), where=jump > 0)
        largest = np.abs(values).max(axis=axes, keepdims=True)
        self.error[active] = np.hypot(error * shrink.reshape(-1, *(1,) * len(axes)), ROUNDING * largest)
        quantile = _quantile(error)
        self.predicted[active] = quantile * estimate
        self.estimate[active] = np.maximum(self.predicted[active] * (1 + SMALL_SAMPLE / self.degrees[active] ** 2), gap)
        self.change[active], self.before[active] = change, factor

    def plan(self, i: int, tolerance: float, budget: int) -> int:
        """The factor of the next refinement of sample i; 0 where the budget allows none."""
        if self.nodes[i] == FIRST_NODES:
            return 2
        wish = PLAN * self.predicted[i] / tolerance if tolerance > 0 else MOST_REFINED
        return next((f for f in range(int(np.clip(np.ceil(wish), 2, MOST_REFINED)), 1, -1) if f * self.nodes[i] <= budget), 0)


def _quantile(error: Array) -> Array:
    """Per sample: the 95 % quantile of the summed absolute error over its expectation. It spreads the more, the fewer elements carry the error."""
    flat = error.reshape(len(error), -1)
    squares = np.square(flat).sum(axis=1)
    carriers = np.divide(np.square(flat.sum(axis=1)), squares, out=np.ones(len(flat)), where=squares > 0)
    return np.maximum(QUANTILE, 1 + CHI / np.sqrt(carriers - 0.5))


def integrate(task: Task, baseline: Array, span: Array, samples: slice, budget: int) -> Integral:
    """Integrated gradients of a chunk of samples by the nested rule, each refined until its estimate is within `task.tolerance`.

    `span` is f(x) − f(baseline), (samples,): the values must add up to it, and their gap is a lower bound of their L1 error.
    """
    ends = task.inputs[samples]
    starts = np.broadcast_to(baseline if len(baseline) == 1 else baseline[samples], ends.shape)
    target = task.target.take(np.arange(len(task.inputs))[samples])
    state = _State(ends.shape, span[samples])
    active = np.arange(len(ends))
    stops: dict[int, Check] = {}
    while len(active):
        rows = _rows(starts[active], ends[active], state.nodes[active], state.factor[active])
        state.refine(active, *task.model.path_gradients(rows, target.take(active)))
        for i in active.tolist():
            estimate, nodes = float(state.estimate[i]), int(state.nodes[i])
            if not np.any(ends[i] != starts[i]):
                stops[i] = _stopping.nothing("the input equals its baseline")
                continue
            if nodes >= LEAST_NODES and estimate <= task.tolerance:
                stops[i] = _stopping.converged(estimate, task.tolerance, nodes, "gradients")
                continue
            factor = state.plan(i, task.tolerance, budget)
            if factor:
                state.factor[i], state.nodes[i] = factor, factor * state.nodes[i]
            else:
                stops[i] = _stopping.exhausted(estimate, task.tolerance, nodes, "gradients", 1)
        active = np.array([i for i in active if i not in stops], dtype=int)
    return Integral(state.values, state.error, INDEPENDENT * state.degrees, state.estimate, state.nodes, [stops[i] for i in range(len(ends))])


def integrate_fixed(task: Task, baseline: Array, samples: slice, rule: str, steps: int) -> Integral:
    """The same by one rule of a chosen number of nodes."""
    ends = task.inputs[samples]
    starts = np.broadcast_to(baseline if len(baseline) == 1 else baseline[samples], ends.shape)
    target = task.target.take(np.arange(len(task.inputs))[samples])
    nodes, weights = RULES[rule](steps)
    rows = _path_rows(starts, ends, nodes, weights, jump_weights(nodes))
    values, variance = task.model.path_gradients(rows, target)
    axes = tuple(range(1, values.ndim))
    error = np.hypot(np.sqrt(variance), ROUNDING * np.abs(values).max(axis=axes, keepdims=True))
    norm = np.maximum(np.abs(values).sum(axes), _stopping.TINY)
    estimate = _quantile(np.sqrt(variance)) * MEAN_OF_NORMAL * np.sqrt(variance).sum(axes) / norm
    count = len(ends)
    stops = [_stopping.fixed(float(one), steps, "gradients") for one in estimate]
    return Integral(values, error, np.full(count, INDEPENDENT * max(steps - 1, 1)), estimate, np.full(count, steps), stops)


def _new(nodes: int, factor: int) -> Array:
    """Numbers k of the nodes at kπ/2n that a refinement by `factor` to n = `nodes` adds."""
    every = np.arange(1, nodes + 1)
    return every if factor == 1 else every[every % factor != 0]


def _rows(starts: Array, ends: Array, nodes: Array, factors: Array) -> PathRows:
    """The new nodes of each path. Weights are sin φ, not yet divided by their sum."""
    parts = [_level(int(n), int(f)) for n, f in zip(nodes, factors, strict=True)]
    position, weight, square = (np.concatenate([part[k] for part in parts]) for k in range(3))
    path = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    return PathRows(starts, ends, path, position, weight, square, group=path, groups=len(parts), stencil=(1.0, -1.0))


@functools.lru_cache(maxsize=256)
def _level(nodes: int, factor: int) -> tuple[Array, Array, Array]:
    """Positions, weights and difference weights of the nodes that a refinement adds."""
    numbers = _new(nodes, factor)
    angles = numbers * np.pi / (2 * nodes)
    weights = np.where(numbers == nodes, 0.5, 1.0) * np.sin(angles)
    positions = cosine_positions(angles)
    return positions, weights, jump_weights(positions, np.diff(numbers, prepend=numbers[0] - 1))


def _path_rows(starts: Array, ends: Array, nodes: Array, weights: Array, squares: Array) -> PathRows:
    paths, count = len(ends), len(nodes)
    path = np.repeat(np.arange(paths), count)
    position, weight, square = (np.tile(array, paths) for array in (nodes, weights, squares))
    return PathRows(starts, ends, path, position, weight, square, group=path, groups=paths, stencil=(1.0, -1.0))


def chunks(task: Task) -> list[slice]:
    """Slices of the samples whose sums are held at once."""
    size = max(1, FLOATS_AT_ONCE // int(np.prod(task.inputs.shape[1:])))
    return [slice(start, start + size) for start in range(0, len(task.inputs), size)]
