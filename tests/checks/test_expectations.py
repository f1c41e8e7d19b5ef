"""Expectations: known shares and changes, intervals on one side of a bound or across it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.checks import CHECKS
from pellucid.core.errors import PellucidError, SettingError

WEIGHTS = np.array([[4.0], [-1.0], [3.0], [2.0]])
MODEL = NumpyModel([Dense(WEIGHTS, np.zeros(1))], (4,))
X = np.ones((2, 4))


def expectation(name: str, **settings: Any) -> Any:
    return CHECKS.load(name)(**settings)


@pytest.fixture
def linear() -> pellucid.Explanation:
    """Exact shares of .4, .1, .3 and .2 of the absolute attribution."""
    return pellucid.explain(MODEL, X, "gradient_x_input")


BACKGROUND = np.random.default_rng(0).normal(size=(20, 6))
Y = np.random.default_rng(1).normal(size=(2, 6)) * 2


def shap_of(oracle: NumpyModel, seed: int = 0, method: str = "permutation_shap") -> pellucid.Explanation:
    """Shapley values of a network that is not linear, so that sampling leaves an error."""
    budget = {"tolerance": 0.0, "max_evaluations": 1500} if method == "permutation_shap" else {}
    return pellucid.explain(oracle, Y, method, target=1, background=BACKGROUND, seed=seed, **budget)


@pytest.fixture(scope="module")
def sampled(oracle: NumpyModel) -> pellucid.Explanation:
    return shap_of(oracle)


@pytest.mark.parametrize(
    ("bound", "word"),
    [({"at_least": 0.69}, "passed"), ({"at_least": 0.71}, "failed"), ({"at_most": 0.71}, "passed"), ({"at_most": 0.69}, "failed")],
)
def test_share_inside_is_that_of_absolute_values(linear: pellucid.Explanation, bound: dict[str, float], word: str) -> None:
    result = expectation("inside", truth={0, 2}, **bound).check(linear)
    np.testing.assert_allclose(result.seen.values, 0.7)
    assert result.word == word
    assert str(result).startswith(word)


def test_columns_by_name_and_features_of_their_own() -> None:
    explanation = pellucid.explain(MODEL, X, "shap", features={"age": [0, 1], "sex": [2], "rest": [3]})
    result = expectation("inside", truth=["sex"], at_most=0.01).check(explanation)
    np.testing.assert_allclose(result.seen.values, 3 / 8)
    assert result.word == "failed"


def test_an_interval_across_the_bound_is_undecided(sampled: pellucid.Explanation) -> None:
    seen = expectation("inside", truth={0}, at_least=0.0).check(sampled).seen
    assert (seen.high > seen.values).all()
    assert (seen.low < seen.values).all()
    one, value = sampled[0], float(seen.values[0])
    assert expectation("inside", truth={0}, at_least=value).check(one).word == "undecided"
    assert expectation("inside", truth={0}, at_least=float(seen.low[0]) - 1e-9).check(one).word == "passed"
    assert expectation("inside", truth={0}, at_most=float(seen.low[0]) - 1e-3).check(one).word == "failed"


def test_the_interval_of_a_share_covers_it(oracle: NumpyModel) -> None:
    """Over 100 seeds and two samples, against the share by enumeration."""
    exact = np.abs(shap_of(oracle, method="exact_shap").values)
    share, inside = exact[:, 0] / exact.sum(axis=1), 0
    for seed in range(100):
        seen = expectation("inside", truth={0}, at_least=0.0).check(shap_of(oracle, seed)).seen
        inside += int(((seen.low <= share) & (share <= seen.high)).sum())
    assert 180 <= inside <= 199


def test_a_share_of_the_samples_is_enough() -> None:
    x = np.array([[1.0, 1, 1, 1], [1.0, 1, 1, 1], [1.0, 1, 1, 1], [0.0, 1, 1, 1]])
    explanation = pellucid.explain(MODEL, x, "gradient_x_input")
    assert expectation("inside", truth={0}, at_least=0.3).check(explanation).word == "failed"
    assert expectation("inside", truth={0}, at_least=0.3, of_samples=0.75).check(explanation).word == "passed"


def test_change_since_another_model(linear: pellucid.Explanation) -> None:
    other = pellucid.explain(NumpyModel([Dense(WEIGHTS * [[1.0], [1.0], [1.0], [2.5]], np.zeros(1))], (4,)), X, "gradient_x_input")
    result = expectation("change", since=linear, at_most=0.5).check(other)
    np.testing.assert_allclose(result.seen.values, 3 / np.sqrt(30))
    assert result.word == "failed"
    assert expectation("change", since=linear, at_most=0.55).check(other).word == "passed"
    assert expectation("change", since=linear, at_most=0.0).check(linear).word == "passed"


def test_another_seed_is_no_change(oracle: NumpyModel, sampled: pellucid.Explanation) -> None:
    """What the errors alone make is taken out."""
    seen = [expectation("change", since=sampled, at_most=0.1).check(shap_of(oracle, seed)).seen for seed in range(1, 21)]
    apart = [np.linalg.norm(shap_of(oracle, seed).values - sampled.values, axis=1) / np.linalg.norm(sampled.values, axis=1) for seed in range(1, 21)]
    assert np.mean([one.values for one in seen]) < 0.6 * np.mean(apart)
    assert np.mean([one.low == 0 for one in seen]) >= 0.9


@pytest.mark.parametrize(
    "wrong",
    [{}, {"at_least": 0.1, "at_most": 0.2}, {"at_least": 0.1, "of_samples": 0.0}, {"at_least": 0.1, "level": 1.0}],
)
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        expectation("inside", truth={0}, **wrong)


def test_what_cannot_be_compared_is_refused(linear: pellucid.Explanation) -> None:
    with pytest.raises(PellucidError, match="other samples"):
        expectation("change", since=pellucid.explain(MODEL, X * 2, "gradient_x_input"), at_most=1.0).check(linear)
    with pytest.raises(PellucidError, match="same method"):
        expectation("change", since=pellucid.explain(MODEL, X, "saliency"), at_most=1.0).check(linear)
    with pytest.raises(PellucidError, match="evaluate"):
        expectation("verdict").check(linear)
    with pytest.raises(PellucidError, match="truth"):
        expectation("inside", at_least=0.5).check(linear)


@pytest.mark.parametrize(
    ("given", "settings", "word"),
    [
        ("supported supported", {"of_samples": 0.9}, "passed"),
        ("supported mixed", {"of_samples": 0.9}, "failed"),
        ("supported mixed", {"of_samples": 0.5}, "passed"),
        ("mixed mixed", {"at_least": 0.0}, "passed"),
        ("supported not_supported", {"at_least": 0.0}, "failed"),
    ],
)
def test_the_verdict_of_an_evaluation(linear: pellucid.Explanation, given: str, settings: dict[str, float], word: str) -> None:
    evaluation = pellucid.evaluate(MODEL, linear, "deletion", draws=2)
    verdicts = tuple(replace(verdict, word=one.replace("_", " ")) for verdict, one in zip(evaluation.verdicts, given.split(), strict=True))
    result = expectation("verdict", **settings).check(linear, replace(evaluation, verdicts=verdicts))
    assert result.word == word
    assert str(result).endswith(str(verdicts[result.worst]))  # what decided it


def test_changes_of_several_targets_are_refused() -> None:
    two = NumpyModel([Dense(np.hstack([WEIGHTS, -WEIGHTS]), np.zeros(2))], (4,))
    several = pellucid.explain(two, X, "gradient_x_input", target=pellucid.Several(0, 1))
    with pytest.raises(PellucidError, match="several targets"):
        expectation("change", since=several, at_most=0.1).check(several)
