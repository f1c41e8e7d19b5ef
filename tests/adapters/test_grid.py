"""Every adapter against the NumPy oracle, and every fused verb against its plain form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.model import INPUT, MaskRows, Model, PathRows
from pellucid.core.target import SCORES, Target, resolve_target

FLOAT32 = 2e-5
"""Relative difference that float32 and another order of additions explain."""
DIFFERENCE = 1e-4
"""Numerical derivatives in float64 with step 1e-6."""


def targets(model: Model, inputs: np.ndarray, score: str, target: Any = "predicted") -> Target:
    return resolve_target(target, score, model.predict(inputs, logits=score in ("logit", "centered_logit")))


def path_rows(inputs: np.ndarray, seed: int = 1, stencil: tuple[float, ...] = (1.0, -1.0), displace: bool = True) -> PathRows:
    """Seven points on each path, in ascending order, with random weights."""
    generator = np.random.default_rng(seed)
    count, nodes = len(inputs), 7
    path = np.repeat(np.arange(count), nodes)
    square = generator.random(len(path)) * (np.tile(np.arange(nodes), count) >= len(stencil) - 1)
    starts = generator.random(inputs.shape).astype(inputs.dtype)
    return PathRows(starts, inputs, path, np.tile(np.linspace(0.05, 0.95, nodes), count), generator.random(len(path)), square, path, count, stencil, displace)


def mask_rows(inputs: np.ndarray, per_sample: bool, fills_per_sample: bool, first: bool = False) -> MaskRows:
    generator = np.random.default_rng(2)
    features, rows = 5, 40
    grid = inputs.shape[1:] if inputs.ndim < 4 else (1, *inputs.shape[2:]) if first else (*inputs.shape[1:-1], 1)
    labels = generator.integers(-1, features, (len(inputs) if per_sample else 1, *grid))
    fills = generator.random((len(inputs) if fills_per_sample else 1, 3, *inputs.shape[1:])).astype(inputs.dtype)
    masks = generator.random((rows, features)).round(1)
    return MaskRows(inputs, fills, labels, masks, generator.integers(0, len(inputs), rows), generator.integers(0, 3, rows))


SHAPES = {
    "keras_twin": (6,),
    "small_cnn": (12, 12, 1),
    "small_rnn": (12, 5),
    "torch_mlp": (6,),
    "torch_cnn": (1, 12, 12),
    "torch_rnn": (12, 5),
    "jax_mlp": (6,),
    "saved_cnn": (12, 12, 1),
}


@pytest.fixture(params=SHAPES)
def case(request: pytest.FixtureRequest) -> tuple[Model, np.ndarray]:
    model = adapt(request.getfixturevalue(request.param))
    inputs = np.random.default_rng(4).random((6, *SHAPES[request.param])).astype(np.float32)
    model.meet(inputs)
    model.batch_size = 16  # several batches, the last one short
    return model, inputs


@pytest.mark.parametrize("score", [score for score in SCORES if score != "output"])
@pytest.mark.parametrize("twin", ["keras_twin", "torch_mlp", "jax_mlp"])
def test_frameworks_equal_the_oracle(oracle: NumpyModel, twin: str, score: str, request: pytest.FixtureRequest) -> None:
    model, inputs = adapt(request.getfixturevalue(twin)), np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    for target in ("predicted", 1, ("0", "2")):
        mine, truth = targets(model, inputs, score, target), targets(oracle, inputs, score, target)
        np.testing.assert_allclose(model.scores(inputs, mine), oracle.scores(inputs, truth), rtol=FLOAT32, atol=FLOAT32)
        got, want = model.gradients(inputs, mine), oracle.gradients(inputs, truth)
        np.testing.assert_allclose(got.gradients[INPUT], want.gradients[INPUT], rtol=FLOAT32, atol=FLOAT32)
        np.testing.assert_allclose(got.scores, want.scores, rtol=FLOAT32, atol=FLOAT32)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("wrt", [INPUT, "dense_0", "dense_1"])
def test_the_oracle_gradients_are_derivatives(oracle: NumpyModel, score: str, wrt: str) -> None:
    """Central differences through the layers above `wrt`."""
    inputs = np.random.default_rng(1).normal(size=(2, 6))
    target = targets(oracle, inputs, score, 1)
    above = 0 if wrt == INPUT else int(wrt[-1]) + 1
    upper = NumpyModel(oracle.stack[above:], (0,), softmax=True)
    values = inputs if wrt == INPUT else oracle.activations(inputs, [wrt])[wrt]
    found = oracle.gradients(inputs, target, (wrt,)).gradients[wrt]
    for j in range(values.shape[1]):
        step = np.zeros_like(values)
        step[:, j] = 1e-6
        slope = (upper.scores(values + step, target) - upper.scores(values - step, target)) / 2e-6
        np.testing.assert_allclose(found[:, j], slope, rtol=DIFFERENCE, atol=DIFFERENCE)


@pytest.mark.parametrize("score", ["logit", "centered_logit", "log_probability", "probability"])
@pytest.mark.parametrize(("stencil", "displace"), [((1.0,), True), ((1.0, -1.0), True), ((0.5, 0.5), False)])
def test_fused_path_gradients_equal_the_plain_loop(case: tuple[Model, np.ndarray], score: str, stencil: tuple[float, ...], displace: bool) -> None:
    model, inputs = case
    target, rows = targets(model, inputs, score), path_rows(inputs, 1, stencil, displace)
    for fused, plain in zip(model.path_gradients(rows, target), Model.path_gradients(model, rows, target), strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5 * np.abs(plain).max())
        assert np.abs(plain).max() > 0


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("fills_per_sample", [False, True])
def test_fused_masked_scores_equal_the_plain_loop(case: tuple[Model, np.ndarray], score: str, per_sample: bool, fills_per_sample: bool) -> None:
    model, inputs = case
    target, rows = targets(model, inputs, score), mask_rows(inputs, per_sample, fills_per_sample, model.traits.channels == "first")
    fused, plain = model.masked_scores(rows, target), Model.masked_scores(model, rows, target)
    np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)
    assert len(np.unique(plain)) > len(plain) // 2


def test_a_target_that_follows_the_prediction_is_the_predicted_class(case: tuple[Model, np.ndarray]) -> None:
    from pellucid.core.target import following_target

    model, inputs = case
    for score in ("logit", "centered_logit", "log_probability", "probability"):
        settled = model.gradients(inputs, targets(model, inputs, score))
        followed = model.gradients(inputs, following_target(len(inputs), model.traits.output_shape or (), score))
        np.testing.assert_allclose(followed.gradients[INPUT], settled.gradients[INPUT], rtol=FLOAT32, atol=FLOAT32)
        np.testing.assert_allclose(followed.scores, settled.scores, rtol=FLOAT32, atol=FLOAT32)


def test_a_layer_gradient_is_that_of_the_layers_above_it(small_cnn: Any, images: np.ndarray) -> None:
    import keras

    model = adapt(small_cnn)
    target = targets(model, images, "probability")
    found = model.gradients(images, target, ("conv_b",))
    top = adapt(keras.Sequential([keras.Input(found.values["conv_b"].shape[1:]), *small_cnn.layers[3:]]))
    want = top.gradients(found.values["conv_b"], target).gradients[INPUT]
    np.testing.assert_allclose(found.gradients["conv_b"], want, rtol=FLOAT32, atol=1e-7)
