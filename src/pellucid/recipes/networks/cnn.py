"""The reference convolutional network."""

from __future__ import annotations

from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=12, batch=64, rate=2e-3)
SMALLEST = 18
"""Three convolutions and two poolings leave nothing of less."""


def cnn(input_shape: tuple[int, ...], classes: int, *, seed: int = 0) -> Any:
    """Conv 32 – pool – Conv 64 – pool – Conv 64 – Dense 64 – softmax, for images (height, width, channels) of at least 18 × 18."""
    if len(input_shape) != 3 or min(input_shape[:2]) < SMALLEST:
        raise ShapeError(
            f"network 'cnn' got samples of shape {tuple(input_shape)}, expected (height, width, channels) of at least {SMALLEST} × {SMALLEST}; resize them."
        )
    keras = frameworks.keras()
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 6))

    def kernel() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(tuple(input_shape), name="image"),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer=kernel(), name="conv2d"),
            layers.MaxPooling2D(name="max_pooling2d"),
            layers.Conv2D(64, 3, activation="relu", kernel_initializer=kernel(), name="conv2d_1"),
            layers.MaxPooling2D(name="max_pooling2d_1"),
            layers.Conv2D(64, 3, activation="relu", kernel_initializer=kernel(), name="conv2d_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", kernel_initializer=kernel(), name="dense"),
            layers.Dense(classes, activation="softmax", kernel_initializer=kernel(), name="dense_1"),
        ],
        name="cnn",
    )
