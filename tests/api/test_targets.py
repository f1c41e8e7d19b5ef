"""Targets through the verb: several at once, functions of the outputs, one of several outputs, two classes of one sigmoid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from choices import needed
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api._wrapped import OfSeveral
from pellucid.core import errors
from pellucid.core.model import MaskRows
from pellucid.core.target import Several, join_targets, resolve_target
from pellucid.methods import METHODS
from pellucid.report.page import render

X = np.random.default_rng(3).normal(size=(4, 6))
BACKGROUND = np.random.default_rng(4).normal(size=(6, 6))
FORMS = ("predicted", 2, ("0", "1"), [0, 1, 2, 0])
TABLE = [name for name in METHODS if name not in ("grad_cam", "xrai", "blur_integrated_gradients")]
ROUNDING = 1e-6
"""Weights of a target are float32; masked inputs of several are composed by the host."""


@pytest.fixture
def counted(oracle: NumpyModel) -> tuple[NumpyModel, list[int]]:
    """The oracle and how many inputs have gone through it."""
    seen: list[int] = []

    class Counted(NumpyModel):
        def predict(self, inputs: np.ndarray, *, logits: bool = False) -> np.ndarray:
            seen.append(len(inputs))
            return super().predict(inputs, logits=logits)

    return Counted(oracle.stack, (6,), softmax=True), seen


@pytest.mark.parametrize("method", TABLE)
def test_several_targets_are_each_explained_as_alone(oracle: NumpyModel, method: str) -> None:
    asked = needed(method, BACKGROUND) | {"tolerance": 0.2}
    together = pellucid.explain(oracle, X, method, target=Several(*FORMS), **asked)
    assert together.axes[:2] == ("sample", "target")
    assert together.targets == ("predicted", "2", "(0, 1)", "target 3")
    assert together.values.shape[:2] == together.score.shape == together.degrees.shape == (4, 4)
    for k, target in enumerate(FORMS):
        alone, one = pellucid.explain(oracle, X, method, target=target, **asked), together.at(k)
        np.testing.assert_allclose(together.values[:, k], alone.values, rtol=ROUNDING, atol=ROUNDING * np.abs(alone.values).max())
        np.testing.assert_allclose(together.error[:, k], alone.error, rtol=1e-3, atol=ROUNDING * np.abs(alone.values).max())
        assert (one.axes, one.target, one.outcome.codes) == (alone.axes, alone.target, alone.outcome.codes)
        np.testing.assert_allclose(one.score, alone.score, rtol=ROUNDING)
        assert {name: array.shape for name, array in alone.statistics.items()}.items() <= {name: array.shape for name, array in one.statistics.items()}.items()


@pytest.mark.parametrize("method", ["exact_shap", "permutation_shap", "lime", "rise", "sobol", "occlusion"])
def test_masked_inputs_go_through_the_network_once_for_all_targets(counted: tuple[NumpyModel, list[int]], method: str) -> None:
    model, seen = counted
    asked = {"tolerance": 0.0, "max_evaluations": 500}
    alone = [pellucid.explain(model, X, method, target=k, **asked) for k in range(3)]
    seen.clear()
    together = pellucid.explain(model, X, method, target=Several(0, 1, 2), **asked)
    assert sum(seen) <= 1.1 * max(one.cost.evaluations.sum() for one in alone) + 4 * len(X)
    assert abs(int(together.cost.evaluations.sum()) - sum(seen)) <= 4 * len(X)


def test_several_go_on_where_they_stopped(oracle: NumpyModel) -> None:
    for method in ("permutation_shap", "integrated_gradients"):
        target = Several("predicted", 1)
        begun = pellucid.explain(oracle, X, method, target=target, tolerance=0.3)
        through = pellucid.explain(oracle, X, method, target=target, tolerance=0.05)
        gone_on = begun.refine(tolerance=0.05)
        if method == "permutation_shap":
            np.testing.assert_allclose(gone_on.values, through.values, rtol=1e-6)
        assert set(gone_on.outcome.codes) <= {"converged", "exact"}
        assert (gone_on.cost.evaluations >= begun.cost.evaluations).all()
        np.testing.assert_array_equal(begun[[1, 2]].refine(tolerance=0.05).values, gone_on.values[[1, 2]])
    with pytest.raises(errors.SettingError, match="another target"):
        pellucid.explain(oracle, X, method, target=Several("predicted", 2), resume=begun)


def test_rows_parts_and_files_of_several(oracle: NumpyModel, tmp_path: Path) -> None:
    found = pellucid.explain(oracle, X, "shap", target=Several(0, ("0", "1")), tolerance=0.1)
    again = pellucid.concat([found[0], found[1:]])
    np.testing.assert_array_equal(again.values, found.values)
    assert again.target == found.target
    pellucid.save([found], tmp_path / "several.safetensors")
    (loaded,) = pellucid.load(tmp_path / "several.safetensors")
    assert (loaded.target, loaded.axes, loaded.outcome) == (found.target, found.axes, found.outcome)
    np.testing.assert_array_equal(loaded.at("(0, 1)").values, found.values[:, 1])
    low, high = found.interval()
    assert low.shape == high.shape == found.values.shape
    assert [one.target.labels[0] for one in found.split()] == ["0", "0 − 1"]
    assert len(found.at(0).split()) == 1
    for read in (lambda: found.strongest(), lambda: found.to_input(), lambda: found.feature_mask, lambda: found.shares):
        with pytest.raises(errors.UnsupportedError, match=r"several targets; choose one, e\.g\. explanation\.at\('0'\)"):
            read()
    for wrong in ("1", 2):
        with pytest.raises(errors.SettingError):
            found.at(wrong)
    assert f"{found.score[0, 0]:.4g}, {found.score[0, 1]:.4g}" in found._repr_html_()


def margin(outputs: np.ndarray) -> np.ndarray:
    ordered = np.sort(outputs, axis=1)
    return ordered[:, -1] - ordered[:, -2]


@pytest.mark.parametrize("score", [None, "logit", "centered_logit", "log_probability"])
def test_a_function_is_explained_by_every_family(oracle: NumpyModel, score: str | None) -> None:
    """Against numerical derivatives of the whole, and against the game."""
    given = oracle.predict(X, logits=score in ("logit", "centered_logit"))
    given = np.log(given) if score == "log_probability" else given
    found = pellucid.explain(oracle, X, "saliency", target=margin, score=score, absolute=False)
    np.testing.assert_allclose(found.score, margin(given), rtol=1e-6)
    for j in range(6):
        step = np.zeros((1, 6))
        step[:, j] = 1e-6
        both = [pellucid.explain(oracle, X + sign * step, "saliency", target=margin, score=score).score for sign in (1, -1)]
        np.testing.assert_allclose(found.values[:, j], (both[0] - both[1]) / 2e-6, rtol=1e-4, atol=1e-5)
    for method in ("integrated_gradients", "exact_shap"):
        whole = pellucid.explain(oracle, X, method, target=margin, score=score)
        np.testing.assert_allclose(whole.values.sum(axis=1), whole.score - whole.baseline_score, rtol=0.05, atol=1e-3)
        assert whole.target.labels == ("margin",) * 4


def test_a_function_that_picks_a_class_explains_that_class(oracle: NumpyModel) -> None:
    for method in ("integrated_gradients", "smooth_grad", "shap", "lime", "rise"):
        asked = {"tolerance": 0.2}
        found = pellucid.explain(oracle, X, method, target=lambda outputs: outputs[:, 2], score="logit", **asked)
        want = pellucid.explain(oracle, X, method, target=2, score="logit", **asked)
        np.testing.assert_allclose(found.values, want.values, rtol=1e-4, atol=1e-5 * np.abs(want.values).max())


def test_one_sigmoid_is_explained_for_both_of_its_classes() -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1), torch.nn.Sigmoid())
    x = X.astype(np.float32)
    logit = module[:3](torch.tensor(x)).detach().numpy()[:, 0]
    for method in ("integrated_gradients", "exact_shap"):
        sick = pellucid.explain(module, x, method, target="ill", class_names=["well", "ill"])
        well = pellucid.explain(module, x, method, target="well", class_names=["well", "ill"])
        np.testing.assert_allclose(sick.score, logit, rtol=1e-5)
        np.testing.assert_allclose(well.values, -sick.values, rtol=1e-5, atol=1e-7)
        assert sick.class_names == ("ill",)
        assert sick.prediction.shape == (4, 1)
        predicted = pellucid.explain(module, x, method)
        assert predicted.target.labels == tuple("01"[int(z >= 0)] for z in logit)
        np.testing.assert_allclose(predicted.score, np.abs(logit), rtol=1e-5)
        chance = pellucid.explain(module, x, method, target=0, score="probability")
        np.testing.assert_allclose(chance.score, 1 / (1 + np.exp(logit)), rtol=1e-5)
        np.testing.assert_allclose(chance.values.sum(axis=1), chance.score - chance.baseline_score, atol=2e-3)
    assert pellucid.explain(module, x, "saliency").score.min() >= 0


class Outputs:
    """Networks with several outputs in each form that modules return them in."""

    FORMS = ("tuple", "named", "dictionary", "dataclass", "nested")

    @staticmethod
    def build(form: str) -> tuple[Any, str, str]:
        torch = pytest.importorskip("torch")
        from collections import namedtuple
        from dataclasses import make_dataclass

        pair, record = namedtuple("pair", ["kind", "age"]), make_dataclass("record", ["kind", "age"])

        class Two(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.kind, self.age = torch.nn.Linear(6, 4), torch.nn.Linear(4, 3), torch.nn.Linear(4, 1)

            def forward(self, x: Any) -> Any:
                x = torch.tanh(self.body(x))
                kind, age = torch.softmax(self.kind(x), dim=1), self.age(x)
                return {"tuple": (kind, age), "named": pair(kind, age), "dictionary": {"kind": kind, "age": age}, "dataclass": record(kind, age)}.get(
                    form, {"both": (kind, age)}
                )

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            module = Two()
        return module, *{"tuple": ("0", "1"), "nested": ("both.0", "both.1")}.get(form, ("kind", "age"))


@pytest.mark.parametrize("form", Outputs.FORMS)
def test_one_of_several_outputs_is_named_by_the_target(form: str) -> None:
    torch = pytest.importorskip("torch")
    module, kind, age = Outputs.build(form)
    x = X.astype(np.float32)
    body = torch.tanh(module.body(torch.tensor(x)))
    for method in ("integrated_gradients", "exact_shap", "saliency"):
        of_kind = pellucid.explain(module, x, method, target={kind: 2})
        np.testing.assert_allclose(of_kind.score, module.kind(body)[:, 2].detach().numpy(), rtol=1e-5)
        assert of_kind.target.score == "logit"
        assert of_kind.provenance["output"] == kind
        of_age = pellucid.explain(module, x, method, target={age: "predicted"})
        np.testing.assert_allclose(of_age.score, module.age(body)[:, 0].detach().numpy(), rtol=1e-5)
        assert of_age.target.score == "output"
    assert pellucid.explain(module, x, "integrated_gradients", target={kind: Several(0, 1)}).values.shape == (4, 2, 6)
    refined = pellucid.explain(module, x, "integrated_gradients", target={kind: [0, 1, 2, 0]}, tolerance=0.1).refine(tolerance=0.01)
    assert refined.target.labels == ("0", "1", "2", "0")
    with pytest.raises(errors.SettingError, match=f"several outputs: '{kind}' .3,., '{age}' .1,.*target={{'{kind}': 0}}"):
        pellucid.explain(module, x, "saliency")
    with pytest.raises(errors.SettingError, match="unknown output 'nothing'"):
        pellucid.explain(module, x, "saliency", target={"nothing": 0})
    with pytest.raises(errors.SettingError, match="names 2 outputs"):
        pellucid.explain(module, x, "saliency", target={kind: 0, age: 0})


def test_a_network_with_one_output_has_none_to_name(oracle: NumpyModel) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(errors.SettingError, match="one output, so that there is no 'kind'"):
        pellucid.explain(torch.nn.Linear(6, 3), X.astype(np.float32), "saliency", target={"kind": 0})
    with pytest.raises(errors.UnsupportedError, match="NumPy is served with one output"):
        pellucid.explain(oracle, X, "saliency", target={"kind": 0})


def test_mistakes_in_several_and_functions(oracle: NumpyModel) -> None:
    for target, words in ((Several(0, 9), "unknown class 9"), (Several([0, 1]), "2 entries for 4 samples"), (lambda o: o, r"\(4, 3\) for 4 samples")):
        with pytest.raises(errors.PellucidError, match=words):
            pellucid.explain(oracle, X, "saliency", target=target)
    big = NumpyModel([Dense(np.ones((6, 5000)), np.zeros(5000))], (6,))
    assert pellucid.explain(big, X, "exact_shap", target=lambda o: o.sum(axis=1)).values.shape == (4, 6)
    with pytest.raises(errors.SettingError, match="4096 outputs"):
        pellucid.explain(big, X, "saliency", target=lambda o: o.sum(axis=1))


def test_a_report_shows_each_of_several_targets(oracle: NumpyModel) -> None:
    found = pellucid.explain(oracle, X[:1], "shap", target=Several("predicted", ("0", "1")), class_names=["0", "1", "2"])
    page = render([found])
    assert "“0 − 1”" in page
    assert f"“{found.target.each[0][0]}”" in page


@pytest.mark.parametrize("method", ["exact_shap", "permutation_shap", "lime", "occlusion"])
def test_several_targets_against_a_background_are_each_explained_as_alone(oracle: NumpyModel, method: str) -> None:
    asked = {"background": BACKGROUND, "tolerance": 0.2}
    together = pellucid.explain(oracle, X, method, target=Several(0, 2), **asked)
    for k, target in enumerate((0, 2)):
        alone = pellucid.explain(oracle, X, method, target=target, **asked)
        np.testing.assert_allclose(together.values[:, k], alone.values, rtol=ROUNDING, atol=ROUNDING * np.abs(alone.values).max())


def test_masks_of_other_features_are_other_masked_inputs(oracle: NumpyModel) -> None:
    """The same masks, by two maps, of float masks and whole ones: what is kept of one is not taken for the other."""
    target = join_targets([resolve_target(k, "logit", oracle.predict(X)) for k in range(2)])
    target = replace(target, origin=np.arange(8))
    model, inputs, sample = OfSeveral(oracle, target, 2), np.repeat(X, 2, axis=0), np.arange(8)
    for labels in (np.arange(6)[None] % 2, np.arange(6)[None] // 3):
        for masks in (np.array([[1, 0], [0, 1]] * 4, np.uint8), np.array([[1, 0.5], [0, 1]] * 4)):
            rows = MaskRows(inputs, np.zeros((1, 1, 6)), labels, masks, sample, 0 * sample)
            np.testing.assert_allclose(model.masked_scores(rows, target), oracle.masked_scores(rows, target), rtol=1e-9)
    assert model.spared.sum() == 0
    rows = replace(rows, masks=np.repeat(rows.masks[::2], 2, axis=0))
    np.testing.assert_allclose(model.masked_scores(rows, target), oracle.masked_scores(rows, target), rtol=1e-9)
    assert model.spared.sum() == 8


def test_another_function_of_the_same_name_is_another_target(oracle: NumpyModel) -> None:
    begun = pellucid.explain(oracle, X, "permutation_shap", target=lambda o: o[:, 0], tolerance=0.5)
    with pytest.raises(errors.SettingError, match="function: "):
        pellucid.explain(oracle, X, "permutation_shap", target=lambda o: o[:, 1], tolerance=0.1, resume=begun)
    assert begun.refine(tolerance=0.1).target.labels == ("<lambda>",) * 4
