"""Noise of the sample's own mean and spread: nothing in particular, several times over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import Fill

Array = np.ndarray


@dataclass(frozen=True)
class Noise(Fill):
    """Absent features hold normal noise, drawn afresh in each of several rows: a marginal game over noise.

    Use it where one fixed value would itself look like something to the network. Row r of a sample is m + `scale` · s · ε_r, with m and s the mean and
    standard deviation of the sample's channel (the last axis, as for `Mean`) and ε_r standard normal, the same for every sample. `count` rows give
    (samples, count, *shape); the same `seed` gives the same bytes. Scores are averaged over the rows, and each row costs evaluations.
    Does not look like data: noise has edges everywhere. Does not serve tables, whose columns have no common unit: give a background.

    >>> rows = Noise(count=3).rows(np.arange(8, dtype=np.float32).reshape(1, 4, 2))
    >>> rows.shape, bool((rows == Noise(count=3).rows(np.arange(8, dtype=np.float32).reshape(1, 4, 2))).all())
    ((1, 3, 4, 2), True)
    """

    scale: float = 1.0
    count: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.scale, bool) or not isinstance(self.scale, (int, float, np.integer, np.floating)) or not 0 < self.scale < np.inf:
            raise SettingError(f"fill 'noise': scale is {self.scale!r}, expected a number of standard deviations above 0, e.g. noise:1.")
        for name, value, least in (("count", self.count, 1), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise SettingError(f"fill 'noise': {name} is {value!r}, expected a whole number from {least} on, e.g. noise:1:16:0.")

    def rows(self, inputs: Array) -> Array:
        """`count` rows per sample; `CombinationError` for a table."""
        if inputs.ndim < 3:
            raise CombinationError(
                f"fill 'noise' got inputs of shape {inputs.shape}, expected images or series; table columns have no common spread: use background=samples."
            )
        places = tuple(range(1, inputs.ndim - 1))
        wide = inputs.astype(np.float64)
        mean, spread = wide.mean(axis=places, keepdims=True)[:, None], wide.std(axis=places, keepdims=True)[:, None]
        drawn = np.random.default_rng(self.seed).standard_normal((1, int(self.count), *inputs.shape[1:]), dtype=np.float32)
        return np.asarray(mean + self.scale * spread * drawn, dtype=np.float32)
