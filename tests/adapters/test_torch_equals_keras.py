"""The same weights give the same numbers in Keras on TensorFlow, in PyTorch and, where it can, in the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
import torch_twins
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.model import INPUT
from pellucid.core.target import SCORES, resolve_target

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

PREDICTION = 1e-5
GRADIENT = 1e-4
"""Relative to the largest value: float32 in two frameworks."""


def first(images: np.ndarray) -> np.ndarray:
    """Channels first."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def close(mine: np.ndarray, theirs: np.ndarray, relative: float = GRADIENT) -> None:
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * np.abs(theirs).max())


PAIRS = [("small_cnn", "torch_cnn"), ("small_rnn", "torch_rnn")]


def pair(names: tuple[str, str], request: pytest.FixtureRequest) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Both models, and the inputs as each takes them."""
    networks = [request.getfixturevalue(name) for name in names]
    inputs = np.random.default_rng(8).random((6, *networks[0].input_shape[1:])).astype(np.float32)
    return adapt(networks[0]), adapt(networks[1]), inputs, first(inputs) if inputs.ndim == 4 else inputs


@pytest.mark.parametrize("names", PAIRS, ids=["cnn", "rnn"])
@pytest.mark.parametrize("score", [score for score in SCORES if score != "output"])
def test_predictions_and_gradients(names: tuple[str, str], score: str, request: pytest.FixtureRequest) -> None:
    keras, mine, there, here = pair(names, request)
    logits = score in ("logit", "centered_logit")
    close(mine.predict(here, logits=logits), keras.predict(there, logits=logits), PREDICTION)
    assert mine.traits.head == keras.traits.head == "softmax"
    target = resolve_target(1, score, keras.predict(there, logits=logits))
    got, want = mine.gradients(here, target), keras.gradients(there, target)
    close(np.moveaxis(got.gradients[INPUT], 1, -1) if here.ndim == 4 else got.gradients[INPUT], want.gradients[INPUT])
    close(got.scores, want.scores, PREDICTION)
    close(got.outputs, want.outputs, PREDICTION)


@pytest.mark.parametrize("layer", ["conv_a", "pool", "conv_b"])
@pytest.mark.parametrize("inplace", [False, True])
def test_layers(small_cnn: Any, images: np.ndarray, layer: str, inplace: bool) -> None:
    """Keras's convolutions hold their ReLU, torch's do not: the twin is read after it, which an in-place ReLU must not change."""
    keras, mine = adapt(small_cnn), adapt(torch_twins.cnn(small_cnn, inplace=inplace))
    name = layer.replace("conv", "relu")
    target = resolve_target("predicted", "logit", keras.predict(images, logits=True))
    got, want = mine.gradients(first(images), target, (name,)), keras.gradients(images, target, (layer,))
    for mine_at, keras_at in ((got.gradients[name], want.gradients[layer]), (got.values[name], want.values[layer])):
        close(np.moveaxis(mine_at, 1, -1), keras_at)
    close(np.moveaxis(mine.activations(first(images), [name])[name], 1, -1), keras.activations(images, [layer])[layer])


def test_states(small_rnn: Any, torch_rnn: Any) -> None:
    inputs = np.random.default_rng(0).random((4, 12, 5)).astype(np.float32)
    close(adapt(torch_rnn).states(inputs, ["lstm"])["lstm"], adapt(small_rnn).states(inputs, ["lstm"])["lstm"])


def test_float64_is_kept(oracle: NumpyModel) -> None:
    model, inputs = adapt(torch_twins.mlp(oracle, double=True)), np.random.default_rng(0).normal(size=(5, 6))
    target = resolve_target(2, "logit", oracle.predict(inputs, logits=True))
    got, want = model.gradients(inputs, target, (INPUT, "relu_1")), oracle.gradients(inputs, target, (INPUT, "dense_1"))
    for name, same in ((INPUT, INPUT), ("relu_1", "dense_1")):
        np.testing.assert_allclose(got.gradients[name], want.gradients[same], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.predict(inputs), oracle.predict(inputs), rtol=1e-12)


OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "gradient_x_input": {},
    "integrated_gradients": {"baseline": "blur:1"},
    "smooth_grad": {"tolerance": 0.0, "max_evaluations": 96},
    "lime": {"features": "patches:4", "fill": "mean", "tolerance": 0.0, "max_evaluations": 400},
    "exact_shap": {"features": "patches:4", "fill": "blur:1"},
    "occlusion": {},
    "feature_ablation": {"features": "superpixels:slic:9"},
    "grad_cam": {},
}


@pytest.mark.parametrize("method", OPTIONS)
def test_methods(small_cnn: Any, torch_cnn: Any, images: np.ndarray, method: str) -> None:
    """One call, one answer: features, fills and baselines mean the same on images with channels first."""
    layers = {"layer": "conv_b"} if method == "grad_cam" else {}
    want = pellucid.explain(small_cnn, images, method, **OPTIONS[method], **layers)
    got = pellucid.explain(torch_cnn, first(images), method, **OPTIONS[method], **({"layer": "relu_b"} if layers else {}))
    values = np.moveaxis(got.values, 1, -1) if got.values.shape == got.inputs.shape else got.values
    close(values, want.values, 1e-3)
    assert got.outcome.worst.code == want.outcome.worst.code
    close(np.moveaxis(got.to_input(), 1, -1), want.to_input(), 1e-3)
    assert got.to_input().shape == got.inputs.shape


def test_the_network_above_and_below_a_layer(small_cnn: Any, torch_cnn: Any, images: np.ndarray) -> None:
    keras, mine = adapt(small_cnn), adapt(torch_cnn)
    values = keras.activations(images, ["conv_b"])["conv_b"]
    above, upper = keras.above("conv_b", images[:1]), mine.above("relu_b", first(images)[:1])
    close(upper.predict(first(values)), above.predict(values), PREDICTION)
    target = resolve_target(1, "logit", above.predict(values, logits=True))
    close(np.moveaxis(upper.gradients(first(values), target).gradients[INPUT], 1, -1), above.gradients(values, target).gradients[INPUT])
    below, lower = keras.below("conv_a"), mine.below("relu_a")
    close(np.moveaxis(lower.predict(first(images)), 1, -1), below.predict(images), PREDICTION)
