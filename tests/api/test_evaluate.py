"""`evaluate` as a verb: what it takes, what it refuses and in which words, records that were stored, parts of explanations, what it leaves alone."""

from __future__ import annotations

import importlib
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import CombinationError, InputError, SettingError, ShapeError, UnknownMetricError, UnsupportedError
from pellucid.core.evaluation import Evaluation, Score
from pellucid.core.features import FeatureMap
from pellucid.core.metric import Measurement, Metric, Trial, unit_importance
from pellucid.core.records import Explanation
from pellucid.metrics import METRICS, _masks
from pellucid.metrics.axioms import _game
from pellucid.metrics.faithfulness.deletion import Deletion

evaluate_module = importlib.import_module("pellucid.api.evaluate")
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(6, 5))
BACKGROUND = DRAW.normal(size=(4, 5))
MODEL = NumpyModel(random_stack(3, (5, 8, 3)), (5,), softmax=True)


@dataclass(frozen=True)
class Asks(Metric):
    """Shows the trial, and explains again where it is told to."""

    explain: bool = False
    title = "Asks"
    asks = "What is a metric given?"
    group = "faithfulness"
    better = "higher"
    citation = "here"

    def measure(self, trial: Trial) -> Measurement:
        values = trial.importance.sum(axis=2)
        if self.explain:
            made = trial.again(trial.model, trial.inputs[::-1].copy(), np.arange(len(trial.inputs))[::-1].copy())
            values = np.repeat(trial.importance_of(made)[::-1].sum(axis=1)[:, None], trial.maps, axis=1)
        none = np.zeros(len(values), int)
        return Measurement(values, np.zeros(values.shape), none, none, {"scores": trial.scores}, {"maps": trial.maps})


@dataclass(frozen=True)
class Explains(Asks):
    """The same, and says that it does."""

    explain: bool = True
    needs = frozenset({"again"})


def made(method: str = "shap", model: Any = MODEL, **options: Any) -> Explanation:
    return pellucid.explain(model, X, method, **options)


