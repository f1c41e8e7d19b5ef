"""Total variation, how much neighbours differ, and a limit to it that a climb keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
SMOOTH = 0.01
"""Differences below about this share of the range count less than in proportion in what is climbed, so that there is a gradient at none."""
FIRMNESS, PROMPTNESS, MOST = 0.05, 2.0, 10.0
"""How fast the weight of a limit grows with what is above it, a step; what of an excess it follows at once, so that it does not swing; and the greatest weight,
with the objective's gradient being 1."""


def total_variation(signals: Array, reach: Array | float = 1.0) -> Array:
    """Differences between neighbours, in shares of `reach` (channels,), their absolute values averaged over elements and channels and added up over the axes of
    the grid; (n, *grid, channels) → (n,).

    >>> total_variation(np.array([[0.0, 1.0, 0.0]])[..., None])
    array([1.])
    """
    signals = signals / np.where(np.asarray(reach) > 0, reach, 1.0)
    each = (np.abs(np.diff(signals, axis=axis)).reshape(len(signals), -1) for axis in range(1, signals.ndim - 1))
    return np.asarray(sum((found.mean(axis=1) for found in each if found.size), np.zeros(len(signals))))


def smoothed_gradient(signals: Array, reach: Array | float = 1.0) -> Array:
    """The gradient of `total_variation` with each |d| made √(d² + `SMOOTH`²), like `signals`."""
    reach = np.where(np.asarray(reach) > 0, reach, 1.0)
    signals, found = signals / reach, np.zeros(signals.shape)
    for axis in range(1, signals.ndim - 1):
        difference = np.diff(signals, axis=axis)
        pull = difference / np.sqrt(difference**2 + SMOOTH**2) / max(difference[0].size, 1)
        edge = [(0, 0)] * signals.ndim
        edge[axis] = (1, 1)
        found -= np.diff(np.pad(pull, edge), axis=axis)
    return np.asarray(found / reach)


@dataclass
class Limit:
    """Holds the total variation of rows that are climbed to at most `most`: a weight of the variation's gradient beside the objective's, both of unit size,
    which rises while a row is above and falls while it is below (the Lagrange multiplier of the limit, found on the way)."""

    most: float
    reach: Array
    _weight: Array | None = None

    def joined(self, signals: Array, gradients: Array) -> tuple[Array, Array]:
        """The gradient to climb, and by how much each row is above the limit, (n,), as the logarithm of their ratio."""
        excess = np.log(np.maximum(total_variation(signals, self.reach), 1e-12) / self.most)
        weight = np.zeros(len(signals)) if self._weight is None else self._weight
        self._weight = np.clip(weight + FIRMNESS * excess, 0, MOST)
        spread = np.clip(self._weight + PROMPTNESS * excess, 0, MOST).reshape(-1, *[1] * (signals.ndim - 1))
        return unit(gradients) - spread * unit(smoothed_gradient(signals, self.reach)), excess

    def keep(self, rows: Array) -> None:
        """Go on with some of the rows alone."""
        self._weight = None if self._weight is None else self._weight[rows]


def unit(gradients: Array) -> Array:
    """Each row's gradient with a root mean square of 1; zero where it is."""
    size = np.sqrt(np.mean(gradients**2, axis=tuple(range(1, gradients.ndim)), keepdims=True))
    return np.divide(gradients, size, out=np.zeros(gradients.shape), where=size > 0)
