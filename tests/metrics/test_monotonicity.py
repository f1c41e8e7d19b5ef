"""Monotonicity: both forms written as loops, known answers, the error where units are drawn, and where the second form cannot tell."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from planted import claims, linear, score
from scipy import stats

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError

Array = np.ndarray
METRIC = "monotonicity"
DRAW = np.random.default_rng(0)
X, VALUES, FILLS = DRAW.normal(size=(2, 9)), DRAW.normal(size=(2, 9)), DRAW.normal(size=(3, 9))


@pytest.fixture(scope="module")
def model() -> NumpyModel:
    return NumpyModel(random_stack(2, (9, 8, 3)), (9,), softmax=True)


def logit_of(model: NumpyModel, x: Array) -> Any:
    chosen = int(model.predict(x[None])[0].argmax())
    return lambda z: float(model.predict(z[None], logits=True)[0, chosen])


@pytest.mark.parametrize("background", [None, FILLS])
def test_effects_one_unit_at_a_time(model: NumpyModel, background: Array | None) -> None:
    fills = np.zeros((1, 9)) if background is None else background
    found = score(METRIC, VALUES, model=model, x=X, background=background, draws=0)
    for i, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        f, effects = logit_of(model, x), []
        for unit in range(9):
            squares = []
            for fill in fills:
                z = x.copy()
                z[unit] = fill[unit]
                squares.append((f(x) - f(z)) ** 2)
            effects.append(np.mean(squares))
        assert found.values[i] == pytest.approx(stats.spearmanr(np.abs(values), effects)[0], abs=1e-9)
    assert (found.evaluations == 9 * len(fills)).all()
    assert (found.error == 0).all()


def test_the_share_of_steps_that_do_not_fall(model: NumpyModel) -> None:
    found = score(METRIC, VALUES, model=model, x=X, settings={"form": "steps", "steps": 9}, draws=0)
    for i, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        f, z = logit_of(model, x), np.zeros(9)
        curve = [f(z)]
        for unit in np.argsort(values):  # the least important first
            z[unit] = x[unit]
            curve.append(f(z))
        assert found.values[i] == np.mean([b >= a for a, b in itertools.pairwise(curve)])
    assert 0 < found.values.min() < 1, "a case that decides nothing"


def test_known_answers_on_a_linear_network() -> None:
    model, x = linear((8,)), DRAW.normal(size=(1, 8))
    effects = x * model.stack[0].weights[:, 0]
    assert score(METRIC, effects**3, model=model, x=x, draws=0).values[0] == pytest.approx(1)
    assert score(METRIC, 1 / effects, model=model, x=x, draws=0).values[0] == pytest.approx(-1)


def test_the_second_form_cannot_tell_where_nothing_speaks_against_and_its_lead_says_so() -> None:
    model = linear((10,))
    x = np.abs(DRAW.normal(size=(5, 10))) * np.sign(model.stack[0].weights[:, 0])
    found = score(METRIC, x * model.stack[0].weights[:, 0], model=model, x=x, settings={"form": "steps"})
    np.testing.assert_array_equal(found.values, 1)
    low, high = found.lead_interval()
    assert low <= 0 <= high
    told = score(METRIC, x * model.stack[0].weights[:, 0], model=model, x=x)
    assert told.lead_interval()[0] > 0


def test_what_is_rounding_is_no_effect() -> None:
    """Scores of inputs that are the same but for where they lie in a batch differ in their last bits: units that the network does not read stay equal."""

    def network(x: Array) -> Array:
        return (50 + x[:, :4].sum(axis=1, keepdims=True)) * (1 + 1e-7 * np.sin(np.arange(len(x)))[:, None])

    x = DRAW.uniform(0.5, 1, size=(2, 40))
    truth = np.where(np.arange(40) < 4, x, 0)
    record = claims(network, x, truth, "feature_ablation")
    np.testing.assert_allclose(pellucid.evaluate(network, record, METRIC, draws=0)[METRIC].values, 1, atol=1e-9)


def test_where_units_are_drawn_the_stated_error_is_the_true_one() -> None:
    model, x = NumpyModel(random_stack(2, (300, 16, 3)), (300,), softmax=True), DRAW.normal(size=(2, 300))
    effects = x * model.stack[0].weights[:, 0]
    record = claims(model, x, effects + 0.3 * DRAW.normal(size=x.shape))
    settings = {METRIC: {"units": 60}}
    found = [pellucid.evaluate(model, record, settings, draws=0, seed=seed)[METRIC] for seed in range(120)]
    true, stated = np.std([one.values for one in found], axis=0), np.mean([one.error for one in found], axis=0)
    assert ((stated / true > 0.7) & (stated / true < 1.4)).all(), stated / true
    every = pellucid.evaluate(model, record, METRIC, draws=0)[METRIC]
    assert (np.abs(np.mean([one.values for one in found], axis=0) - every.values) < 4 * true / np.sqrt(120)).all()
    assert (found[0].evaluations == 60).all()


@pytest.mark.parametrize("settings", [{"form": "spearman"}, {"units": 2}, {"steps": 0}])
def test_settings_out_of_range_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="got"):
        score(METRIC, VALUES, settings=settings)
