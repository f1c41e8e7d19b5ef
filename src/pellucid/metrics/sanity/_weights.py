"""Random weights in the place of a network's own."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.core.errors import SettingError, unknown

Array = np.ndarray
DRAWS = ("normal", "permuted")


def check_draw(name: str, draws: int) -> None:
    if name not in DRAWS:
        raise SettingError(unknown("draw", name, DRAWS))
    if draws < 1:
        raise SettingError(f"draws must be at least 1, got {draws}.")


def random_weights(weights: Mapping[str, Sequence[Array]], how: str, seed: int, draw: int) -> dict[str, list[Array]]:
    """Layer → arrays of the same shapes: "normal", with the mean and standard deviation of each array, or each "permuted". A layer's draws depend on its name,
    the seed and the number of the draw, not on which other layers there are."""
    return {name: _drawn(name, arrays, how, seed, draw) for name, arrays in weights.items()}


def _drawn(name: str, arrays: Sequence[Array], how: str, seed: int, draw: int) -> list[Array]:
    generator = np.random.default_rng((seed, draw, zlib.crc32(name.encode())))
    if how == "permuted":
        return [generator.permutation(array.ravel()).reshape(array.shape) for array in arrays]
    return [generator.normal(array.mean(dtype=np.float64), array.std(dtype=np.float64), array.shape).astype(array.dtype) for array in arrays]
