"""Error statistics against Monte Carlo of a known covariance and slow sums."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.statistics import StratifiedMoments, covariance_quantile, norm_quantile, unbiased_square

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


def test_stratified_moments_are_those_of_a_loop() -> None:
    generator = np.random.default_rng(2)
    strata, features, rounds = 3, 4, 6
    vectors = generator.normal(size=(rounds, strata, features)) * 2 + 10 * generator.normal(size=(strata, features))
    moments = StratifiedMoments(strata, features)
    moments.add(vectors[:2])
    moments.add(vectors[2:])
    covariance = np.zeros((features, features))
    for s in range(strata):
        mean = sum(vectors[r, s] for r in range(rounds)) / rounds
        within = sum(np.outer(vectors[r, s] - mean, vectors[r, s] - mean) for r in range(rounds)) / (rounds - 1)
        covariance += within / rounds / strata**2
    np.testing.assert_allclose(moments.mean, vectors.mean(axis=(0, 1)), atol=ROUNDING)
    np.testing.assert_allclose(moments.covariance, covariance, atol=ROUNDING)
    assert moments.rounds == rounds
    assert moments.degrees == strata * (rounds - 1)


def test_spread_between_strata_is_not_error() -> None:
    fixed = np.array([[0.0, 100.0], [50.0, -3.0]])
    moments = StratifiedMoments(2, 2)
    moments.add(np.stack([fixed] * 4))
    assert np.abs(moments.covariance).max() < ROUNDING


def test_the_covariance_of_the_mean_is_unbiased() -> None:
    generator = np.random.default_rng(3)
    centres = 5 * generator.normal(size=(4, 2))
    means, stated = [], []
    for _ in range(4000):
        moments = StratifiedMoments(4, 2)
        moments.add(centres + generator.normal(size=(3, 4, 2)) * [1.0, 2.0])
        means.append(moments.mean)
        stated.append(np.diag(moments.covariance))
    np.testing.assert_allclose(np.mean(stated, axis=0), np.var(means, axis=0), rtol=0.08)
