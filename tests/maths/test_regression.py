"""Weighted regression against numpy's least squares, loops over pairs written from the formula, and models with controls solved in one piece."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pellucid.maths import regression
from pellucid.maths.regression import Design, PairSandwich, Response, Solver, lime_kernel, weighted_regression

ROUNDING = 1e-10


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 2, (60, 4)).astype(float)
    return rows, rows @ [1.0, -2.0, 0.5, 0.0] + 3 + generator.normal(size=60), generator.uniform(0.1, 2, 60)


def _slow_ridge(rows: np.ndarray, scores: np.ndarray, weights: np.ndarray, ridge: float, penalised: int | None = None) -> np.ndarray:
    """Intercept and coefficients by plain least squares on rows scaled by √w, the penalty on the first coefficients written as further rows."""
    design = np.column_stack([np.ones(len(rows)), rows]) * np.sqrt(weights)[:, None]
    penalty = np.sqrt(ridge) * np.eye(rows.shape[1] + 1)[1 : None if penalised is None else 1 + penalised]
    goal = np.concatenate([scores * np.sqrt(weights), np.zeros(len(penalty))])
    return np.linalg.lstsq(np.concatenate([design, penalty]), goal, rcond=None)[0]


def streamed(rows: np.ndarray, responses: np.ndarray, weights: np.ndarray, pieces: int) -> tuple[Design, Response]:
    """The sums, taken piece by piece."""
    design, total = Design(rows.shape[1]), None
    for part in np.array_split(np.arange(len(rows)), pieces):
        weighted = rows[part] * weights[part, None]
        design.add(weighted, rows[part], weights[part])
        found = Response.of(weighted, weights[part], responses[part])
        total = found if total is None else total + found
    return design, total


@pytest.mark.parametrize("ridge", [0.0, 1.0, 7.5])
def test_coefficients_and_intercept_are_those_of_numpy(data, ridge: float) -> None:
    fit = weighted_regression(*data, ridge=ridge)
    expected = _slow_ridge(*data, ridge)
    np.testing.assert_allclose(fit.coefficients, expected[1:], atol=ROUNDING)
    assert fit.intercept == pytest.approx(expected[0], abs=ROUNDING)


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
    fit = weighted_regression(rows, rows @ [1.0, 2.0, 3.0, 4.0] - 1, weights)
    np.testing.assert_allclose(fit.coefficients, [1, 2, 3, 4], atol=ROUNDING)
    assert fit.r_squared == pytest.approx(1)


@pytest.mark.parametrize("level", [0.0, 0.1, -2.7e5, 1 / 3])
def test_a_constant_response_has_nothing_unexplained(data, level: float) -> None:
    rows, _, weights = data
    fit = weighted_regression(rows, np.full(60, level), weights)
    assert np.abs(fit.coefficients).max() <= ROUNDING * max(1, abs(level))
    assert fit.r_squared == 1.0
    assert fit.intercept == pytest.approx(level)


@pytest.mark.parametrize("ridge", [0.0, 2.0])
@pytest.mark.parametrize("pieces", [1, 7])
def test_nuisance_and_control_are_those_of_one_regression_on_all(data, ridge: float, pieces: int) -> None:
    """Without a ridge the control's share and the rest are ordinary least squares on every column at once."""
    rows, scores, weights = data
    generator = np.random.default_rng(5)
    nuisance, control = generator.normal(size=(60, 2)), generator.normal(size=60)
    scores = scores + nuisance @ [0.7, -0.4] + 0.9 * control
    columns = np.column_stack([rows, nuisance])
    design, response = streamed(columns, np.column_stack([scores, control]), weights, pieces)
    line = Solver(design, 4, 6, ridge).line(response)
    if ridge == 0:
        expected = _slow_ridge(np.column_stack([columns, control]), scores, weights, 0)
        np.testing.assert_allclose([line.intercept, *line.coefficients, *line.nuisance, line.share], expected, atol=ROUNDING)
        without = _slow_ridge(columns, scores, weights, 0)
        lost = [np.sum(weights * (scores - part @ found) ** 2) for part, found in _designs(columns, control, without, expected)]
        assert line.gain == pytest.approx(1 - lost[1] / lost[0], abs=ROUNDING)
    else:
        freed = scores - line.share * control
        np.testing.assert_allclose([line.intercept, *line.coefficients, *line.nuisance], _slow_ridge(columns, freed, weights, ridge, 4), atol=ROUNDING)
    left = scores - columns[:, 4:] @ line.nuisance
    fit = left - rows @ line.coefficients
    share = 1 - np.average((fit - np.average(fit, weights=weights)) ** 2, weights=weights) / np.average(
        (left - np.average(left, weights=weights)) ** 2, weights=weights
    )
    assert line.r_squared == pytest.approx(share, abs=ROUNDING)


