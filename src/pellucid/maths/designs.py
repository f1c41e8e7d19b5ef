"""Points that fill a cube evenly, several times over and independently, so that their own spread shows the error."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

Array = np.ndarray

MOST_DIMENSIONS = int(qmc.Sobol.MAXDIM)


class RotatedSobol:
    """`replicates` copies of the Sobol' sequence in [0, 1)^dimension, each shifted modulo 1 by a random vector of its own (Cranley & Patterson 1976,
    doi:10.1137/0713071): every point is uniform, copies are independent, and points within a copy lie evenly.

    >>> design = RotatedSobol(3, 4, np.random.default_rng(0))
    >>> design.points(0, 2).shape, bool((design.points(1, 2) == design.points(0, 2)[1:]).all())
    ((2, 4, 3), True)
    """

    def __init__(self, dimension: int, replicates: int, generator: np.random.Generator) -> None:
        self.sequence = qmc.Sobol(dimension, scramble=False)
        self.shifts = generator.random((replicates, dimension))

    def points(self, start: int, stop: int) -> Array:
        """Points number `start` to `stop` of every copy, (stop − start, replicates, dimension)."""
        self.sequence.reset()
        if start:
            self.sequence.fast_forward(start)
        base = np.concatenate([self.sequence.random(1) for _ in range(start, stop)])
        return np.asarray((base[:, None] + self.shifts) % 1.0)


def total_indices(differences: Array, squares: Array, means: Array) -> tuple[Array, Array]:
    """Total-order Sobol' indices (n,) and their covariance (n, n), from what independent replicates give (Jansen 1999, doi:10.1016/S0010-4655(98)00154-4).

    `differences` (replicates, n) are means of ½(f(A) − f(A with x_i anew))², `squares` and `means` (replicates,) means of f² and f. The index is the ratio
    of the mean difference to the variance of f; a ratio is biased a little, which the jackknife over replicates takes out, and it gives the covariance
    (Efron & Stein 1981). All zero where f does not vary.
    """
    count = len(means)
    variance = _variance(squares.sum(), means.sum(), np.square(means).sum(), count)
    if variance <= 0:
        return np.zeros(differences.shape[1]), np.zeros((differences.shape[1],) * 2)
    left_out = _variance(squares.sum() - squares, means.sum() - means, np.square(means).sum() - np.square(means), count - 1)
    others = (differences.sum(axis=0) - differences) / (count - 1) / np.maximum(left_out, 1e-300)[:, None]
    pseudo = count * differences.mean(axis=0) / variance - (count - 1) * others
    centred = pseudo - pseudo.mean(axis=0)
    return pseudo.mean(axis=0), centred.T @ centred / (count * (count - 1))


def _variance(squares: Array, means: Array, means_squared: Array, count: int) -> Array:
    """E f² − (E f)², without bias, from sums over replicates."""
    mean = means / count
    of_mean = (means_squared - count * np.square(mean)) / (count - 1) / count
    return np.asarray(squares / count - np.square(mean) + of_mean)
