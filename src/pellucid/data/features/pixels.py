"""Every place of the grid by itself: the finest features there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.features import FeatureMap, Features
from pellucid.data.features._grid import as_map, grid_of

Array = np.ndarray


@dataclass(frozen=True)
class Pixels(Features):
    """Each pixel is a feature, its channels together.

    Use it for small images; a coalition method needs many evaluations for so many features. Inputs (samples, height, width, channels)
    give a label map (1, height, width, 1); inputs of three axes one of (1, height, width).
    Does not tell channels apart.

    >>> pixels = Pixels().label(np.zeros((1, 5, 6, 3), np.float32))
    >>> int(pixels.counts[0]), pixels.names[7]
    (30, 'pixel (1, 1)')
    """

    def label(self, inputs: Array) -> FeatureMap:
        """One map for all samples; `CombinationError` where inputs have no grid."""
        height, width = grid_of(inputs, "pixels")
        labels = np.arange(height * width).reshape(1, height, width)
        names = tuple(f"pixel ({row}, {column})" for row in range(height) for column in range(width))
        return FeatureMap(as_map(labels, inputs), names, "pixels")
