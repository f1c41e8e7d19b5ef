"""Saliency, gradient × input and Grad-CAM against differences and the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest
import twins

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import UnknownLayerError, UnsupportedError

DIFFERENCES = 1e-7
"""Of central differences with step 1e-5 in float64."""
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def network() -> NumpyModel:
    generator = np.random.default_rng(0)
    return NumpyModel(
        [Dense(generator.normal(size=(5, 9)), generator.normal(size=9), "tanh"), Dense(generator.normal(size=(9, 4)), generator.normal(size=4))],
        (5,),
        softmax=True,
    )


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6, 5))


SCORES = {
    "logit": lambda logits, k: logits[:, k],
    "centered_logit": lambda logits, k: logits[:, k] - logits.mean(axis=1),
    "probability": lambda logits, k: np.exp(logits[:, k]) / np.exp(logits).sum(axis=1),
    "log_probability": lambda logits, k: logits[:, k] - np.log(np.exp(logits).sum(axis=1)),
}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("method", ["saliency", "gradient_x_input"])
def test_gradient_methods_agree_with_central_differences_of_every_score(network: NumpyModel, x: np.ndarray, score: str, method: str) -> None:
    found = pellucid.explain(network, x, method, target=2, score=score)
    twin = getattr(twins, method)
    for i, one in enumerate(x):
        expected = twin(lambda points: SCORES[score](network.predict(points, logits=True), 2), one)
        np.testing.assert_allclose(found.values[i], expected, atol=DIFFERENCES)
    np.testing.assert_allclose(found.score, SCORES[score](network.predict(x, logits=True), 2), atol=ROUNDING)


def test_signed_saliency_is_the_gradient(network: NumpyModel, x: np.ndarray) -> None:
    signed = pellucid.explain(network, x, "saliency", target=1, absolute=False).values
    assert (signed < 0).any()
    np.testing.assert_allclose(np.abs(signed), pellucid.explain(network, x, "saliency", target=1).values, atol=ROUNDING)


def test_single_pass_methods_explain_the_predicted_class_and_cost_one_gradient(network: NumpyModel, x: np.ndarray) -> None:
    following = pellucid.explain(network, x, "saliency")
    named = pellucid.explain(network, x, "saliency", target=list(network.predict(x).argmax(axis=1)))
    np.testing.assert_array_equal(following.values, named.values)
    assert following.target.labels == named.target.labels
    np.testing.assert_array_equal(following.score, named.score)
    assert following.cost.gradients.tolist() == [1] * 6
    assert following.error_kind == "exact"
    assert not following.error.any()


@pytest.fixture(scope="module")
def channels() -> twins.Channels:
    generator = np.random.default_rng(2)
    return twins.Channels(generator.normal(size=3), generator.normal(size=3), generator.normal(size=(4, 5, 3, 2)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(5, 4, 5, 1))


@pytest.mark.parametrize("layer", ["conv", "square"])
@pytest.mark.parametrize("positive", [True, False])
def test_grad_cam_is_the_papers_formula(channels: twins.Channels, images: np.ndarray, layer: str, positive: bool) -> None:
    found = pellucid.explain(channels, images, "grad_cam", target=1, layer=layer, positive=positive)
    assert found.values.shape == (5, 4, 5)
    for i, image in enumerate(images):
        activations = channels.activations(image[None], [layer])[layer][0]

        def head(at: np.ndarray) -> np.ndarray:
            squares = at**2 / 2 if layer == "conv" else at
            return np.einsum("nrck,rck->n", squares, channels.readout[..., 1])

        expected = twins.grad_cam(activations, twins.difference_gradient(head, activations), positive)
        np.testing.assert_allclose(found.values[i], expected, atol=DIFFERENCES)
    assert (found.values < 0).any() != positive


def test_grad_cam_takes_the_last_convolution_and_says_so(channels: twins.Channels, images: np.ndarray) -> None:
    chosen = pellucid.explain(channels, images, "grad_cam")
    assert chosen.provenance["resolved"] == {"layer": "conv"}
    named = pellucid.explain(channels, images, "grad_cam", layer="conv")
    np.testing.assert_array_equal(chosen.values, named.values)


def test_grad_cam_refuses_what_it_cannot_serve(channels: twins.Channels, images: np.ndarray, network: NumpyModel, x: np.ndarray) -> None:
    with pytest.raises(UnsupportedError, match=r"no channels over a grid.*conv, square"):
        pellucid.explain(channels, images, "grad_cam", layer="head")
    with pytest.raises(UnknownLayerError, match="did you mean 'conv'"):
        pellucid.explain(channels, images, "grad_cam", layer="conf")
    with pytest.raises(UnsupportedError, match=r"These can: .*saliency"):
        pellucid.explain(network, x, "grad_cam")


def test_a_map_that_speaks_nowhere_for_the_target_is_a_warning(images: np.ndarray) -> None:
    against = twins.Channels(np.ones(1), np.full(1, 9.0), -np.ones((4, 5, 1, 1)))
    found = pellucid.explain(against, images, "grad_cam", target=0)
    assert not found.values.any()
    assert set(found.outcome.codes) == {"nothing_to_explain"}
