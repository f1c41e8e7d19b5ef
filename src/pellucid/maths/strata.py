"""The mean of a few strata of which some are drawn from often, some rarely and some not at all, with an error that respects the design.

Strata are the rows of a background. Where each has been drawn from, only the spread within them is error; where some have not, what they hold is told from
the others by a regression on what is known of all, and the error of that counts too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

TRUST = 2.0
"""Draws that the noise told from a stratum's size counts for beside its own."""
CAUTION = 5.0
"""Draws that the spread of the regression, which is too large, counts for where hardly any stratum has been drawn from twice."""
OFTEN, WEAK = 8, 4.0
"""Draws from a stratum from which on it has a regression of its own, and draws of which the spread is added, so that few make a weak one."""
UNSURE = 2.0
"""A coefficient common to all strata is taken in so far as its square is more than so many times its variance."""
ENOUGH = 30
"""Degrees of freedom within strata from which on the regression has no say in the noise."""
TINY = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean over strata (features,), its covariance (features, features), and the degrees of freedom behind that."""

    mean: Array
    covariance: Array
    degrees: float

    @property
    def variance(self) -> Array:
        """Shape (features,)."""
        return np.maximum(np.diag(self.covariance), 0)

    @property
    def trace(self) -> float:
        """The expected square of the error's norm."""
        return float(self.variance.sum())

    def plus(self, other: Estimate) -> Estimate:
        """The sum of two that are independent; degrees of freedom by Satterthwaite."""
        spread = self.trace**2 / self.degrees + other.trace**2 / other.degrees
        degrees = (self.trace + other.trace) ** 2 / spread if spread > 0 else max(self.degrees, other.degrees)
        return Estimate(self.mean + other.mean, self.covariance + other.covariance, degrees)

    def held_to(self, total: float) -> Estimate:
        """With a mean that sums to the total: what is missing goes where the variance is."""
        features = len(self.mean)
        shares = self.variance / self.trace if self.trace > 0 else np.full(features, 1 / features)
        map_ = np.eye(features) - shares[:, None]
        return Estimate(self.mean + (total - self.mean.sum()) * shares, map_ @ self.covariance @ map_.T, self.degrees)


