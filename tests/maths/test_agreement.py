"""Agreement of ranks: known answers, and intervals that cover the ranks of the values without their errors."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.agreement import overlap, spearman_interval, unit_errors
from pellucid.maths.correlation import spearman

COVERED = 0.90
"""At the 95 % level, of 60 pairs: three standard errors below."""


def maps(draw: np.random.Generator, count: int, alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Two lists with a few large values each, as maps have."""
    a, own = (draw.normal(size=count) * draw.exponential(size=count) for _ in range(2))
    return a, alike * a + np.sqrt(1 - alike**2) * own


@pytest.mark.parametrize("alike", [-0.95, 0.0, 0.6, 0.95, 1.0])
@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_interval_covers_the_correlation_without_errors(alike: float, noise: float) -> None:
    draw, held = np.random.default_rng(3), 0
    for _ in range(60):
        a, b = maps(draw, 49, alike)
        errors = [np.full(49, noise * np.sqrt(np.mean(one**2))) for one in (a, b)]
        noisy = [one + error * draw.normal(size=49) for one, error in zip((a, b), errors, strict=True)]
        low, high = spearman_interval(*noisy, *errors, draw)
        held += low <= spearman(a, b) + 1e-9 and spearman(a, b) <= high + 1e-9
    assert held / 60 >= COVERED


def test_many_values_are_covered_with_fewer_draws() -> None:
    draw, held = np.random.default_rng(4), 0
    for _ in range(20):
        a, b = maps(draw, 6000, 0.8)
        errors = [np.full(6000, 0.03)] * 2
        low, high = spearman_interval(*(one + 0.03 * draw.normal(size=6000) for one in (a, b)), *errors, draw)
        held += low <= spearman(a, b) <= high
    assert held >= 18


def test_quantiles_of_draws_around_noisy_values_would_not_cover_it() -> None:
    """Why the interval is not made in the obvious way."""
    draw, held = np.random.default_rng(3), 0
    for _ in range(60):
        a, _ = maps(draw, 49, 1.0)
        error = np.full(49, 0.1 * np.sqrt(np.mean(a**2)))
        noisy = [a + error * draw.normal(size=49) for _ in range(2)]
        drawn = spearman(*(one + error * draw.normal(size=(100, 49)) for one in noisy))
        held += np.quantile(drawn, 0.975) >= 1.0
    assert held == 0


def test_known_errors_give_a_point_and_unknown_ones_nothing() -> None:
    a, b, none = np.arange(5.0), np.array([0.0, 2.0, 1.0, 3.0, 4.0]), np.zeros(5)
    draw = np.random.default_rng(0)
    assert spearman_interval(a, b, none, none, draw) == pytest.approx((0.9, 0.9))
    assert np.isnan(spearman_interval(a, b, none, np.full(5, np.nan), draw)).all()
    assert np.isnan(spearman_interval(np.ones(5), b, none, none, draw)).all()


def test_the_strongest_in_size_are_shared() -> None:
    a, b = np.array([5.0, -4.0, 3.0, 0.1]), np.array([-9.0, 0.2, 8.0, 0.1])
    assert [overlap(a, b, count) for count in (1, 2, 3, 4)] == [1.0, 0.5, 1.0, 1.0]


def test_errors_of_values_divided_by_their_norm_are_what_draws_show() -> None:
    draw = np.random.default_rng(5)
    values, error = draw.normal(size=12), 0.02 * draw.exponential(size=12)
    drawn = values + error * draw.normal(size=(20_000, 12))
    shown = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).std(axis=0)
    unit, found = unit_errors(values, error)
    np.testing.assert_allclose(unit * np.linalg.norm(values), values)
    np.testing.assert_allclose(found, shown, rtol=0.03)
    nothing = unit_errors(np.zeros(3), np.ones(3))
    assert [one.tolist() for one in nothing] == [[0, 0, 0], [1, 1, 1]]
