"""Networks and digits that many rooms' tests share."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

import jax_twins
import torch_twins
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel

hypothesis.settings.register_profile("house", derandomize=True)
hypothesis.settings.load_profile("house")  # the same examples in every run: what fails is a change, and no luck

KERAS = re.compile(r"keras|small_cnn|small_rnn|pellucid_command")
ROOMS = ("adapters", "api", "apps", "methods", "plans", "recipes", "views")
"""Rooms whose answers may depend on what Keras runs on; of metrics, which stand on what adapters give, tests/metrics/test_keras_backends.py marks itself."""


@functools.cache
def _reads_keras(path: Path) -> bool:
    return KERAS.search(path.read_text(encoding="utf-8")) is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `keras` every test in a file of such a room that speaks of Keras or of a fixture that is one of its models: `make test` runs these once per
    backend, the others once. What is marked `once`, or asks for a network trained at length, tries methods and recipes, and no backend."""
    for item in items:
        once = item.get_closest_marker("once") is not None or "trained_cnn" in getattr(item, "fixturenames", ())
        if item.path.parent.name in ROOMS and _reads_keras(item.path) and not once:
            item.add_marker(pytest.mark.keras)


@pytest.fixture(scope="session")
def oracle() -> NumpyModel:
    """A small ReLU network with a softmax, in NumPy."""
    return NumpyModel(random_stack(0, (6, 8, 5, 3)), (6,), softmax=True)


@pytest.fixture(scope="session")
def keras_twin(oracle: NumpyModel) -> Any:
    """The oracle's weights in a Keras model."""
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Dense(d.bias.size, activation=d.activation) for d in oracle.stack[:-1]]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(3, activation="softmax")])
    for layer, dense in zip(model.layers, oracle.stack, strict=True):
        layer.set_weights([dense.weights, dense.bias])
    return model


@pytest.fixture(scope="session")
def small_cnn() -> Any:
    """An untrained convolutional network with random biases, input (12, 12, 1)."""
    keras = pytest.importorskip("keras")
    noise = keras.initializers.RandomNormal(stddev=0.3, seed=3)
    glorot = [keras.initializers.GlorotUniform(seed=k) for k in range(4)]
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=glorot[0], bias_initializer=noise, name="conv_a"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Conv2D(6, 3, activation="relu", kernel_initializer=glorot[1], bias_initializer=noise, name="conv_b"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(4, activation="softmax", kernel_initializer=glorot[2], bias_initializer=noise, name="out"),
        ]
    )


@pytest.fixture(scope="session")
def small_rnn() -> Any:
    """An untrained LSTM that reads (12, 5)."""
    keras = pytest.importorskip("keras")
    return keras.Sequential(
        [
            keras.Input((12, 5)),
            keras.layers.LSTM(7, kernel_initializer=keras.initializers.GlorotUniform(seed=1), recurrent_initializer="glorot_uniform", name="lstm"),
            keras.layers.Dense(3, activation="softmax", name="out"),
        ]
    )


@pytest.fixture(scope="session")
def torch_mlp(oracle: NumpyModel) -> Any:
    """The oracle's weights in a PyTorch module."""
    pytest.importorskip("torch")
    return torch_twins.mlp(oracle)


@pytest.fixture(scope="session")
def torch_cnn(small_cnn: Any) -> Any:
    """The weights of `small_cnn` in a PyTorch module that reads (1, 12, 12)."""
    pytest.importorskip("torch")
    return torch_twins.cnn(small_cnn)


@pytest.fixture(scope="session")
def torch_rnn(small_rnn: Any) -> Any:
    """The weights of `small_rnn` in a PyTorch module."""
    pytest.importorskip("torch")
    return torch_twins.rnn(small_rnn)


@pytest.fixture(scope="session")
def jax_mlp(oracle: NumpyModel) -> Any:
    """The oracle's weights in a JAX function."""
    pytest.importorskip("jax")
    from pellucid.adapters.jax_function import JaxFunction

    return JaxFunction(*jax_twins.mlp(oracle))


@pytest.fixture(scope="session")
def cnn_folder(small_cnn: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small_cnn` as a TensorFlow SavedModel."""
    keras, _ = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip(f"Keras exports a SavedModel like this one from TensorFlow; here it runs on {keras.config.backend()}")
    folder = tmp_path_factory.mktemp("saved") / "cnn"
    small_cnn.export(str(folder), verbose=False)
    return folder


@pytest.fixture(scope="session")
def saved_cnn(cnn_folder: Path) -> Any:
    """`small_cnn` again, opened from its SavedModel."""
    from pellucid.adapters import adapt

    return adapt(cnn_folder)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Six random images (6, 12, 12, 1) in [0, 1]."""
    return np.random.default_rng(5).random((6, 12, 12, 1)).astype(np.float32)


@pytest.fixture(scope="session")
def trained_cnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The reference CNN trained on the 5,000 digits: its file, and the held-out digits."""
    pytest.importorskip("tensorflow")
    from pellucid.recipes.save import save
    from pellucid.recipes.train import train

    trained = train("cnn", "mnist5000", seed=0, progress=lambda values: None)
    path = tmp_path_factory.mktemp("reference") / "cnn.keras"
    save(trained.model, path)
    return path, trained.held_out
