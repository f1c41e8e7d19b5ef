"""Axioms: methods keep what they promise on real networks, broken values give the number that they must, and who promises nothing is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import claims

import pellucid
from choices import needed
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.records import Explanation
from pellucid.methods import METHODS
from pellucid.metrics.axioms._game import jackknifed, of_some
from pellucid.metrics.axioms.dummy import Dummy
from pellucid.metrics.axioms.symmetry import Symmetry

AXIOMS = ("completeness", "efficiency", "symmetry", "dummy")
X = np.random.default_rng(0).normal(size=(4, 6))
BACKGROUND = np.random.default_rng(1).normal(size=(5, 6))
ADDED = ("integrated_gradients", "idgi", "guided_integrated_gradients", "expected_gradients", "blur_integrated_gradients", "xrai")
SHARED = ("shap", "exact_shap", "permutation_shap", "kernel_shap", "partition_shap", "shapley_interactions")


def two_alike(columns: int = 6) -> NumpyModel:
    """A tanh network that reads columns 0 and 1 alike and does not read columns 4 and 5."""
    rng = np.random.default_rng(3)
    first = rng.normal(size=(columns, 8))
    first[1], first[4:6] = first[0], 0
    return NumpyModel([Dense(first, 0.3 * rng.normal(size=8), "tanh"), Dense(rng.normal(size=(8, 2)), rng.normal(size=2))], (columns,))


ALIKE = two_alike()
TWINS = X.copy()
TWINS[:, 1] = TWINS[:, 0]


def measure(model: Any, explanation: Explanation, metric: str, settings: dict[str, Any] | None = None, **options: Any) -> Any:
    return pellucid.evaluate(model, explanation, {metric: settings or {}}, **options)[metric]


def serving(promise: str, modality: str) -> list[str]:
    return [name for name in METHODS if promise in METHODS.load(name).promises and modality in METHODS.load(name).modalities]


# ---- completeness and efficiency ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", serving("completeness", "table"))
def test_way_methods_are_complete_within_their_tolerance(method: str) -> None:
    options = needed(method, BACKGROUND) or {"baseline": 0.3}
    made = pellucid.explain(ALIKE, X, method, target=0, tolerance=0.01, max_evaluations=40_000, **options)
    found = measure(ALIKE, made, "completeness")
    assert (_gap(found) <= 0.03 * np.abs(made.values).sum(axis=1)).all()
    np.testing.assert_allclose(found.values, _gap(found) / np.abs(found.curves["change"]))
    assert (found.evaluations == (5 if method == "expected_gradients" else 1)).all()
    assert not found.chance.size


def _gap(found: Any) -> np.ndarray:
    return np.abs(found.curves["sum"] - found.curves["change"])


def test_every_method_of_images_keeps_its_sum(torch_cnn: Any) -> None:
    x = np.random.default_rng(2).random((2, 1, 12, 12)).astype(np.float32)
    for method in serving("completeness", "image"):
        options = needed(method, x)
        made = pellucid.explain(torch_cnn, x, method, tolerance=0.01, max_evaluations=4000, **options)
        sizes = np.abs(made.values).reshape(2, -1).sum(axis=1)
        assert (_gap(measure(torch_cnn, made, "completeness")) < 0.03 * sizes).all(), method


@pytest.mark.parametrize("method", serving("efficiency", "table"))
@pytest.mark.parametrize("reference", [{}, {"fill": 0.4}, {"background": BACKGROUND}], ids=["zeros", "fill", "background"])
def test_shares_are_efficient_to_rounding(method: str, reference: dict[str, Any]) -> None:
    made = pellucid.explain(ALIKE, X, method, target=1, **reference)
    found = measure(ALIKE, made, "efficiency")
    assert (found.values < 1e-9).all()
    assert (found.evaluations == len(reference.get("background", [0]))).all()
    np.testing.assert_allclose(found.curves["sum"], found.curves["change"])
    want = ALIKE.predict(X)[:, 1] - np.mean([ALIKE.predict(rows)[:, 1] for rows in _references(reference)], axis=0)
    np.testing.assert_allclose(found.curves["change"], want)


def _references(reference: dict[str, Any]) -> np.ndarray:
    rows = reference.get("background", np.full((1, 6), reference.get("fill", 0.0)))
    return np.repeat(np.asarray(rows)[:, None], len(X), axis=1)


@pytest.mark.parametrize(("method", "metric"), [("integrated_gradients", "completeness"), ("shap", "efficiency")])
def test_a_sum_that_is_off_by_a_tenth_scores_a_tenth(method: str, metric: str) -> None:
    made = pellucid.explain(ALIKE, X, method, target=0, tolerance=0.001)
    broken = replace(made, values=1.1 * made.values)
    np.testing.assert_allclose(measure(ALIKE, broken, metric).values, 0.1, atol=0.003)


def test_the_reference_is_read_from_the_network_not_from_the_record() -> None:
    made = pellucid.explain(ALIKE, X, "shap", target=0, background=BACKGROUND)
    lying = replace(made, baseline_score=made.baseline_score + 5, baseline=made.baseline * 0)
    np.testing.assert_array_equal(measure(ALIKE, lying, "efficiency").values, measure(ALIKE, made, "efficiency").values)
    path = pellucid.explain(ALIKE, X, "integrated_gradients", target=0, baseline=X[::-1].copy())
    assert (measure(ALIKE, replace(path, baseline_score=path.baseline_score + 5), "completeness").values < 0.05).all()


def test_elements_of_no_feature_stay_in_the_empty_coalition() -> None:
    labels = np.array([0, 1, 2, -1, -1, 3])
    made = pellucid.explain(ALIKE, X, "shap", target=0, features=labels)
    found = measure(ALIKE, made, "efficiency")
    kept = np.where(labels < 0, X, 0)
    np.testing.assert_allclose(found.curves["change"], ALIKE.predict(X)[:, 0] - ALIKE.predict(kept)[:, 0])
    assert (found.values < 1e-9).all()


def test_at_a_layer_the_record_says_where_the_way_began(oracle: NumpyModel) -> None:
    made = pellucid.explain(oracle, X.astype(np.float32), "integrated_gradients", tolerance=0.005)
    assert (measure(oracle, made, "completeness").values < 0.02).all()
    values = pellucid.explain(oracle, X, "integrated_gradients", target=0, score="probability", tolerance=0.005)
    assert (measure(oracle, values, "completeness").values < 0.05).all()


def test_where_nothing_changes_there_is_no_share() -> None:
    flat = NumpyModel([Dense(np.zeros((6, 1)), np.ones(1))], (6,))
    assert np.isnan(measure(flat, pellucid.explain(flat, X, "shap"), "efficiency").values).all()


# ---- dummy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*serving("dummy", "table"), *serving("insensitivity", "table")])
def test_what_is_not_read_gets_nothing(method: str) -> None:
    made = pellucid.explain(ALIKE, X, method, target=0, **needed(method, BACKGROUND))
    found = measure(ALIKE, made, "dummy")
    noise = 0.05 if method in ("hsic", "kernel_shap") else 1e-9
    assert (found.curves["dummies"] == 2).all()
    assert (np.abs(found.values) <= noise).all()
    assert not found.error.any()
    assert found.chance.mean() > 0.1


@pytest.mark.parametrize("method", ["shap", "integrated_gradients", "saliency"])
def test_what_dummies_were_given_is_found_to_the_digit(method: str) -> None:
    values = np.tile([1.0, -2, 3, 0, 1, -3], (4, 1))
    found = measure(ALIKE, claims(ALIKE, X, values, method, target=0), "dummy")
    np.testing.assert_allclose(found.values, 4 / 10)
    assert found.chance.std() > 0.05


def test_units_that_equal_the_fill_are_dummies_of_a_game_but_not_of_a_gradient() -> None:
    x = X.copy()
    x[:, 2] = 0
    values = np.ones_like(x)
    assert (measure(ALIKE, claims(ALIKE, x, values, "shap", target=0), "dummy").curves["dummies"] == 3).all()
    assert (measure(ALIKE, claims(ALIKE, x, values, "integrated_gradients", target=0), "dummy").curves["dummies"] == 3).all()
    for method in ("saliency", "idgi"):
        assert (measure(ALIKE, claims(ALIKE, x, values, method, target=0), "dummy").curves["dummies"] == 2).all()
    moved = claims(ALIKE, x, values, "shap", target=0, fill=0.5)
    assert (measure(ALIKE, moved, "dummy").curves["dummies"] == 2).all()


def test_a_unit_that_acts_only_between_fill_and_input_is_no_dummy_on_a_way() -> None:
    bump = lambda x: (x[:, :1] * (1 - x[:, :1]) + x[:, 1:2]) * 1.0  # noqa: E731
    gradient = NumpyModel([Dense(np.eye(2), np.zeros(2), "tanh"), Dense(np.array([[0.0], [1.0]]), np.zeros(1))], (2,))
    x, values = np.ones((1, 2)), np.array([[1.0, 1.0]])
    assert measure(bump, claims(bump, x, values, "shap"), "dummy").values == pytest.approx(0.5)
    made = claims(gradient, x, values, "integrated_gradients")
    assert measure(gradient, made, "dummy").values == pytest.approx(0.5)
    between = replace(made, provenance=made.provenance | {"fingerprint": ""})
    assert measure(bump, between, "dummy", again={"method": "integrated_gradients"}).curves["dummies"] == 0


def test_rare_effects_show_in_the_error() -> None:
    """Whether seven of thirteen columns are there: which mask is drawn decides who is caught."""
    rare = lambda x: x[:, :1] + (x[:, 1:].sum(axis=1, keepdims=True) == 7)  # noqa: E731
    made = claims(rare, np.ones((1, 14)), np.arange(1.0, 15)[None], "shap", features="columns", tolerance=0.9, max_evaluations=400)
    found = [measure(rare, made, "dummy", {"masks": 5}, seed=seed, draws=0) for seed in range(30)]
    wrong = [one for one in found if one.curves["dummies"] > 0]
    half = [one for one in wrong if one.curves["dummies"] < 13]
    assert len(half) >= 3
    assert all(one.error > 0.05 for one in half)
    sure = measure(rare, made, "dummy", {"masks": 80}, draws=0)
    assert sure.curves["dummies"] == 0
    assert np.isnan(sure.values).all()


def test_only_some_of_many_units_are_looked_at_and_the_error_says_so() -> None:
    model = NumpyModel([Dense(np.where(np.arange(400) % 4, 0.0, 1.0)[:, None], np.zeros(1))], (400,))
    values = np.random.default_rng(0).uniform(0.5, 1.5, (1, 400))
    made = claims(model, np.ones((1, 400)), values, "integrated_gradients")
    whole = measure(model, made, "dummy", {"masks": 3})
    np.testing.assert_allclose(whole.values, values[0, np.arange(400) % 4 > 0].sum() / values.sum())
    assert not whole.error.any()
    parts = [measure(model, made, "dummy", {"masks": 3, "units": 80}, seed=seed, draws=0) for seed in range(40)]
    errors = np.array([part.values[0] - whole.values[0] for part in parts])
    stated = np.array([part.error[0] for part in parts])
    assert 0.6 < np.sqrt(np.mean(errors**2)) / stated.mean() < 1.6
    assert all(part.evaluations[0] < whole.evaluations[0] for part in parts)


def test_cost_is_two_evaluations_a_used_unit_and_one_a_mask_of_a_dummy() -> None:
    made = pellucid.explain(ALIKE, X, "integrated_gradients", target=0)
    found = measure(ALIKE, made, "dummy", {"masks": 10})
    assert (found.evaluations == 2 * 4 + 10 * 2 + 10).all()
    x = X.copy()
    x[:, 5] = 0  # what equals the baseline needs no evaluation
    found = measure(ALIKE, pellucid.explain(ALIKE, x, "integrated_gradients", target=0), "dummy", {"masks": 10})
    assert (found.evaluations == 2 * 4 + 10 + 10).all()
    assert (found.curves["dummies"] == 2).all()


# ---- symmetry -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", serving("symmetry", "table"))
def test_what_is_read_alike_gets_the_same(method: str) -> None:
    reference = {"background": np.repeat(BACKGROUND[:, :1], 6, axis=1)} if "background" in METHODS.load(method).accepts else {}
    made = pellucid.explain(ALIKE, TWINS, method, target=0, tolerance=0.02, max_evaluations=60_000, **reference)
    found = measure(ALIKE, made, "symmetry")
    assert (found.curves["pairs"] == 1).all()
    assert (found.values < 0.05).all()
    assert found.chance.mean() > 0.3


@pytest.mark.parametrize("method", ["shap", "integrated_gradients"])
def test_how_differently_twins_are_paid_is_found_to_the_digit(method: str) -> None:
    values = np.tile([3.0, 1, 5, -2, 1, 1], (4, 1))
    found = measure(ALIKE, claims(ALIKE, TWINS, values, method, target=0), "symmetry")
    np.testing.assert_allclose(found.values, 2 / 4)
    values[:, 1] = -3
    np.testing.assert_allclose(measure(ALIKE, claims(ALIKE, TWINS, values, method, target=0), "symmetry").values, 1)
    values[:, :2] = 0
    np.testing.assert_allclose(measure(ALIKE, claims(ALIKE, TWINS, values, method, target=0), "symmetry").values, 0)


def test_units_that_are_alike_alone_but_not_together_are_no_pair() -> None:
    """Alone both add 1 to the score, from the whole both take 1; what they do beside column 2 alone differs."""

    def score(x: np.ndarray) -> np.ndarray:
        a, b, c, d = (x[:, i] for i in range(4))
        return (a + b + a * c * (1 - d) * (1 - b) + 0 * d)[:, None]

    x, values = np.ones((1, 4)), np.array([[2.0, 1, 0.5, 0.3]])
    found = measure(score, claims(score, x, values, "shap"), "symmetry", {"masks": 40})
    assert found.curves["pairs"] == 0
    assert np.isnan(found.values).all()


def test_a_pair_that_differs_in_the_whole_input_alone_is_none() -> None:
    """Random masks hardly ever hold all of the other twelve."""
    whole = lambda x: x[:, :1] + x[:, 1:2] + x[:, 2:].prod(axis=1, keepdims=True) * (x[:, :1] - x[:, 1:2])  # noqa: E731
    made = claims(whole, np.ones((1, 14)), np.ones((1, 14)), "shap", features="columns", tolerance=0.9, max_evaluations=400)
    for seed in range(5):
        found = measure(whole, made, "symmetry", {"masks": 2}, seed=seed, draws=0)
        assert found.curves["pairs"] == 0


def test_alike_at_both_ends_of_a_way_is_not_alike_on_it() -> None:
    """x² and x are the same at 0 and 1 and differ between: a pair to Shapley, none to Integrated Gradients."""
    square = lambda x: (x[:, :1] ** 2 + x[:, 1:2]) * 1.0  # noqa: E731
    x, values = np.ones((1, 2)), np.array([[1.0, 1.0]])
    assert measure(square, claims(square, x, values, "shap"), "symmetry").curves["pairs"] == 1
    linear = NumpyModel([Dense(np.ones((2, 1)), np.zeros(1))], (2,))
    made = claims(linear, x, values, "integrated_gradients")
    assert measure(linear, made, "symmetry").curves["pairs"] == 1
    other = replace(made, provenance=made.provenance | {"fingerprint": ""})
    assert measure(square, other, "symmetry", again={"method": "integrated_gradients"}).curves["pairs"] == 0


def test_many_pairs_are_drawn_from_and_the_error_says_so() -> None:
    model = NumpyModel([Dense(np.ones((60, 1)), np.zeros(1))], (60,))
    values = np.random.default_rng(0).uniform(0.5, 1.5, (1, 60))
    made = claims(model, np.ones((1, 60)), values, "integrated_gradients")
    apart = np.abs(values[0][:, None] - values[0][None])
    whole = apart.sum() / (values[0][:, None] + values[0][None] - 2 * np.diag(values[0])).sum()
    parts = [measure(model, made, "symmetry", {"pairs": 30, "masks": 2}, seed=seed, draws=0) for seed in range(40)]
    errors, stated = np.array([part.values[0] - whole for part in parts]), np.array([part.error[0] for part in parts])
    assert 0.6 < np.sqrt(np.mean(errors**2)) / stated.mean() < 1.6


# ---- both -----------------------------------------------------------------------------------------------------------


def test_planted_and_random_in_a_hundred_cases() -> None:
    """True Shapley values against random ones: dummies and twins tell them apart in 95 of 100 cases."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(100, 6))
    x[:, 1] = x[:, 0]
    made = pellucid.explain(ALIKE, x, "exact_shap", target=0, features="columns")
    random = replace(made, values=rng.normal(size=made.values.shape))
    for metric in ("dummy", "symmetry"):
        best, worst = (measure(ALIKE, one, metric, draws=30) for one in (made, random))
        assert (best.values <= 1e-9).all()
        assert (best.lead > 0).mean() >= 0.95
        low, high = worst.lead_interval(0.99)
        assert low < 0 < high