def same(one: Score, other: Score) -> None:
    for part in ("values", "error", "chance", "evaluations"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


# ---- what it takes --------------------------------------------------------------------------------------------------


def test_metrics_as_a_name_names_an_object_and_a_mapping() -> None:
    explanation = made()
    ways = ["deletion", ["deletion"], ("deletion",), Deletion(), [Deletion()], {"deletion": {}}, {"deletion": None}, {"deletion": {"steps": 20}}]
    found = [pellucid.evaluate(MODEL, explanation, way, draws=2) for way in ways]
    for one in found:
        assert list(one) == ["deletion"]
        same(one["deletion"], found[0]["deletion"])
    coarse = pellucid.evaluate(MODEL, explanation, {"deletion": {"steps": 2}, "insertion": {}}, draws=2)
    assert list(coarse) == ["deletion", "insertion"]
    assert coarse["deletion"].settings["steps"] == 2
    assert (coarse["deletion"].values != found[0]["deletion"].values).any()
    assert coarse["deletion"].curves["score"].shape == (6, 3)


def test_a_metric_of_ones_own_goes_by_its_class() -> None:
    found = pellucid.evaluate(MODEL, made(), Asks(), draws=3)
    assert list(found) == ["Asks"]
    assert found["Asks"].settings == {"explain": False, "maps": 4}


def test_several_explanations_are_measured_alike() -> None:
    explanations = [made("shap"), made("lime")]
    found = pellucid.evaluate(MODEL, explanations, "deletion", draws=2)
    assert [one.method for one in found] == ["shap", "lime"]
    for one, alone in zip(found, explanations, strict=True):
        same(one["deletion"], pellucid.evaluate(MODEL, alone, "deletion", draws=2)["deletion"])
    assert pellucid.evaluate(MODEL, [], "deletion") == []


def test_where_nothing_is_named_a_panel_is_measured_and_says_what_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.api.evaluate.PANEL", ("deletion", "pointing_game", "efficiency"))
    found = pellucid.evaluate(MODEL, made("lime"), draws=2)
    assert list(found) == ["deletion"]
    assert found.refused == {
        "pointing_game": "needs to know where the reason lies: truth=…",
        "efficiency": "tests what 'lime' does not promise: shares that add up to the change of the score from the fill",
    }
    with pytest.raises(SettingError, match=r"'efficiency' was not measured: it tests what 'lime' does not promise"):
        found["efficiency"]
    with pytest.raises(SettingError, match="unknown metric 'deletions'; did you mean 'deletion'"):
        found["deletions"]


def test_a_refusal_that_only_the_trial_tells_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.api.evaluate.PANEL", ("deletion", "dummy"))
    found = pellucid.evaluate(MODEL, made(), features=np.array([0, 0, 1, 1, 2]), draws=0)
    assert list(found) == ["deletion"]
    assert "leave features= out" in found.refused["dummy"]


def test_random_importances_are_the_same_values_given_to_units_by_chance_from_the_seed() -> None:
    explanation = made()
    one, again, other = (pellucid.evaluate(MODEL, explanation, "deletion", seed=seed, draws=4)["deletion"] for seed in (0, 0, 1))
    same(one, again)
    assert (one.chance != other.chance).any()
    np.testing.assert_array_equal(one.values, other.values)
    sums = pellucid.evaluate(MODEL, explanation, Asks(), draws=4)["Asks"]
    np.testing.assert_allclose(sums.chance, np.repeat(sums.values[:, None], 4, axis=1))
    fewer = pellucid.evaluate(MODEL, explanation, "deletion", draws=2)["deletion"]
    np.testing.assert_array_equal(fewer.chance, one.chance[:, :2])


def test_the_score_is_the_one_that_was_explained() -> None:
    for options in (
        {"target": 1},
        {"target": ("0", "2")},
        {"target": [0, 1, 2, 0, 1, 2]},
        {"score": "probability"},
        {"target": "predicted", "score": "log_probability"},
    ):
        explanation = made(**options)
        found = pellucid.evaluate(MODEL, explanation, Asks(), draws=0)["Asks"]
        np.testing.assert_allclose(found.curves["scores"], explanation.score)


def test_importance_of_units_coarser_and_finer_than_the_features() -> None:
    explanation = made(features={"a": [0, 1, 2], "b": [3, 4]})
    own = FeatureMap(np.array([[0, 0, 0, 1, 1]]), ("a", "b"))
    np.testing.assert_allclose(unit_importance(explanation, own), explanation.values)
    single = FeatureMap(np.arange(5)[None], tuple("vwxyz"))
    np.testing.assert_allclose(unit_importance(explanation, single), explanation.values[:, [0, 0, 0, 1, 1]] / [3, 3, 3, 2, 2])
    across = FeatureMap(np.array([[0, 0, 1, 1, -1]]), ("p", "q"))
    want = np.stack([2 / 3 * explanation.values[:, 0], explanation.values[:, 0] / 3 + explanation.values[:, 1] / 2], axis=1)
    np.testing.assert_allclose(unit_importance(explanation, across), want)


def test_nothing_of_the_user_is_touched() -> None:
    explanation, background = made(background=BACKGROUND), BACKGROUND.copy()
    held = {name: getattr(explanation, name).tobytes() for name in ("values", "error", "inputs", "score")}
    np.random.seed(4)
    before = np.random.get_state()[1].tobytes()
    pellucid.evaluate(MODEL, explanation, ["deletion", "dummy", "symmetry"], background=background)
    assert np.random.get_state()[1].tobytes() == before
    assert {name: getattr(explanation, name).tobytes() for name in held} == held
    np.testing.assert_array_equal(background, BACKGROUND)


def test_what_is_told_of_how_it_was_made() -> None:
    found = pellucid.evaluate(MODEL, made(seed=7), "deletion", fill=0.5, draws=3, seed=2, truth={2, 1})
    told = found.provenance
    assert (told["draws"], told["seed"], told["fill"], told["truth"]) == (3, 2, 0.5, [1, 2])
    assert told["explained"]["seed"] == 7
    assert found["deletion"].citation.startswith("Petsiuk")
    assert repr(found) == "Evaluation('shap', samples=6, metrics=['deletion'])"


# ---- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"metrics": "deletoin"}, UnknownMetricError, "unknown metric 'deletoin'; did you mean 'deletion'"),
        ({"metrics": {"deletion": {"stepz": 3}}}, SettingError, "metric 'deletion': unknown setting 'stepz'; did you mean 'steps'"),
        ({"metrics": {"deletion": {"steps": "many"}}}, SettingError, "metric 'deletion': steps must be a whole number, got 'many'"),
        ({"metrics": {"deletion": {"steps": 0}}}, SettingError, "steps must be at least 1, got 0"),
        ({"metrics": []}, SettingError, "no metric is named; known: "),
        ({"again": 3}, SettingError, "again must be like"),
        ({"thresholds": {"level": 0.9}}, SettingError, "thresholds must be like"),
        ({"draws": -1}, SettingError, "draws must be a whole number of at least 0, got -1"),
        ({"draws": 2.5}, SettingError, "draws must be a whole number"),
        ({"draws": True}, SettingError, "draws must be a whole number"),
        ({"seed": -3}, SettingError, "seed must be a whole number"),
        ({"steps": 3}, SettingError, "evaluate does not take 'steps'; it takes features, fill"),
        ({"fill": 0.5, "background": BACKGROUND}, CombinationError, "give either fill or background, not both"),
        ({"background": BACKGROUND[:, :3]}, ShapeError, "shape"),
        ({"fill": "mud"}, Exception, "mud"),
        ({"truth": np.ones(4)}, ShapeError, r"truth has shape \(4,\)"),
        ({"truth": {"x": {0}}}, InputError, "has one input"),
        ({"features": np.zeros(4, int)}, Exception, "4"),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        pellucid.evaluate(MODEL, made(), **{"metrics": "deletion"} | options)


def test_what_is_no_explanation() -> None:
    for thing in ([X], ["shap"]):
        with pytest.raises(SettingError, match="evaluate takes an Explanation or several, got"):
            pellucid.evaluate(MODEL, thing, "deletion")


def test_several_targets_are_measured_one_by_one() -> None:
    several = made(target=pellucid.Several("0", "2"))
    with pytest.raises(UnsupportedError, match=r"several targets; choose one, e.g. explanation.at\('0'\)"):
        pellucid.evaluate(MODEL, several, "deletion")
    one, alone = several.at("2"), made(target="2")
    found, want = (pellucid.evaluate(MODEL, each, Asks(), draws=0)["Asks"] for each in (one, alone))
    np.testing.assert_allclose(found.curves["scores"], want.curves["scores"])
    assert len(pellucid.evaluate(MODEL, several.split(), "deletion", draws=1)) == 2


def test_another_network_is_refused() -> None:
    torch = pytest.importorskip("torch")
    nets = [torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Softmax(dim=1)) for _ in range(2)]
    explanation = pellucid.explain(nets[0], X.astype(np.float32), "saliency")
    pellucid.evaluate(nets[0], explanation, "deletion", draws=0)
    with pytest.raises(SettingError, match=r"is of another network \(fingerprint .*, here .*\); give the network that was explained"):
        pellucid.evaluate(nets[1], explanation, "deletion")


