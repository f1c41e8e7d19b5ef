"""Shapley values against all orders, all coalitions and games solved by hand; sampling against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import twins

import pellucid
from pellucid.core.errors import UnsupportedError
from pellucid.methods.coalition import _game, _shapley

ROUNDING = 1e-9
NAMES = ("exact_shap", "shap", "permutation_shap")


def bumpy(x: np.ndarray) -> np.ndarray:
    """Interactions of second and third order, a kink and a saturation; needs six columns."""
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x[:, 0] + x[:, 1] * x[:, 2]) + np.maximum(x[:, 3] * x[:, 4], 0) * x[:, 5] + 0.5 * x[:, 0] * x[:, 4] * x[:, 5]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 6)) + 0.5


@pytest.fixture(scope="module")
def background() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 6))


def test_the_twins_agree(x: np.ndarray, background: np.ndarray) -> None:
    v = twins.marginal_game(bumpy, x[0], background)
    np.testing.assert_allclose(twins.shapley_by_orders(v, 6), twins.shapley_by_coalitions(v, 6), atol=ROUNDING)


@pytest.mark.parametrize("method", ["exact_shap", "shap"])
def test_enumeration_agrees_with_the_twin_for_a_background(method: str, x: np.ndarray, background: np.ndarray) -> None:
    found = pellucid.explain(bumpy, x, method, target=0, background=background)
    expected = [twins.shapley_by_coalitions(twins.marginal_game(bumpy, one, background), 6) for one in x]
    np.testing.assert_allclose(found.values, expected, atol=ROUNDING)
    assert found.error_kind == "exact"
    assert not found.error.any()
    assert set(found.outcome.codes) == {"exact"}
    np.testing.assert_allclose(found.baseline_score, bumpy(background).mean(), atol=ROUNDING)


def test_enumeration_agrees_with_the_twin_for_a_single_fill(x: np.ndarray) -> None:
    found = pellucid.explain(bumpy, x, "exact_shap", target=0, fill=0.25)
    expected = [twins.shapley_by_orders(twins.marginal_game(bumpy, one, np.full((1, 6), 0.25)), 6) for one in x]
    np.testing.assert_allclose(found.values, expected, atol=ROUNDING)
    assert found.cost.evaluations.tolist() == [2**6 - 1] * 4


def test_enumeration_scores_each_coalition_once(x: np.ndarray, background: np.ndarray) -> None:
    seen = []

    def counting(points: np.ndarray) -> np.ndarray:
        seen.extend(row.tobytes() for row in points)
        return bumpy(points)

    found = pellucid.explain(counting, x[:1], "exact_shap", target=0, background=background)
    composed = seen[1:]  # the first call is the prediction
    assert len(composed) == len(set(composed)) == found.cost.evaluations[0] == 5 * (2**6 - 1)


@pytest.mark.parametrize("method", NAMES)
def test_known_games(method: str) -> None:
    # a product is shared in halves; max(2, 1): player 0 brings 2 or 1, player 1 brings 1 or 0; of 2a − 3b each gets its own
    def product(points: np.ndarray) -> np.ndarray:
        return points[:, 0] * points[:, 1]

    def largest(points: np.ndarray) -> np.ndarray:
        return points.max(axis=1)

    def linear(points: np.ndarray) -> np.ndarray:
        return 2 * points[:, 0] - 3 * points[:, 1] + 7

    for score, point, expected in ((product, [3.0, 5.0], [7.5, 7.5]), (largest, [2.0, 1.0], [1.5, 0.5]), (linear, [4.0, 5.0], [8.0, -15.0])):
        found = pellucid.explain(score, np.array([point]), method, target=0, fill=0)
        np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)


def test_a_linear_model_against_a_background_gives_weight_times_distance_from_its_mean() -> None:
    weights = np.array([1.0, -2.0, 3.0, 0.5])
    generator = np.random.default_rng(2)
    x, background = generator.normal(size=(3, 4)), generator.normal(size=(7, 4))
    for method in NAMES:
        found = pellucid.explain(lambda points: points @ weights, x, method, target=0, background=background)
        np.testing.assert_allclose(found.values, weights * (x - background.mean(axis=0)), atol=ROUNDING)


@pytest.mark.parametrize("tolerance", [0.2, 0.05])
def test_sampled_values_are_within_their_tolerance_and_add_up(tolerance: float, x: np.ndarray, background: np.ndarray) -> None:
    expected = np.stack([twins.shapley_by_coalitions(twins.marginal_game(bumpy, one, background), 6) for one in x])
    found = pellucid.explain(bumpy, x, "permutation_shap", target=0, background=background, tolerance=tolerance)
    assert set(found.outcome.codes) == {"converged"}
    off = np.linalg.norm(found.values - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert (off <= 1.5 * tolerance).all()
    assert (off > 1e-6).all(), "sampled, not enumerated"
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=ROUNDING)


def test_shap_enumerates_the_few_and_draws_for_the_many(background: np.ndarray) -> None:
    generator = np.random.default_rng(3)
    x = np.zeros((2, 14))
    x[0, :5], x[1] = generator.normal(size=5), generator.normal(size=14)

    def wide(points: np.ndarray) -> np.ndarray:
        return np.tanh(points.sum(axis=1)) + points[:, 0] * points[:, 1]

    found = pellucid.explain(wide, x, "shap", target=0, fill=0)
    assert found.outcome.codes == ("exact", "converged")
    assert found.provenance["resolved"] == {"estimator": "exact and kernel regression"}
    assert found.error_kind == "standard_error"
    assert not found.error[0].any()
    assert found.error[1].any()
    assert found.statistics["live_features"].tolist() == [5, 14]
    expected = twins.shapley_by_coalitions(twins.marginal_game(lambda points: wide(np.pad(points, ((0, 0), (0, 9)))), x[0, :5], np.zeros((1, 5))), 5)
    np.testing.assert_allclose(found.values[0], [*expected, *[0.0] * 9], atol=ROUNDING)


def test_features_equal_to_their_fill_get_nothing_and_cost_nothing() -> None:
    found = pellucid.explain(bumpy, np.array([[1.0, 0.0, 0.0, 2.0, 0.0, 3.0]]), "exact_shap", target=0, fill=0)
    assert found.cost.evaluations.tolist() == [2**3 - 1]
    assert not found.values[0, [1, 2, 4]].any()
    blank = pellucid.explain(bumpy, np.zeros((1, 6)), "exact_shap", target=0, fill=0)
    assert blank.outcome.codes == ("nothing_to_explain",)


def test_a_label_map_makes_players_of_groups() -> None:
    x = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    labels = np.array([0, 0, 1, 1, -1, 2])
    found = pellucid.explain(bumpy, x, "exact_shap", target=0, fill=0, features=labels)

    def grouped(coalitions: np.ndarray) -> np.ndarray:
        return bumpy(np.where(labels < 0, 1, np.pad(coalitions, ((0, 0), (0, 1)))[:, labels]) * x)

    expected = twins.shapley_by_orders(twins.marginal_game(grouped, np.ones(3), np.zeros((1, 3))), 3)
    np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)


def test_too_many_coalitions_are_refused_with_what_to_do(x: np.ndarray) -> None:
    with pytest.raises(UnsupportedError, match=r"63 evaluations, max_evaluations is 62.*'shap'"):
        pellucid.explain(bumpy, x, "exact_shap", target=0, fill=0, max_evaluations=62)


def test_a_budget_that_ends_first_is_said_with_the_budget_that_would_do(background: np.ndarray) -> None:
    x = np.random.default_rng(5).normal(size=(1, 6))
    found = pellucid.explain(bumpy, x, "permutation_shap", target=0, background=background, tolerance=1e-4, max_evaluations=300)
    assert found.outcome.codes == ("budget_exhausted",)
    assert "max_evaluations to about" in found.outcome[0].advice
    assert found.cost.evaluations[0] <= 5 * (2**6 - 1)
    assert found.error.any()


def test_work_in_small_pieces_gives_the_same_values(monkeypatch: pytest.MonkeyPatch, x: np.ndarray, background: np.ndarray) -> None:
    whole = pellucid.explain(bumpy, x, "permutation_shap", target=0, background=background, tolerance=0.05)
    monkeypatch.setattr(_game, "NUMBERS_AT_ONCE", 100)
    monkeypatch.setattr(_shapley, "MASKS_AT_ONCE", 1000)
    pieces = pellucid.explain(bumpy, x, "permutation_shap", target=0, background=background, tolerance=0.05)
    np.testing.assert_allclose(pieces.values, whole.values, atol=ROUNDING)
    np.testing.assert_array_equal(pieces.cost.evaluations, whole.cost.evaluations)


def test_a_feature_that_equals_some_rows_of_the_fill_still_plays() -> None:
    x, background = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]), np.random.default_rng(6).normal(size=(3, 6))
    background[1, 0] = x[0, 0]
    found = pellucid.explain(bumpy, x, "exact_shap", target=0, background=background)
    expected = twins.shapley_by_coalitions(twins.marginal_game(bumpy, x[0], background), 6)
    np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)
    assert found.statistics["live_features"].tolist() == [6]
