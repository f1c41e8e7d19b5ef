"""The reference network for rows of numbers."""

from __future__ import annotations

from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=20, batch=32, rate=2e-3)


def mlp(input_shape: tuple[int, ...], classes: int, *, seed: int = 0) -> Any:
    """Dense 32 – Dense 16 – softmax, for rows (columns,) of numbers that are standardised."""
    if len(input_shape) != 1:
        raise ShapeError(f"network 'mlp' got samples of shape {tuple(input_shape)}, expected rows (columns,); reshape them.")
    keras = frameworks.keras()
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 4))

    def dense(width: int, activation: str, name: str) -> Any:
        return keras.layers.Dense(width, activation=activation, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)), name=name)

    layers = [dense(32, "relu", "dense"), dense(16, "relu", "dense_1"), dense(classes, "softmax", "dense_2")]
    return keras.Sequential([keras.Input(tuple(input_shape), name="row"), *layers], name="mlp")