def test_values_at_a_layer_that_lies_on_no_grid_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="the values lie at layer 'dense_0', on no grid"):
        pellucid.evaluate(MODEL, made("integrated_gradients", layer="dense_0"), "deletion")


def test_an_explanation_of_units_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"explanation is of the units dense_0\[3\], not of the network's output"):
        pellucid.evaluate(MODEL, made("saliency", layer="dense_0[3]"), "deletion")


def test_a_target_that_is_not_the_one_explained_is_seen() -> None:
    explanation = made(target=1)
    other = replace(explanation, continuation=None, provenance=explanation.provenance | {"target": 2})
    with pytest.raises(SettingError, match=r"explanation is of '1', and its record tells of '2'; give its target again"):
        pellucid.evaluate(MODEL, other, "deletion")
    pellucid.evaluate(MODEL, other, "deletion", draws=0, again={"target": 1})


# ---- stored records and parts ---------------------------------------------------------------------------------------

STORED: dict[str, dict[str, Any]] = {
    "plain": {"method": "shap"},
    "settings": {"method": "lime", "kernel_width": 0.5, "features": "columns", "seed": 5},
    "class": {"method": "shap", "target": 2, "score": "probability"},
    "class by name": {"method": "shap", "target": "b", "class_names": ["a", "b", "c"]},
    "a class each": {"method": "shap", "target": [0, 1, 2, 2, 1, 0]},
    "contrast": {"method": "shap", "target": ("0", "2")},
    "contrast by number": {"method": "shap", "target": ((2, 0),)},
    "contrast by name": {"method": "shap", "target": ("c", "a"), "class_names": ["a", "b", "c"]},
    "classes and contrasts": {"method": "shap", "target": [1, ("0", "2"), "2", "predicted", ("2", "1"), 0]},
    "a class with brackets": {"method": "shap", "target": "(0, 1)", "class_names": ["a", "(0, 1)", "c"]},
    "fill": {"method": "permutation_shap", "fill": "constant:0.7", "tolerance": 0.2},
    "baseline": {"method": "integrated_gradients", "baseline": 0.3, "tolerance": 0.1},
    "groups": {"method": "shap", "features": [[0, 1], [2, 3, 4]]},
}