class Strata:
    """Sums of vectors by stratum: `counts` (strata,), `sums` and `squares` (strata, features), the latter of deviations within the stratum, and `gram`
    (features, features) of the deviations over each stratum's size.

    Each number drawn may come with another `beside` it whose expectation is 0: its sums, and its squares and products within strata, are kept as well, and
    what goes with it is taken out of the means by a regression within each stratum that has been drawn from often.
    """

    NAMES = ("counts", "sums", "squares", "gram", "beside", "spread", "cross")

    def __init__(self, strata: int, features: int) -> None:
        self.counts = np.zeros(strata, dtype=np.int64)
        self.sums, self.squares, self.beside, self.spread, self.cross = (np.zeros((strata, features)) for _ in range(5))
        self.gram = np.zeros((features, features))

    def add(self, strata: Array, vectors: Array, size: Array, beside: Array | None = None) -> None:
        """Vectors (n, features), each of the stratum (n,) that stands beside it; `size` (strata,) is how much noise each stratum is thought to have."""
        order = np.argsort(strata, kind="stable")
        ordered, vectors = strata[order], vectors[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        drawn, which = np.diff(starts, append=len(ordered)), ordered[starts]
        before = self.counts[which]
        apart, shift = _moved(vectors, starts, drawn, before, self.sums, which)
        self.squares[which] += np.square(shift) + _summed(apart, apart, starts)
        if beside is not None:
            apart_beside, shift_beside = _moved(beside[order], starts, drawn, before, self.beside, which)
            self.spread[which] += np.square(shift_beside) + _summed(apart_beside, apart_beside, starts)
            self.cross[which] += shift * shift_beside + _summed(apart, apart_beside, starts)
        for deviations, owners in ((apart, ordered), (shift, which)):
            if deviations.any():
                scaled = deviations / size[owners, None]
                self.gram += scaled.T @ scaled
        self.counts[which] += drawn

    def state(self, prefix: str = "") -> dict[str, Array]:
        """The sums by name."""
        return {prefix + name: getattr(self, name) for name in self.NAMES}

    def restore(self, state: Mapping[str, Array], prefix: str = "") -> None:
        """Take up sums by name; features beyond ours are padding."""
        for name in self.NAMES:
            shape = getattr(self, name).shape
            setattr(self, name, state[prefix + name][tuple(slice(size) for size in shape)].copy())

    @property
    def _slopes(self) -> tuple[Array, Array]:
        """By how much a number goes with the one beside it, per stratum and feature, and how many degrees of freedom that takes."""
        weak = WEAK * self.spread.sum(axis=0) / max(self.degrees, 1)
        whole = self.spread + np.where(weak > 0, weak, 1.0)
        often = self.counts[:, None] >= OFTEN
        return np.where(often, self.cross / whole, 0.0), np.where(often, self.spread / whole, 0.0)

    @property
    def _unsure(self) -> Array:
        """By what factor the regressions within strata, being estimated, raise the variance of the means."""
        weak = self._slopes[1]
        whole = np.divide(self.spread, weak, out=np.ones_like(weak), where=weak > 0)
        return 1 + np.square(self.beside) / np.maximum(self.counts, 1)[:, None] * self.spread / np.square(whole)

    @property
    def means(self) -> Array:
        """Shape (strata, features); 0 where nothing was drawn."""
        return (self.sums - self._slopes[0] * self.beside) / np.maximum(self.counts, 1)[:, None]

    @property
    def degrees(self) -> int:
        """Of the spread within strata."""
        return int(np.maximum(self.counts - 1, 0).sum())

    def noise(self, size: Array, apart: Array | None = None) -> Array:
        """The variance of one draw, (strata, features): size² times what it is on average of all strata, moved towards a stratum's own as that is drawn from.

        `apart` (strata, features), what the means depart from a regression, tells of the noise too, too much of it: of a stratum drawn from once, and of all
        for as long as few have been drawn from twice.
        """
        slopes, taken = self._slopes
        seen = np.maximum(self.squares - 2 * slopes * self.cross + np.square(slopes) * self.spread, 0)
        own = np.maximum(self.counts[:, None] - 1 - taken, 0)
        degrees, caution = own.sum(axis=0), 0.0
        pooled = (seen / np.square(size)[:, None]).sum(axis=0)
        if apart is not None:
            caution = CAUTION * max(0.0, 1 - self.degrees / ENOUGH)
            drawn = self.counts > 0
            pooled = pooled + caution * (np.square(apart / size[:, None]) * self.counts[:, None]).sum(axis=0) / max(int(drawn.sum()), 1)
            once = self.counts[:, None] == 1
            seen, own = np.where(once, np.square(apart), seen), np.where(once, 1.0, own)
        pooled = pooled / np.maximum(degrees + caution, 1.0)
        return (TRUST * pooled * np.square(size)[:, None] + seen) / (TRUST + own)


def mean_of_all(strata: Strata, size: Array) -> Estimate:
    """Where every stratum has been drawn from: the mean of the strata's means."""
    counts, number = strata.counts[:, None], len(strata.counts)
    contributions = strata.noise(size) * strata._unsure / counts / number**2
    seen = strata.counts > 1
    raw = strata.squares[seen] / ((counts[seen] - 1) * counts[seen])
    variance = contributions.sum(axis=0)
    return Estimate(strata.means.mean(axis=0), _covariance(strata.gram, variance), _degrees(raw, strata.counts[seen] - 1.0, strata.degrees))


def mean_of_some(strata: Strata, size: Array, chances: Array, known: Array, *, beside: bool = False) -> Estimate:
    """Where some strata may have been drawn from once or never: the mean of a regression on what is `known` of all, and of what the strata that were drawn from
    depart from it, each over the chance (strata,) that it was (the regression estimator of surveys).

    Its variance has two parts, by Poisson sampling: departures (1/chance − 1 of their squares, themselves too large by the noise) and noise.
    """
    seen = np.flatnonzero(strata.counts)
    number, drawn = len(strata.counts), strata.counts[seen, None].astype(float)
    chance = np.minimum(chances[seen, None], 1.0)
    fitted, added = regression(strata, size, known, beside=beside)
    parameters = known.shape[2] + int(added.any())
    apart = np.where(strata.counts[:, None] > 0, strata.means - fitted - added, 0.0)
    loss = len(seen) / max(len(seen) - parameters, 1)
    noise = (strata.noise(size, np.sqrt(loss) * apart) * strata._unsure)[seen] / drawn
    apart = apart[seen]
    variance = ((loss * (1 / chance - 1) * np.square(apart) + noise) / chance).sum(axis=0) / number**2
    mean = fitted.mean(axis=0) + (apart / chance).sum(axis=0) / number
    degrees = _degrees(np.square(apart / chance), np.ones(len(seen)), len(seen)) / loss + strata.degrees
    scaled = apart / size[seen, None]
    return Estimate(mean, _covariance(strata.gram + scaled.T @ scaled, variance), degrees)


def regression(strata: Strata, size: Array, known: Array, *, beside: bool = False) -> tuple[Array, Array]:
    """Each feature's means regressed on what is known of all strata, `known` (strata, features, regressors), and, if `beside`, on the means of the numbers
    beside the draws. The fit at all strata, those numbers being 0, and what they add to it, each (strata, features)."""
    seen = np.flatnonzero(strata.counts)
    columns = known
    if beside:
        columns = np.concatenate([known, (size[:, None] * strata.beside / np.maximum(strata.counts, 1)[:, None])[..., None]], axis=2)
    columns = columns.transpose(1, 0, 2)
    columns = columns / np.maximum(np.sqrt(np.square(columns).mean(axis=1, keepdims=True)), TINY)
    here = columns[:, seen]
    weighted = (here * (strata.counts[seen] / np.square(size[seen]))[None, :, None]).transpose(0, 2, 1)
    information = weighted @ here
    ridge = TINY * np.trace(information, axis1=1, axis2=2)[:, None, None] + np.finfo(float).tiny
    information += ridge * np.eye(columns.shape[2])
    means = strata.means[seen].T[:, :, None]
    coefficients = np.linalg.solve(information, weighted @ means)
    count = known.shape[2]
    fitted = (columns[:, :, :count] @ coefficients[:, :count])[:, :, 0].T
    if not beside:
        return fitted, np.zeros_like(fitted)
    weights = (strata.counts[seen] / np.square(size[seen]))[None, :, None]
    residual = (weights * np.square(means - here @ coefficients)).sum(axis=(1, 2)) / max(len(seen) - count - 1, 1)
    unsure = residual * np.linalg.inv(information)[:, -1, -1]
    sure = float(np.square(coefficients[:, -1, 0]).sum() / unsure.sum()) if unsure.sum() > 0 else np.inf
    return fitted, max(0.0, 1 - UNSURE / sure if sure > 0 else 0.0) * (columns[:, :, -1] * coefficients[:, -1]).T


def _moved(vectors: Array, starts: Array, drawn: Array, before: Array, into: Array, which: Array) -> tuple[Array, Array]:
    """Add vectors, ordered by stratum, to the sums `into`; their deviations from the strata's means of this time, and how these moved the means so far, times
    what makes its square a sum of squared deviations."""
    sums = np.add.reduceat(vectors, starts, axis=0)
    means = sums / drawn[:, None]
    apart = vectors - np.repeat(means, drawn, axis=0)
    shift = (means - into[which] / np.maximum(before, 1)[:, None]) * np.sqrt(before * drawn / (before + drawn))[:, None]
    into[which] += sums
    return apart, shift


def _summed(left: Array, right: Array, starts: Array) -> Array:
    """Sums of products by stratum; 0 where there is one a stratum, and so no deviation."""
    return np.add.reduceat(left * right, starts, axis=0) if len(starts) < len(left) else np.zeros_like(left)


def _covariance(gram: Array, variance: Array) -> Array:
    """With these variances and the correlations of `gram`."""
    spread = np.sqrt(np.diag(gram))
    scale = np.divide(np.sqrt(variance), spread, out=np.zeros_like(variance), where=spread > 0)
    covariance = gram * np.outer(scale, scale)
    np.fill_diagonal(covariance, variance)
    return covariance


def _degrees(parts: Array, degrees: Array, most: float) -> float:
    """Satterthwaite's for sums over the first axis of estimated variances `parts` (n, features), each with `degrees` (n,): fewer where a few parts make most
    of the sum. The median over the features."""
    total = np.square(parts.sum(axis=0))
    spread = (np.square(parts) / (degrees + 2)[:, None]).sum(axis=0)
    found = total[spread > 0] / spread[spread > 0]
    return float(np.clip(np.median(found), 1.0, most)) if len(found) else max(float(most), 1.0)
