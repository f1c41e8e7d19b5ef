"""How strongly a score depends on each of many coins: the Hilbert–Schmidt independence criterion, in time linear in the number of draws, with its error.

With coins thrown ±1 by s and the kernel ½ s s′ on each of them, HSIC = ½ ‖E[s φ(y)]‖², φ being what the kernel on the scores is a product of. For a normal
kernel φ is known: cosines and sines at equally spaced frequencies, by the trapezoidal rule on its Fourier transform, exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

HIGHEST = 7.5
"""Frequencies up to here: exp(−7.5²/2) = 6e-13 of the kernel is left out."""
MARGIN = 8.0
"""Copies of the kernel lie this far beyond the range of the scores: exp(−8²/2) = 1e-14 of them is met."""


def kernel_features(scores: Array) -> tuple[Array, Array]:
    """φ (n, features) with φ(y)·φ(y′) = exp(−(y − y′)²/2), for scores (n,) in units of the bandwidth; and its derivative by the bandwidth's logarithm.

    >>> phi, _ = kernel_features(np.array([0.0, 1.0]))
    >>> bool(abs(phi[0] @ phi[1] - np.exp(-0.5)) < 1e-9)
    True
    """
    step = 2 * np.pi / (float(np.ptp(scores)) + MARGIN)
    frequencies = step * np.arange(int(np.ceil(HIGHEST / step)) + 1)
    weights = step / np.sqrt(2 * np.pi) * np.exp(-np.square(frequencies) / 2) * np.where(frequencies > 0, 2.0, 1.0)
    angles = (scores - scores.min())[:, None] * frequencies
    cosines, sines = np.cos(angles) * np.sqrt(weights), np.sin(angles) * np.sqrt(weights)
    return np.concatenate([cosines, sines], axis=1), np.concatenate([angles * sines, -angles * cosines], axis=1)


@dataclass(frozen=True)
class Dependence:
    """HSIC of each coin (n,), its covariance (n, n), degrees of freedom and the bandwidth that was used."""

    values: Array
    covariance: Array
    degrees: float
    bandwidth: float


def exact_dependence(signs: Array, scores: Array, width: float) -> Dependence:
    """HSIC from every throw there is: signs (throws, n), scores (throws, rows), all equally likely. `width` is in standard deviations of the scores."""
    coins = signs.shape[1]
    bandwidth = width * float(scores.std())
    if bandwidth <= 0:
        return Dependence(np.zeros(coins), np.zeros((coins, coins)), np.inf, 0.0)
    features = kernel_features((scores / bandwidth).ravel())[0].reshape(*scores.shape, -1).mean(axis=1)
    mean = signs.T @ features / len(signs)
    return Dependence(np.square(mean).sum(axis=1) / 2, np.zeros((coins, coins)), np.inf, bandwidth)


def estimated_dependence(signs: Array, scores: Array, strata: Array, width: float) -> Dependence:
    """HSIC from antithetic pairs: signs (pairs, n) of the first of each, scores (pairs, 2), and which stratum (background row) each pair is of.

    ‖E[s φ]‖² is estimated without bias, the variance of the mean taken off. The bandwidth is `width` standard deviations of the scores; that it is estimated
    too is part of the error. The variance is that of the linear part and half of the second-order one, which is all that a coin without influence has. The
    former's estimate holds some of the latter already: taking that off would leave coins of weak influence with intervals that cover as little as 80 %, since
    their error shrinks with their estimate; left in, the error of coins without influence is about 1.7 times too large, that of the others right.
    """
    coins = signs.shape[1]
    spread = float(scores.std())
    if spread <= 1e-12 * float(np.abs(scores).max()):
        return Dependence(np.zeros(coins), np.zeros((coins, coins)), max(len(signs) - 1, 1), 0.0)
    here = _Sums(signs, scores / (width * spread), strata)
    square = np.square(scores - scores.mean()).mean(axis=1) / spread**2
    influences = here.influences() + np.outer((square - 1) / 2, here.slopes())
    influences -= _stratum_means(influences, strata)
    degrees = len(signs) - len(np.unique(strata))
    covariance = influences.T @ influences / (degrees * len(signs))
    each = np.arange(coins)
    covariance[each, each] += here.second_order() / 2
    return Dependence(here.values, covariance, degrees, width * spread)


class _Sums:
    """Means of s φ over pairs, (coins, features), and what of them is noise."""

    def __init__(self, signs: Array, scores: Array, strata: Array) -> None:
        features, turned = (each.reshape(*scores.shape, -1) for each in kernel_features(scores.ravel()))
        self.signs, self.strata = signs.astype(float), strata
        self.half = (features[:, 0] - features[:, 1]) / 2
        self.mean = self.signs.T @ self.half / len(signs)
        self.mean_turned = self.signs.T @ (turned[:, 0] - turned[:, 1]) / 2 / len(signs)
        self.degrees = len(signs) - len(np.unique(strata))
        within = np.full(signs.shape[1], np.square(self.half).sum())
        for stratum in np.unique(strata):
            chosen = strata == stratum
            within -= np.square(self.signs[chosen].T @ self.half[chosen]).sum(axis=1) / chosen.sum()
        self.noise = within / (self.degrees * len(signs))

    @property
    def values(self) -> Array:
        return np.asarray((np.square(self.mean).sum(axis=1) - self.noise) / 2)

    def slopes(self) -> Array:
        """How ½ ‖mean‖² changes with the logarithm of the bandwidth, (coins,)."""
        return np.asarray((self.mean * self.mean_turned).sum(axis=1))

    def influences(self) -> Array:
        """What each pair adds to ½ ‖mean‖², to first order, (pairs, coins)."""
        return self.signs * (self.half @ self.mean.T)

    def second_order(self) -> Array:
        """tr(Σ²)/pairs², Σ the covariance of s φ of a pair; ½ of it is the variance that the product of two errors has."""
        common = self.half.T @ self.half / len(self.half)
        own = np.square(self.mean).sum(axis=1)
        through = np.einsum("iq,qr,ir->i", self.mean, common, self.mean)
        trace = np.square(common).sum() - 2 * through + np.square(own)
        return np.asarray(np.maximum(trace, 0) / len(self.half) ** 2)


def _stratum_means(vectors: Array, strata: Array) -> Array:
    """The mean of each vector's stratum, in its place."""
    _, place, counts = np.unique(strata, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, place, vectors)
    return np.asarray((sums / counts[:, None])[place])