@pytest.fixture(params=STORED)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Explanation, Explanation]:
    fresh = made(**STORED[request.param])
    pellucid.save([fresh], tmp_path / "record.safetensors")
    return fresh, pellucid.load(tmp_path / "record.safetensors")[0]


def test_a_stored_record_is_measured_and_made_again_as_if_it_were_fresh(stored: tuple[Explanation, Explanation]) -> None:
    fresh, loaded = stored
    assert loaded.continuation is None
    metrics = ["deletion", Asks(), Explains()]
    one, other = (pellucid.evaluate(MODEL, each, metrics, draws=2, features="columns") for each in (fresh, loaded))
    for name in one:
        same(one[name], other[name])
    np.testing.assert_allclose(one["Explains"].values, fresh.shares.sum(axis=1), rtol=1e-6)


def test_the_same_sample_alone_in_other_company_and_from_a_store(stored: tuple[Explanation, Explanation]) -> None:
    for explanation in stored:
        whole = pellucid.evaluate(MODEL, explanation, ["deletion", Explains()], draws=2, features="columns")
        for rows in (slice(2, 4), [5, 0], slice(5, 6)):
            part = pellucid.evaluate(MODEL, explanation[rows], ["deletion", Explains()], draws=2, features="columns")
            for name in whole:
                np.testing.assert_allclose(part[name].values, whole[name].values[rows], rtol=1e-9)
                np.testing.assert_allclose(part[name].chance, whole[name].chance[rows], rtol=1e-9)
        twice = pellucid.evaluate(MODEL, explanation[1:][2:4], "deletion", draws=2, features="columns")
        np.testing.assert_allclose(twice["deletion"].values, whole["deletion"].values[3:5], rtol=1e-9)


@pytest.mark.parametrize("target", [(1, 2), (1, ("0", "2")), (-1, ("3", 0)), (..., 1), [(0, 1), (1, ("2", "0"))]])
def test_a_position_in_a_record_is_told_from_a_contrast(target: Any, tmp_path: Path) -> None:
    def in_places(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, :4], np.square(x[:, 1:])], axis=1)

    explanation = pellucid.explain(in_places, X[:2], "shap", target=target)
    pellucid.save([explanation], tmp_path / "record.safetensors")
    loaded = pellucid.load(tmp_path / "record.safetensors")[0]
    found, want = (pellucid.evaluate(in_places, each, Explains(), draws=0)["Explains"].values for each in (loaded, explanation))
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize(
    ("options", "once"),
    [
        ({"target": ("0", "2")}, "(0, 2)"),
        ({"target": ((2, 0),)}, "((2, 0))"),
        ({"target": ("a", "c"), "class_names": ["a", "b", "c"]}, "(a, c)"),
        ({"target": [1, ("0", "2")] * 3}, [1, "(0, 2)"] * 3),
        ({"target": (1,)}, "(1)"),
    ],
    ids=str,
)
def test_a_contrast_in_a_record_that_does_not_tell_it_from_a_position_is_known_by_its_label(options: dict[str, Any], once: Any) -> None:
    """As records were written before contrasts had quotes."""
    explanation = made(**options)
    earlier = replace(explanation, continuation=None, provenance=explanation.provenance | {"target": once})
    found, want = (pellucid.evaluate(MODEL, each, ["deletion", Explains()], draws=0) for each in (earlier, explanation))
    for name in want:
        np.testing.assert_array_equal(found[name].values, want[name].values)