def test_samples_keep_their_numbers_in_any_company() -> None:
    made = pellucid.explain(ALIKE, TWINS, "shap", target=0, background=BACKGROUND)
    for metric in AXIOMS[1:]:
        whole, part = measure(ALIKE, made, metric, draws=3), measure(ALIKE, made[2:3], metric, draws=3)
        np.testing.assert_allclose(part.values, whole.values[2:3], atol=1e-12)
        np.testing.assert_allclose(part.chance, whole.chance[2:3], atol=1e-12)
        np.testing.assert_allclose(part.error, whole.error[2:3], atol=1e-12)
        assert part.evaluations == whole.evaluations[2]


def test_other_features_than_those_explained_are_refused() -> None:
    made = pellucid.explain(ALIKE, X, "shap", target=0)
    for metric in ("dummy", "symmetry"):
        with pytest.raises(UnsupportedError, match=r"is about the features that were explained; leave features="):
            measure(ALIKE, made, metric, features=np.array([0, 0, 1, 1, 2, 2]))


@pytest.mark.parametrize("metric", AXIOMS)
def test_who_promises_nothing_is_refused_by_name(metric: str, torch_cnn: Any) -> None:
    x = np.random.default_rng(2).random((2, 1, 12, 12)).astype(np.float32)
    for method in METHODS:
        cls = METHODS.load(method)
        promised = metric in cls.promises or (metric == "dummy" and "insensitivity" in cls.promises)
        if promised or "image" not in cls.modalities:
            continue
        made = pellucid.explain(torch_cnn, x, method, tolerance=0.9, **needed(method, x), **({"features": "patches:6"} if "features" in cls.accepts else {}))
        with pytest.raises(UnsupportedError, match=f"tests what '{method}' does not promise"):
            measure(torch_cnn, made, metric)
    assert not METHODS.load("grad_cam").promises


