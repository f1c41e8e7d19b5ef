"""Inputs shifted against their network: gradients stay, what counts from zero moves by a known amount; and the shifted network is the same in every verb."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from own_methods import InputItself

import pellucid
import two_inputs
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.model import INPUT, MaskRows, Model, PathRows
from pellucid.core.target import Target, resolve_target
from pellucid.metrics.sanity._shifted import Shifted

Array = np.ndarray
DRAW = np.random.default_rng(1)
TABLE = DRAW.normal(size=(4, 6))
ROUNDING = 2e-4
"""What float32 leaves of a sum that is taken away again, in gradients of networks with kinks."""
NETWORKS = {"oracle": (6,), "torch_cnn": (1, 12, 12), "small_cnn": (12, 12, 1), "torch_rnn": (12, 5), "jax_mlp": (6,)}


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[Any, Array]:
    shape = NETWORKS[request.param]
    return request.getfixturevalue(request.param), np.random.default_rng(4).random((5, *shape)).astype(np.float32)


def invariance(network: Any, x: Array, method: Any, settings: dict[str, Any] | None = None, **how: Any) -> Any:
    explanation = pellucid.explain(network, x, method, **how)
    return pellucid.evaluate(network, explanation, {"input_invariance": settings or {}})["input_invariance"]


def test_a_gradient_stays_on_every_framework(case: tuple[Any, Array]) -> None:
    score = invariance(*case, "saliency", absolute=False)
    assert score.values.max() < ROUNDING
    assert score.evaluations.tolist() == score.gradients.tolist() == [1] * 5
    assert set(score.curves["shift"]) <= {-1.0, -0.5}


def test_gradient_times_input_moves_by_the_gradient_times_the_shift(case: tuple[Any, Array]) -> None:
    network, x = case
    gradient = pellucid.explain(network, x, "saliency", absolute=False).values.reshape(5, -1)
    score = invariance(network, x, "gradient_x_input", {"shift": -1.0})
    want = np.linalg.norm(gradient, axis=1) / np.linalg.norm(gradient * x.reshape(5, -1), axis=1)
    np.testing.assert_allclose(score.values, want, rtol=2e-3)
    assert score.values.min() > 0.5


def test_integrated_gradients_depend_on_where_their_baseline_stays() -> None:
    weights = DRAW.normal(size=(6, 1))
    network = NumpyModel([Dense(weights, np.zeros(1))], (6,))
    zeros = invariance(network, TABLE, "integrated_gradients", {"shift": 2.0})
    want = 2 * np.linalg.norm(weights) / np.linalg.norm(TABLE * weights[:, 0], axis=1)
    np.testing.assert_allclose(zeros.values, want, rtol=1e-6)
    still = invariance(network, TABLE, "integrated_gradients", {"shift": 2.0}, baseline=TABLE.mean(axis=0))
    want = 2 * np.linalg.norm(weights) / np.linalg.norm((TABLE - TABLE.mean(axis=0)) * weights[:, 0], axis=1)
    np.testing.assert_allclose(still.values, want, rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "how", "stays"),
    [
        ("integrated_gradients", {"baseline": "blur:2", "tolerance": 0.01}, True),
        ("integrated_gradients", {"tolerance": 0.01}, False),
        ("smooth_grad", {"max_evaluations": 128}, True),
        ("grad_cam", {}, True),
        ("gradient_x_input", {"layer": "conv_b"}, True),
        ("shap", {"features": "patches:4", "fill": "mean", "tolerance": 0.02}, True),
        ("shap", {"features": "patches:4", "fill": "constant:0", "tolerance": 0.02}, False),
        ("occlusion", {"window": 4, "stride": 4, "fill": "blur:3"}, True),
        (InputItself(), {}, False),
    ],
    ids=str,
)
def test_what_stays_and_what_counts_from_zero(small_cnn: Any, images: Array, method: Any, how: dict[str, Any], stays: bool) -> None:
    score = invariance(small_cnn, images, method, **how)
    known = score.values[np.isfinite(score.values)]  # of a map of zeros, as Grad-CAM gives some, there is no share
    assert len(known) > 3
    assert (known < 2e-3).all() if stays else (known > 0.1).all(), score.values


def test_the_same_draws_are_met_and_the_own_error_is_told() -> None:
    network = NumpyModel(random_stack(3, (6, 20, 2), "tanh"), (6,))
    explanation = pellucid.explain(network, TABLE, "smooth_grad", noise=0.5, seed=3, max_evaluations=64)
    score = pellucid.evaluate(network, explanation, "input_invariance")["input_invariance"]
    assert score.values.max() < 1e-9
    own = score.curves["own_error"]
    assert own.min() > 0.01
    np.testing.assert_allclose(own, np.linalg.norm(explanation.error, axis=1) / np.linalg.norm(explanation.values, axis=1))
    other = pellucid.evaluate(network, explanation, "input_invariance", again={"seed": 4})["input_invariance"]
    assert other.values.min() > 0.3 * own.min()


def test_shifts_are_powers_of_two_by_each_samples_own_range() -> None:
    network = NumpyModel(random_stack(3, (6, 4, 2)), (6,))
    x = np.stack([np.linspace(0, top, 6) for top in (1, 0.3, 255, 0)])
    x[3] = 5
    assert invariance(network, x, "saliency").curves["shift"].tolist() == [-1, -0.5, -256, -1]
    assert invariance(network, x, "saliency", {"shift": 0.7}).curves["shift"].tolist() == [0.7] * 4


def test_of_several_inputs_numbers_are_shifted_and_tokens_are_not() -> None:
    both = two_inputs.samples(3)
    score = invariance(two_inputs.in_numpy, both, "feature_ablation", target=0)
    assert score.values.min() > 0.01, "zeros stand for what is taken away"
    with pytest.raises(UnsupportedError, match="moves the inputs, which tokens cannot be"):
        invariance(EmbeddingModel.drawn(1, 6, 4, 8), DRAW.integers(0, 30, (2, 6)), "integrated_gradients")


def test_words_beside_numbers_stay_what_they_are() -> None:
    seen: list[Array] = []

    def network(ids: Array, numbers: Array) -> Array:
        seen.append(np.asarray(ids))
        return np.stack([ids.sum(axis=1) + numbers.sum(axis=1), -numbers[:, 0]], axis=1).astype(float)

    x = {"ids": np.array([[1, 2, 3]]), "numbers": np.array([[0.5, 0.25]])}
    score = invariance(network, x, "feature_ablation", {"shift": 1.0}, target=0)
    assert all(np.isin(one, [0, 1, 2, 3]).all() for one in seen)
    np.testing.assert_allclose(score.values, np.sqrt(2) / np.linalg.norm([1, 2, 3, 0.5, 0.25]), rtol=1e-6)


def test_a_shift_that_is_none() -> None:
    for shift in (0.0, float("nan")):
        with pytest.raises(SettingError, match="shift must be a number other than 0"):
            invariance(NumpyModel(random_stack(0, (6, 2)), (6,)), TABLE, "saliency", {"shift": shift})


# ---- the shifted network -------------------------------------------------------------------------------------------


def rows_of(x: Array) -> tuple[PathRows, MaskRows]:
    draw, count = np.random.default_rng(2), len(x)
    path, square = np.repeat(np.arange(count), 4), np.tile([0.0, 1.0, 1.0, 1.0], count)
    paths = PathRows(
        draw.random(x.shape).astype(x.dtype), x, path, np.tile([0.1, 0.4, 0.7, 0.9], count), draw.random(4 * count), square, path, count, (1.0, -1.0)
    )
    labels = draw.integers(-1, 5, (1, *x.shape[1:]))
    sample = np.sort(draw.integers(0, count, 20))
    fills = draw.random((1, 3, *x.shape[1:])).astype(x.dtype)
    return paths, MaskRows(x, fills, labels, draw.random((20, 5)).round(1), sample, draw.integers(0, 3, 20))


def answers(model: Model, x: Array, target: Target, paths: PathRows, masks: MaskRows) -> list[Array]:
    found = model.gradients(x, target)
    first = model.path_gradients(paths, target)
    return [model.predict(x), model.scores(x, target), found.gradients[INPUT], found.scores, *first, model.masked_scores(masks, target)]


def test_every_verb_is_that_of_the_network_elsewhere(case: tuple[Any, Array]) -> None:
    from dataclasses import replace

    network, x = case
    model = pellucid.adapt(network)
    model.meet(x)
    shift = np.float32(-1.0) * np.ones(x.shape[1:], np.float32)
    shifted = Shifted(model, shift)
    shifted.meet(x + shift)
    target = resolve_target(1, "logit" if model.traits.head else "output", model.predict(x, logits=bool(model.traits.head)))
    paths, masks = rows_of(x)
    own = answers(model, x, target, paths, masks)
    there = answers(
        shifted,
        x + shift,
        target,
        replace(paths, starts=paths.starts + shift, ends=paths.ends + shift),
        replace(masks, inputs=x + shift, fills=masks.fills + shift),
    )
    for here, moved in zip(own, there, strict=True):
        np.testing.assert_allclose(moved, here, rtol=1e-3, atol=1e-4 * max(float(np.abs(here).max()), 1.0))
    assert np.array_equal(shifted.gradients(x + shift, target).values[INPUT], x + shift)
    assert shifted.traits == model.traits
    assert shifted.batch_size == model.batch_size
    assert shifted.rows_at_once(x) == model.rows_at_once(x)


@pytest.mark.parametrize("name", ["oracle", "torch_cnn", "small_cnn"])
def test_parts_and_weights_of_a_shifted_network(name: str, request: pytest.FixtureRequest) -> None:
    x = np.random.default_rng(4).random((3, *NETWORKS[name])).astype(np.float32)
    model = pellucid.adapt(request.getfixturevalue(name))
    model.meet(x)
    shifted, layer = Shifted(model, -1.0), next(iter(model.weights()))
    values = model.activations(x, [layer])[layer]
    np.testing.assert_allclose(shifted.activations(x - 1, [layer])[layer], values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(shifted.below(layer).predict(x - 1), values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(shifted.above(layer, x[:1] - 1).predict(values), model.predict(x), rtol=1e-3, atol=1e-5)
    assert shifted.has_weights
    assert list(shifted.weights()) == list(model.weights())
    with shifted.replaced_weights({layer: [np.zeros(array.shape) for array in model.weights()[layer]]}) as other:
        assert np.abs(other.activations(x - 1, [layer])[layer]).max() == 0
        assert isinstance(other, Shifted)
