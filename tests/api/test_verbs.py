"""The verbs as users call them, and what they say to bad input."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import pellucid
from choices import needed, serves
from pellucid.core import errors
from pellucid.methods import METHODS
from pellucid.methods.path.saliency import Saliency

EXACTNESS = 1e-5


def linear(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    return np.stack([flat.sum(axis=1), flat[:, 0]], axis=1)


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_gives_a_whole_record(method: str, small_cnn: Any, images: np.ndarray) -> None:
    settings = ({"features": "patches:4"} if "features" in METHODS.load(method).accepts else {}) | needed(method, images[2:])
    found = pellucid.explain(small_cnn, images[:2], method, class_names=["a", "b", "c", "d"], tolerance=0.2, **settings)
    assert len(found) == 2
    assert found.values.shape == found.error.shape
    assert found.error_kind in ("exact", "none") or (found.error > 0).any()
    assert np.isfinite(found.values).all()
    assert found.to_input().shape == images[:2].shape
    assert (found.cost.evaluations >= found.cost.gradients).all()
    np.testing.assert_allclose(found.prediction, small_cnn.predict(images[:2], verbose=0), rtol=1e-4, atol=1e-6)
    assert found.target.labels == tuple("abcd"[i] for i in found.prediction.argmax(axis=1))
    assert found.provenance["seed"] == 0
    assert found.provenance["fingerprint"]
    assert "<table>" in found._repr_html_()
    assert str(found.outcome[0])


@pytest.mark.parametrize("method", serves("series"))
def test_every_method_serves_the_rnn(method: str, small_rnn: Any) -> None:
    inputs = np.random.default_rng(0).random((2, 12, 5)).astype(np.float32)
    settings = ({"features": "patches:4"} if "features" in METHODS.load(method).accepts else {}) | needed(method, np.zeros((3, 12, 5)))
    found = pellucid.explain(small_rnn, inputs, method, tolerance=0.2, **settings)
    assert found.to_input().shape == inputs.shape


def test_grad_cam_refuses_the_rnn_and_names_others(small_rnn: Any) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"needs a layer with channels over a grid.*integrated_gradients"):
        pellucid.explain(small_rnn, np.ones((1, 12, 5)), "grad_cam")


@pytest.mark.parametrize("method", ["saliency", "gradient_x_input", "smooth_grad", "grad_cam", "integrated_gradients"])
def test_black_boxes_refuse_gradients_and_name_what_serves(method: str) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"needs gradients.*These can: .*lime.*shap"):
        pellucid.explain(linear, np.ones((1, 3)), method)


def test_black_boxes_are_served_by_lime_and_shap() -> None:
    x = np.array([[1.0, 2.0, 4.0]])
    for method in ("lime", "shap", "exact_shap", "permutation_shap"):
        found = pellucid.explain(linear, x, method, target=0)
        np.testing.assert_allclose(found.values, x, atol=EXACTNESS)


def test_a_method_object_stands_for_its_name(small_cnn: Any, images: np.ndarray) -> None:
    by_object = pellucid.explain(small_cnn, images, Saliency(absolute=False))
    by_name = pellucid.explain(small_cnn, images, "saliency", absolute=False)
    np.testing.assert_array_equal(by_object.values, by_name.values)
    assert by_object.method == by_name.method == by_object.provenance["method"] == "saliency"

    class Mine(Saliency):
        """A user's own."""

    assert pellucid.explain(small_cnn, images, Mine()).method == "Mine"