def test_a_record_that_says_nothing_of_promises_is_refused() -> None:
    made = pellucid.explain(ALIKE, X, "shap", target=0)
    old = replace(made, provenance={name: value for name, value in made.provenance.items() if name != "promises"})
    with pytest.raises(UnsupportedError, match="explain again"):
        measure(ALIKE, old, "efficiency")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dummy(masks=1),
        lambda: Dummy(units=0),
        lambda: Symmetry(masks=1),
        lambda: Symmetry(pairs=0),
        lambda: Symmetry(units=1),
        lambda: Symmetry(tolerance=1.0),
    ],
)
def test_settings(make: Any) -> None:
    with pytest.raises(SettingError):
        make()


def test_the_jackknife_leaves_out_draw_after_draw() -> None:
    rng = np.random.default_rng(0)
    changed, sizes = rng.random((8, 12)) < 0.1, rng.random((3, 12))

    def statistic(kept: np.ndarray) -> np.ndarray:
        return (sizes * kept).sum(axis=1) / sizes.sum(axis=1)

    value, error = jackknifed(changed, statistic)
    left = np.stack([statistic(~np.delete(changed, k, axis=0).any(axis=0)) for k in range(8)])
    np.testing.assert_allclose(value, statistic(~changed.any(axis=0)))
    np.testing.assert_allclose(error, np.sqrt(7 / 8 * np.square(left - left.mean(axis=0)).sum(axis=0)))
    assert error.max() > 0