def test_one_of_several_contrasts_is_made_again_from_its_record(tmp_path: Path) -> None:
    one = made(target=pellucid.Several(("0", "2"), "1")).at("(0, 2)")
    pellucid.save([one], tmp_path / "record.safetensors")
    loaded = pellucid.load(tmp_path / "record.safetensors")[0]
    found = pellucid.evaluate(MODEL, loaded, Explains(), draws=0)["Explains"]
    np.testing.assert_allclose(found.values, made(target=("0", "2")).values.sum(axis=1), rtol=1e-6)


def test_parts_keep_what_was_given_for_each_sample() -> None:
    """A baseline, a target and a map of features each: the last two samples come with theirs."""
    labels = np.stack([np.roll([0, 0, 1, 1, 2], i) for i in range(6)])
    for options in ({"method": "integrated_gradients", "baseline": X[::-1].copy(), "target": [0, 1, 2, 2, 1, 0]}, {"method": "shap", "features": labels}):
        explanation = made(**options)
        found = pellucid.evaluate(MODEL, explanation[4:], Explains(), draws=0)["Explains"]
        np.testing.assert_allclose(found.values, explanation.values[4:].sum(axis=1), rtol=1e-6)
        np.testing.assert_allclose(explanation[4:].refine(tolerance=0.5).values, explanation.values[4:], rtol=0.1)


def test_what_a_record_does_not_hold_hinders_only_who_needs_it(tmp_path: Path) -> None:
    pellucid.save([made(background=BACKGROUND)], tmp_path / "record.safetensors")
    loaded = pellucid.load(tmp_path / "record.safetensors")[0]
    assert np.isfinite(pellucid.evaluate(MODEL, loaded, "deletion")["deletion"].values).all()
    told = r"explains once more, and the explanation was made with background=array of shape \(4, 5\), which a record does not hold"
    with pytest.raises(UnsupportedError, match=told + r"; give it again: again=\{'background': ...\}"):
        pellucid.evaluate(MODEL, loaded, Explains())
    with pytest.raises(SettingError, match="which a record does not hold"):
        pellucid.evaluate(MODEL, loaded, "efficiency")
    again = pellucid.evaluate(MODEL, loaded, [Explains(), "efficiency"], again={"background": BACKGROUND})
    np.testing.assert_allclose(again["Explains"].values, loaded.values.sum(axis=1), rtol=1e-6)
    assert (again["efficiency"].values < 1e-9).all()


def test_an_explanation_of_a_stream_is_measured_at_its_own_target() -> None:
    stream = pellucid.explain(MODEL, (row for row in X), "shap", target=1)
    assert stream.continuation is not None
    found, want = (pellucid.evaluate(MODEL, each, ["deletion", Explains()], draws=1) for each in (stream, made(target=1)))
    for name in want:
        np.testing.assert_allclose(found[name].values, want[name].values, rtol=1e-9)


def test_again_changes_what_is_explained_with() -> None:
    explanation = made(fill=0.0)
    changed = pellucid.evaluate(MODEL, explanation, Explains(), draws=0, again={"fill": 1.0})["Explains"]
    np.testing.assert_allclose(changed.values, made(fill=1.0).values.sum(axis=1))


