"""Means of vectors drawn in blocks, with the error that the spread within the blocks shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.maths.statistics import norm_quantile

Array = np.ndarray


class BlockMoments:
    """Mean of vectors and its variance, from sums alone.

    Draws come in blocks of the same number of independent ones, each block from one stratum (a background row), all strata equally often. What differs
    between blocks is no error, since every stratum is visited: only the spread *within* blocks is. `small` holds a few numbers that go with each vector
    (itself, or means of its parts); their covariance shows how many directions the error has.
    """

    def __init__(self, width: int, small: int) -> None:
        self.sums, self.squares = np.zeros(width), np.zeros(width)
        self.small_sums, self.gram = np.zeros(small), np.zeros((small, small))
        self.draws = self.blocks = 0

    def add(self, vectors: Array, small: Array, offset: Array | float = 0.0) -> None:
        """Some blocks: vectors (blocks, draws, width), small (blocks, draws, small). `offset` is added to every vector."""
        blocks, count = vectors.shape[:2]
        sums, small_sums = vectors.sum(axis=1), small.sum(axis=1)
        self.sums += sums.sum(axis=0) + blocks * count * np.asarray(offset)
        self.squares += np.einsum("bij,bij->j", vectors, vectors) - np.einsum("bj,bj->j", sums, sums) / count
        self.small_sums += small_sums.sum(axis=0)
        flat = small.reshape(blocks * count, -1)
        self.gram += flat.T @ flat - small_sums.T @ small_sums / count
        self.draws += blocks * count
        self.blocks += blocks

    @property
    def degrees(self) -> int:
        return self.draws - self.blocks

    @property
    def mean(self) -> Array:
        """Shape (width,)."""
        return self.sums / max(self.draws, 1)

    @property
    def variance(self) -> Array:
        """Variance of each number of the mean, (width,)."""
        return np.maximum(self.squares, 0) / max(self.degrees * self.draws, 1)

    @property
    def small_covariance(self) -> Array:
        """Covariance of the mean of the small numbers, (small, small)."""
        return self.gram / max(self.degrees * self.draws, 1)

    def quantile(self) -> float:
        """The 95 % quantile of ‖mean − limit‖."""
        trace, covariance = float(self.variance.sum()), self.small_covariance
        whole = float(np.trace(covariance))
        apart = float(np.square(covariance).sum()) / whole**2 if whole > 0 else 1.0
        return norm_quantile(trace, trace**2 * min(apart, 1.0), self.degrees)

    def state(self) -> dict[str, Array]:
        """What to keep, to go on later."""
        counts = np.array([self.draws, self.blocks])
        return {"sums": self.sums, "squares": self.squares, "small_sums": self.small_sums, "gram": self.gram, "counts": counts}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from what was kept."""
        self.sums, self.squares = state["sums"].copy(), state["squares"].copy()
        self.small_sums, self.gram = state["small_sums"].copy(), state["gram"].copy()
        self.draws, self.blocks = (int(count) for count in state["counts"])