def test_the_error_of_a_ratio_of_drawn_items() -> None:
    rng = np.random.default_rng(1)
    whole = rng.uniform(0.5, 2, (1, 200))
    part = whole * (rng.random((1, 200)) < 0.4)
    truth = part.sum() / whole.sum()
    found = []
    for _ in range(400):
        some = rng.choice(200, 50, replace=False)
        found.append((part[0, some].sum() / whole[0, some].sum() - truth, of_some(part[:, some], whole[:, some], 200)[0]))
    errors, variances = np.array(found).T
    assert np.mean(errors**2) == pytest.approx(variances.mean(), rel=0.2)
    assert not of_some(part, whole, 200).any()


def test_promises_are_known_words() -> None:
    words = {"completeness", "efficiency", "symmetry", "dummy", "insensitivity"}
    assert all(METHODS.load(name).promises <= words for name in METHODS)
    assert set(ADDED) == {name for name in METHODS if "completeness" in METHODS.load(name).promises}
    assert set(SHARED) == {name for name in METHODS if "efficiency" in METHODS.load(name).promises}


def test_random_networks_have_no_dummies_beside_what_equals_the_fill() -> None:
    model = NumpyModel(random_stack(4, (6, 8, 3)), (6,), softmax=True)
    made = pellucid.explain(model, X, "integrated_gradients")
    found = measure(model, made, "dummy")
    assert np.isnan(found.values).all()
    assert np.isnan(found.mean)
