"""Faithfulness correlation: the paper's formula over all subsets, known answers, the error that is stated, and what settings ask."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from planted import claims, linear, score

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError

Array = np.ndarray
METRIC = "faithfulness_correlation"
DRAW = np.random.default_rng(0)
X, VALUES, FILLS = DRAW.normal(size=(2, 7)), DRAW.normal(size=(2, 7)), DRAW.normal(size=(3, 7))


def twin(f: Any, x: Array, values: Array, fills: Array, size: int) -> float:
    """All subsets of a size, one after the other."""
    held, fall = [], []
    for subset in itertools.combinations(range(len(x)), size):
        scores = []
        for fill in fills:
            z = x.copy()
            z[list(subset)] = fill[list(subset)]
            scores.append(f(z))
        held.append(sum(values[i] for i in subset))
        fall.append(f(x) - np.mean(scores))
    return float(np.corrcoef(held, fall)[0, 1])


@pytest.mark.parametrize("background", [None, FILLS])
def test_all_subsets_where_there_are_few(background: Array | None) -> None:
    model = NumpyModel(random_stack(2, (7, 8, 3)), (7,), softmax=True)
    found = score(METRIC, VALUES, model=model, x=X, settings={"size": 3}, background=background, draws=0)
    for i, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        chosen = int(model.predict(x[None])[0].argmax())
        f = lambda z, chosen=chosen: float(model.predict(z[None], logits=True)[0, chosen])  # noqa: E731
        assert found.values[i] == pytest.approx(twin(f, x, values, np.zeros((1, 7)) if background is None else background, 3), abs=1e-9)
    assert (found.error == 0).all(), "35 subsets, all of them taken"
    assert (found.evaluations == 35 * (1 if background is None else 3)).all()


def test_many_draws_come_to_all_subsets_and_the_seed_decides() -> None:
    model, x = linear((12,)), DRAW.normal(size=(1, 12))
    values = DRAW.normal(size=(1, 12))
    every = score(METRIC, values, model=model, x=x, settings={"size": 0.5, "runs": 924}, draws=0)
    some = [score(METRIC, values, model=model, x=x, settings={"size": 0.5, "runs": 900}, draws=0, seed=seed) for seed in (0, 0, 1)]
    assert every.error[0] == 0 < some[0].error[0]
    assert some[0].values[0] == some[1].values[0] != some[2].values[0]
    assert abs(some[0].values[0] - every.values[0]) < 4 * some[0].error[0]


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 1.0), (-2.0, -1.0)])
def test_the_contributions_of_a_linear_network_correlate_perfectly(factor: float, expected: float) -> None:
    model, x = linear((20,)), DRAW.normal(size=(2, 20))
    found = score(METRIC, factor * x * model.stack[0].weights[:, 0], model=model, x=x)
    np.testing.assert_allclose(found.values, expected, atol=1e-9)
    np.testing.assert_allclose(found.error, 0, atol=1e-6)


def test_nothing_can_be_said_where_one_side_is_constant() -> None:
    model = NumpyModel(random_stack(2, (7, 8, 3)), (7,), softmax=True)
    found = score(METRIC, np.ones((2, 7)), model=model, x=X)
    assert np.isnan(found.values).all()
    silent = score(METRIC, VALUES, model=model, x=np.zeros((2, 7)))
    assert np.isnan(silent.values).all()
    assert np.isnan(silent.lead).all()


def test_stated_errors_are_true_ones() -> None:
    model, x = NumpyModel(random_stack(2, (30, 16, 3)), (30,), softmax=True), DRAW.normal(size=(2, 30))
    record = claims(model, x, x * DRAW.normal(1, 1, size=(2, 30)))
    found = [pellucid.evaluate(model, record, METRIC, draws=0, seed=seed)[METRIC] for seed in range(120)]
    true, stated = np.std([one.values for one in found], axis=0), np.mean([one.error for one in found], axis=0)
    assert ((stated / true > 0.7) & (stated / true < 1.4)).all(), stated / true


def test_samples_draw_apart_so_that_their_mean_is_as_sure_as_it_says() -> None:
    """Twenty samples that are all but alike: what is drawn must average out over them."""
    model, x = linear((30,)), 1 + 0.01 * DRAW.normal(size=(20, 30))
    record = claims(model, x, np.tile(DRAW.normal(size=30), (20, 1)))
    found = [pellucid.evaluate(model, record, METRIC, draws=0, seed=seed)[METRIC] for seed in range(60)]
    true = np.std([one.mean for one in found])
    assert 0.7 < found[0].error.mean() / np.sqrt(20) / true < 1.4


@pytest.mark.parametrize("settings", [{"runs": 2}, {"size": 0}, {"size": -1}, {"size": 2.5}])
def test_settings_out_of_range_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="got"):
        score(METRIC, VALUES, settings=settings)
