"""LIME against its own limit, all masks counted once, and cases known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import twins

import pellucid
from pellucid.core.errors import SettingError

ROUNDING = 1e-9


def bumpy(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return 2 * x[:, 0] - x[:, 1] + np.tanh(x[:, 2] * x[:, 3]) + 0.5 * np.maximum(x[:, 4] + x[:, 5], 0)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 6)) + 1


@pytest.mark.parametrize("width", [0.25, 1.0])
@pytest.mark.parametrize("rows", [1, 4])
def test_many_masks_come_to_the_limit(width: float, rows: int, x: np.ndarray) -> None:
    background = np.random.default_rng(1).normal(size=(rows, 6))
    found = pellucid.explain(bumpy, x, "lime", target=0, fill=background, tolerance=0.005, max_evaluations=100_000, kernel_width=width)
    for i, one in enumerate(x):
        limit, fit = twins.lime_limit(twins.marginal_game(bumpy, one, background), 6, width)
        assert np.linalg.norm(found.values[i] - limit) <= 1.5 * 0.005 * np.linalg.norm(limit)
        if rows == 1:
            assert found.statistics["r_squared"][i] == pytest.approx(fit, abs=0.01)


def test_a_linear_model_is_found_at_once_for_every_seed(x: np.ndarray) -> None:
    weights = np.array([1.0, -2.0, 3.0, 0.0, 0.5, -0.25])
    for seed in range(3):
        found = pellucid.explain(lambda points: points @ weights, x, "lime", target=0, fill=0.5, seed=seed)
        np.testing.assert_allclose(found.values, weights * (x - 0.5), atol=ROUNDING)
        np.testing.assert_allclose(found.statistics["r_squared"], 1)
        assert set(found.outcome.codes) == {"converged"}


def test_the_product_of_two_is_shared_evenly() -> None:
    found = pellucid.explain(lambda points: points[:, 0] * points[:, 1], np.array([[3.0, 5.0]]), "lime", target=0, tolerance=0.01, max_evaluations=10**6)
    limit, _ = twins.lime_limit(lambda members: 15.0 * (len(members) == 2), 2, 0.25)
    assert limit[0] == pytest.approx(limit[1])
    np.testing.assert_allclose(found.values[0], limit, rtol=0.03)


def test_a_constant_score_has_no_weights_and_no_complaint() -> None:
    found = pellucid.explain(lambda points: np.full(len(points), 0.1), np.ones((1, 5)), "lime", target=0)
    np.testing.assert_allclose(found.values, 0, atol=ROUNDING)
    assert found.outcome.codes == ("converged",)


def test_a_surrogate_that_cannot_fit_is_warned_of() -> None:
    def parity(points: np.ndarray) -> np.ndarray:
        return (points > 0.5).sum(axis=1) % 2.0

    found = pellucid.explain(parity, np.ones((1, 6)), "lime", target=0, max_evaluations=600)
    assert found.statistics["r_squared"][0] < 0.7
    assert "poor_fit" in [check.code for check in found.outcome[0].checks]
    lenient = pellucid.explain(parity, np.ones((1, 6)), "lime", target=0, max_evaluations=600, enough=0.0)
    assert "poor_fit" not in [check.code for check in lenient.outcome[0].checks]


def test_no_mask_is_scored_twice(x: np.ndarray) -> None:
    seen = []

    def counting(points: np.ndarray) -> np.ndarray:
        seen.extend(row.tobytes() for row in points)
        return bumpy(points)

    found = pellucid.explain(counting, x[:1], "lime", target=0, tolerance=0.001)
    masked = seen[1:]
    assert len(masked) == len(set(masked)) == found.cost.evaluations[0] <= 2**6


def test_ridge_shrinks(x: np.ndarray) -> None:
    plain, shrunk = (pellucid.explain(bumpy, x, "lime", target=0, tolerance=0, max_evaluations=200, ridge=ridge) for ridge in (0.0, 300.0))
    assert (np.linalg.norm(shrunk.values, axis=1) < 0.8 * np.linalg.norm(plain.values, axis=1)).all()


@pytest.mark.parametrize("settings", [{"kernel_width": 0}, {"ridge": -1}, {"enough": 2}])
def test_settings_out_of_range_are_refused(settings: dict, x: np.ndarray) -> None:
    with pytest.raises(SettingError, match="lime needs"):
        pellucid.explain(bumpy, x, "lime", target=0, **settings)
