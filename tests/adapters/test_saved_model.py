"""TensorFlow SavedModels against the Keras models they were exported from, modules without Keras, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.target import SCORES, resolve_target

tf = pytest.importorskip("tensorflow")
from pellucid.adapters.saved_model import SavedModel  # noqa: E402

PREDICTION, VALUES = 1e-5, 1e-4


def close(mine: np.ndarray, theirs: np.ndarray, relative: float = PREDICTION) -> None:
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * np.abs(theirs).max())


@pytest.fixture(scope="session")
def rnn_folder(small_rnn: Any, cnn_folder: Path) -> Path:
    folder = cnn_folder.with_name("rnn")
    small_rnn.export(str(folder), verbose=False)
    return folder


def last_relu(model: SavedModel) -> str:
    """The operation that ends the layer "conv_b"; Keras numbers names as it exports."""
    return [layer.name for layer in model.layers() if layer.kind == "Relu"][-1]


@pytest.mark.parametrize("score", [score for score in SCORES if score != "output"])
def test_predictions_and_gradients_equal_keras(saved_cnn: SavedModel, small_cnn: Any, images: np.ndarray, score: str) -> None:
    keras, logits = adapt(small_cnn), score in ("logit", "centered_logit")
    close(saved_cnn.predict(images, logits=logits), keras.predict(images, logits=logits))
    target = resolve_target(1, score, keras.predict(images, logits=logits))
    layer = last_relu(saved_cnn)
    got, want = saved_cnn.gradients(images, target, (INPUT, layer)), keras.gradients(images, target, (INPUT, "conv_b"))
    for mine, theirs in ((INPUT, INPUT), (layer, "conv_b")):
        close(got.gradients[mine], want.gradients[theirs], VALUES)
        close(got.values[mine], want.values[theirs])
    close(got.scores, want.scores)


OPTIONS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"baseline": "blur:1"},
    "smooth_grad": {"tolerance": 0.0, "max_evaluations": 96},
    "lime": {"features": "patches:4", "fill": "mean", "tolerance": 0.0, "max_evaluations": 400},
    "shap": {"features": "patches:4", "tolerance": 0.0, "max_evaluations": 60},
    "occlusion": {},
    "grad_cam": {},
}


@pytest.mark.parametrize("method", OPTIONS)
def test_methods_equal_keras(saved_cnn: SavedModel, small_cnn: Any, images: np.ndarray, method: str) -> None:
    layers = ({"layer": last_relu(saved_cnn)}, {"layer": "conv_b"}) if method == "grad_cam" else ({}, {})
    got, want = (pellucid.explain(one, images, method, **OPTIONS[method], **layer) for one, layer in zip((saved_cnn, small_cnn), layers, strict=True))
    close(got.values, want.values, VALUES)


def test_a_loop_is_differentiated(rnn_folder: Path, small_rnn: Any) -> None:
    inputs = np.random.default_rng(0).random((4, 12, 5)).astype(np.float32)
    model, keras = adapt(rnn_folder), adapt(small_rnn)
    close(model.predict(inputs), keras.predict(inputs))
    target = resolve_target(1, "logit", keras.predict(inputs, logits=True))
    close(model.gradients(inputs, target).gradients[INPUT], keras.gradients(inputs, target).gradients[INPUT], VALUES)
    with pytest.raises(errors.UnsupportedError, match="not a recurrent layer"):
        model.states(inputs, [model.layers()[-1].name])


def test_layers(saved_cnn: SavedModel, small_cnn: Any, images: np.ndarray) -> None:
    table = {layer.name: layer for layer in saved_cnn.layers()}
    assert sum(layer.parameters for layer in table.values()) == small_cnn.count_params()
    found = saved_cnn.activations(images, list(table))
    assert {name: value.shape[1:] for name, value in found.items()} == {name: layer.shape for name, layer in table.items()}
    assert {layer.kind for layer in table.values() if layer.spatial} >= {"Conv2D", "Relu"}
    assert not any(layer.spatial for layer in table.values() if layer.kind in ("MatMul", "Softmax"))
    view = pellucid.visualize(saved_cnn, images, "activation_map", layers=[last_relu(saved_cnn)])
    assert len(view.values) == 1


def test_above_and_below_a_layer(saved_cnn: SavedModel, images: np.ndarray) -> None:
    layer = last_relu(saved_cnn)
    values = saved_cnn.activations(images, [layer])[layer]
    upper, lower = saved_cnn.above(layer, images[:1]), saved_cnn.below(layer)
    close(upper.predict(values), saved_cnn.predict(images))
    close(lower.predict(images), values)
    target = resolve_target(0, "logit", saved_cnn.predict(images, logits=True))
    close(upper.gradients(values, target).gradients[INPUT], saved_cnn.gradients(images, target, (layer,)).gradients[layer], VALUES)
    record = pellucid.explain(saved_cnn, images, "integrated_gradients", layer=layer)
    assert record.values.shape == values.shape
    unit = pellucid.explain(saved_cnn, images, "saliency", layer=f"{layer}[:, :, 1]")
    assert unit.values.shape == images.shape


class Doubling(tf.Module):  # type: ignore[misc]
    """A module of TensorFlow alone: two dense layers, the second without a softmax."""

    def __init__(self, samples: int | None = None, kind: Any = tf.float32) -> None:
        super().__init__()
        draw = np.random.default_rng(0).normal
        self.kernel = tf.Variable(draw(size=(6, 4)).astype(np.float32))
        self.signature = tf.function(self.call, input_signature=[tf.TensorSpec((samples, 6), kind, name="x")])

    def call(self, x: Any) -> Any:
        return {"y": tf.tanh(tf.cast(x, tf.float32) @ self.kernel)}

    def save(self, folder: Path) -> Path:
        tf.saved_model.save(self, str(folder), signatures=self.signature)
        return folder


@pytest.mark.parametrize("samples", [1, 4])
def test_a_fixed_batch_size_is_kept(tmp_path: Path, samples: int) -> None:
    rows = np.random.default_rng(1).normal(size=(9, 6)).astype(np.float32)
    module = Doubling(samples)
    fixed, want = adapt(module.save(tmp_path / "fixed")), np.tanh(rows @ module.kernel.numpy())
    close(fixed.predict(rows), want)
    target = resolve_target(0, "output", want)
    close(fixed.gradients(rows, target).gradients[INPUT], (1 - want[:, :1] ** 2) * module.kernel.numpy()[:, 0], VALUES)
    layer = next(layer.name for layer in fixed.layers() if layer.kind == "MatMul")
    close(fixed.activations(rows, [layer])[layer], rows @ module.kernel.numpy())
    close(fixed.gradients(rows, target, (layer,)).gradients[layer], (1 - want**2) * np.eye(4, dtype=np.float32)[0], VALUES)


def test_whole_numbers_have_no_gradient(tmp_path: Path) -> None:
    model = adapt(Doubling(kind=tf.int32).save(tmp_path / "tokens"))
    assert model.traits.tokens
    rows = np.arange(12.0).reshape(2, 6).astype(np.float32)
    assert pellucid.explain(model, rows, "exact_shap").values.shape == (2, 6)
    with pytest.raises(errors.UnsupportedError, match="needs gradients, which a TensorFlow SavedModel does not give"):
        pellucid.explain(model, rows, "saliency")


def test_what_cannot_be_differentiated_gives_no_gradients(tmp_path: Path) -> None:
    class Rounding(Doubling):
        def call(self, x: Any) -> Any:
            return {"y": tf.cast(x > 0, tf.float32)}

    model = adapt(Rounding().save(tmp_path / "steps"))
    assert not model.traits.gradients
    assert model.predict(np.array([[-1.0, 1, 1, 1, 1, 1]], np.float32)).tolist() == [[0, 1, 1, 1, 1, 1]]


def test_what_is_loaded_already_is_taken(cnn_folder: Path, saved_cnn: SavedModel, images: np.ndarray) -> None:
    loaded = tf.saved_model.load(str(cnn_folder))
    model = adapt(loaded)
    assert isinstance(model, SavedModel)
    close(model.predict(images), saved_cnn.predict(images))
    assert model.traits.fingerprint == saved_cnn.traits.fingerprint


def test_signatures_and_outputs_are_named(tmp_path: Path) -> None:
    class Two(Doubling):
        def call(self, x: Any) -> Any:
            return {"y": x, "z": 2 * x}

    module, folder = Two(), tmp_path / "two"
    tf.saved_model.save(module, str(folder), signatures={"a": module.signature, "b": module.signature})
    with pytest.raises(errors.UnsupportedError, match="signatures a, b; name one"):
        adapt(folder)
    x = np.random.default_rng(0).random((2, 6)).astype(np.float32)
    with pytest.raises(errors.SettingError, match=r"several outputs: 'y' \(6,\), 'z' \(6,\).*target=\{'y': 0\}"):
        pellucid.explain(SavedModel(folder, signature="a"), x, "saliency")
    for name, factor in (("y", 1), ("z", 2)):
        found = pellucid.explain(SavedModel(folder, signature="a"), x, "gradient_x_input", target={name: 3})
        np.testing.assert_allclose(found.values, factor * x * (np.arange(6) == 3), rtol=1e-6)
    with pytest.raises(errors.SettingError, match="unknown output 'zz'; did you mean 'z'"):
        SavedModel(folder, signature="a", output="zz")
    assert SavedModel(folder, signature="b", output="z").predict(np.ones((1, 6), np.float32)).tolist() == [[2.0] * 6]


@pytest.mark.parametrize("kind", ["write", "read", "print"])
def test_what_reaches_out_is_not_run(tmp_path: Path, kind: str) -> None:
    """A graph is a program: one that writes a file when it is called is refused, before anything is loaded."""
    goal = tmp_path / "written"
    goal.write_text("before")

    class Writing(Doubling):
        def call(self, x: Any) -> Any:
            if kind == "write":
                with tf.control_dependencies([tf.io.write_file(str(goal), "after")]):
                    return {"y": tf.identity(x)}
            if kind == "print":
                with tf.control_dependencies([tf.print("hello", output_stream=f"file://{goal}")]):
                    return {"y": tf.identity(x)}
            return {"y": x + tf.cast(tf.strings.length(tf.io.read_file(str(goal))), tf.float32)}

    folder = Writing().save(tmp_path / "writing")
    goal.write_text("before")
    with pytest.raises(errors.UnsafeModelError, match=r"(WriteFile|ReadFile|PrintV2).*allow_unsafe=True"):
        adapt(folder)
    assert goal.read_text() == "before"
    assert adapt(folder, allow_unsafe=True).predict(np.ones((1, 6), np.float32)).shape == (1, 6)


@pytest.mark.parametrize("kind", ["empty", "noise", "short", "weights"])
def test_a_damaged_folder_is_one_error(cnn_folder: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(cnn_folder, folder)
    file = folder / "saved_model.pb"
    whole = file.read_bytes()
    if kind == "weights":
        shutil.rmtree(folder / "variables")
    else:
        file.write_bytes({"empty": b"", "noise": bytes(range(255, 0, -1)) * 9, "short": whole[: len(whole) // 2]}[kind])
    with pytest.raises(errors.DamagedModelError, match="cannot be read as a TensorFlow SavedModel"):
        adapt(folder)


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.DataNotFoundError, match=r"no saved_model.pb in the folder"):
        adapt(tmp_path)
