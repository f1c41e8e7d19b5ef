"""Random masks that are smooth over a grid: coarse cells of zeros and ones, interpolated, and shifted by less than a cell."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from pellucid.maths.coalitions import all_coalitions

Array = np.ndarray


def interpolation_table(size: int, cells: int) -> Array:
    """How `size` elements follow `cells` cells, one table a shift: (shifts, size, cells), rows that sum to 1.

    The cells are stretched bilinearly (between their centres, the outermost carried on to the edge) to cells + 1 lengths of a cell of ⌈size/cells⌉ elements;
    shift s leaves out the first s of these. Where no element need share a cell, each is one by itself and there is one shift.

    >>> interpolation_table(4, 2).shape, interpolation_table(3, 7).shape
    ((2, 4, 2), (1, 3, 3))
    """
    if size <= cells:
        return np.eye(size)[None]
    length = -(-size // cells)
    stretched = (cells + 1) * length
    centres = np.clip((np.arange(stretched) + 0.5) * cells / stretched - 0.5, 0, cells - 1)
    weights = np.maximum(1 - np.abs(centres[:, None] - np.arange(cells)), 0)
    return np.stack([weights[shift : shift + size] for shift in range(length)])


def block_means(size: int, blocks: int) -> Array:
    """The means over `blocks` runs of about equal length, as a matrix (blocks, size)."""
    which = np.arange(size) * blocks // size
    member = (which == np.arange(blocks)[:, None]).astype(float)
    return np.asarray(member / member.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Draws:
    """Coarse masks: `cells` (n, *cells) of zeros and ones, and the shift of each along each axis (axes, n)."""

    cells: Array
    shifts: Array

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, part: slice) -> Draws:
        return Draws(self.cells[part], self.shifts[:, part])


class SmoothMasks:
    """Masks over a grid of `shape` that keep each of `cells` cells an axis with probability `keep` (Petsiuk, Das, Saenko 2018, arXiv:1806.07421).

    Every element's mask M has the mean `keep`. `blocks` are the numbers of blocks an axis over whose means M is also read, coarsely.
    """

    def __init__(self, shape: tuple[int, ...], cells: tuple[int, ...], keep: float, blocks: tuple[int, ...]) -> None:
        self.shape, self.keep = shape, keep
        self.tables = [interpolation_table(size, count) for size, count in zip(shape, cells, strict=True)]
        self.cells = tuple(table.shape[2] for table in self.tables)
        self.pools = [block_means(size, min(size, count)) for size, count in zip(shape, blocks, strict=True)]
        self.coarse_tables = [pool @ table for pool, table in zip(self.pools, self.tables, strict=True)]
        self.fine_tables = [table.astype(np.float32) for table in self.tables]

    @property
    def width(self) -> int:
        """Elements of a mask."""
        return math.prod(self.shape)

    @property
    def coarse_width(self) -> int:
        """Blocks of a mask."""
        return math.prod(len(pool) for pool in self.pools)

    @property
    def possible(self) -> float:
        """How many masks there are."""
        return math.prod(len(table) for table in self.tables) * 2.0 ** math.prod(self.cells)

    def pairs(self, generator: np.random.Generator, count: int) -> Draws:
        """Antithetic pairs, each mask followed by its partner: the same shift, and uniform numbers u and 1 − u behind the cells. Where `keep` is ½ the
        partner is the complement."""
        uniform = generator.random((count, *self.cells), dtype=np.float32)
        cells = np.stack([uniform >= 1 - self.keep, uniform < self.keep], axis=1).reshape(2 * count, *self.cells)
        shifts = np.stack([generator.integers(0, len(table), count) for table in self.tables])
        return Draws(cells, np.repeat(shifts, 2, axis=1))

    def all_masks(self) -> tuple[Draws, Array]:
        """Every mask there is, and its probability."""
        binary = all_coalitions(math.prod(self.cells))
        shifts = np.array(list(itertools.product(*(range(len(table)) for table in self.tables)))).T
        kept = binary.sum(axis=1)
        chance = self.keep**kept * (1 - self.keep) ** (binary.shape[1] - kept) / shifts.shape[1]
        cells = np.tile(binary, (shifts.shape[1], 1)).reshape(-1, *self.cells)
        return Draws(cells, np.repeat(shifts, len(binary), axis=1)), np.tile(chance, shifts.shape[1])

    def masks(self, draws: Draws) -> Array:
        """The masks themselves, (n, elements), float32."""
        return _interpolated(draws, self.fine_tables)

    def coarse(self, draws: Draws) -> Array:
        """Means of the masks over blocks, (n, blocks), float64."""
        return _interpolated(draws, self.coarse_tables)

    def covariance_with(self, weights: Array) -> Array:
        """Cov(Σ_b weights_b · block mean_b, M) at every element, (elements,): cells are independent, so that axes separate."""
        found = weights.reshape([len(pool) for pool in self.pools])
        for coarse, fine in zip(self.coarse_tables, self.tables, strict=True):
            common = np.einsum("sbc,sic->bi", coarse, fine) / len(fine)
            found = np.tensordot(found, common, axes=(0, 0))
        return found.ravel() * self.keep * (1 - self.keep)


def _interpolated(draws: Draws, tables: list[Array]) -> Array:
    """Cells spread along one axis after the other, (n, elements)."""
    out = draws.cells.astype(tables[0].dtype)
    count = len(out)
    for shifts, table in zip(draws.shifts, tables, strict=True):
        rest = out.shape[2:]
        out = np.matmul(table[shifts], out.reshape(count, table.shape[2], -1))
        out = np.moveaxis(out.reshape(count, table.shape[1], *rest), 1, -1)
    return np.ascontiguousarray(out).reshape(count, -1)
