"""The engine of mean integrals over many straight paths: two independent points in each cell of each path, in rounds of ever finer cells.

Half the difference of a cell's two points tells the variance of their mean without any assumption on the network, and cells leave an error that falls like
one over their number where independent points leave one over its root. A round divides every path of a sample, so that the spread between paths is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Task
from pellucid.core.model import PathRows
from pellucid.core.outcome import Check
from pellucid.maths.statistics import norm_quantile, unbiased_square
from pellucid.methods import _stopping

Array = np.ndarray

POINTS = 2
"""Independent points a cell."""
PROBES = 6
"""Cells a round whose points come home one by one, to tell how many directions the error has."""
BETWEEN = 1 / 16
"""Differences between neighbouring cells count this much, those within a cell 1/4 less what makes up for it. A jump of size Δ, anywhere in a cell of width h,
leaves a variance of h²Δ²/12 and shows in one time of three within its cell, else between cells; any split of weights that gives it h²Δ²/12 on average will
do. All within is right for every integrand, but jumps are then seen too seldom for intervals to cover where they are few; as much as can be between
makes a rough integrand seem too precise. With 1/16 the deviation of a rough one is understated by 13 %, that of a smooth one overstated by 15 %."""
INDEPENDENT = 0.5
"""Degrees of freedom a cell: jumps of the gradient lie in some of the cells only."""
MOST_FINER = 3.0
"""How much finer all rounds together may become by one more."""
PLAN = 1.05
"""A little more than predicted: a round too few costs more than a point too many."""
FLOATS_AT_ONCE = 1_000_000
"""Numbers of the ends of the paths that are held at once."""
MOST_STATE = 200_000
"""Numbers a sample up to which the sums are kept for going on."""


@dataclass(frozen=True)
class Stratified:
    """Per sample: mean, standard error, degrees of freedom, relative error, gradients taken, how it ended, and the sums to go on from."""

    mean: Array
    error: Array
    degrees: Array
    estimate: Array
    gradients: Array
    stops: list[Check]
    state: Mapping[str, Array]


class _Rounds:
    """Sums over rounds; rows are samples. A round of m cells a path weighs m², as its variance falls like 1/m²: `weight` is Σ m², `cells` Σ m; `first` and
    `second` are the weighted sums of the rounds' means and of their variances; `shares`/`seen` is the mean squared cosine between the errors of two
    cells, by their size, which tells tr(Σ²)/tr(Σ)² of the mean's covariance Σ."""

    def __init__(self, shape: tuple[int, ...], paths: int, state: Mapping[str, Array]) -> None:
        self.paths = paths
        self.held = {name: np.zeros(shape) for name in ("first", "second")} | {name: np.zeros(shape[0]) for name in ("shares", "seen")}
        self.held |= {name: np.zeros(shape[0], np.int64) for name in ("weight", "cells", "rounds")}
        for name, array in state.items():
            self.held[name][...] = array

    def add(self, i: int, cells: int, mean: Array, variance: Array, probes: Array) -> None:
        """One round of sample i; `probes` (probes, *shape) are half differences of a cell's points."""
        held, weight = self.held, cells**2
        held["first"][i] += weight * mean
        held["second"][i] += weight**2 * variance
        flat = probes.reshape(len(probes), -1)
        sizes = np.square(flat).sum(axis=1)
        pairs = sizes.sum() ** 2 - np.square(sizes).sum()
        if pairs > 0:
            count = sizes.sum() ** 2 / np.square(sizes).sum() - 1  # probes that carry the error, beyond the first
            products = np.square(flat @ flat.T)
            held["shares"][i] += count * (products.sum() - np.trace(products)) / pairs
            held["seen"][i] += count
        held["weight"][i] += weight
        held["cells"][i] += cells
        held["rounds"][i] += 1

    def mean(self, i: int) -> Array:
        mean: Array = self.held["first"][i] / self.held["weight"][i]
        return mean

    def variance(self, i: int) -> Array:
        variance: Array = self.held["second"][i] / float(self.held["weight"][i]) ** 2
        return variance

    def degrees(self, i: int) -> float:
        return max(INDEPENDENT * self.paths * int(self.held["cells"][i]), 1.0)

    def estimate(self, i: int) -> float:
        """The 95 % quantile of the relative L2 error of the mean."""
        if not self.held["rounds"][i]:
            return float("inf")
        trace = float(self.variance(i).sum())
        share = (self.held["shares"][i] + 1) / (self.held["seen"][i] + 1)  # one direction, the most cautious, counts as one observation more
        square = trace**2 * float(np.clip(share, 1 / self.degrees(i), 1))
        norm = unbiased_square(float(np.square(self.mean(i)).sum()), trace)
        return _stopping.relative(norm_quantile(trace, square, self.degrees(i)), float(np.sqrt(norm)), 0.0)

    def next(self, i: int, estimate: float, task: Task) -> int:
        """Cells a path of the next round; 0 where the budget allows none."""
        affordable = task.max_evaluations // (POINTS * self.paths) - int(self.held["cells"][i])
        if not self.held["rounds"][i]:
            return min(-(-_stopping.MIN_PAIRS // self.paths), affordable)
        finer = min(PLAN * estimate / task.tolerance, MOST_FINER) if task.tolerance > 0 else MOST_FINER
        wish = np.ceil(np.sqrt(float(self.held["weight"][i]) * (finer**2 - 1)))
        return int(min(max(wish, 1), affordable))


def integrate(task: Task, starts: Array) -> Stratified:
    """The mean over `starts` (paths, *shape) of the integrals of gradient × displacement from there to each input."""
    least = POINTS * len(starts) * -(-_stopping.MIN_PAIRS // len(starts))
    _stopping.require(task.max_evaluations, least, f"two points in each of the cells of {len(starts)} paths")
    samples, inputs = range(len(task.inputs)), task.inputs
    run = _Rounds(inputs.shape, len(starts), task.state)
    stops: dict[int, Check] = {}
    active = list(samples)
    while active:
        cells = {}
        for i in active:
            estimate, used = run.estimate(i), POINTS * len(starts) * int(run.held["cells"][i])
            if used >= least and estimate <= task.tolerance:
                stops[i] = _stopping.converged(estimate, task.tolerance, used, "gradients")
            elif (count := run.next(i, estimate, task)) > 0:
                cells[i] = count
            else:
                stops[i] = _stopping.exhausted(estimate, task.tolerance, used, "gradients", 1)
        active = list(cells)
        task.progress(len(stops) / len(inputs))
        for i, mean, variance, probes in _take(task, starts, cells, run.held["rounds"]):
            run.add(i, cells[i], mean, variance, probes)
    kept = run.held if 2 * inputs[0].size <= MOST_STATE else {}
    return Stratified(
        np.stack([run.mean(i) for i in samples]),
        np.sqrt(np.stack([run.variance(i) for i in samples])),
        np.array([run.degrees(i) for i in samples]),
        np.array([run.estimate(i) for i in samples]),
        POINTS * len(starts) * run.held["cells"],
        [stops[i] for i in samples],
        kept,
    )


def _squares(cells: int) -> Array:
    """The factor of each point's squared difference from the point before it in the variance of the sum over a path's cells."""
    squares = np.full((cells, POINTS), BETWEEN)
    squares[:, 1] = 1 / 4 - 2 * BETWEEN * (1 - 1 / cells)
    squares[0, 0] = 0.0
    return squares.ravel()


@dataclass(frozen=True)
class _Piece:
    """Some paths of one sample's round: which, `positions` (paths, cells, points), and the group of every point; `first` are the groups of probes."""

    sample: int
    paths: slice
    positions: Array
    count: int
    group: Array
    first: Array

    @property
    def groups(self) -> int:
        return int(self.group[-1]) + 1


def _pieces(task: Task, paths: int, i: int, number: int, cells: int) -> Iterator[_Piece]:
    """One round of sample i, in pieces whose paths can be held. A probe's two points have groups of their own, what lies between probes has one."""
    drawn = np.sort(np.random.default_rng((task.seed, number, cells)).random((paths, cells, POINTS)))
    positions = (np.arange(cells)[:, None] + drawn) / cells
    probes = np.unique((np.arange(PROBES) + 0.5) * paths * cells // PROBES).astype(int)
    step = max(1, FLOATS_AT_ONCE // task.inputs[0].size)
    for begin in range(0, paths, step):
        some = slice(begin, min(begin + step, paths))
        numbers = np.arange(some.start * cells, some.stop * cells)
        probed = np.isin(numbers, probes)
        group = (POINTS + 1) * np.searchsorted(probes, numbers)[:, None] + probed[:, None] * np.arange(1, POINTS + 1)
        group = group - group[0, 0]
        yield _Piece(i, some, positions[some], paths * cells, group.ravel(), group[probed, 0])


def _take(task: Task, starts: Array, cells: Mapping[int, int], numbers: Array) -> Iterator[tuple[int, Array, Array, Array]]:
    """A round of each sample in `cells`: its mean, the variance of the mean, and its probes' half differences."""
    shape, most = task.inputs.shape[1:], max(1, FLOATS_AT_ONCE // task.inputs[0].size)
    found: dict[int, tuple[Array, Array, list[Array]]] = {i: (np.zeros(shape), np.zeros(shape), []) for i in cells}
    waiting: list[_Piece] = []
    for i in cells:
        for piece in _pieces(task, len(starts), i, int(numbers[i]), cells[i]):
            if sum(len(one.positions) for one in waiting) + len(piece.positions) > most and waiting:
                _run(task, starts, waiting, found)
                waiting = []
            waiting.append(piece)
    if waiting:
        _run(task, starts, waiting, found)
    for i, (mean, variance, probes) in found.items():
        yield i, mean, variance, np.array(probes)


def _run(task: Task, starts: Array, pieces: list[_Piece], found: dict[int, tuple[Array, Array, list[Array]]]) -> None:
    """The pieces' gradients in one go."""
    offsets = np.cumsum([0, *(piece.groups for piece in pieces)])
    lengths = [len(piece.positions) for piece in pieces]
    points = [piece.positions[0].size for piece in pieces]
    sample = np.repeat([piece.sample for piece in pieces], [piece.groups for piece in pieces])
    rows = PathRows(
        np.concatenate([starts[piece.paths] for piece in pieces]),
        np.repeat(task.inputs[[piece.sample for piece in pieces]], lengths, axis=0),
        np.repeat(np.arange(sum(lengths)), np.repeat(points, lengths)),
        np.concatenate([piece.positions.ravel() for piece in pieces]),
        np.concatenate([np.full(piece.positions.size, 1 / (POINTS * piece.count)) for piece in pieces]),
        np.concatenate([np.tile(_squares(piece.positions.shape[1]) / piece.count**2, len(piece.positions)) for piece in pieces]),
        np.concatenate([piece.group + offset for piece, offset in zip(pieces, offsets, strict=False)]),
        int(offsets[-1]),
        stencil=(1.0, -1.0),
    )
    first, second = task.model.path_gradients(rows, task.target.take(sample))
    for piece, offset in zip(pieces, offsets, strict=False):
        mean, variance, probes = found[piece.sample]
        own = slice(offset, offset + piece.groups)
        mean += first[own].sum(axis=0)
        variance += second[own].sum(axis=0)
        probes.extend(piece.count * (first[g] - first[g + 1]) for g in offset + piece.first)
