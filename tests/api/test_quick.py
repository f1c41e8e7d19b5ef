"""The quick look at explanations for reports: its cost is bounded, it tells planted maps apart, and it says what it did not look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api import quick as module
from pellucid.api.quick import DRAWS, EVALUATIONS, NO_NETWORK, STEPS, judged, quick
from pellucid.core.evaluation import identity_of

X = np.random.default_rng(0).normal(size=(3, 12))
FAITHFULNESS = 2 * (STEPS + 1) * (DRAWS + 1)


@pytest.fixture
def network() -> NumpyModel:
    return NumpyModel(random_stack(1, (12, 9, 3)), (12,))


def test_planted_maps_get_their_words() -> None:
    weights = np.linspace(0.2, 3, 12)[:, None]
    model = NumpyModel([Dense(weights, np.zeros(1))], (12,))
    explanation = pellucid.explain(model, np.abs(X) + 0.5, "gradient_x_input")
    upside_down = replace(explanation, values=-explanation.values)
    assert {verdict.word for verdict in quick(model, upside_down).verdicts} == {"not supported"}
    assert "not supported" not in {verdict.word for verdict in quick(model, explanation).verdicts}


def test_the_passes_of_a_report_are_bounded(tmp_path) -> None:
    seen = 0

    def score(rows: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += len(rows)
        return np.tanh(rows @ np.linspace(-1, 1, 12)[:, None])

    for method, more in (("occlusion", {}), ("shap", {"tolerance": 0.0, "max_evaluations": 5000})):
        explanation = pellucid.explain(score, X, method, **more)
        took, seen = int(explanation.cost.evaluations.max()), 0
        pellucid.report(explanation, tmp_path / "report.html")
        few = 20  # the prediction, the score, and what a call of explain asks first
        assert 100 < seen / len(X) <= FAITHFULNESS + max(EVALUATIONS, took) + few


@pytest.mark.parametrize(("took", "drawn", "moved"), [(1, 3, 3), (400, 3, 2), (660, 1, 2), (900, 2, 0), (5000, 1, 0)])
def test_how_much_is_explained_again_follows_from_what_it_took(network, monkeypatch, took: int, drawn: int, moved: int) -> None:
    explanation = pellucid.explain(network, X, "integrated_gradients", target=1)
    explanation = replace(explanation, cost=replace(explanation.cost, evaluations=np.full(3, took)))
    asked: dict = {}

    def noted(model, explanation, panel, **options):
        asked.update(panel=panel, **options)
        return pellucid.evaluate(model, explanation, panel, **options)

    monkeypatch.setattr(module, "evaluate", noted)
    found = quick(network, explanation)
    assert asked["panel"]["weight_randomisation"]["draws"] == drawn
    assert asked["panel"].get("max_sensitivity", {}).get("draws", 0) == moved
    assert asked["again"]["max_evaluations"] * (drawn + moved) <= max(EVALUATIONS, took * drawn)
    assert ("max_sensitivity" in found.refused) is not bool(moved)
    assert ("robustness" in found.verdicts[0].unchecked) is not bool(moved)


def test_what_cannot_be_looked_at_says_why(network, tmp_path) -> None:
    explanation = pellucid.explain(network, X, "saliency", target=0)
    other = replace(explanation, method="other", provenance=dict(explanation.provenance) | {"fingerprint": "of another"})
    pellucid.save(explanation, tmp_path / "one.safetensors")
    (loaded,) = pellucid.load(tmp_path / "one.safetensors")
    found, reasons = judged([loaded])
    assert (found, list(reasons.values())) == ([], [NO_NETWORK])
    assert judged([pellucid.evaluate(network, explanation, "sparseness"), explanation]) == ([], {})
    found, reasons = judged([explanation, other], progress=False)
    assert [one.identity for one in found] == [identity_of(explanation)]
    assert list(reasons) == [identity_of(other)]
    assert "of another network" in reasons[identity_of(other)]


def test_each_of_several_targets_is_looked_at(network) -> None:
    explanation = pellucid.explain(network, X, "gradient_x_input", target=pellucid.Several(0, 2))
    found, reasons = judged([explanation])
    assert reasons == {}
    assert [one.identity for one in found] == [identity_of(part) for part in explanation.split()]


def test_a_stream_is_looked_at_too(network) -> None:
    found, reasons = judged([pellucid.explain(network, iter(X), "gradient_x_input", target=1)])
    assert (len(found), reasons) == (1, {})


def test_the_same_again_gives_the_same(network) -> None:
    explanation = pellucid.explain(network, X, "shap", target=1)
    first, second = quick(network, explanation), quick(network, explanation)
    assert first.verdicts == second.verdicts
    for name in first:
        np.testing.assert_array_equal(first[name].values, second[name].values)
