"""The engine of straight paths: gradients summed along them by a rule that is refined, sample by sample, until its error is small enough.

The error estimate is a model of what makes it: a ReLU network's gradient along a path is piecewise constant with jumps, a jump between two
nodes a distance h apart lies anywhere between them, and leaves an error of variance h²/12 times its square. Squared differences of neighbouring
gradients, summed on the device, so give each feature's variance; `docs/theory/integrated-gradients-error.md` shows how well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Task
from pellucid.core.model import PathRows
from pellucid.core.outcome import Check
from pellucid.maths.quadrature import RULES, jump_weights, sine_angles, sine_rule
from pellucid.methods import _stopping

Array = np.ndarray

LADDER = (3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047)
"""Nodes of the nested rule, level by level."""
MEAN_OF_NORMAL = 0.798
"""E|N(0, 1)|: turns standard deviations into expected absolute errors."""
QUANTILE = 1.15
"""The 95 % quantile of the summed absolute error over its expectation, calibrated on trained networks with hundreds of input elements; the least allowed."""
CHI = 1.163
"""1.645/√2: the 95 % quantile of χ with n degrees of freedom over its mean is 1 + 1.163/√(n − ½), for sums over few elements."""
SMALL_SAMPLE = 3.0
"""Few differences estimate the variance poorly: the quantile is widened by 1 + 3/degrees²."""
SMOOTH = 0.15
"""Below this ratio of successive changes the integrand is smooth; jumps would halve the change."""
TAIL = 1 / 3
"""What is left after the last change where a smooth integrand's error falls fourfold from level to level: 1/4 + 1/16 + ..."""
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
    """Running sums of one chunk; rows are samples."""

    def __init__(self, shape: tuple[int, ...], span: Array) -> None:
        count = shape[0]
        self.span = span
        self.sums, self.variance = np.zeros(shape), np.zeros(shape)
        self.values, self.error = np.zeros(shape), np.zeros(shape)
        self.degrees, self.change = np.zeros(count), np.full(count, np.nan)
        self.estimate, self.nodes = np.full(count, np.inf), np.zeros(count, dtype=int)

    def refine(self, active: Array, level: int, sums: Array, roughness: Array) -> None:
        """Take in the new nodes of a level for the active samples."""
        nodes = LADDER[level]
        new = nodes if level == 0 else (nodes + 1) // 2
        before = self.values[active]
        self.sums[active] += sums
        self.values[active] = self.sums[active] / np.sin(sine_angles(nodes)).sum()
        held, fresh = self.degrees[active[0]], new - 1
        self.variance[active] = (self.variance[active] / 4 * held + roughness * fresh) / (held + fresh)
        self.degrees[active] = held + fresh
        self.nodes[active] = nodes
        self._estimate(active, before, level)

    def _estimate(self, active: Array, before: Array, level: int) -> None:
        axes = tuple(range(1, self.values.ndim))
        values = self.values[active]
        norm = np.maximum(np.abs(values).sum(axes), _stopping.TINY)
        error = np.sqrt(self.variance[active])
        jump = MEAN_OF_NORMAL * error.sum(axes) / norm
        gap = np.abs(values.sum(axes) - self.span[active]) / norm
        change = np.abs(values - before).sum(axes) / norm if level else np.full(len(active), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = change / self.change[active]
        estimate = np.where(ratio < SMOOTH, np.minimum(jump, np.maximum(TAIL * change, 2 * gap)), jump)
        shrink = np.divide(estimate, jump, out=np.ones_like(jump), where=jump > 0)
        largest = np.abs(values).max(axis=axes, keepdims=True)
        self.error[active] = np.hypot(error * shrink.reshape(-1, *(1,) * len(axes)), ROUNDING * largest)
        widened = _quantile(error) * (1 + SMALL_SAMPLE / self.degrees[active] ** 2)
        self.estimate[active] = np.maximum(widened * estimate, gap)
        self.change[active] = change


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
    stops: list[Check | None] = [None] * len(ends)
    for level, nodes in enumerate(LADDER):
        rows = _rows(starts[active], ends[active], level)
        sums, roughness = task.model.path_gradients(rows, target.take(active))
        state.refine(active, level, sums, roughness)
        following = LADDER[level + 1] if level + 1 < len(LADDER) else budget + 1
        going = []
        for i in active:
            estimate = float(state.estimate[i])
            if level > 0 and estimate <= task.tolerance:
                stops[i] = _stopping.converged(estimate, task.tolerance, nodes, "gradients")
            elif following > budget:
                stops[i] = _stopping.exhausted(estimate, task.tolerance, nodes, "gradients", 1)
            else:
                going.append(i)
        active = np.array(going, dtype=int)
        if not len(active):
            break
    return Integral(state.values, state.error, state.degrees, state.estimate, state.nodes, [stop for stop in stops if stop is not None])


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
    return Integral(values, error, np.full(count, max(steps - 1, 1)), estimate, np.full(count, steps), stops)


def _rows(starts: Array, ends: Array, level: int) -> PathRows:
    """The nodes that a level adds: all of the first, every second of the others. Weights are sin θ, not yet divided by their sum."""
    every = slice(None) if level == 0 else slice(None, None, 2)
    nodes = sine_rule(LADDER[level])[0][every]
    return _path_rows(starts, ends, nodes, np.sin(sine_angles(LADDER[level]))[every], jump_weights(nodes, 1 if level == 0 else 2))


def _path_rows(starts: Array, ends: Array, nodes: Array, weights: Array, squares: Array) -> PathRows:
    paths, count = len(ends), len(nodes)
    path = np.repeat(np.arange(paths), count)
    position, weight, square = (np.tile(array, paths) for array in (nodes, weights, squares))
    return PathRows(starts, ends, path, position, weight, square, group=path, groups=paths, stencil=(1.0, -1.0))


def chunks(task: Task) -> list[slice]:
    """Slices of the samples whose sums are held at once."""
    size = max(1, FLOATS_AT_ONCE // int(np.prod(task.inputs.shape[1:])))
    return [slice(start, start + size) for start in range(0, len(task.inputs), size)]
