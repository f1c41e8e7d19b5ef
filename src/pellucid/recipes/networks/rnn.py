"""The reference recurrent network: an LSTM that reads an image row by row."""

from __future__ import annotations

from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=15, batch=64, rate=4e-3, shift=0.05, turn=0.02)


def rnn(input_shape: tuple[int, ...], classes: int, *, seed: int = 0) -> Any:
    """LSTM 64 – softmax. Images (height, width, channels) are read as `height` time steps of width × channels numbers; series (time, features) as they are."""
    if len(input_shape) not in (2, 3):
        raise ShapeError(
            f"network 'rnn' got samples of shape {tuple(input_shape)}, expected images (height, width, channels) or series (time, features); reshape them."
        )
    keras = frameworks.keras()
    layers, initializers = keras.layers, keras.initializers
    rows = [layers.Reshape((input_shape[0], input_shape[1] * input_shape[2]), name="rows")] if len(input_shape) == 3 else []
    recurrent = layers.LSTM(
        64,
        kernel_initializer=initializers.GlorotUniform(seed=1000 * seed + 1),
        recurrent_initializer=initializers.Orthogonal(seed=1000 * seed + 2),
        seed=1000 * seed + 3,
        name="lstm",
    )
    head = layers.Dense(classes, activation="softmax", kernel_initializer=initializers.GlorotUniform(seed=1000 * seed + 4), name="dense")
    return keras.Sequential([keras.Input(tuple(input_shape), name="image"), *rows, recurrent, head], name="rnn")
