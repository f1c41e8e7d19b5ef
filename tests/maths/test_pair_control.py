"""The control of LIME: its own regression on all masks is nothing, and no pair knows its own scores."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from pellucid.maths.pair_control import STIFFNESS, PairControl, elsewhere, product_line
from pellucid.maths.regression import lime_kernel, weighted_regression

ROUNDING = 1e-9


def every(features: int) -> np.ndarray:
    return np.array(list(product((0, 1), repeat=features)), dtype=float)


def size_weights(features: int, width: float) -> np.ndarray:
    return lime_kernel(np.tri(features + 1, features, -1), width)


def drawn(pairs: int, features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (pairs, features)).astype(float)


def both(first: np.ndarray) -> np.ndarray:
    """Masks and complements, alternately."""
    return np.stack([first, 1 - first], axis=1).reshape(-1, first.shape[1])


@pytest.mark.parametrize("features", [2, 3, 4, 8])
@pytest.mark.parametrize("width", [0.25, 2.0])
def test_the_line_of_a_product_is_the_regression_over_all_masks(features: int, width: float) -> None:
    masks = every(features)
    signs = 2 * masks - 1
    fit = weighted_regression(masks, signs[:, 0] * signs[:, 1], lime_kernel(masks, width))
    constant, pair, rest = product_line(size_weights(features, width))
    assert fit.intercept == pytest.approx(constant, abs=ROUNDING)
    np.testing.assert_allclose(fit.coefficients, [pair, pair, *[rest] * (features - 2)], atol=ROUNDING)


@pytest.mark.parametrize("features", [2, 5, 9])
def test_the_control_has_no_regression_of_its_own(features: int) -> None:
    masks, generator = every(features), np.random.default_rng(1)
    first = masks[: len(masks) // 2]  # the others are their complements
    line = product_line(size_weights(features, 0.25))
    values = elsewhere(first, PairControl(drawn(40, features), line).strengths(generator.normal(size=80)), line)
    fit = weighted_regression(both(first), values, lime_kernel(both(first), 0.25))
    scale = np.abs(values).max()
    assert scale > 0.01
    np.testing.assert_allclose([fit.intercept, *fit.coefficients], 0, atol=ROUNDING * scale)


def _ridge(first: np.ndarray, means: np.ndarray) -> np.ndarray:
    """C by explicit products of features: ridge regression with a free constant, written out."""
    signs, features = 2 * first - 1, first.shape[1]
    places = [(i, j) for i in range(features) for j in range(i)]
    products = np.array([[row[i] * row[j] for i, j in places] for row in signs])
    centred = products - products.mean(axis=0)
    penalty = STIFFNESS * features * (features - 1) / 2 * np.eye(len(places))
    found = np.linalg.solve(centred.T @ centred + penalty, centred.T @ (means - means.mean()))
    strengths = np.zeros((features, features))
    for (i, j), value in zip(places, found, strict=True):
        strengths[i, j] = strengths[j, i] = value
    return strengths


def test_strengths_are_those_of_ridge_regression_on_products() -> None:
    first, scores = drawn(50, 5), np.random.default_rng(2).normal(size=100)
    control = PairControl(first, product_line(size_weights(5, 0.25)))
    np.testing.assert_allclose(control.strengths(scores), _ridge(first, scores.reshape(-1, 2).mean(axis=1)), atol=ROUNDING)


def test_each_pair_gets_what_the_others_give() -> None:
    first, scores = drawn(30, 6), np.random.default_rng(3).normal(size=(60, 2))
    line = product_line(size_weights(6, 0.25))
    found = PairControl(first, line).without_self(scores).reshape(30, 2, 2)
    for pair in (0, 13, 29):
        others = np.arange(30) != pair
        without = PairControl(first[others], line)
        for response in range(2):
            strengths = without.strengths(scores.reshape(30, 2, 2)[others, :, response].ravel())
            np.testing.assert_allclose(found[pair, :, response], elsewhere(first[pair : pair + 1], strengths, line), atol=ROUNDING)


def test_a_pair_does_not_feel_its_own_scores() -> None:
    first, scores = drawn(30, 6), np.random.default_rng(3).normal(size=(60, 1))
    control = PairControl(first, product_line(size_weights(6, 0.25)))
    moved = scores.copy()
    moved[8:10] += 100
    before, after = control.without_self(scores), control.without_self(moved)
    np.testing.assert_allclose(after[8:10], before[8:10], atol=1e-7)
    assert np.abs(after - before).max() > 1


def test_interactions_are_found_whatever_is_linear() -> None:
    first = drawn(200, 6, 4)
    masks = both(first)
    signs = 2 * masks - 1
    scores = 3 + masks @ [1.0, -5, 2, 0, 0, 7] + 2 * signs[:, 0] * signs[:, 3] - signs[:, 1] * signs[:, 2]
    found = PairControl(first, product_line(size_weights(6, 0.25))).strengths(scores)
    expected = np.zeros((6, 6))
    expected[0, 3] = expected[3, 0] = 2
    expected[1, 2] = expected[2, 1] = -1
    np.testing.assert_allclose(found, expected, atol=0.02)
