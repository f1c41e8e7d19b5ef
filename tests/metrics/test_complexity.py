"""Complexity: the Gini index and how many units are enough, against closed forms and slow twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import claims, score

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError
from pellucid.metrics.complexity.effective_complexity import EffectiveComplexity
from pellucid.metrics.complexity.sparseness import gini

UNITS, USED, CASES = 20, 3, 100


def slow_gini(values: np.ndarray) -> float:
    """Mean difference of two draws over twice the mean."""
    sizes = np.abs(values)
    return sum(abs(a - b) for a in sizes for b in sizes) / (2 * len(sizes) ** 2 * sizes.mean())


def test_the_gini_index() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        values = rng.normal(size=size)
        assert gini(values) == pytest.approx(slow_gini(values), rel=1e-12, abs=1e-15)
    assert gini(np.ones(9)) == pytest.approx(0)
    assert gini(np.eye(9)[4]) == pytest.approx(1 - 1 / 9)
    assert gini(-np.eye(9)[4]) == pytest.approx(1 - 1 / 9)
    assert np.isnan(gini(np.zeros(3)))


def test_sparseness_of_maps() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 4, 4, 2))
    found = score("sparseness", values)
    np.testing.assert_allclose(found.values, [slow_gini(one.sum(axis=-1).ravel()) for one in values])
    assert found.chance.shape == (5, 0)
    assert not found.evaluations.any()
    assert np.isnan(score("sparseness", np.zeros((2, 4))).values).all()


def test_units_that_a_sample_lacks_do_not_make_it_sparse() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6))
    model = lambda x: x.sum(axis=1)[:, None]  # noqa: E731
    labels = np.array([[0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1]])
    made = pellucid.explain(model, x, "shap", features=labels)
    found = pellucid.evaluate(model, made, "sparseness")["sparseness"].values
    np.testing.assert_allclose(found, [slow_gini(made.values[0]), slow_gini(made.values[1, :2])])


def needs_three(x: np.ndarray) -> np.ndarray:
    """Only the first three columns count, together."""
    return (x[:, :1] * x[:, 1:2] + x[:, 2:3]) * 1.0


def planted(cases: int = CASES) -> tuple[Any, np.ndarray, np.ndarray]:
    x = np.random.default_rng(5).uniform(0.5, 2, (cases, UNITS))
    values = np.zeros((cases, UNITS))
    values[:, :USED] = [3, 2, -2.5]
    return needs_three, x, values + 0.1 * np.random.default_rng(6).normal(size=values.shape)


def test_planted_truth_needs_what_the_network_uses_and_random_importances_need_most() -> None:
    model, x, values = planted()
    made = pellucid.explain(model, x, "shap", features="columns", tolerance=0.5)
    truth = claims(model, x, values, "shap", features="columns", tolerance=0.5)
    noise = claims(model, x, np.random.default_rng(9).normal(size=values.shape), "shap", features="columns", tolerance=0.5)
    scores = [pellucid.evaluate(model, one, {"effective_complexity": {"tolerance": 0.0}}, draws=40)["effective_complexity"] for one in (truth, made, noise)]
    assert (scores[0].values == USED).all()
    assert (scores[1].values == USED).all()
    assert (scores[0].values < np.quantile(scores[0].chance, 0.05, axis=1)).mean() >= 0.95
    low, high = scores[2].lead_interval(0.99)
    assert low < 0 < high
    # the largest of three places among twenty
    want = USED * (UNITS + 1) / (USED + 1)
    assert scores[0].chance.mean() == pytest.approx(want, abs=4 * scores[0].chance.std() / np.sqrt(scores[0].chance.size))


def slow_needed(model: Any, x: np.ndarray, values: np.ndarray, fills: np.ndarray, tolerance: float) -> int:
    order = np.argsort(-np.abs(values), kind="stable")
    full = model(x[None])[0, 0]
    whole = abs(np.mean([model(fill[None])[0, 0] for fill in fills]) - full)
    for k in range(1, len(x) + 1):
        losses = []
        for fill in fills:
            mixed = fill.copy()
            mixed[order[:k]] = x[order[:k]]
            losses.append(abs(model(mixed[None])[0, 0] - full))
        if np.mean(losses) <= tolerance * whole:
            return k
    return len(x)


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("tolerance", [0.05, 0.3])
def test_effective_complexity_equals_its_slow_twin(rows: int, tolerance: float) -> None:
    rng = np.random.default_rng(2)
    mix = rng.normal(size=(9, 9))
    model = lambda x: np.tanh(x @ mix / 3).sum(axis=1, keepdims=True)  # noqa: E731
    x, values, fills = rng.normal(size=(12, 9)), rng.normal(size=(12, 9)), rng.normal(size=(rows, 9))
    found = claims(model, x, values, "shap", features="columns")
    got = pellucid.evaluate(model, found, {"effective_complexity": {"tolerance": tolerance}}, background=fills, draws=0)["effective_complexity"]
    np.testing.assert_array_equal(got.values, [slow_needed(model, a, b, fills, tolerance) for a, b in zip(x, values, strict=True)])
    assert (got.evaluations == (9 + 1) * rows).all()


def test_counts_are_tried_evenly_on_a_scale_of_ratios_where_units_are_many() -> None:
    x = np.ones((2, 400))
    model = NumpyModel([Dense(np.ones((400, 1)), np.zeros(1))], (400,))
    got = score("effective_complexity", np.ones((2, 400)), model=model, x=x, settings={"tolerance": 0.5, "steps": 12}, draws=0)
    tried = got.curves["units"][0]
    assert tried[0] == 1
    assert tried[-1] == 400
    assert got.values[0] == min(count for count in tried if count >= 200)
    np.testing.assert_allclose(got.curves["loss"][0], 400 - tried, atol=1e-9)
    assert (np.diff(tried) > 0).all()
    assert (tried[1:] / tried[:-1]).max() <= 2


def test_where_the_fill_has_the_same_score_there_is_nothing_to_need() -> None:
    model = lambda x: np.ones((len(x), 1))  # noqa: E731
    found = claims(model, np.ones((2, 4)), np.ones((2, 4)), "shap", features="columns")
    got = pellucid.evaluate(model, found, "effective_complexity", draws=3)["effective_complexity"]
    assert np.isnan(got.values).all()
    assert np.isnan(got.chance).all()


def test_above_counts_without_the_network() -> None:
    values = np.array([[4.0, -2, 1, 0.5, 0], [1, 1, 1, 1, 1]])
    got = score("effective_complexity", values, settings={"above": 0.25})
    np.testing.assert_array_equal(got.values, [2, 5])
    assert got.chance.shape == (2, 0)
    assert not got.evaluations.any()


@pytest.mark.parametrize("settings", [{"tolerance": 1.0}, {"tolerance": -0.1}, {"steps": 0}, {"above": -1.0}, {"above": 1.0}], ids=str)
def test_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        EffectiveComplexity(**settings)


def test_a_long_list_of_samples_and_one_alone() -> None:
    model, x, values = planted(6)
    found = claims(model, x, values, "shap", features="columns", tolerance=0.5)
    whole = pellucid.evaluate(model, found, ["effective_complexity", "sparseness"], draws=4)
    part = pellucid.evaluate(model, found[3:4], ["effective_complexity", "sparseness"], draws=4)
    for name in whole:
        np.testing.assert_array_equal(part[name].values, whole[name].values[3:4])
        np.testing.assert_array_equal(part[name].chance, whole[name].chance[3:4])
