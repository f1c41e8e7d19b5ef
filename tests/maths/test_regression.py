"""Weighted regression against numpy's least squares and a loop over clusters written from the formula."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.regression import lime_kernel, weighted_regression

ROUNDING = 1e-10


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 2, (60, 4)).astype(float)
    return rows, rows @ [1.0, -2.0, 0.5, 0.0] + 3 + generator.normal(size=60), generator.uniform(0.1, 2, 60)


def _slow_ridge(rows: np.ndarray, scores: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Intercept and coefficients by plain least squares on rows scaled by √w, the penalty written as further rows."""
    design = np.column_stack([np.ones(len(rows)), rows]) * np.sqrt(weights)[:, None]
    penalty = np.sqrt(ridge) * np.eye(rows.shape[1] + 1)[1:]
    goal = np.concatenate([scores * np.sqrt(weights), np.zeros(len(penalty))])
    return np.linalg.lstsq(np.concatenate([design, penalty]), goal, rcond=None)[0]


@pytest.mark.parametrize("ridge", [0.0, 1.0, 7.5])
def test_coefficients_and_intercept_are_those_of_numpy(data, ridge: float) -> None:
    fit = weighted_regression(*data, ridge=ridge)
    expected = _slow_ridge(*data, ridge)
    np.testing.assert_allclose(fit.coefficients, expected[1:], atol=ROUNDING)
    assert fit.intercept == pytest.approx(expected[0], abs=ROUNDING)


@pytest.mark.parametrize("cluster", [1, 2, 5])
def test_the_sandwich_is_that_of_a_loop_over_clusters(data, cluster: int) -> None:
    rows, scores, weights = data
    fit = weighted_regression(rows, scores, weights, cluster)
    design = np.column_stack([np.ones(60), rows])
    bread = np.linalg.inv(sum(w * np.outer(z, z) for w, z in zip(weights, design, strict=True)))
    residuals = scores - design @ np.concatenate([[fit.intercept], fit.coefficients])
    meat = np.zeros((5, 5))
    for start in range(0, 60, cluster):
        piece = sum(weights[i] * residuals[i] * design[i] for i in range(start, start + cluster))
        meat += np.outer(piece, piece)
    clusters = 60 // cluster
    expected = bread @ meat @ bread * clusters / (clusters - 5)
    np.testing.assert_allclose(fit.covariance, expected[1:, 1:], atol=ROUNDING)
    assert fit.degrees == clusters - 5


def test_r_squared_is_the_weighted_share(data) -> None:
    rows, scores, weights = data
    fit = weighted_regression(rows, scores, weights)
    residuals = scores - fit.intercept - rows @ fit.coefficients
    mean = np.average(scores, weights=weights)
    expected = 1 - np.average(residuals**2, weights=weights) / np.average((scores - mean) ** 2, weights=weights)
    assert fit.r_squared == pytest.approx(expected, abs=ROUNDING)
    assert 0.3 < fit.r_squared < 0.95


def test_a_linear_response_is_found_without_error(data) -> None:
    rows, _, weights = data
    fit = weighted_regression(rows, rows @ [1.0, 2.0, 3.0, 4.0] - 1, weights, 2)
    np.testing.assert_allclose(fit.coefficients, [1, 2, 3, 4], atol=ROUNDING)
    assert fit.r_squared == pytest.approx(1)
    assert np.abs(fit.covariance).max() < ROUNDING


@pytest.mark.parametrize("level", [0.0, 0.1, -2.7e5, 1 / 3])
def test_a_constant_response_has_nothing_unexplained(data, level: float) -> None:
    rows, _, weights = data
    fit = weighted_regression(rows, np.full(60, level), weights, 2)
    assert np.abs(fit.coefficients).max() <= ROUNDING * max(1, abs(level))
    assert fit.r_squared == 1.0


def test_the_sandwich_covers_the_truth_of_clustered_noise() -> None:
    generator = np.random.default_rng(4)
    draws, pairs = 400, 150
    inside = np.zeros(3)
    for _ in range(draws):
        kept = generator.integers(0, 2, (pairs, 3))
        rows = np.stack([kept, 1 - kept], axis=1).reshape(-1, 3).astype(float)
        shared = np.repeat(generator.normal(size=pairs), 2) * (2 * rows[:, 0] - 1)  # noise that the two of a pair share
        fit = weighted_regression(rows, rows @ [1.0, 2.0, 3.0] + shared, np.ones(2 * pairs), 2)
        inside += np.abs(fit.coefficients - [1, 2, 3]) <= 1.976 * np.sqrt(np.diag(fit.covariance))
    assert 0.92 <= inside[0] / draws <= 0.98


def test_the_kernel_is_limes() -> None:
    masks = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    cosine_distance = np.array([0.0, 1 - 1 / 2, 1.0])  # of a mask to the full one: 1 − √(kept/all)
    np.testing.assert_allclose(lime_kernel(masks, 0.25), np.sqrt(np.exp(-(cosine_distance**2) / 0.25**2)), rtol=ROUNDING)


def test_blocks_of_rows_change_nothing_and_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    from pellucid.maths import regression

    generator = np.random.default_rng(8)
    rows = generator.integers(0, 2, (40_000, 20), dtype=np.uint8)
    scores, weights = rows @ generator.normal(size=20) + generator.normal(size=len(rows)), generator.random(len(rows))
    monkeypatch.setattr(regression, "NUMBERS_AT_ONCE", 10**9)
    whole = regression.weighted_regression(rows, scores, weights, 2)
    monkeypatch.setattr(regression, "NUMBERS_AT_ONCE", 2_000)
    tracemalloc.start()
    blocks = regression.weighted_regression(rows, scores, weights, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(blocks.coefficients, whole.coefficients, rtol=1e-9)
    np.testing.assert_allclose(blocks.covariance, whole.covariance, rtol=1e-7, atol=1e-15)
    assert blocks.r_squared == pytest.approx(whole.r_squared)
    assert peak < rows.size * 8 / 2, "a copy of all rows in float64 was made"
