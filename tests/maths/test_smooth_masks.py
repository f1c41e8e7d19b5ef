"""Smooth masks: interpolation as torch does it, the mean and the covariance that they should have, and every mask counted."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.smooth_masks import SmoothMasks, block_means, interpolation_table

ROUNDING = 1e-6


@pytest.mark.parametrize(("size", "cells"), [(28, 7), (29, 7), (224, 7), (10, 4), (8, 3)])
def test_interpolation_is_that_of_torch(size: int, cells: int) -> None:
    torch = pytest.importorskip("torch")
    length = -(-size // cells)
    wide = torch.nn.functional.interpolate(torch.eye(cells)[None], size=(cells + 1) * length, mode="linear", align_corners=False)[0].numpy().T
    table = interpolation_table(size, cells)
    assert table.shape == (length, size, cells)
    for shift in range(length):
        np.testing.assert_allclose(table[shift], wide[shift : shift + size], atol=ROUNDING)


def test_an_axis_of_few_elements_is_left_alone() -> None:
    np.testing.assert_array_equal(interpolation_table(5, 7), np.eye(5)[None])


def test_block_means() -> None:
    np.testing.assert_allclose(block_means(7, 3) @ np.arange(7.0), [1, 3.5, 5.5])


@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_all_masks_have_the_mean_and_the_covariance_that_is_said(keep: float) -> None:
    masks = SmoothMasks((6, 5), (2, 2), keep, (3, 2))
    draws, chance = masks.all_masks()
    assert len(draws) == masks.possible == 2**4 * 3 * 3
    assert chance.sum() == pytest.approx(1)
    fine, coarse = masks.masks(draws).astype(float), masks.coarse(draws)
    np.testing.assert_allclose(chance @ fine, keep, atol=ROUNDING)
    weights = np.random.default_rng(0).normal(size=6)
    covariance = (chance * ((coarse - keep) @ weights)) @ (fine - keep)
    np.testing.assert_allclose(masks.covariance_with(weights), covariance, atol=ROUNDING)
    np.testing.assert_allclose(coarse, fine @ np.kron(block_means(6, 3), block_means(5, 2)).T, atol=ROUNDING)


@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_pairs_are_masks_of_the_same_law_and_go_against_each_other(keep: float) -> None:
    masks = SmoothMasks((6, 5), (2, 2), keep, (3, 2))
    draws = masks.pairs(np.random.default_rng(1), 40_000)
    first, second = masks.masks(draws[::2]).astype(float), masks.masks(draws[1::2]).astype(float)
    every, chance = masks.all_masks()
    fine = masks.masks(every).astype(float)
    square = chance @ np.square(fine - keep)
    for drawn in (first, second):
        np.testing.assert_allclose(drawn.mean(axis=0), keep, atol=0.01)
        np.testing.assert_allclose(np.square(drawn - keep).mean(axis=0), square, atol=0.01)
    against = ((first - keep) * (second - keep)).mean(axis=0)
    assert (against < -0.25 * square).all()
    if keep == 0.5:
        np.testing.assert_allclose(first + second, 1, atol=ROUNDING)


def test_three_axes_and_one() -> None:
    for shape in ((9,), (4, 6, 5)):
        masks = SmoothMasks(shape, tuple(2 for _ in shape), 0.5, tuple(3 for _ in shape))
        draws = masks.pairs(np.random.default_rng(0), 3)
        found = masks.masks(draws).reshape(6, *shape)
        for k in range(6):
            want = draws.cells[k].astype(float)
            for axis, table in enumerate(masks.tables):
                want = np.moveaxis(np.tensordot(table[draws.shifts[axis, k]], want, axes=(1, axis)), 0, axis)
            np.testing.assert_allclose(found[k], want, atol=ROUNDING)
