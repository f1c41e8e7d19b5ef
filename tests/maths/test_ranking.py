"""The order of the strongest, against intervals written out, and over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pellucid.maths.ranking import rank

ROUNDING = 1e-12


def test_neighbours_by_hand() -> None:
    values = np.array([0.5, -4.0, 3.0, -2.9])
    root = np.random.default_rng(0).normal(size=(4, 4)) / 10
    covariance = root @ root.T
    found = rank(values, covariance, 40, 2, 0.9, 0.3)
    assert found.order.tolist() == [1, 2, 3]
    quantile = stats.t.ppf(1 - 0.1 / 2 / 2, 40)  # two neighbours share the tenth
    for place, (weights, gap) in enumerate([([0, -1, -1, 0], 1.0), ([0, 0, 1, 1], 0.1)]):  # |−4| − |3| = −v₁ − v₂, |3| − |−2.9| = v₂ + v₃
        assert found.gaps[place] == pytest.approx(gap)
        assert found.reaches[place] == pytest.approx(quantile * np.sqrt(np.array(weights) @ covariance @ weights), abs=ROUNDING)


@pytest.mark.parametrize(
    ("gap", "error", "slack", "state"),
    [(1.0, 0.1, 0.0, "separated"), (0.1, 0.1, 1.0, "tied"), (0.1, 0.1, 0.2, "unsettled"), (0.0, 0.0, 0.0, "tied"), (1.0, 0.0, 5.0, "separated")],
)
def test_separated_tied_or_neither(gap: float, error: float, slack: float, state: str) -> None:
    found = rank(np.array([2.0 + gap, 2.0]), error**2 / 2 * np.eye(2), 1000, 1, 0.95, slack)
    assert {name for name in ("separated", "tied", "unsettled") if getattr(found, name)[0]} == {state}


def test_covariance_between_neighbours_counts() -> None:
    values, together = np.array([2.0, 1.0, 0.0]), np.full((3, 3), 0.99) + 0.01 * np.eye(3)
    assert rank(values, together, 100, 1, 0.95, 0.0).separated.all()
    assert not rank(values * [1, -1, 1], together, 100, 1, 0.95, 0.0).separated.any()


def test_top_beyond_the_features_is_clipped() -> None:
    found = rank(np.array([1.0, 3.0]), np.eye(2) * 1e-6, 50, 9, 0.95, 0.0)
    assert found.order.tolist() == [1, 0]
    assert len(found.gaps) == 1
    assert not len(rank(np.array([1.0]), np.eye(1), 50, 9, 0.95, 0.0).gaps)


def test_the_factor_is_how_many_more_draws_settle_it() -> None:
    for gap, slack in ((0.3, 0.0), (0.05, 1.0), (0.5, 1.2)):
        values, error = np.array([2.0 + gap, 2.0]), 0.5
        unsettled = rank(values, error**2 * np.eye(2), 1e6, 1, 0.95, slack)
        assert unsettled.unsettled.all()
        enough, short = (rank(values, error**2 / (by * unsettled.factor()) * np.eye(2), 1e6, 1, 0.95, slack) for by in (1.01, 0.99))
        assert not enough.unsettled.any()
        assert short.unsettled.all()
    assert rank(np.array([5.0, 1.0]), 0.01 * np.eye(2), 100, 1, 0.95, 0.0).factor() == 1.0


def test_orders_are_right_as_often_as_is_said() -> None:
    generator, truth = np.random.default_rng(1), np.array([3.0, 2.8, 2.6, 2.4, 0.1])
    wrong, claims = 0, 0
    for _ in range(2000):
        found = rank(truth + 0.1 * generator.normal(size=5), 0.01 * np.eye(5), 1e6, 3, 0.9, 0.0)
        strength = truth[found.order]
        claims += int(found.separated.any())
        wrong += int((strength[:-1] < strength[1:])[found.separated].any())
    assert claims > 300
    assert wrong <= 0.1 * 2000
