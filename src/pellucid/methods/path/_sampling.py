"""The engine of gradients at random points: antithetic pairs in rounds, per sample until the mean is precise enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Task
from pellucid.core.model import PathRows
from pellucid.core.outcome import Check
from pellucid.maths.statistics import norm_quantile, unbiased_square
from pellucid.methods import _stopping

Array = np.ndarray

PAIRS_A_ROUND = 16
FLOATS_AT_ONCE = 4_000_000
"""Noise held at once, in numbers."""


@dataclass(frozen=True)
class Sampled:
    """Per sample: mean, standard error, relative error, pairs drawn, and how it ended."""

    mean: Array
    error: Array
    estimate: Array
    pairs: Array
    stops: list[Check]


class _Moments:
    """Sums over pairs of a chunk of samples, and what tells how many directions the error has.

    The differences of the means of rounds 2k and 2k+1 are independent of one another; E(d_k · d_{k+1})² = tr((2Σ)²) / pairs², Σ the covariance of a pair.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.first, self.second = np.zeros(shape), np.zeros(shape)
        self.pairs = np.zeros(shape[0], dtype=int)
        self._round, self._difference = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._products, self._count = np.zeros(shape[0]), np.zeros(shape[0], dtype=int)
        self._rounds = np.zeros(shape[0], dtype=int)

    def add(self, active: Array, first: Array, second: Array) -> None:
        """One round: sums of pair means and of their squares."""
        mean = (first / PAIRS_A_ROUND).astype(np.float32)
        self.first[active] += first
        self.second[active] += second
        self.pairs[active] += PAIRS_A_ROUND
        rounds = self._rounds[active[0]]
        if rounds % 2:
            difference = mean - self._round[active]
            if rounds > 2:
                product = (difference * self._difference[active]).reshape(len(active), -1).sum(axis=1, dtype=np.float64)
                self._products[active] += np.square(product)
                self._count[active] += 1
            self._difference[active] = difference
        self._round[active] = mean
        self._rounds[active] += 1

    def mean(self, i: int) -> Array:
        return self.first[i] / self.pairs[i]

    def variance(self, i: int) -> Array:
        """Variance of the mean, per element."""
        pairs = self.pairs[i]
        spread: Array = np.maximum(self.second[i] / pairs - np.square(self.mean(i)), 0)
        return spread / (pairs - 1)

    def estimate(self, i: int) -> float:
        """The 95 % quantile of the relative L2 error of the mean."""
        trace = float(self.variance(i).sum())
        seen = self._products[i] * PAIRS_A_ROUND**2 / 4 / self.pairs[i] ** 2
        square = (seen + trace**2) / (self._count[i] + 1)  # one direction, the most cautious, counts as one observation more
        square = float(np.clip(square, trace**2 / self.pairs[i], trace**2))
        norm = unbiased_square(float(np.square(self.mean(i)).sum()), trace)
        return _stopping.relative(norm_quantile(trace, square, self.pairs[i] - 1), float(np.sqrt(norm)), 0.0)


def noisy_gradients(task: Task, scale: Array) -> Sampled:
    """E ∇f(x + scale · ε), ε standard normal; `scale` broadcasts to the inputs. Every sample meets the same draws."""
    _stopping.require(task.max_evaluations, 4 * PAIRS_A_ROUND, "a standard error from two rounds")
    chunk = max(1, FLOATS_AT_ONCE // (PAIRS_A_ROUND * int(np.prod(task.inputs.shape[1:]))))
    parts = [_chunk(task, scale, slice(start, start + chunk)) for start in range(0, len(task.inputs), chunk)]
    mean, error, estimate, pairs = (np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "error", "estimate", "pairs"))
    return Sampled(mean, error, estimate, pairs, [stop for part in parts for stop in part.stops])


def _chunk(task: Task, scale: Array, samples: slice) -> Sampled:
    inputs, scale = task.inputs[samples], scale[samples]
    target = task.target.take(np.arange(len(task.inputs))[samples])
    generator = np.random.default_rng(task.seed)
    moments = _Moments(inputs.shape)
    active = np.arange(len(inputs))
    ended: list[Check | None] = [None] * len(inputs)
    while len(active):
        noise = generator.standard_normal((PAIRS_A_ROUND, *inputs.shape[1:]), dtype=np.float32)
        moments.add(active, *task.model.path_gradients(_pairs(inputs[active], scale[active], noise), target.take(active)))
        going = []
        for i in active:
            used, estimate = 2 * int(moments.pairs[i]), moments.estimate(int(i))
            if moments.pairs[i] >= _stopping.MIN_PAIRS and estimate <= task.tolerance:
                ended[i] = _stopping.converged(estimate, task.tolerance, used, "gradients")
            elif used + 2 * PAIRS_A_ROUND > task.max_evaluations:
                ended[i] = _stopping.exhausted(estimate, task.tolerance, used, "gradients", 0.5)
            else:
                going.append(i)
        task.progress((samples.start + len(inputs) - len(going)) / len(task.inputs))
        active = np.array(going, dtype=int)
    rows = range(len(inputs))
    return Sampled(
        np.stack([moments.mean(i) for i in rows]),
        np.sqrt(np.stack([moments.variance(i) for i in rows])),
        np.array([moments.estimate(i) for i in rows]),
        moments.pairs,
        [stop for stop in ended if stop is not None],
    )


def _pairs(inputs: Array, scale: Array, noise: Array) -> PathRows:
    """For each sample and draw two rows, at +noise and −noise; their mean is squared for the variance."""
    samples, draws = len(inputs), len(noise)
    starts = np.repeat(inputs, draws, axis=0)
    ends = starts + (scale[:, None] * noise[None]).reshape(starts.shape)
    path = np.repeat(np.arange(samples * draws), 2)
    sign = np.tile([1.0, -1.0], samples * draws)
    return PathRows(starts, ends, path, sign, np.full(len(path), 0.5), (sign < 0).astype(float), path // draws, samples, stencil=(0.5, 0.5), displace=False)
