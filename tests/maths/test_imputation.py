"""The linear imputation of ROAD: a dense system written pixel by pixel, and what an image must keep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pellucid.maths import imputation
from pellucid.maths.imputation import imputed

Array = np.ndarray
ROUNDING = 1e-12


def twin(image: Array, removed: Array) -> Array:
    """Each removed pixel's equation in a dense matrix: x − Σ w · neighbour / Σ w = 0 over the neighbours that the image has."""
    rows, columns, _ = image.shape
    matrix, constant = np.eye(rows * columns), image.reshape(rows * columns, -1).astype(float)
    for i, j in zip(*removed.nonzero(), strict=True):
        here = i * columns + j
        found = {}
        for di, dj in itertools.product((-1, 0, 1), (-1, 0, 1)):
            if (di or dj) and 0 <= i + di < rows and 0 <= j + dj < columns:
                found[(i + di) * columns + j + dj] = 1 / 6 if not di or not dj else 1 / 12
        constant[here] = 0
        for there, weight in found.items():
            matrix[here, there] = -weight / sum(found.values())
    return np.linalg.solve(matrix, constant).reshape(image.shape)


@pytest.mark.parametrize("shape", [(7, 7, 1), (5, 9, 3), (9, 4, 2), (1, 8, 1), (6, 1, 1)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_each_mask_against_a_dense_system(shape: tuple[int, ...], share: float) -> None:
    draw = np.random.default_rng(round(100 * share))
    image = draw.normal(size=shape)
    removed = draw.random((6, *shape[:2])) < share
    removed[:, -1, -1] = False
    found = imputed(image, removed)
    for one, mask in zip(found, removed, strict=True):
        np.testing.assert_allclose(one, twin(image, mask), atol=ROUNDING)
        np.testing.assert_array_equal(one[~mask], image[~mask])


def test_a_hole_in_a_slope_is_filled_by_the_slope() -> None:
    """Of a plane every pixel within is the mean of its neighbours."""
    plane = (np.arange(12)[:, None] + 2.0 * np.arange(10))[..., None]
    mask = np.zeros((1, 12, 10), bool)
    mask[0, 2:9, 3:8] = True
    np.testing.assert_allclose(imputed(plane, mask)[0], plane, atol=ROUNDING)


def test_masks_are_solved_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    image, removed = draw.normal(size=(6, 5, 2)), draw.random((7, 6, 5)) < 0.6
    removed[:, 0, 0] = False
    whole = imputed(image, removed)
    monkeypatch.setattr(imputation, "BAND_BYTES", 1.0)
    np.testing.assert_array_equal(imputed(image, removed), whole)


def test_the_image_given_stays_as_it_is_and_an_empty_mask_is_an_error() -> None:
    image = np.random.default_rng(2).normal(size=(4, 4, 1))
    before, mask = image.copy(), np.ones((2, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 3, 3] = False
    found = imputed(image, mask)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_allclose(found[0], image[0, 0, 0])  # one pixel left: all become it
    with pytest.raises(ValueError, match="at least one pixel"):
        imputed(image, np.ones((1, 4, 4), bool))