def test_samples_without_a_number_are_left_out_of_the_mean() -> None:
    x = X.copy()
    x[:3, 4] = 0  # a dummy, in three samples
    explanation = pellucid.explain(MODEL, x, "shap")
    found = pellucid.evaluate(MODEL, replace(explanation, values=np.ones((6, 5))), "dummy", draws=2)
    assert np.isnan(found["dummy"].values[3:]).all()
    assert found["dummy"].mean == pytest.approx(1 / 5)
    assert "nan" not in found.rows()[0][2:5]
    none = pellucid.evaluate(MODEL, explanation[3:], "dummy", draws=2)
    assert none.rows()[0][2:5] == ("nan", "–", "nan")


def test_a_score_has_an_interval_and_a_lead() -> None:
    found: Evaluation = pellucid.evaluate(MODEL, made(), "deletion", draws=10)
    score = found["deletion"]
    low, high = score.interval()
    assert low < score.mean < high
    np.testing.assert_allclose(score.lead, score.chance.mean(axis=1) - score.values)
    one = pellucid.evaluate(MODEL, made()[0], "deletion", draws=10)["deletion"]
    assert np.isnan(one.interval()).all()
    assert one.lead_interval()[0] < one.lead[0] < one.lead_interval()[1]
    with pytest.raises(SettingError, match="level must lie between 0 and 1"):
        score.interval(95)


IMAGES = DRAW.random((5, 12, 12, 1)).astype(np.float32)
ON_IMAGES = NumpyModel(random_stack(1, (144, 8, 3)), (12, 12, 1), softmax=True)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("saliency", {}),
        ("integrated_gradients", {"tolerance": 0.2, "baseline": IMAGES[::-1].copy()}),
        ("smooth_grad", {"tolerance": 0.5, "target": [0, 1, 2, 0, 1]}),
        ("feature_ablation", {"features": "patches:4", "fill": "inpainting"}),
        ("permutation_shap", {"features": "patches:4", "background": IMAGES[:2], "tolerance": 0.5}),
    ],
)
def test_samples_measured_in_parts_get_the_same(method: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = pellucid.explain(ON_IMAGES, IMAGES, method, seed=1, **options)
    truth, fill = np.stack([np.roll(np.arange(144).reshape(12, 12) < 30, row, axis=1) for row in range(5)]), IMAGES / 2
    whole = pellucid.evaluate(ON_IMAGES, explanation, list(METRICS), truth=truth, fill=fill, draws=3, seed=2, strict=False)
    assert len(list(whole)) > 12
    monkeypatch.setattr(evaluate_module, "PART_BYTES", 1.0)
    parts = pellucid.evaluate(ON_IMAGES, explanation, list(METRICS), truth=truth, fill=fill, draws=3, seed=2, strict=False)
    assert parts.refused == whole.refused
    for name in whole:
        score = whole[name]
        other = parts[name]
        for what in ("values", "error", "chance", "evaluations", "gradients"):
            np.testing.assert_allclose(getattr(other, what), getattr(score, what), rtol=1e-5, atol=1e-6, err_msg=f"{name}, {what}")
        assert {key: curve.shape for key, curve in other.curves.items()} == {key: curve.shape for key, curve in score.curves.items()}
    assert [one.word for one in parts.verdicts] == [one.word for one in whole.verdicts]


@pytest.mark.parametrize("metric", ["deletion", "dummy", "symmetry", "max_sensitivity", "faithfulness_correlation"])
def test_memory_does_not_grow_with_samples(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what the samples and their numbers take themselves."""
    for module, name in ((evaluate_module, "PART_BYTES"), (_game, "GROUP_BYTES"), (_masks, "MASK_BYTES")):
        monkeypatch.setattr(module, name, 2e5)
    network = NumpyModel(random_stack(1, (400, 8, 3)), (400,), softmax=True)
    peaks = []
    for samples in (40, 160):
        explanation = pellucid.explain(network, DRAW.normal(size=(samples, 400)), "integrated_gradients", tolerance=0.5)
        settings = {} if metric not in ("dummy", "symmetry") else {"masks": 3}
        pellucid.evaluate(network, explanation[:3], {metric: settings}, progress=False)
        tracemalloc.start()
        try:
            pellucid.evaluate(network, explanation, {metric: settings}, progress=False)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 120 * 400 * 8 * 6, peaks
