"""Intervals of means, shares and differences: values of textbooks and papers, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid.applications._intervals import mean, rank_agreement, share, share_difference

DRAWS = 2000


def test_newcombe_s_own_examples() -> None:
    """Newcombe 1998, table II: 56/70 against 48/80, 9/10 against 3/10, and 10/10 against 0/20, method 10."""
    for first, second, low, high in (((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0)):
        found = share_difference(first, second)
        assert found[1] == pytest.approx(low, abs=1e-4)
        assert found[2] == pytest.approx(high, abs=1e-4)


def test_what_few_values_tell() -> None:
    assert all(math.isnan(one) for one in (*mean(np.zeros(0)), *share(0, 0), *rank_agreement(np.arange(2), np.arange(2))))
    assert mean(np.array([2.0])) == (2.0, -math.inf, math.inf)
    assert mean(np.array([2.0, 2.0])) == (2.0, 2.0, 2.0)
    assert rank_agreement(np.ones(5), np.arange(5))[0] == 0.0
    assert rank_agreement(np.arange(9), np.arange(9)) == pytest.approx((1.0, 1.0, 1.0))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(0)
    means = [mean(draw.normal(3, 2, 6)) for _ in range(DRAWS)]
    assert 0.94 <= np.mean([low <= 3 <= high for _, low, high in means]) <= 0.96
    shares = [share(int(draw.binomial(40, 0.3)), 40) for _ in range(DRAWS)]
    assert 0.93 <= np.mean([low <= 0.3 <= high for _, low, high in shares]) <= 0.98
    differences = [share_difference((int(draw.binomial(40, 0.7)), 40), (int(draw.binomial(25, 0.4)), 25)) for _ in range(DRAWS)]
    assert 0.93 <= np.mean([low <= 0.3 <= high for _, low, high in differences]) <= 0.98


def test_rank_agreement_is_the_same_for_the_same_seed() -> None:
    draw = np.random.default_rng(1)
    a = draw.normal(size=30)
    b = a + draw.normal(size=30)
    found = rank_agreement(a, b, seed=3)
    assert found == rank_agreement(a, b, seed=3) != rank_agreement(a, b, seed=4)
    assert found[1] < found[0] < found[2] < 1
