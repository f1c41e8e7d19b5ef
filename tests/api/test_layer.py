"""`layer=`: attribution at a layer's output, and of units; against cutting the network by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors
from pellucid.methods import METHODS

FLOAT32 = 2e-5
X = np.random.default_rng(3).normal(size=(4, 6))
FIXED: dict[str, Any] = {"rule": "midpoint", "steps": 32}
AT_LAYERS = [name for name in METHODS if "layer" in METHODS.load(name).accepts and METHODS.load(name).family != "layer"]


def test_the_whole_path_family_serves_layers() -> None:
    assert {"saliency", "gradient_x_input", "integrated_gradients", "expected_gradients", "smooth_grad", "var_grad"} <= set(AT_LAYERS)


@pytest.mark.parametrize("layer", ["dense_0", "dense_1"])
def test_attribution_at_a_layer_is_that_of_the_network_above_it(oracle: NumpyModel, layer: str) -> None:
    cut = int(layer[-1]) + 1
    upper = NumpyModel(oracle.stack[cut:], (oracle.stack[cut].weights.shape[0],), softmax=True)
    entering, at_zero = (oracle.activations(inputs, [layer])[layer] for inputs in (X, np.zeros((1, 6))))
    expected = pellucid.explain(upper, entering, "integrated_gradients", baseline=at_zero, target=1, **FIXED)
    found = pellucid.explain(oracle, X, "integrated_gradients", layer=layer, target=1, **FIXED)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    np.testing.assert_array_equal(found.inputs, X)
    assert found.layer == layer
    at = pellucid.explain(oracle, X, "integrated_gradients", target=1, **FIXED)
    np.testing.assert_allclose(found.score - found.baseline_score, at.score - at.baseline_score, rtol=1e-12)


@pytest.mark.parametrize("layer", ["conv_a", "pool", "conv_b", "flat"])
def test_values_at_a_keras_layer_add_up_and_have_its_shape(small_cnn: Any, images: np.ndarray, layer: str) -> None:
    found = pellucid.explain(small_cnn, images, "integrated_gradients", layer=layer, tolerance=0.01)
    shape = adapt(small_cnn).layer(layer).shape
    assert found.values.shape == (len(images), *shape)
    gap = found.values.reshape(len(images), -1).sum(axis=1) - (found.score - found.baseline_score)
    assert (np.abs(gap) <= 0.01 * np.abs(found.values).reshape(len(images), -1).sum(axis=1)).all()
    assert found.on_grid == (layer != "flat")
    if found.on_grid:
        assert found.to_input().shape == images.shape


def test_saliency_at_a_layer_is_the_gradient_there(small_cnn: Any, images: np.ndarray) -> None:
    model = adapt(small_cnn)
    found = pellucid.explain(model, images, "saliency", layer="conv_b", absolute=False, target=2)
    from pellucid.core.target import resolve_target

    target = resolve_target(2, "logit", model.predict(images, logits=True))
    expected = model.gradients(images, target, ("conv_b",)).gradients["conv_b"]
    np.testing.assert_allclose(found.values, expected, rtol=FLOAT32, atol=FLOAT32 * np.abs(expected).max())


@pytest.fixture(scope="module")
def residual() -> Any:
    """A network in which part of the input goes round the layer 'inner'."""
    keras = pytest.importorskip("keras")
    noise = [keras.initializers.RandomNormal(stddev=0.5, seed=k) for k in range(8)]
    inputs = keras.Input((6,))
    inner = keras.layers.Dense(6, activation="tanh", kernel_initializer=noise[0], bias_initializer=noise[1], name="inner")(inputs)
    joined = keras.layers.Multiply(name="joined")([inner, inputs])
    outputs = keras.layers.Dense(3, kernel_initializer=noise[2], bias_initializer=noise[3], name="out")(joined)
    return keras.Model(inputs, outputs)


def test_where_part_of_the_network_goes_round_the_layer_each_sample_keeps_its_own_branch(residual: Any) -> None:
    x = X.astype(np.float32)
    inner, out = residual.get_layer("inner").get_weights(), residual.get_layer("out").get_weights()[0]
    found = pellucid.explain(residual, x, "integrated_gradients", layer="inner", target=1, tolerance=0.001)
    at, at_zero = np.tanh(x @ inner[0] + inner[1]), np.tanh(inner[1])
    np.testing.assert_allclose(found.values, (at - at_zero) * x * out[:, 1], rtol=1e-4, atol=1e-5)
    assert len(found) == len(x)
    assert found.refine(tolerance=1e-4).values.shape == found.values.shape


def test_a_unit_is_explained_by_what_lies_below_it(oracle: NumpyModel) -> None:
    lower = NumpyModel(oracle.stack[:2], (6,))
    expected = pellucid.explain(lower, X, "integrated_gradients", target=3, **FIXED)
    found = pellucid.explain(oracle, X, "integrated_gradients", layer="dense_1[3]", **FIXED)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    np.testing.assert_allclose(found.score, lower.predict(X)[:, 3], rtol=1e-6)
    assert found.prediction.shape == (4, 1)
    assert found.class_names == ("dense_1[3]",)


def test_a_channel_is_explained_by_its_mean(small_cnn: Any, images: np.ndarray) -> None:
    model = adapt(small_cnn)
    for method in ("saliency", "integrated_gradients"):
        found = pellucid.explain(model, images, method, layer="conv_a[:, :, 2]", **({"tolerance": 0.01} if method == "integrated_gradients" else {}))
        expected = model.activations(images, ["conv_a"])["conv_a"][..., 2].mean(axis=(1, 2))
        np.testing.assert_allclose(found.score, expected, rtol=1e-4)
        assert found.values.shape == images.shape


@pytest.mark.parametrize(
    ("layer", "options", "error", "words"),
    [
        ("nowhere", {}, errors.UnknownLayerError, "conv_a"),
        ("out", {}, errors.UnsupportedError, "is the last one"),
        ("conv_a[1, 2]", {}, errors.SettingError, r"names 2 axes.*\(10, 10, 4\)"),
        ("conv_a[1, 2, 9]", {}, errors.SettingError, "units that are not there"),
        ("conv_a[x]", {}, errors.SettingError, "cannot be read"),
        ("conv_a[1, 2, 3]", {"target": 1}, errors.SettingError, "has no meaning"),
    ],
)
def test_mistakes(small_cnn: Any, images: np.ndarray, layer: str, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pellucid.explain(small_cnn, images, "integrated_gradients", layer=layer, **options)


def test_a_black_box_has_no_layers(images: np.ndarray) -> None:
    with pytest.raises(errors.UnsupportedError, match="gradients"):
        pellucid.explain(lambda x: x.sum(axis=(1, 2)), images, "saliency", layer="conv")


@pytest.mark.parametrize("method", AT_LAYERS)
@pytest.mark.parametrize("layer", ["dense_0", "dense_1[2]"])
def test_every_such_method_serves_layers_and_units(oracle: NumpyModel, method: str, layer: str) -> None:
    options = {"background": X[::-1]} if "background" in METHODS.load(method).accepts else {}
    found = pellucid.explain(oracle, X, method, layer=layer, tolerance=0.2, **options)
    assert found.values.shape == ((4, 8) if layer == "dense_0" else (4, 6))
    assert np.isfinite(found.values).all()


def test_the_network_is_left_as_it_was(small_cnn: Any, images: np.ndarray) -> None:
    before = [dict(layer.__dict__) for layer in small_cnn.layers]
    pellucid.explain(small_cnn, images, "integrated_gradients", layer="pool")
    pellucid.explain(small_cnn, images, "saliency", layer="conv_b[0, 0, 1]")
    assert [set(layer.__dict__) for layer in small_cnn.layers] == [set(one) for one in before]
    assert all("call" not in layer.__dict__ for layer in small_cnn.layers)