def test_targets_choose_what_is_explained(keras_twin: Any) -> None:
    x = np.random.default_rng(3).random((3, 6)).astype(np.float32)
    one = {c: pellucid.explain(keras_twin, x, "gradient_x_input", target=c).values for c in range(3)}
    listed = pellucid.explain(keras_twin, x, "gradient_x_input", target=[2, 0, 1]).values
    contrast = pellucid.explain(keras_twin, x, "gradient_x_input", target=("0", "1"))
    centred = pellucid.explain(keras_twin, x, "gradient_x_input", target=0, score="centered_logit").values
    np.testing.assert_allclose(listed, np.stack([one[2][0], one[0][1], one[1][2]]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(contrast.values, one[0] - one[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(centred, one[0] - sum(one.values()) / 3, rtol=1e-4, atol=1e-6)
    assert contrast.target.labels[0] == "0 − 1"


def test_baselines(keras_twin: Any) -> None:
    x = np.random.default_rng(3).random((3, 6)).astype(np.float32)
    for baseline in (None, 0.5, np.full(6, 0.25), np.random.default_rng(1).random((3, 6))):
        found = pellucid.explain(keras_twin, x, "integrated_gradients", baseline=baseline, tolerance=0.001)
        gap = found.values.sum(axis=1) - (found.score - found.baseline_score)
        np.testing.assert_allclose(gap, 0, atol=2e-3 * np.abs(found.values).sum())
        assert found.baseline is not None


BAD: list[tuple[str, dict[str, Any], type[errors.PellucidError], str]] = [
    ("wrong shape", {"x": np.ones((2, 11, 12, 1))}, errors.ShapeError, r"\(2, 11, 12, 1\).*\(samples, 12, 12, 1\)"),
    ("no batch axis", {"x": np.ones((12, 12, 1))}, errors.ShapeError, r"use x\[None\]"),
    ("no channel axis", {"x": np.ones((2, 12, 12))}, errors.ShapeError, r"use x\[\.\.\., None\]"),
    ("neither", {"x": np.ones((12, 12))}, errors.ShapeError, r"use x\[None, \.\.\., None\]"),
    ("text", {"x": np.full((1, 12, 12, 1), "a")}, errors.DtypeError, "expected numbers"),
    ("NaN", {"x": np.full((1, 12, 12, 1), np.nan)}, errors.NonFiniteError, r"first at \(0, 0, 0, 0\)"),
    ("infinity", {"x": np.full((1, 12, 12, 1), np.inf)}, errors.NonFiniteError, "nan_to_num"),
    ("empty", {"x": np.ones((0, 12, 12, 1))}, errors.EmptyError, "Give at least one"),
    ("ragged", {"x": [[1, 2], [3]]}, errors.ShapeError, "different lengths"),
    ("unknown method", {"method": "shapp"}, errors.UnknownMethodError, "did you mean 'shap'"),
    ("a view for a method", {"method": "activation_map"}, errors.UnknownMethodError, "pellucid.visualize"),
    ("unknown keyword", {"step": 3}, errors.SettingError, "did you mean 'steps'"),
    ("bad rule", {"rule": "simpson"}, errors.SettingError, "Known: cosine, gauss_legendre"),
    ("steps without rule", {"steps": 50}, errors.SettingError, "goes with a fixed rule"),
    ("foreign option", {"fill": 0}, errors.SettingError, "does not take fill; it takes baseline"),
    ("unknown class", {"target": "9"}, errors.UnknownClassError, "Known: 0, 1, 2, 3"),
    ("class out of range", {"target": 4}, errors.UnknownClassError, "has 4 classes"),
    ("too few targets", {"target": [1]}, errors.SettingError, "give one per sample"),
    ("callable target", {"target": lambda outputs: 0}, errors.SettingError, "must return one number each"),
    ("contrast with itself", {"target": ("1", "1")}, errors.SettingError, "two different classes"),
    ("unknown score", {"score": "odds"}, errors.SettingError, "Known: centered_logit"),
    ("negative tolerance", {"tolerance": -1}, errors.SettingError, "at least 0"),
    ("no budget", {"max_evaluations": 0}, errors.SettingError, "above 0"),
    ("bad seed", {"seed": -1}, errors.SettingError, "at least 0"),
    ("bad baseline", {"baseline": np.ones((5, 12, 12, 1))}, errors.ShapeError, "baseline has 5 rows"),
    ("NaN in one sample's baseline", {"baseline": np.full((2, 12, 12, 1), np.nan)}, errors.NonFiniteError, "baseline holds NaN"),
    ("baseline of words", {"baseline": np.full((2, 12, 12, 1), "a")}, errors.DtypeError, "baseline holds text"),
    ("baseline of another shape", {"baseline": np.ones((3, 3, 1))}, errors.ShapeError, "baseline has shape"),
    ("labels in words", {"labels": ["cat", "dog"]}, errors.SettingError, r"numbers of the true classes.*class_names\.index"),
    ("one-hot labels", {"labels": np.eye(2)}, errors.SettingError, r"numbers of the true classes.*labels\.argmax\(axis=1\)"),
    ("labels with a point", {"labels": [0.0, 1.0]}, errors.SettingError, r"labels\.astype\(int\)"),
    ("labels that are no classes", {"labels": [0.5, 1.0]}, errors.SettingError, r"got float64 of shape \(2,\)\.$"),
    ("too few labels", {"labels": [1]}, errors.SettingError, "one for each of the 2 samples"),
    ("class names", {"class_names": ["a"]}, errors.SettingError, "one name per output"),
    ("no layer", {"method": "grad_cam", "layer": "conv_x"}, errors.UnknownLayerError, "Known: conv_a"),
    ("flat layer", {"method": "grad_cam", "layer": "out"}, errors.UnsupportedError, "these have: conv_a, pool, conv_b"),
    ("unknown features", {"method": "shap", "features": "patch:4"}, errors.UnknownPartError, "did you mean 'patches'"),
    ("unknown fill", {"method": "shap", "fill": "grey"}, errors.UnknownPartError, "Known: "),
    ("fill and background", {"method": "shap", "fill": 0, "background": np.ones((2, 12, 12, 1))}, errors.CombinationError, "not both"),
    ("background shape", {"method": "lime", "background": np.ones((2, 3))}, errors.ShapeError, "background has shape"),
    ("columns of an image", {"method": "shap", "features": "columns"}, errors.CombinationError, "columns"),
    ("too many coalitions", {"method": "exact_shap", "features": "pixels"}, errors.UnsupportedError, "Use method 'shap'"),
]


@pytest.mark.parametrize(("given", "error", "words"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input_is_one_named_error(small_cnn: Any, images: np.ndarray, given: dict[str, Any], error: type[Exception], words: str) -> None:
    arguments = {"x": images[:2], "method": "integrated_gradients"} | given
    x, method = arguments.pop("x"), arguments.pop("method")
    with pytest.raises(error, match=words):
        pellucid.explain(small_cnn, x, method, **arguments)


def test_labels_are_kept_as_numbers_and_checked(small_cnn: Any, images: np.ndarray) -> None:
    column = np.array([[3], [1]], dtype=np.uint8)
    assert pellucid.explain(small_cnn, images[:2], "saliency", labels=column).provenance["labels"] == [3, 1]
    assert pellucid.visualize(small_cnn, images[:2], "activation_map", labels=column).provenance["labels"] == [3, 1]
    with pytest.raises(errors.SettingError, match="one for each of the 2 samples"):
        pellucid.visualize(small_cnn, images[:2], "activation_map", labels=[1])


def test_records_name_what_was_taken_by_default(small_cnn: Any, images: np.ndarray) -> None:
    shares = pellucid.explain(small_cnn, images[:1], "lime", tolerance=0.5).provenance["settings"]
    assert shares["features"] == "Patches(size=2)"
    assert shares["fill"] == 0.0
    assert pellucid.explain(small_cnn, images[:1], "integrated_gradients").provenance["settings"]["baseline"] == 0.0
    against = pellucid.explain(small_cnn, images[:1], "shap", background=images[1:3], features="patches:6").provenance["settings"]
    assert against["background"] == "array of shape (2, 12, 12, 1)"
    assert against["features"] == "patches:6"
    assert "fill" not in against


def test_bytes_are_warned_of_and_strict_raises(small_cnn: Any, images: np.ndarray) -> None:
    found = pellucid.explain(small_cnn, (images * 255).astype(np.uint8), "saliency")
    assert found.outcome.worst.code == "suspicious_range"
    assert "x / 255" in found.outcome.worst.advice
    assert pellucid.explain(small_cnn, images, "saliency").outcome.worst.ok
    with pytest.raises(errors.StrictError, match="whole numbers"):
        pellucid.explain(small_cnn, (images * 255).astype(np.uint8), "saliency", strict=True)


def test_the_budget_is_kept_and_said(small_cnn: Any, images: np.ndarray) -> None:
    for method, budget in (("integrated_gradients", 40), ("smooth_grad", 70), ("shap", 1000), ("lime", 300)):
        found = pellucid.explain(small_cnn, images, method, tolerance=1e-6, max_evaluations=budget, **({"noise": 0.4} if method == "smooth_grad" else {}))
        assert found.outcome[0].stop.code == "budget_exhausted", method
        assert (found.cost.evaluations <= budget + 1).all(), (method, found.cost.evaluations)
        assert "max_evaluations" in str(found.outcome[0])


@pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad", "shap", "lime"])
def test_a_budget_too_small_for_any_error_is_refused(small_cnn: Any, images: np.ndarray, method: str) -> None:
    with pytest.raises(errors.SettingError, match=r"max_evaluations=5 is too few.*at least \d"):
        pellucid.explain(small_cnn, images, method, max_evaluations=5)


def test_visualize_says_what_is_wrong(small_cnn: Any, images: np.ndarray) -> None:
    for view, layers, error, words in [
        ("activation_maps", None, errors.UnknownViewError, "did you mean 'activation_map'"),
        ("shap", None, errors.UnknownViewError, "pellucid.explain"),
        ("activation_map", ["conv_c"], errors.UnknownLayerError, "Known: conv_a"),
        ("activation_map", [], errors.SettingError, "at least one name"),
    ]:
        with pytest.raises(error, match=words):
            pellucid.visualize(small_cnn, images, view, layers=layers)
    with pytest.raises(errors.UnsupportedError, match="needs a network with layers"):
        pellucid.visualize(linear, np.ones((1, 3)), "activation_map")
    with pytest.raises(errors.SettingError, match="unknown keyword"):
        pellucid.visualize(small_cnn, images, "activation_map", colour="red")


def test_inspect_says_why_not(small_rnn: Any) -> None:
    found = pellucid.inspect(small_rnn)
    assert found.outputs == {"": (3,)}
    assert "convolution" in found.methods["grad_cam"]
    assert found.methods["shap"] == ""
    assert found.parameters == small_rnn.count_params()


def test_the_progress_bar_waits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid.api import _progress

    with _progress.progress_after_patience("quick", True) as report:
        report(0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    monkeypatch.setattr(_progress, "PATIENCE", 0.01)
    with _progress.progress_after_patience("slow", True) as report:
        time.sleep(0.2)
        report(0.5)
    assert "slow" in capsys.readouterr().err
