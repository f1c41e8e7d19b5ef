"""Each sample's own mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError
from pellucid.core.features import Fill

Array = np.ndarray


@dataclass(frozen=True)
class Mean(Fill):
    """Absent features hold the mean of their sample and channel.

    The last axis counts as channels: images (samples, height, width, channels) give a mean colour, series (samples, time, features) a mean over time.
    `rows` has shape (samples, 1, *shape). Does not serve tables, whose columns have no common unit: give a background.

    >>> Mean().rows(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2))[0, 0, 0, 0].tolist()
    [3.0, 4.0]
    """

    def rows(self, inputs: Array) -> Array:
        """One row per sample; `CombinationError` for a table."""
        if inputs.ndim < 3:
            raise CombinationError(
                f"fill 'mean' got inputs of shape {inputs.shape}, expected images or series; table columns have no common mean: use background=samples."
            )
        mean = inputs.astype(np.float64).mean(axis=tuple(range(1, inputs.ndim - 1)), keepdims=True)
        return np.broadcast_to(mean, inputs.shape).astype(np.float32)[:, None]
