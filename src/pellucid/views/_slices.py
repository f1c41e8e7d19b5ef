"""Slices of input space: a plane or a line through samples, with places on it in the input's own units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours

from pellucid.core.errors import InputError

Array = np.ndarray
LEAST = 4
"""Points along the shorter side of a plane at least."""


@dataclass(frozen=True)
class Slice:
    """Points origin + Σ place · direction. `directions` (1 or 2, inputs) are of length one and at right angles; `positions` (samples, 1 or 2) are the samples'
    places, or those nearest to them, and `off` (samples,) how far from these they lie. `across` (columns,) and `down` (rows,), which is (0.0,) for a line, are
    the places of the grid, the same step apart unless they are columns of a table."""

    origin: Array
    directions: Array
    positions: Array
    off: Array
    across: Array
    down: Array

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.down), len(self.across)

    def points(self, start: int, stop: int) -> Array:
        """Some points of the grid, row by row, (stop − start, inputs)."""
        rows, columns = np.divmod(np.arange(start, stop), len(self.across))
        places = np.stack([self.across[columns], self.down[rows]], axis=1)[:, : len(self.directions)]
        return np.asarray(self.origin + places @ self.directions)

    def to_samples(self, samples: Array) -> Array:
        """The distance from each point of the grid to the nearest of the samples (samples, inputs), (rows, columns). Off the slice by Pythagoras."""
        grid = np.stack(np.meshgrid(self.across, self.down), axis=-1)[..., : len(self.directions)]
        along = np.square(grid[:, :, None] - self.positions).sum(axis=-1)
        return np.sqrt((along + np.square(self.off)).min(axis=-1))


def through(samples: Array, resolution: int, margin: float, reach: float, directions: Callable[[Array], Array]) -> Slice:
    """The slice that samples (n, inputs) span: one with two `directions` of its own choice, (2, inputs), as far as `reach`; two a line; three a plane; of more
    the plane that fits them best. `margin` is what is seen beyond them, as a share of what they take."""
    rows = samples.astype(np.float64)
    if len(rows) == 1:
        origin, chosen = rows[0], directions(rows[0])
    elif len(rows) > 3:
        origin = rows.mean(axis=0)
        chosen = np.linalg.svd(rows - origin, full_matrices=False)[2][:2]
        chosen *= np.sign(chosen[np.arange(2), np.abs(chosen).argmax(axis=1)])[:, None]
    else:
        origin, chosen = rows[0], rows[1:] - rows[0]
    basis = _orthonormal(chosen, float(np.abs(rows).max()) or 1.0)
    positions = (rows - origin) @ basis.T
    off = np.linalg.norm(rows - origin - positions @ basis, axis=1)
    off[off < 1e-6 * max(float(np.abs(rows).max()), 1e-30) * np.sqrt(rows.shape[1])] = 0.0  # rounding
    low, high = (positions.min(axis=0), positions.max(axis=0)) if len(rows) > 1 else (np.full(2, -reach), np.full(2, reach))
    spare = margin * float((high - low).max()) if len(rows) > 1 else 0.0
    across, *more = _grid(low - spare, high + spare, resolution)
    return Slice(origin, basis, positions, off, across, more[0] if more else np.zeros(1))


def _orthonormal(chosen: Array, size: float) -> Array:
    """Directions of length one at right angles, the first kept; an error where they span less."""
    found: list[Array] = []
    for direction in chosen:
        rest = direction - sum((float(direction @ one) * one for one in found), np.zeros_like(direction))
        length = float(np.linalg.norm(rest))
        if length <= 1e-6 * max(size, float(np.linalg.norm(direction))):
            raise InputError("the chosen samples are equal or lie on one line, so that they span no slice; choose others, or one alone.")
        found.append(rest / length)
    return np.stack(found)


def _grid(low: Array, high: Array, resolution: int) -> list[Array]:
    """Places along each axis, all the same step apart: `resolution` on the longest."""
    step = float((high - low).max()) / (resolution - 1)
    counts = [max(round(float(length) / step) + 1, LEAST) for length in high - low]
    return [(a + b) / 2 + step * (np.arange(count) - (count - 1) / 2) for a, b, count in zip(low, high, counts, strict=True)]


def along_columns(samples: Array, columns: tuple[int, int], resolution: int, margin: float, reach: float) -> Slice:
    """The slice in which two columns vary and the first sample's others stay; each axis has its own range and `resolution` places."""
    rows = samples.astype(np.float64)
    basis = np.zeros((2, rows.shape[1]))
    basis[[0, 1], list(columns)] = 1.0
    origin = np.where(basis.any(axis=0), 0.0, rows[0])
    positions = rows[:, list(columns)]
    off = np.linalg.norm((rows - origin) * ~basis.any(axis=0), axis=1)
    low, high = positions.min(axis=0), positions.max(axis=0)
    wide = np.where(high > low, margin * (high - low), reach)
    across, down = (np.linspace(a, b, resolution) for a, b in zip(low - wide, high + wide, strict=True))
    return Slice(origin, basis, positions, off, across, down)


def to_boundary(margins: Array, slice_: Slice, position: Array) -> float:
    """The distance from a place to where `margins` (rows, columns), the lead of its own class over the others, changes sign; NaN where it does not. Between
    the points of the grid margins count as straight."""
    if len(slice_.directions) == 1:
        lead, across = margins[0], slice_.across
        turns = np.flatnonzero(np.sign(lead[1:]) != np.sign(lead[:-1]))
        at = across[turns] - lead[turns] * (across[turns + 1] - across[turns]) / (lead[turns + 1] - lead[turns])
        return float(np.abs(at - position[0]).min(initial=np.inf)) if len(at) else float("nan")
    nearest = float("inf")
    for line in find_contours(margins, 0.0):
        y, x = (np.interp(line[:, axis], np.arange(len(places)), places) for axis, places in enumerate((slice_.down, slice_.across)))
        nearest = min(nearest, _to_line(np.stack([x, y], axis=1), position))
    return nearest if np.isfinite(nearest) else float("nan")


def _to_line(line: Array, position: Array) -> float:
    """The distance from a place to a line of straight pieces, (points, 2)."""
    start, piece = line[:-1], np.diff(line, axis=0)
    length = np.square(piece).sum(axis=1)
    share = np.clip(((position - start) * piece).sum(axis=1) / np.where(length > 0, length, 1), 0, 1)
    return float(np.linalg.norm(start + share[:, None] * piece - position, axis=1).min(initial=np.inf))
