"""Correlations and their jackknife: each pair left out by hand, SciPy beside, and stated against true errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pellucid.maths.correlation import pearson, pearson_error, spearman, spearman_error

Array = np.ndarray


def drawn(n: int, seed: int, *, ties: bool = False) -> tuple[Array, Array]:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    y = x + draw.normal(size=n)
    if ties:
        x, y = np.where(draw.random(n) < 0.4, 0, x), np.round(y)
    return x, y


def left_out(correlation: Callable[[Array, Array], float], x: Array, y: Array) -> float:
    """Tukey's jackknife, written out."""
    each = np.array([correlation(np.delete(x, j), np.delete(y, j)) for j in range(len(x))])
    return float(np.sqrt((len(x) - 1) / len(x) * np.square(each - each.mean()).sum()))


@pytest.mark.parametrize("ties", [False, True])
def test_against_scipy_and_each_pair_left_out(ties: bool) -> None:
    x, y = drawn(25, 3, ties=ties)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-12)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert pearson_error(x, y) == pytest.approx(left_out(lambda a, b: stats.pearsonr(a, b)[0], x, y), rel=1e-9)
    assert spearman_error(x, y) == pytest.approx(left_out(lambda a, b: stats.spearmanr(a, b)[0], x, y), rel=1e-9)


def test_many_rows_at_once_are_each_by_itself() -> None:
    pairs = [drawn(30, seed) for seed in range(4)]
    x, y = np.stack([x for x, _ in pairs]), np.stack([y for _, y in pairs])
    for function in (pearson, pearson_error, spearman):
        np.testing.assert_allclose(function(x, y), [function(a, b) for a, b in pairs], rtol=1e-12)


@pytest.mark.parametrize("constant", [np.ones(8), np.zeros(8)])
def test_nothing_correlates_with_a_constant(constant: Array) -> None:
    x = np.random.default_rng(0).normal(size=8)
    assert np.isnan([pearson(x, constant), pearson(constant, x), spearman(constant, x)]).all()
    assert np.isnan(pearson(x, 0.1 + constant + 1e-16 * np.arange(8)))


@pytest.mark.parametrize("n", [40, 200])
def test_stated_errors_are_true_ones(n: int) -> None:
    found = [(pearson(*pair), spearman(*pair), pearson_error(*pair), spearman_error(*pair)) for pair in (drawn(n, seed) for seed in range(400))]
    true, stated = np.std(found, axis=0)[:2], np.mean(found, axis=0)[2:]
    assert (np.abs(stated / true - 1) < 0.15).all()


def test_two_pairs_tell_no_error() -> None:
    assert np.isnan(pearson_error(np.arange(2.0), np.arange(2.0)))
    assert np.isnan(spearman_error(np.arange(2.0), np.arange(2.0)))
