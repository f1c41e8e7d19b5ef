"""Principal components of rows that need not fit in memory: they are gone through in blocks, a few times at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Array = np.ndarray
EXACT_WIDTH = 1_024
"""Up to so many columns the covariance is held whole; beyond, its leading part is found by random projections."""
OVERSAMPLING, ROUNDS = 10, 4
"""Directions that are followed beside those asked for, and how often they are multiplied by the covariance."""
BLOCK_BYTES, BLOCK_ROWS = 4e6, 512


class Rows(Protocol):
    """A matrix (rows, columns) that is read in slices: an array, a memory map, or a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, part: slice, /) -> Array: ...


@dataclass(frozen=True)
class Components:
    """What PCA finds: `mean` (columns,), `directions` (components, columns) of length one, the largest entry of each positive, `variances` (components,) along
    them and the `total` of all columns, with n − 1 in the denominator."""

    mean: Array
    directions: Array
    variances: Array
    total: float
    exact: bool = True

    @property
    def shares(self) -> Array:
        """The share of the total variance along each direction, (components,); 0 where nothing varies."""
        return np.asarray(self.variances / self.total) if self.total > 0 else np.zeros_like(self.variances)

    def project(self, rows: Array) -> Array:
        """Coordinates along the directions, (rows, components), float64."""
        return np.asarray((rows.astype(np.float64) - self.mean) @ self.directions.T)


def block_rows(columns: int, itemsize: int = 8) -> int:
    """How many rows of so many columns are read at a time.

    >>> block_rows(64), block_rows(100_000)
    (512, 5)
    """
    return int(max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(columns * itemsize, 1))))


def blocks(rows: Rows) -> Iterator[tuple[slice, Array]]:
    """A matrix in blocks of rows, each with its place, in float64."""
    count, columns = rows.shape
    step = block_rows(columns)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        yield part, rows[part].astype(np.float64)


def pca(rows: Rows, components: int, seed: int = 0) -> Components:
    """The leading principal components of a matrix (n, columns).

    Up to `EXACT_WIDTH` columns exact: mean and covariance are accumulated block by block, as Chan, Golub & LeVeque (1983, doi:10.1080/00031305.1983.10483115)
    add them up, then decomposed. Beyond it by randomised subspace iteration (Halko, Martinsson & Tropp 2011, arXiv:0909.4061), which goes through the rows
    `ROUNDS` + 2 times and draws its first directions with `seed`. Memory does not grow with n.

    >>> found = pca(np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]), 1)
    >>> found.directions.round(3).tolist(), found.shares.round(3).tolist()
    ([[0.707, 0.707]], [1.0])
    """
    count, columns = rows.shape
    wanted = min(components, columns, count)
    if columns <= EXACT_WIDTH:
        mean, scatter = _moments(rows)
        values, vectors = np.linalg.eigh(scatter)
        directions, variances, total = vectors[:, ::-1][:, :wanted].T, values[::-1][:wanted], float(np.trace(scatter))
    else:
        mean, directions, variances, total = _by_projections(rows, wanted, seed)
    scale = max(count - 1, 1)
    return Components(mean, _signed(directions), np.maximum(variances, 0) / scale, total / scale, columns <= EXACT_WIDTH)


def _signed(directions: Array) -> Array:
    """Directions turned so that the largest entry of each is positive, the first of equals."""
    largest = np.abs(directions).argmax(axis=1)
    sign = np.sign(directions[np.arange(len(directions)), largest])
    return np.asarray(directions * np.where(sign == 0, 1, sign)[:, None])


def _moments(rows: Rows) -> tuple[Array, Array]:
    """The mean (columns,) and the scatter Σ (x − mean)(x − mean)ᵀ (columns, columns)."""
    columns = rows.shape[1]
    count, mean, scatter = 0, np.zeros(columns), np.zeros((columns, columns))
    for _, block in blocks(rows):
        own = block.mean(axis=0)
        centred, step = block - own, own - mean
        together = count + len(block)
        scatter += centred.T @ centred + np.outer(step, step) * (count * len(block) / together)
        mean = mean + step * (len(block) / together)
        count = together
    return mean, scatter


def _by_projections(rows: Rows, wanted: int, seed: int) -> tuple[Array, Array, Array, float]:
    """Mean, directions, their part of the scatter, and the whole scatter's trace."""
    count, columns = rows.shape
    mean, total = np.zeros(columns), 0.0
    for _, block in blocks(rows):
        mean += block.sum(axis=0) / count
    basis = np.random.default_rng(seed).standard_normal((columns, min(wanted + OVERSAMPLING, columns, count)))
    for turn in range(ROUNDS):
        product = np.zeros_like(basis)
        for _, block in blocks(rows):
            centred = block - mean
            product += centred.T @ (centred @ basis)
            total += float(np.square(centred).sum()) if turn == 0 else 0.0
        basis = np.linalg.qr(product)[0]
    inner = np.zeros((basis.shape[1], basis.shape[1]))
    for _, block in blocks(rows):
        projected = (block - mean) @ basis
        inner += projected.T @ projected
    values, vectors = np.linalg.eigh(inner)
    return mean, (basis @ vectors[:, ::-1][:, :wanted]).T, values[::-1][:wanted], total
