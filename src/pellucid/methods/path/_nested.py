"""The engine of integrals along paths: a nested rule, refined sample by sample until its error is small enough.

The error estimate is a model of what makes it: a ReLU network's gradient along a path is piecewise constant with jumps, a jump between two
nodes a distance h apart lies anywhere between them, and leaves an error of variance h²/12 times its square. Squared differences of neighbouring
gradients, summed on the device, so give each feature's variance; `docs/theory/integrated-gradients-error.md` shows how well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Task
from pellucid.core.outcome import Check
from pellucid.maths.quadrature import cosine_positions, cosine_total, jump_weights
from pellucid.methods import _stopping

Array = np.ndarray
Moments = Callable[[Array, Array, Array], tuple[Array, Array]]
"""(samples, their nodes, the factors of their last refinements) → for the new nodes, Σ weight × integrand and Σ square × (difference of neighbours)²,
each (samples, *shape); weights, squares and places of the nodes are those of `level`."""

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
SPREAD, SHARED = 0.97, 0.25
"""The 95 % quantile of the summed absolute error over its expectation is 1 + 0.97/n^¼ where n elements carry the error: they share their jumps, so that
more of them help less than independent ones would. Calibrated on trained networks with 5 to 2,000 such elements."""
CHI = 1.35
"""For sums over very few elements. The 95 % quantile of χ with n degrees of freedom over its mean is 1 + 1.163/√(n − ½); 1.35 is calibrated on exact
ReLU networks of 8 inputs."""
SMALL_SAMPLE = 6.0
"""Few differences estimate the variance poorly: the quantile is widened by 1 + 6/degrees²."""
UNSEEN, UNLIKELY = 0.5, 3.0
"""Where a refinement changed the sum by less than half of what the jumps of the rule before would leave, and by less than such a sum of n absolute values
does by chance, 1 − 3/√n, the differences were not jumps; the change itself, which falls at least as they do, then tells the error."""
DENSE, BY_CHANCE = 1.2, 0.5
"""Jumps that lie far apart leave an error that falls like one over the nodes, their differences with it. Where these fall by a power p < 1, jumps lie so dense
that several share a cell and differences do not show them all: the error is about 1 + 1.2 (1 − p) times as large (gradients whose correlation decays
exponentially along the path give 1.06 to 1.4 for p from .94 to .66). Of n elements' differences p is known to about 0.5/√n."""
SMOOTH = 0.3
"""Jumps let successive changes fall by one over the factor of refinement; where they fall by less than this over the factor, the integrand is smooth."""
INDEPENDENT = 0.6
"""Degrees of freedom per difference: one jump shows in few of them, so that they tell less than as many independent numbers."""
ROUNDING = 3e-7
"""Float32 rounding of a summed gradient, relative to the largest value."""
FLOATS_AT_ONCE = 500_000
"""Samples that are worked on at once: as many as keep one of their arrays at this size."""


@dataclass(frozen=True)
class Integral:
    """Per sample: values, standard deviation of the error, degrees of freedom, relative L1 error, nodes used, how it ended, and what it goes on from."""

    values: Array
    error: Array
    degrees: Array
    estimate: Array
    nodes: Array
    stops: list[Check]
    state: Mapping[str, Array]


