"""Predictions, gradients and every explanation of four networks with given weights, as one process computes them: `KERAS_BACKEND=jax python
numbers_of_networks.py out.npz`.

Keras keeps the backend that a process begins with, so that each writes its numbers to a file and the test compares files. With `native` behind the
file's name it is PyTorch without Keras.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
SHAPES = {"mlp": (6,), "cnn": (28, 28, 1), "smooth": (14, 14, 1), "lstm": (10, 4)}
"""`smooth` is convolutional too, without the kinks of ReLU and of pooling by the maximum."""
MODALITY = {"mlp": "table", "cnn": "image", "smooth": "image", "lstm": "series"}
LAYER = {"mlp": "dense_1", "cnn": "conv2d_2", "smooth": "maps", "lstm": "lstm"}
FIXED: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"rule": "midpoint", "steps": 32},
    "guided_integrated_gradients": {"steps": 24},
    "blur_integrated_gradients": {"tolerance": 0.0, "max_evaluations": 63},
    "idgi": {"tolerance": 0.0, "max_evaluations": 63},
    "xrai": {"tolerance": 0.0, "max_evaluations": 126},
    "expected_gradients": {"tolerance": 0.0, "max_evaluations": 400},
    "shapley_interactions": {"tolerance": 0.0, "max_evaluations": 2000},
    "sobol": {"tolerance": 0.0, "max_evaluations": 1200},
}
"""Rules and counts that do not depend on what was found before; other sampling methods take `SAMPLES`."""
SAMPLES = {"tolerance": 0.0, "max_evaluations": 600}
SEED = 5
STEPS = np.arange(10)[:, None]
FEATURES: dict[str, tuple[Any, Any]] = {"cnn": ("patches:7", "patches:14"), "smooth": ("patches:4", "patches:7"), "lstm": (STEPS, STEPS // 2)}
"""Patches or time steps, and fewer of them for what counts every coalition."""


def inputs(name: str) -> Array:
    return np.random.default_rng(len(name)).random((3, *SHAPES[name])).astype(np.float32)


def weights(shapes: list[tuple[int, ...]]) -> list[Array]:
    """Glorot's for kernels, noise for biases."""
    generator = np.random.default_rng(11)
    found = []
    for shape in shapes:
        fans = np.prod(shape[:-1]) + np.prod(shape[:-2] + shape[-1:]) if len(shape) > 1 else 0
        found.append((generator.normal(size=shape) * (np.sqrt(2 / fans) if fans else 0.2)).astype(np.float32))
    return found


MLP = [(6, 8), (8,), (8, 5), (5,), (5, 3), (3,)]
LSTM = [(4, 48), (12, 48), (48,), (12, 3), (3,)]
SMOOTH = [(3, 3, 1, 6), (6,), (3, 3, 6, 8), (8,), (128, 4), (4,)]
CNN = [(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (3, 3, 64, 64), (64,), (576, 64), (64,), (64, 10), (10,)]


def keras_networks() -> dict[str, Any]:
    import keras

    from pellucid.recipes import NETWORKS

    layers = keras.layers
    dense = [layers.Dense(size, activation=kind, name=f"dense_{i}") for i, (size, kind) in enumerate([(8, "relu"), (5, "relu"), (3, "softmax")])]
    found = {
        "mlp": keras.Sequential([keras.Input(SHAPES["mlp"]), *dense]),
        "cnn": NETWORKS.load("cnn")(SHAPES["cnn"], 10),
        "smooth": keras.Sequential(
            [
                keras.Input(SHAPES["smooth"]),
                layers.Conv2D(6, 3, activation="tanh"),
                layers.AveragePooling2D(2),
                layers.Conv2D(8, 3, activation="softplus", name="maps"),
                layers.Flatten(),
                layers.Dense(4, activation="softmax"),
            ]
        ),
        "lstm": keras.Sequential([keras.Input(SHAPES["lstm"]), layers.LSTM(12, name="lstm"), layers.Dense(3, activation="softmax", name="dense")]),
    }
    for name, shapes in (("mlp", MLP), ("cnn", CNN), ("smooth", SMOOTH), ("lstm", LSTM)):
        found[name].set_weights(weights(shapes))
    return found


def native_networks() -> dict[str, Any]:
    """The same in PyTorch; the convolutional one reads channels first, its layers being named for what they are after their activation."""
    from torch import nn

    from torch_twins import filled

    def linear(kernel: Array, bias: Array) -> Any:
        return filled(nn.Linear(*kernel.shape), kernel.T, bias)

    def convolution(kernel: Array, bias: Array) -> Any:
        return filled(nn.Conv2d(kernel.shape[2], kernel.shape[3], 3), kernel.transpose(3, 2, 0, 1), bias)

    class Recurrent(nn.Module):
        """The last state of an LSTM through a dense layer."""

        def __init__(self, kernel: Array, recurrent: Array, bias: Array, *out: Array) -> None:
            super().__init__()
            self.lstm = filled(nn.LSTM(4, 12, batch_first=True), kernel.T, recurrent.T, bias, np.zeros_like(bias))
            self.out = linear(*out)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(x)[0][:, -1]).softmax(dim=-1)

    def flattened(kernel: Array, rows: int, maps: int) -> Array:
        """The rows of a dense kernel in torch's order of a flattened map."""
        return kernel.reshape(rows, rows, maps, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)

    a, b, c, d = weights(MLP), weights(CNN), weights(LSTM), weights(SMOOTH)
    mlp = {"0": linear(*a[:2]), "dense_0": nn.ReLU(), "1": linear(*a[2:4]), "dense_1": nn.ReLU(), "2": linear(*a[4:]), "softmax": nn.Softmax(dim=-1)}
    cnn = {
        "conv2d": nn.Sequential(convolution(*b[:2]), nn.ReLU()),
        "max_pooling2d": nn.MaxPool2d(2),
        "conv2d_1": nn.Sequential(convolution(*b[2:4]), nn.ReLU()),
        "max_pooling2d_1": nn.MaxPool2d(2),
        "conv2d_2": nn.Sequential(convolution(*b[4:6]), nn.ReLU()),
        "flatten": nn.Flatten(),
        "dense": nn.Sequential(linear(flattened(b[6], 3, 64), b[7]), nn.ReLU()),
        "dense_1": nn.Sequential(linear(*b[8:]), nn.Softmax(dim=-1)),
    }
    smooth = {
        "conv2d": nn.Sequential(convolution(*d[:2]), nn.Tanh()),
        "pool": nn.AvgPool2d(2),
        "maps": nn.Sequential(convolution(*d[2:4]), nn.Softplus()),
        "flatten": nn.Flatten(),
        "dense": nn.Sequential(linear(flattened(d[4], 4, 8), d[5]), nn.Softmax(dim=-1)),
    }
    networks = {name: nn.Sequential(OrderedDict(layers)) for name, layers in (("mlp", mlp), ("cnn", cnn), ("smooth", smooth))}
    return networks | {"lstm": Recurrent(*c)}


