"""Going on with an explanation: the same answer as in one go, for less."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError
from pellucid.methods import METHODS

X = np.random.default_rng(5).normal(size=(3, 6))
BACKGROUND = np.random.default_rng(6).normal(size=(7, 6))
REFINABLE = ("integrated_gradients", "expected_gradients", "smooth_grad", "var_grad", "lime", "permutation_shap", "kernel_shap")
COARSE, FINE = 0.2, 0.04


def options(method: str) -> dict[str, Any]:
    return {"background": BACKGROUND} if "background" in METHODS.load(method).accepts else {}


@pytest.mark.parametrize("method", REFINABLE)
def test_refined_equals_computed_in_one_go_and_repeats_nothing(oracle: NumpyModel, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = pellucid.explain(oracle, X, method, tolerance=COARSE, max_evaluations=10**6, **options(method))
    whole = pellucid.explain(oracle, X, method, tolerance=FINE, max_evaluations=10**6, **options(method))
    seen = 0
    predict, gradients = NumpyModel.predict, NumpyModel.gradients

    def counting(call: Any) -> Any:
        def counted(self: NumpyModel, inputs: np.ndarray, *args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += len(inputs)
            return call(self, inputs, *args, **kwargs)

        return counted

    monkeypatch.setattr(NumpyModel, "predict", counting(predict))
    monkeypatch.setattr(NumpyModel, "gradients", counting(gradients))
    fine = coarse.refine(tolerance=FINE, max_evaluations=10**6)
    spent = int((fine.cost.evaluations - coarse.cost.evaluations).sum())
    assert set(fine.outcome.codes) <= {"converged", "exact"}
    assert (fine.cost.evaluations > coarse.cost.evaluations).any()
    allowed = 2 * len(X) + (3 * len(BACKGROUND) * len(X) if options(method) else 1)  # scores at inputs, baseline, empty coalitions are read again
    assert seen <= spent + allowed
    off = np.linalg.norm(fine.values - whole.values, axis=1) / np.linalg.norm(whole.values, axis=1)
    assert (off <= 2 * FINE).all()
    assert fine.provenance["tolerance"] == FINE


@pytest.mark.parametrize("method", ["saliency", "exact_shap"])
def test_what_is_exact_stays(oracle: NumpyModel, method: str) -> None:
    found = pellucid.explain(oracle, X, method)
    np.testing.assert_array_equal(found.refine(tolerance=0.001).values, found.values)


def test_some_samples_are_refined_alone(oracle: NumpyModel) -> None:
    found = pellucid.explain(oracle, X, "lime", target=[0, 1, 2], labels=[2, 1, 0], tolerance=COARSE)
    one = found[1].refine(tolerance=FINE)
    assert one.target.labels == ("1",)
    assert one.provenance["labels"] == [1]
    np.testing.assert_array_equal(one.inputs, X[1:2])
    assert found[2:][0].refine(tolerance=FINE).target.labels == ("2",)


def test_a_loaded_record_goes_on_by_the_same_call(oracle: NumpyModel, tmp_path: Path) -> None:
    coarse = pellucid.explain(oracle, X, "permutation_shap", background=BACKGROUND, tolerance=COARSE)
    pellucid.save(coarse, tmp_path / "coarse.safetensors")
    (loaded,) = pellucid.load(tmp_path / "coarse.safetensors")
    with pytest.raises(SettingError, match="resume=explanation"):
        loaded.refine(tolerance=FINE)
    fine = pellucid.explain(oracle, X, "permutation_shap", background=BACKGROUND, tolerance=FINE, resume=loaded)
    np.testing.assert_array_equal(fine.values, coarse.refine(tolerance=FINE).values)


def test_a_record_can_be_pickled_by_others_and_then_holds_no_network(oracle: NumpyModel) -> None:
    found = pickle.loads(pickle.dumps(pellucid.explain(oracle, X, "lime")))  # noqa: S301
    assert found.continuation is None
    assert len(found) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "smooth_grad"}, "another way"),
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"target": 0}, "target"),
        ({"x": X[:2], "target": [0, 1]}, "other samples"),
        ({"x": X + 1}, "other samples"),
        ({"kernel_width": 0.5}, "settings"),
    ],
)
def test_another_call_cannot_go_on(oracle: NumpyModel, change: dict[str, Any], words: str) -> None:
    found = pellucid.explain(oracle, X, "lime", target=[0, 1, 2])
    call = {"x": X, "method": "lime", "target": [0, 1, 2], "resume": found} | change
    with pytest.raises(SettingError, match=words):
        pellucid.explain(oracle, **call)
    with pytest.raises(SettingError, match="takes an Explanation"):
        pellucid.explain(oracle, X, "lime", resume=[found])


def test_the_strongest_say_which_of_them_are_ahead(oracle: NumpyModel) -> None:
    found = pellucid.explain(oracle, X, "lime", tolerance=0.3)
    exact = replace(found, error=np.zeros_like(found.error), values=np.array([[3.0, -2.0, 1.0, 1.0, 0.5, 0.1]] * 3))
    ranking = exact.strongest(3)
    assert ranking.features.tolist() == [0, 1, 2]
    assert ranking.ahead.tolist() == [True, True, False]  # features 2 and 3 are tied
    assert "Not separated" in str(ranking)
    vague = replace(exact, error=np.full((3, 6), 0.9))
    assert vague.strongest(1, sample=2).ahead.tolist() == [False]
    with pytest.raises(SettingError, match="at least 1"):
        exact.strongest(0)
