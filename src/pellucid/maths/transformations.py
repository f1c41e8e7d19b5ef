"""Random shifts, rotations and scalings of a grid as linear operators with exact transposes.

An operator is a sparse matrix over the grid's elements, each new element a multilinear mean of the old ones that lie about it; what lies outside is the
picture mirrored at its edge, so that nothing but the picture is ever seen.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pellucid.maths.designs import RotatedSobol

Array = np.ndarray
TOGETHER = 64
"""Points of a sequence that are made at once."""


@dataclass(frozen=True)
class Resampling:
    """New elements as means of old ones; `matrix` (elements, elements), None for the identity. Arrays are (n, *grid, channels)."""

    matrix: sparse.csr_array | None

    def __call__(self, signals: Array) -> Array:
        """The signals as they are seen after the transformation."""
        return signals if self.matrix is None else _applied(self.matrix, signals)

    def transpose(self, gradients: Array) -> Array:
        """From gradients with respect to the transformed signals to those with respect to the signals."""
        return gradients if self.matrix is None else _applied(self.matrix.T, gradients)


def _applied(matrix: sparse.sparray, signals: Array) -> Array:
    count, channels = len(signals), signals.shape[-1]
    columns = np.moveaxis(signals.reshape(count, -1, channels), 1, 0).reshape(-1, count * channels)
    found = matrix @ columns
    return np.ascontiguousarray(np.moveaxis(found.reshape(-1, count, channels), 0, 1)).reshape(signals.shape)


@dataclass(frozen=True)
class Moves:
    """What is drawn: shifts up to a share `shift` of each side, rotations up to `rotation` degrees (in the plane of the last two axes), and scalings between
    1 / (1 + `scale`) and 1 + `scale`, all uniformly, the scaling on a logarithmic scale.

    >>> Moves().draw(np.random.default_rng(0), (3, 3)).matrix is None
    True
    >>> moved = Moves(shift=0.5).draw(np.random.default_rng(0), (8,))
    >>> bool(np.allclose(moved(np.ones((1, 8, 1))), 1))
    True
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0

    def draw(self, generator: np.random.Generator, grid: tuple[int, ...]) -> Resampling:
        """One transformation of a grid; as many numbers are drawn whatever the settings."""
        return self.at(generator.uniform(-1, 1, len(grid) + 2), grid)

    def evenly(self, generator: np.random.Generator, grid: tuple[int, ...]) -> Iterator[Resampling]:
        """One transformation after the other, each drawn like `draw`'s, and a few of them together spread over all there are: means over some steps are told
        with several times less noise than from as many draws that know nothing of each other."""
        design = RotatedSobol(len(grid) + 2, 1, generator)
        for start in itertools.count(step=TOGETHER):
            for point in design.points(start, start + TOGETHER)[:, 0]:
                yield self.at(2 * point - 1, grid)

    def at(self, place: Array, grid: tuple[int, ...]) -> Resampling:
        """The transformation at numbers between −1 and 1: a shift along each axis, the angle and the scale."""
        shifts = place[: len(grid)] * self.shift * np.array(grid)
        angle = place[-2] * np.deg2rad(self.rotation)
        grown = np.exp(place[-1] * np.log1p(self.scale))
        if not grid or self == Moves():
            return Resampling(None)
        linear = np.eye(len(grid)) / grown
        if len(grid) > 1:
            linear[-2:, -2:] = linear[-2:, -2:] @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return Resampling(resampled(grid, linear, shifts))


def resampled(grid: tuple[int, ...], linear: Array, shifts: Array) -> sparse.csr_array:
    """The matrix that reads element x of the new grid at centre + `linear` (x − centre) + `shifts` of the old one."""
    centre = (np.array(grid) - 1) / 2
    read = np.asarray(linear) @ _centred(grid) + (centre + shifts)[:, None]
    low = np.floor(read)
    above, first = read - low, low.astype(np.int32)
    ends = [[(_mirrored(first[axis] + step, side), above[axis] if step else 1 - above[axis]) for step in (0, 1)] for axis, side in enumerate(grid)]
    count, corners = read.shape[1], 2 ** len(grid)
    columns, weights = np.empty((count, corners), np.int32), np.empty((count, corners))
    for k, corner in enumerate(itertools.product((0, 1), repeat=len(grid))):
        flat, weight = ends[0][corner[0]]
        for axis in range(1, len(grid)):
            place, share = ends[axis][corner[axis]]
            flat, weight = flat * grid[axis] + place, weight * share
        columns[:, k], weights[:, k] = flat, weight
    starts = np.arange(0, columns.size + 1, corners, dtype=np.int32)
    return sparse.csr_array((weights.ravel(), columns.ravel(), starts), shape=(count, count))


@functools.lru_cache(maxsize=4)
def _centred(grid: tuple[int, ...]) -> Array:
    """How far each element is from the centre, (axes, elements)."""
    places = np.stack(np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in grid), indexing="ij"))
    return places.reshape(len(grid), -1)


def _mirrored(places: Array, side: int) -> Array:
    """Places on an axis as they are in a picture that goes on mirrored: −1 is 0, `side` is `side` − 1."""
    folded = places % (2 * side)
    return np.minimum(folded, 2 * side - 1 - folded)
