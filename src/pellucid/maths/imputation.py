"""What removed pixels of an image would be if each were the mean of its neighbours: the linear imputation of ROAD (Rong et al. 2022, arXiv 2202.00449)."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpbsv

Array = np.ndarray
BAND_BYTES = 16e6
"""What the systems of the masks that are solved together may take."""


def imputed(image: Array, removed: Array) -> Array:
    """The image (rows, columns, channels) once for each mask of `removed` (masks, rows, columns), its removed pixels replaced, float64.

    Each of them is the weighted mean of its eight neighbours, direct ones by 1/6, diagonal ones by 1/12 (at the border, of those there are), removed
    neighbours included: a sparse linear system for each mask. Counted row by row, neighbours are at most a row apart, so that the system is a band of that
    width, symmetric and positive definite; LAPACK's banded Cholesky solves it some ten times as fast as SuperLU does. Every mask must leave a pixel.

    >>> image = np.array([[0.0, 9.0, 2.0]])[..., None]
    >>> imputed(image, np.array([[[False, True, False]]])).ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    if removed.reshape(len(removed), -1).all(axis=1).any():
        raise ValueError("imputation needs at least one pixel that is left in every mask")
    if image.shape[1] > image.shape[0]:  # the band is as wide as a row is long
        return imputed(image.swapaxes(0, 1), removed.swapaxes(1, 2)).swapaxes(1, 2)
    image = np.asarray(image, dtype=np.float64)
    at_once = max(1, int(BAND_BYTES / (8 * removed[0].size * (image.shape[1] + 2))))
    return np.concatenate([_imputed(image, removed[start : start + at_once]) for start in range(0, len(removed), at_once)])


def _imputed(image: Array, removed: Array) -> Array:
    """As `imputed`, of masks that are solved together. A column and a row of nothing follow each mask, so that a step to a neighbour is one number for all."""
    rows, columns, _ = image.shape
    gone = np.pad(removed, ((0, 0), (0, 1), (0, 1))).ravel()
    pixels = gone.nonzero()[0]
    found = np.repeat(np.pad(image, ((0, 1), (0, 1), (0, 0)))[None], len(removed), axis=0)
    flat = found.reshape(len(gone), -1)
    flat[pixels] = 0
    constant = _of_neighbours(found).reshape(flat.shape)[pixels]
    whole = np.zeros((1, rows + 1, columns + 1, 1))
    whole[:, :rows, :columns] = 1
    total = (_of_neighbours(whole) - 4 / 12 * whole).ravel()
    sizes = removed.sum(axis=(1, 2))
    for (first, last), lower in zip(_edges(sizes), _bands(gone, pixels, sizes, columns, total), strict=True):
        if last > first:
            flat[pixels[first:last]] = dpbsv(lower, constant[first:last], lower=1, overwrite_ab=1, overwrite_b=1)[1]
    return found[:, :rows, :columns]


def _of_neighbours(images: Array) -> Array:
    """The weighted sums over the eight neighbours, and 4/12 of each pixel itself: 1, 2, 1 down the rows and along them, over 12; (n, rows, columns, channels)
    whose last row and column are nothing."""
    down = 2 * images
    down[:, 1:] += images[:, :-1]
    down[:, :-1] += images[:, 1:]
    along = 2 * down
    along[:, :, 1:] += down[:, :, :-1]
    along[:, :, :-1] += down[:, :, 1:]
    along /= 12
    return along


def _edges(sizes: Array) -> list[tuple[int, int]]:
    ends = sizes.cumsum()
    return list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))


def _bands(gone: Array, pixels: Array, sizes: Array, columns: int, total: Array) -> list[Array]:
    """For each mask the lower band of its system, (height, removed), as LAPACK takes it: the diagonal, and under it what belongs to pairs of neighbours that
    are both removed, by how many removed pixels they are apart."""
    place, apart = gone.cumsum() - 1, np.zeros(len(pixels), dtype=int)
    pairs = []
    for step, weight in ((1, 1 / 6), (columns, 1 / 12), (columns + 1, 1 / 6), (columns + 2, 1 / 12)):  # right, and down: left, straight, right
        first = gone[pixels + step].nonzero()[0]
        apart[first] = place[pixels[first] + step] - first  # the longest step that meets one comes last
        pairs.append((first, apart[first], weight))
    edges = _edges(sizes)
    height = np.array([apart[first:last].max(initial=0) + 1 for first, last in edges])
    begins = np.concatenate([[0], (sizes * height).cumsum()])
    within = np.arange(len(pixels)) - np.repeat([first for first, _ in edges], sizes)
    column = np.repeat(begins[:-1], sizes) + within * np.repeat(height, sizes)
    band = np.zeros(begins[-1])
    band[column] = total[pixels % len(total)]
    for first, far, weight in pairs:
        band[column[first] + far] = -weight
    return [band[begin:end].reshape(-1, high).T for begin, end, high in zip(begins[:-1], begins[1:], height, strict=True)]
