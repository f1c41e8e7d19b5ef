"""Means over strata that are drawn from unevenly: sums against loops, stated variances against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.strata import OFTEN, Estimate, Strata, mean_of_all, mean_of_some, regression

ROUNDING = 1e-10
STATED = (0.85, 1.15)
"""Root of the mean stated variance over the root of the mean squared error, over some thousand repetitions."""
COVERED = (0.92, 0.98)


def within(vectors: np.ndarray, strata: np.ndarray, stratum: int) -> np.ndarray:
    own = vectors[strata == stratum]
    return own - own.mean(axis=0)


def test_sums_in_pieces_are_those_of_a_loop_over_strata() -> None:
    generator = np.random.default_rng(0)
    strata, vectors = generator.integers(0, 4, 60), generator.normal(size=(60, 3)) + 5
    size = np.array([0.5, 1.0, 1.5, 1.0, 1.0])
    found = Strata(5, 3)
    for part in (slice(0, 1), slice(1, 30), slice(30, 60)):
        found.add(strata[part], vectors[part], size)
    assert found.counts.tolist() == [*np.bincount(strata, minlength=4).tolist(), 0]
    gram = np.zeros((3, 3))
    for stratum in range(4):
        np.testing.assert_allclose(found.means[stratum], vectors[strata == stratum].mean(axis=0), atol=ROUNDING)
        apart = within(vectors, strata, stratum)
        np.testing.assert_allclose(found.squares[stratum], np.square(apart).sum(axis=0), atol=ROUNDING)
        gram += apart.T @ apart / size[stratum] ** 2
    np.testing.assert_allclose(found.gram, gram, atol=ROUNDING)
    assert found.degrees == 60 - 4


def test_noise_moves_from_the_pool_to_a_stratums_own() -> None:
    generator = np.random.default_rng(1)
    spread = np.array([1.0, 2.0, 8.0])
    found = Strata(3, 1)
    for stratum, draws in enumerate((2000, 2000, 1)):
        found.add(np.full(draws, stratum), spread[stratum] * generator.normal(size=(draws, 1)), spread)
    np.testing.assert_allclose(found.noise(spread)[:, 0], np.square(spread), rtol=0.1)
    wrong = found.noise(np.ones(3))[:, 0]
    np.testing.assert_allclose(wrong[:2], [1, 4], rtol=0.1)
    assert 1 < wrong[2] < 4, "a stratum drawn from once has the pool's noise"


def test_where_there_is_hardly_any_noise_seen_the_departures_from_a_regression_count() -> None:
    found = Strata(3, 2)
    found.add(np.arange(3), np.ones((3, 2)), np.ones(3))
    np.testing.assert_allclose(found.noise(np.ones(3), np.array([[2.0, 3.0]] * 3)), [[4, 9]] * 3)
    assert not found.noise(np.ones(3)).any()


def test_a_stratum_drawn_from_once_has_its_departure_for_its_own_noise() -> None:
    generator = np.random.default_rng(7)
    found = Strata(3, 1)
    for stratum, draws in enumerate((2000, 2000, 1)):
        found.add(np.full(draws, stratum), generator.normal(size=(draws, 1)), np.ones(3))
    apart = np.array([[0.0], [0.0], [6.0]])
    np.testing.assert_allclose(found.noise(np.ones(3), apart)[:, 0], [1, 1, (2 + 36) / 3], rtol=0.1)


def test_the_mean_of_all_strata_weighs_them_equally_and_knows_its_variance() -> None:
    generator = np.random.default_rng(2)
    centres, spread = 5 * generator.normal(size=(8, 2)), np.linspace(0.5, 2, 8)
    counts = np.array([2, 2, 2, 3, 4, 5, 6, 7])
    strata = np.repeat(np.arange(8), counts)
    errors, stated, inside = [], [], []
    for _ in range(3000):
        found = Strata(8, 2)
        found.add(strata, centres[strata] + spread[strata, None] * generator.normal(size=(len(strata), 2)), spread)
        estimate = mean_of_all(found, spread)
        errors.append(estimate.mean - centres.mean(axis=0))
        stated.append(estimate.variance)
        inside.append(np.abs(errors[-1]) <= 1.96 * np.sqrt(estimate.variance))
        assert estimate.degrees <= found.degrees
    assert STATED[0] <= np.sqrt(np.mean(stated) / np.square(errors).mean()) <= STATED[1]
    assert COVERED[0] <= np.mean(inside) <= COVERED[1]


@pytest.mark.parametrize("missing", ["nothing", "noise", "what goes with the size"])
def test_the_mean_of_some_strata_is_unbiased_and_knows_its_variance(missing: str) -> None:
    generator = np.random.default_rng(3)
    strata, reach = 60, 35
    known = np.stack([np.ones((strata, 2)), generator.normal(size=(strata, 2))], axis=2)
    size = generator.uniform(0.5, 2, strata)
    size /= size.mean()
    unknown = {"nothing": np.zeros((strata, 2)), "noise": 1.5 * generator.normal(size=(strata, 2)), "what goes with the size": 3 * size[:, None] ** [1, 2]}
    centres = known @ [2.0, 3.0] + unknown[missing]
    chances = np.minimum(reach * size / strata, 1)
    errors, stated, inside = [], [], []
    for _ in range(2000):
        offsets = (generator.permutation(strata) + generator.random(strata)) / strata
        counts = np.floor(reach * size / strata + offsets).astype(int)
        drawn = np.repeat(np.arange(strata), counts)
        found = Strata(strata, 2)
        found.add(drawn, centres[drawn] + size[drawn, None] * generator.normal(size=(len(drawn), 2)), size)
        estimate = mean_of_some(found, size, chances, known)
        errors.append(estimate.mean - centres.mean(axis=0))
        stated.append(estimate.variance)
        inside.append(np.abs(errors[-1]) <= 1.96 * np.sqrt(estimate.variance))
    spread = np.std(errors, axis=0)
    assert (np.abs(np.mean(errors, axis=0)) <= 4 * spread / np.sqrt(2000) + 0.05 * spread).all(), "unbiased"
    assert STATED[0] <= np.sqrt(np.mean(stated) / np.square(errors).mean()) <= 1.3 * STATED[1]
    assert COVERED[0] <= np.mean(inside) <= COVERED[1] + 0.01


def test_a_regression_on_what_explains_all_is_exact_and_survives_useless_columns() -> None:
    generator = np.random.default_rng(4)
    known = np.stack([np.ones((9, 3)), generator.normal(size=(9, 3)), np.zeros((9, 3)), np.ones((9, 3))], axis=2)
    centres = known @ [1.0, -2.0, 7.0, 0.0]
    found = Strata(9, 3)
    found.add(np.arange(6), centres[:6], np.ones(9))
    fitted, added = regression(found, np.ones(9), known)
    np.testing.assert_allclose(fitted, centres, atol=1e-6)
    assert not added.any()


def test_few_strata_that_make_most_of_the_variance_leave_few_degrees() -> None:
    generator = np.random.default_rng(5)
    drawn = np.repeat(np.arange(20), 6)
    even, uneven = Strata(20, 1), Strata(20, 1)
    noise = generator.normal(size=(120, 1))
    even.add(drawn, noise, np.ones(20))
    uneven.add(drawn, noise * np.where(drawn < 2, 10, 0.1)[:, None], np.ones(20))
    assert mean_of_all(even, np.ones(20)).degrees > 40
    assert mean_of_all(uneven, np.ones(20)).degrees < 15


def test_without_spread_there_is_no_error() -> None:
    found = Strata(3, 2)
    found.add(np.repeat(np.arange(3), 4), np.repeat([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]], 4, axis=0), np.ones(3))
    estimate = mean_of_all(found, np.ones(3))
    assert not estimate.variance.any()
    assert not estimate.covariance.any()
    np.testing.assert_allclose(estimate.mean, [3, 5])


def test_held_to_a_total_the_covariance_is_that_of_what_was_done() -> None:
    generator = np.random.default_rng(6)
    factor = generator.normal(size=(3, 3))
    covariance = factor @ factor.T
    errors = generator.multivariate_normal(np.zeros(3), covariance, 100_000)
    held = [Estimate(errors[i], covariance, 10.0).held_to(0.0) for i in range(2)]
    shares = np.diag(covariance) / np.trace(covariance)
    after = errors - errors.sum(axis=1, keepdims=True) * shares
    np.testing.assert_allclose(held[0].mean, after[0], atol=ROUNDING)
    np.testing.assert_allclose(held[0].covariance, np.cov(after.T), atol=0.05)
    assert abs(held[1].mean.sum()) < ROUNDING


def test_the_sum_of_two_has_degrees_between_them() -> None:
    one, other = Estimate(np.ones(2), np.eye(2), 10.0), Estimate(np.ones(2), 3 * np.eye(2), 30.0)
    both = one.plus(other)
    np.testing.assert_allclose(both.variance, [4, 4])
    assert both.degrees == pytest.approx(40)
    assert Estimate(np.ones(2), 0 * np.eye(2), 5.0).plus(other).degrees == pytest.approx(30)


@pytest.mark.parametrize("draws", [4, 12, 40])
def test_what_goes_with_a_number_of_known_mean_is_taken_out_and_the_variance_is_that_of_what_is_left(draws: int) -> None:
    generator = np.random.default_rng(8)
    centres = generator.normal(size=(20, 2))
    slopes = 2 + generator.normal(size=(20, 1))
    strata = np.repeat(np.arange(20), draws)
    errors, stated = [], []
    for _ in range(1500):
        beside = generator.uniform(-1, 1, (len(strata), 2))
        found = Strata(20, 2)
        vectors = centres[strata] + slopes[strata] * beside + generator.normal(size=beside.shape)
        for part in (slice(0, 25), slice(25, None)):
            found.add(strata[part], vectors[part], np.ones(20), beside[part])
        estimate = mean_of_all(found, np.ones(20))
        errors.append(estimate.mean - centres.mean(axis=0))
        stated.append(estimate.variance)
    plain = np.sqrt((1 + np.square(slopes).mean() / 3) / draws / 20)
    assert STATED[0] <= np.sqrt(np.mean(stated) / np.square(errors).mean()) <= STATED[1]
    assert (np.sqrt(np.square(errors).mean()) < 0.8 * plain) == (draws >= OFTEN)


def test_a_regression_on_numbers_beside_single_draws_serves_strata_drawn_from_once() -> None:
    generator = np.random.default_rng(9)
    beside = generator.uniform(-1, 1, (15, 2))
    found = Strata(20, 2)
    found.add(np.arange(15), 3 + 2 * beside, np.ones(20), beside)
    fitted, added = regression(found, np.ones(20), np.ones((20, 2, 1)), beside=True)
    np.testing.assert_allclose(fitted, 3, atol=1e-6)
    np.testing.assert_allclose(added[:15], 2 * beside, atol=1e-6)
    assert not added[15:].any()
    np.testing.assert_allclose(mean_of_some(found, np.ones(20), np.full(20, 0.75), np.ones((20, 2, 1)), beside=True).mean, 3, atol=1e-6)


def test_numbers_beside_that_tell_nothing_are_left_out() -> None:
    generator = np.random.default_rng(10)
    kept = []
    for slope in (0.0, 3.0):
        found = Strata(40, 3)
        beside = generator.uniform(-1, 1, (40, 3))
        found.add(np.arange(40), slope * beside + generator.normal(size=(40, 3)), np.ones(40), beside)
        kept.append(np.abs(regression(found, np.ones(40), np.ones((40, 3, 1)), beside=True)[1]).mean())
    assert kept[0] < 0.1
    assert kept[1] > 1
