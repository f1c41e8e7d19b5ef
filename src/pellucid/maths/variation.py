"""Total variation, how much neighbours differ, and contrast, how much places do; and limits to them that a climb keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
SMOOTH = 0.01
"""Differences below about this share of the range count less than in proportion in what is climbed, so that there is a gradient at none."""
NONE = 1e-9
"""Contrast that is rounding."""
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


def contrast(signals: Array, reach: Array | float = 1.0) -> Array:
    """The standard deviation over the places of the grid, in shares of `reach` (channels,), averaged over channels; (n, *grid, channels) → (n,).

    >>> contrast(np.array([[0.0, 1.0, 0.0, 1.0]])[..., None])
    array([0.5])
    """
    return contrast_with_gradient(signals, reach)[0]


def contrast_with_gradient(signals: Array, reach: Array | float = 1.0) -> tuple[Array, Array]:
    """`contrast`, and its gradient, like `signals`; zero where there is none."""
    shares = np.where(np.asarray(reach) > 0, reach, 1.0)
    flat = (signals / shares).reshape(len(signals), -1, signals.shape[-1])
    apart = flat - flat.mean(axis=1, keepdims=True)
    each = np.sqrt(np.square(apart).mean(axis=1, keepdims=True))
    slope = np.divide(apart, each, out=np.zeros_like(apart), where=each > NONE) / (flat.shape[1] * flat.shape[2])
    return each.mean(axis=(1, 2)), slope.reshape(signals.shape) / shares


def smoothed_gradient(signals: Array, reach: Array | float = 1.0) -> Array:
    """The gradient of `total_variation` with each |d| made √(d² + `SMOOTH`²), like `signals`."""
    return variation_with_gradient(signals, reach)[1]


def variation_with_gradient(signals: Array, reach: Array | float) -> tuple[Array, Array]:
    """`total_variation` and `smoothed_gradient`, from differences made once."""
    shares = np.where(np.asarray(reach) > 0, reach, 1.0)
    signals, values = signals / shares, np.zeros(len(signals))
    found = np.zeros(signals.shape)
    for axis in range(1, signals.ndim - 1):
        before = (slice(None),) * axis
        low, high = (*before, slice(None, -1)), (*before, slice(1, None))
        pull = signals[high] - signals[low]
        count = pull[0].size
        if not count:
            continue
        values += np.abs(pull).reshape(len(pull), -1).mean(axis=1)
        size = pull * pull
        size += SMOOTH**2
        pull /= np.sqrt(size, out=size)
        pull /= count
        found[high] += pull
        found[low] -= pull
    found /= shares
    return values, found


@dataclass
class Limit:
    """Holds what `measure` gives for rows that are climbed, their total variation or their contrast, to at most `most`: a weight of its gradient beside the
    objective's, both of unit size, which rises while a row is above and falls while it is below (the Lagrange multiplier of the limit, found on the way)."""

    measure: Callable[[Array, Array], tuple[Array, Array]]
    most: float
    reach: Array
    _weight: Array | None = None

    def pull(self, signals: Array) -> tuple[Array, Array]:
        """What is to be taken off the objective's gradient of unit size, and by how much each row is above the limit, (n,), as the logarithm of their ratio."""
        values, slope = self.measure(signals, self.reach)
        excess = np.log(np.maximum(values, 1e-12) / self.most)
        weight = np.zeros(len(signals)) if self._weight is None else self._weight
        self._weight = np.clip(weight + FIRMNESS * excess, 0, MOST)
        spread = np.clip(self._weight + PROMPTNESS * excess, 0, MOST).reshape(-1, *[1] * (signals.ndim - 1))
        return spread * unit(slope) if spread.any() else np.zeros(()), excess

    def keep(self, rows: Array) -> None:
        """Go on with some of the rows alone."""
        self._weight = None if self._weight is None else self._weight[rows]


def unit(gradients: Array) -> Array:
    """Each row's gradient with a root mean square of 1; zero where it is."""
    flat = gradients.reshape(len(gradients), -1)
    size = np.sqrt(np.einsum("nk,nk->n", flat, flat) / max(flat.shape[1], 1))
    return gradients * np.divide(1.0, size, out=np.zeros_like(size), where=size > 0).reshape(-1, *[1] * (gradients.ndim - 1))
