"""The same numbers as Xplique on one Keras network on TensorFlow, where Xplique computes the same thing: on one channel, as on several it divides by them."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pellucid

SAME = 1e-5
"""Float32 through the same network."""
ALIKE = 0.98
"""Correlation with Xplique's RISE, whose masks are interpolated in another way: .981 at the least with 60,000 masks; 20,000 come from a fixed seed."""
IMAGES, CLASSES = 4, 4


@pytest.fixture(scope="module")
def xplique() -> Iterator[Any]:
    """Its attributions; the HSIC kernels import TensorFlow Probability, which is not needed here."""
    tf = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow" or tf is None:
        pytest.skip("Xplique reads Keras on TensorFlow alone")
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "tensorflow_probability", types.ModuleType("tensorflow_probability"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pytest.importorskip("xplique.attributions")
    patch.undo()


@pytest.fixture(scope="module")
def logits(small_cnn: Any) -> Any:
    """The network without its softmax."""
    import keras

    last = small_cnn.layers[-1]
    dense = keras.layers.Dense(CLASSES)
    network = keras.Sequential([keras.Input((12, 12, 1)), *small_cnn.layers[:-1], dense])
    dense.set_weights(last.get_weights())
    return network


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(8).normal(size=(IMAGES, 12, 12, 1)).astype(np.float32)


def theirs(peer: Any, images: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(peer.explain(images, np.eye(CLASSES, dtype=np.float32)[np.arange(IMAGES) % CLASSES])).reshape(images.shape)


@pytest.mark.parametrize(
    ("method", "options", "peer"),
    [
        ("saliency", {}, lambda x, model: x.Saliency(model)),
        ("gradient_x_input", {}, lambda x, model: x.GradientInput(model)),
        ("integrated_gradients", {"rule": "trapezoid", "steps": 33}, lambda x, model: x.IntegratedGradients(model, steps=33)),
        ("occlusion", {"window": 3, "stride": 3, "fill": 0}, lambda x, model: x.Occlusion(model, patch_size=3, patch_stride=3)),
    ],
    ids=["saliency", "gradient_x_input", "integrated_gradients", "occlusion"],
)
def test_what_is_deterministic_is_xpliques(
    xplique: Any, logits: Any, images: np.ndarray, method: str, options: dict[str, Any], peer: Callable[[Any, Any], Any]
) -> None:
    found = pellucid.explain(logits, images, method, target=[i % CLASSES for i in range(IMAGES)], **options)
    expected = theirs(peer(xplique, logits), images)
    np.testing.assert_allclose(found.values.reshape(images.shape), expected, atol=SAME * np.abs(expected).max())


@pytest.mark.slow
def test_rise_goes_with_xpliques(xplique: Any, logits: Any, images: np.ndarray) -> None:
    found = pellucid.explain(
        logits, images, "rise", target=[i % CLASSES for i in range(IMAGES)], fill=0, cells=4, centred=False, tolerance=0.0, max_evaluations=20_000
    )
    importlib.import_module("tensorflow").random.set_seed(0)  # what Xplique draws from
    expected = theirs(xplique.Rise(logits, nb_samples=20_000, grid_size=4), images)
    for mine, other in zip(found.values.reshape(IMAGES, -1), expected.reshape(IMAGES, -1), strict=True):
        assert np.corrcoef(mine, other)[0, 1] > ALIKE