def oracle() -> dict[str, Any]:
    """The dense one in NumPy."""
    from pellucid.adapters.numpy_model import Dense, NumpyModel

    arrays = [array.astype(float) for array in weights(MLP)]
    stack = [Dense(kernel, bias, kind) for kernel, bias, kind in zip(arrays[::2], arrays[1::2], ("relu", "relu", "linear"), strict=True)]
    return {"mlp": NumpyModel(stack, (6,), softmax=True)}


def settings(method: Any, name: str, network: str) -> dict[str, Any]:
    """A fixed rule, or a seed and a count, and few features."""
    chosen: dict[str, Any] = {"seed": SEED} | FIXED.get(name, SAMPLES if method.error_kind == "standard_error" else {})
    if "features" in method.accepts and network in FEATURES:
        chosen["features"] = FEATURES[network][name in ("exact_shap", "shapley_interactions")]
    if "background" in method.accepts and "fill" not in method.accepts:
        chosen["background"] = np.random.default_rng(2).random((6, *SHAPES[network])).astype(np.float32)
    return chosen


def numbers(networks: Mapping[str, Any]) -> dict[str, Array]:
    """`network/what` → array, in Keras's layout."""
    import pellucid
    from pellucid.core.layout import from_last, to_last
    from pellucid.core.model import INPUT
    from pellucid.core.target import resolve_target
    from pellucid.methods import METHODS

    found: dict[str, Array] = {}
    for network, given in networks.items():
        model, x = pellucid.adapt(given), inputs(network)
        model.meet(x if model.traits.channels == "last" else from_last(x, "first"))
        channels = model.traits.channels
        x, layer = from_last(x, channels), LAYER[network]
        found[f"{network}/predict"], found[f"{network}/predict logits"] = model.predict(x), model.predict(x, logits=True)
        target = resolve_target(1, "logit", model.predict(x, logits=True))
        gradients = model.gradients(x, target, (INPUT, layer) if network != "lstm" else (INPUT,))
        found |= {f"{network}/gradient {at}": to_last(array, channels) for at, array in gradients.gradients.items()}
        shown = model.states(x, [layer]) if network == "lstm" else model.activations(x, [layer])
        found[f"{network}/layer"] = to_last(shown[layer], channels)
        for name in METHODS:
            method = METHODS.load(name)
            if MODALITY[network] not in method.modalities:
                continue
            options = settings(method, name, network) | ({"layer": layer, "positive": False} if name == "grad_cam" else {})
            if "background" in options:
                options["background"] = from_last(options["background"], channels)
            explained = pellucid.explain(model, x, name, target=1, **options)
            kind = "sampled" if method.error_kind == "standard_error" else "fixed"
            found[f"{network}/{kind} {name}"] = to_last(explained.values, channels) if explained.values.shape == x.shape else explained.values
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    np.savez(sys.argv[1], **numbers(native_networks() if sys.argv[2:] == ["native"] else keras_networks()))