def _designs(columns: np.ndarray, control: np.ndarray, without: np.ndarray, full: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    ones = np.ones((len(columns), 1))
    return [(np.hstack([ones, columns]), without), (np.hstack([ones, columns, control[:, None]]), full)]


def test_fewer_columns_of_one_design_are_the_regression_on_them(data) -> None:
    rows, scores, weights = data
    design, response = streamed(rows, scores[:, None], weights, 3)
    line = Solver(design, 2, 3).line(response)
    expected = _slow_ridge(rows[:, :3], scores, weights, 0)
    np.testing.assert_allclose([line.intercept, *line.coefficients, *line.nuisance], expected, atol=ROUNDING)


def test_a_control_that_is_nothing_changes_nothing(data) -> None:
    rows, scores, weights = data
    design, response = streamed(rows, np.column_stack([scores, np.zeros(60)]), weights, 1)
    line = Solver(design, 4, 4).line(response)
    np.testing.assert_allclose(line.coefficients, weighted_regression(*data).coefficients, atol=ROUNDING)
    assert line.share == line.gain == 0


def pairs(count: int, features: int, seed: int = 1) -> np.ndarray:
    kept = np.random.default_rng(seed).integers(0, 2, (count, features)).astype(float)
    return np.stack([kept, 1 - kept], axis=1).reshape(-1, features)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_the_sandwich_is_that_of_a_loop_over_pairs(ridge: float) -> None:
    rows, generator = pairs(30, 4), np.random.default_rng(2)
    weights, scores = generator.uniform(0.1, 2, 60), rows @ [1.0, -2.0, 0.5, 0.0] + generator.normal(size=60)
    design, response = streamed(rows, scores[:, None], weights, 4)
    solver = Solver(design, 4, 4, ridge)
    line = solver.line(response)
    residuals = scores - line.intercept - rows @ line.coefficients
    middle = PairSandwich(4)
    for part in (slice(0, 20), slice(20, 60)):
        middle.add(rows[part][::2], (residuals * weights)[part].reshape(-1, 2))
    covariance, degrees = solver.covariance(middle.meat(design.centre), 30, 5)
    full = np.column_stack([np.ones(60), rows])
    bread = np.linalg.inv(sum(w * np.outer(z, z) for w, z in zip(weights, full, strict=True)) + ridge * np.diag([0.0, 1, 1, 1, 1]))
    meat = np.zeros((5, 5))
    for start in range(0, 60, 2):
        piece = sum(weights[i] * residuals[i] * full[i] for i in (start, start + 1))
        meat += np.outer(piece, piece)
    np.testing.assert_allclose(covariance, (bread @ meat @ bread)[1:, 1:] * 30 / 25, atol=ROUNDING)
    assert degrees == 25


def test_the_sandwich_covers_the_truth_of_noise_that_pairs_share() -> None:
    draws, count = 400, 150
    inside = 0
    for seed in range(draws):
        rows = pairs(count, 3, seed)
        shared = np.repeat(np.random.default_rng(10**6 + seed).normal(size=count), 2) * (2 * rows[:, 0] - 1)
        scores, weights = rows @ [1.0, 2.0, 3.0] + shared, np.ones(2 * count)
        design, response = streamed(rows, scores[:, None], weights, 1)
        solver = Solver(design, 3, 3)
        line, middle = solver.line(response), PairSandwich(3)
        middle.add(rows[::2], (scores - line.intercept - rows @ line.coefficients).reshape(-1, 2))
        covariance, _ = solver.covariance(middle.meat(design.centre), count, 4)
        inside += abs(line.coefficients[0] - 1) <= 1.976 * np.sqrt(covariance[0, 0])
    assert 0.92 <= inside / draws <= 0.98


def test_the_kernel_is_limes() -> None:
    masks = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    cosine_distance = np.array([0.0, 1 - 1 / 2, 1.0])  # of a mask to the full one: 1 − √(kept/all)
    np.testing.assert_allclose(lime_kernel(masks, 0.25), np.sqrt(np.exp(-(cosine_distance**2) / 0.25**2)), rtol=ROUNDING)


def test_blocks_of_rows_change_nothing_and_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(8)
    rows = generator.integers(0, 2, (40_000, 20), dtype=np.uint8)
    scores, weights = rows @ generator.normal(size=20) + generator.normal(size=len(rows)), generator.random(len(rows))
    monkeypatch.setattr(regression, "NUMBERS_AT_ONCE", 10**9)
    whole = weighted_regression(rows, scores, weights)
    monkeypatch.setattr(regression, "NUMBERS_AT_ONCE", 2_000)
    tracemalloc.start()
    blocks = weighted_regression(rows, scores, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(blocks.coefficients, whole.coefficients, rtol=1e-9)
    assert blocks.r_squared == pytest.approx(whole.r_squared)
    assert peak < rows.size * 8 / 2, "a copy of all rows in float64 was made"