class _Running:
    """Running sums; rows are samples. `nodes` is the size of each sample's rule, `factor` how much the last refinement multiplied it, `change` and `jump`
    the L1 change it made and the L1 error that jumps would leave, `predicted` and `estimate` the relative error without and with its allowances, `shrink`
    what the network's smoothness takes off the deviations, or its roughness adds."""

    KEPT = ("values", "variance", "degrees", "nodes", "factor", "change", "jump", "predicted", "estimate", "shrink")

    def __init__(self, shape: tuple[int, ...], span: Array, state: Mapping[str, Array]) -> None:
        count = shape[0]
        self.span, self.axes = span, tuple(range(1, len(shape)))
        self.values, self.variance, self.degrees = np.zeros(shape), np.zeros(shape), np.zeros(count)
        self.nodes, self.factor = np.zeros(count, np.int64), np.ones(count, np.int64)
        self.change, self.jump, self.shrink = np.full(count, np.nan), np.full(count, np.nan), np.ones(count)
        self.predicted, self.estimate = np.full(count, np.inf), np.full(count, np.inf)
        for name in state:
            getattr(self, name)[...] = state[name]

    def state(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in self.KEPT}

    def column(self, scalars: Array) -> Array:
        """One number a sample, to go with values."""
        return scalars.reshape(-1, *(1,) * len(self.axes))

    def plan(self, active: Array, tolerance: float, budget: int) -> Array:
        """The factors of the next refinements; 0 where the budget allows none."""
        nodes = self.nodes[active]
        wish = PLAN * self.predicted[active] / tolerance if tolerance > 0 else np.full(len(active), np.inf)
        wish[(wish > MOST_REFINED) | (nodes == FIRST_NODES)] = 2
        factors = np.maximum(np.ceil(wish), 2).astype(np.int64)
        factors = np.minimum(factors, budget // np.maximum(nodes, 1))
        return np.where(nodes == 0, 1, np.where(factors < 2, 0, factors))

    def refine(self, active: Array, factors: Array, moments: Moments) -> None:
        """Take in the new nodes of the active samples."""
        before, old = self.values[active], self.nodes[active]
        nodes = np.where(old == 0, FIRST_NODES, factors * old)
        sums, roughness = moments(active, nodes, factors)
        kept = np.where(old == 0, 0.0, cosine_total(np.maximum(old, 1)) / cosine_total(nodes))
        values = self.values[active] = before * self.column(kept) + sums / self.column(cosine_total(nodes))
        held, fresh = self.degrees[active], np.where(old == 0, nodes, nodes - old) - 1.0
        self.variance[active] = self.variance[active] * self.column(held / factors**2 / (held + fresh)) + roughness * self.column(fresh / (held + fresh))
        self.nodes[active], self.degrees[active] = nodes, held + fresh
        self._judge(active, factors, values, np.abs(values - before).sum(self.axes))

    def _judge(self, active: Array, factors: Array, values: Array, change: Array) -> None:
        """What the new nodes say of the error."""
        deviation = np.sqrt(self.variance[active])
        norm = np.maximum(np.abs(values).sum(self.axes), _stopping.TINY)
        jump = MEAN_OF_NORMAL * deviation.sum(self.axes)
        gap = np.abs(values.sum(self.axes) - self.span[active])
        carriers = _carriers(deviation)
        change = np.where(factors > 1, change, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            told, chance = change / self.jump[active], UNLIKELY / np.sqrt(carriers)
            unseen = told < np.minimum(UNSEEN, 1 - chance)
            smooth = change < np.clip(1 - chance, SMOOTH, UNSEEN) / self.factor[active] * self.change[active]
            tail = change / np.where(smooth, factors**2 - 1.0, factors)
            power = np.where((self.nodes[active] > LEAST_NODES) & (jump > 0), np.log(self.jump[active] / jump) / np.log(factors), 1.0)
            dense = 1 + DENSE * np.clip(1 - power - BY_CHANCE / np.sqrt(carriers), 0.0, 0.5)
        estimate = np.where(unseen | smooth, np.minimum(jump, np.maximum(tail, 2 * gap)), jump * dense)
        self.shrink[active] = np.divide(estimate, jump, out=np.ones_like(jump), where=jump > 0)
        self.predicted[active] = _quantile(carriers) * estimate / norm
        self.estimate[active] = np.maximum(self.predicted[active] * (1 + SMALL_SAMPLE / self.degrees[active] ** 2), gap / norm)
        self.change[active], self.jump[active], self.factor[active] = change, jump, factors

    def error(self) -> Array:
        """One standard deviation of each value's error."""
        found = np.sqrt(self.variance)
        found *= self.column(self.shrink)
        floor = ROUNDING * np.maximum(self.values.max(self.axes), -self.values.min(self.axes))
        return np.hypot(found, self.column(floor), out=found)


def _carriers(deviation: Array) -> Array:
    """Per sample: how many elements carry the error, (Σ σ)²/Σ σ²."""
    flat = deviation.reshape(len(deviation), -1)
    squares = np.einsum("ij,ij->i", flat, flat)
    found: Array = np.divide(np.square(flat.sum(axis=1)), squares, out=np.ones(len(flat)), where=squares > 0)
    return found


def expected_quantile(deviation: Array) -> Array:
    """Per sample: the 95 % quantile of the summed absolute error, from the deviations of its elements."""
    total = deviation.sum(axis=tuple(range(1, deviation.ndim)))
    quantile: Array = _quantile(_carriers(deviation)) * MEAN_OF_NORMAL * total
    return quantile


def _quantile(carriers: Array) -> Array:
    """The 95 % quantile of the summed absolute error over its expectation."""
    return np.maximum(1 + SPREAD / carriers**SHARED, 1 + CHI / np.sqrt(carriers - 0.5))


def integrate(task: Task, span: Array, still: Array, moments: Moments) -> Integral:
    """The integral of each sample by the nested rule, refined until its estimate is within `task.tolerance`.

    `span` (samples,) is what the values must add up to: their gap is a lower bound of their L1 error. `still` samples have a path of length 0.
    """
    run = _Running(task.inputs.shape, span, task.state)
    stops: dict[int, Check] = {}
    for chunk in chunks(task.inputs.shape):
        active = np.arange(len(task.inputs))[chunk]
        while len(active):
            factors = run.plan(active, task.tolerance, task.max_evaluations)
            for i, factor in zip(active.tolist(), factors.tolist(), strict=True):
                stop = _stop(task, run, i, factor, bool(still[i]))
                if stop is not None:
                    stops[i] = stop
            going = np.array([i not in stops for i in active.tolist()], dtype=bool)
            active = active[going]
            if len(active):
                run.refine(active, factors[going], moments)
            task.progress(len(stops) / len(task.inputs))
    ended = [stops[i] for i in range(len(task.inputs))]
    return Integral(run.values, run.error(), INDEPENDENT * run.degrees, run.estimate, run.nodes, ended, run.state())


def _stop(task: Task, run: _Running, i: int, factor: int, still: bool) -> Check | None:
    """How sample i ends, or None to go on."""
    estimate, nodes = float(run.estimate[i]), int(run.nodes[i])
    if still:
        return _stopping.nothing("the input equals its baseline")
    if nodes >= LEAST_NODES and estimate <= task.tolerance:
        return _stopping.converged(estimate, task.tolerance, nodes, "gradients")
    return None if factor else _stopping.exhausted(estimate, task.tolerance, nodes, "gradients", 1)


@functools.lru_cache(maxsize=256)
def level(nodes: int, factor: int) -> tuple[Array, Array, Array]:
    """Positions, weights and squared-difference weights of the nodes that a refinement by `factor` to `nodes` adds, those at kπ/2n with k not a multiple
    of it. Weights are sin φ, not yet divided by their sum, `cosine_total`."""
    every = np.arange(1, nodes + 1)
    numbers = every if factor == 1 else every[every % factor != 0]
    angles = numbers * np.pi / (2 * nodes)
    weights = np.where(numbers == nodes, 0.5, 1.0) * np.sin(angles)
    positions = cosine_positions(angles)
    return positions, weights, jump_weights(positions, np.diff(numbers, prepend=numbers[0] - 1))


def levels(nodes: Array, factors: Array) -> tuple[Array, Array, Array, Array]:
    """The new nodes of many samples one after another: the place of each one's sample, and positions, weights, squares."""
    parts = [level(n, f) for n, f in zip(nodes.tolist(), factors.tolist(), strict=True)]
    position, weight, square = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]), position, weight, square


def chunks(shape: tuple[int, ...]) -> list[slice]:
    """Slices of the samples that are worked on at once."""
    size = max(1, FLOATS_AT_ONCE // int(np.prod(shape[1:])))
    return [slice(start, start + size) for start in range(0, shape[0], size)]
