"""Error statistics against Monte Carlo of a known covariance and slow sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pellucid.maths.statistics import covariance_quantile, norm_quantile, unbiased_square, welch_degrees

ROUNDING = 1e-10
SATTERTHWAITE = 0.04
"""How far two matched moments may leave the 95 % quantile of a weighted sum of χ² from the truth, relative to the norm."""

SPECTRA = {"one direction": [1.0], "ten equal": [1.0] * 10, "falling": [1.0, 0.5, 0.25, 0.12], "one and many": [1.0] + [0.02] * 50}


def _rotated(spectrum: list[float], generator: np.random.Generator) -> np.ndarray:
    basis, _ = np.linalg.qr(generator.normal(size=(len(spectrum), len(spectrum))))
    return basis * spectrum @ basis.T


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA.keys())
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_quantile_of_the_norm_is_that_of_monte_carlo(spectrum: list[float], level: float) -> None:
    generator = np.random.default_rng(0)
    covariance = _rotated(spectrum, generator)
    errors = generator.multivariate_normal(np.zeros(len(spectrum)), covariance, 200_000)
    expected = np.quantile(np.linalg.norm(errors, axis=1), level)
    assert covariance_quantile(covariance, 1e9, level) == pytest.approx(expected, rel=SATTERTHWAITE)


@pytest.mark.parametrize("degrees", [10, 30])
def test_an_estimated_covariance_widens_the_quantile_so_that_it_still_covers(degrees: int) -> None:
    generator = np.random.default_rng(1)
    draws, features = 4000, 5
    scale = np.array([2.0, 1.0, 1.0, 0.5, 0.5])
    rows = generator.normal(size=(draws, degrees + 1, features)) * scale
    means = rows.mean(axis=1)
    centred = rows - means[:, None]
    covariances = np.einsum("dij,dik->djk", centred, centred) / degrees / (degrees + 1)
    covered = np.mean([np.linalg.norm(mean) <= covariance_quantile(one, degrees) for mean, one in zip(means, covariances, strict=True)])
    assert 0.935 <= covered <= 0.975


def test_a_quantile_without_error_is_zero_and_scales_with_the_error() -> None:
    assert norm_quantile(0.0, 0.0, 10) == 0
    assert norm_quantile(4.0, 16.0, 30) == pytest.approx(2 * norm_quantile(1.0, 1.0, 30))
    assert norm_quantile(1.0, 1.0, 5) > norm_quantile(1.0, 1.0, 50)


def test_the_square_of_a_norm_loses_its_noise() -> None:
    assert unbiased_square(10.0, 1.0) == 9.0
    assert unbiased_square(10.0, 8.0) == 5.0


def test_two_estimated_variances_have_the_degrees_of_welchs_test() -> None:
    """SciPy's, of two groups of unequal size and spread; two that are equally sure have the degrees of both."""
    draw = np.random.default_rng(2)
    first, second = draw.normal(size=(7, 4)), 3 * draw.normal(size=(20, 4))
    variances = [group.var(axis=0, ddof=1) / len(group) for group in (first, second)]
    found = welch_degrees(*variances, np.array(6.0), np.array(19.0))
    np.testing.assert_allclose(found, stats.ttest_ind(first, second, equal_var=False).df, rtol=ROUNDING)
    assert welch_degrees(np.ones(1), np.ones(1), np.array(9.0), np.array(9.0)).tolist() == [18]
    assert welch_degrees(np.array([0.0, 2.0]), np.array([0.0, 0.0]), np.array(9.0), np.array(5.0)).tolist() == [np.inf, 9]
    assert welch_degrees(np.array([2.0]), np.array([1.0]), np.array(np.inf), np.array(5.0)).tolist() == [45]
