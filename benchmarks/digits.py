"""The reference CNN on real digits, trained once a run for all sections: a `.keras` file for Keras and its weights for the twin in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from places import networks

Array = np.ndarray


def prepare() -> None:
    """Train, and write the network, its weights, held-out digits and ten training digits."""
    from pellucid.data.load import load
    from pellucid.recipes.train import train

    trained = train("cnn", "mnist5000")
    trained.model.save(networks() / "cnn.keras")
    weights = {f"{layer.name}.{weight.name}": weight.numpy() for layer in trained.model.layers for weight in layer.weights}
    np.savez(networks() / "cnn.npz", **weights)
    held = trained.held_out
    background = load("mnist5000:train").inputs[:10]
    np.savez(networks() / "digits.npz", inputs=held.inputs, labels=held.labels, background=background, accuracy=trained.accuracy)


def weights() -> dict[str, Array]:
    with np.load(networks() / "cnn.npz", allow_pickle=False) as stored:
        return dict(stored)


def keras_network() -> Any:
    import keras

    return keras.models.load_model(networks() / "cnn.keras")


def held_out(count: int | None = None, *, channels_first: bool = False) -> Array:
    """Held-out digits in [0, 1], evenly spread: (count, 28, 28, 1), or (count, 1, 28, 28)."""
    found = stored("inputs")
    found = found if count is None else found[:: len(found) // count][:count]
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2)) if channels_first else found


def stored(name: str) -> Array:
    """ "inputs", "labels", "background" or "accuracy"."""
    with np.load(networks() / "digits.npz", allow_pickle=False) as arrays:
        return arrays[name]
