"""Square patches: the features that mean the same for every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.features import FeatureMap, Features
from pellucid.data.features._grid import as_map, grid_of

Array = np.ndarray


@dataclass(frozen=True)
class Patches(Features):
    """A grid of `size` × `size` patches, all channels together.

    Use it to compare images with each other, and where superpixels would follow noise. Where `size` does not divide the height or
    width, the last row or column of patches is smaller. Inputs (samples, height, width, channels) give a label map (1, height, width, 1);
    inputs (samples, height, width) or (samples, time, features) one of (1, height, width).
    Does not follow the outlines of what is seen.

    >>> patches = Patches(4).label(np.zeros((2, 28, 28, 1), np.float32))
    >>> patches.labels.shape, int(patches.counts[0]), patches.names[10]
    ((1, 28, 28, 1), 49, 'row 1, column 3')
    """

    size: int = 4

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)) or self.size < 1:
            raise SettingError(f"features 'patches': size is {self.size!r}, expected a whole number of pixels from 1 on, e.g. patches:4.")

    def label(self, inputs: Array) -> FeatureMap:
        """The grid, one map for all samples; `CombinationError` where inputs have no grid."""
        height, width = grid_of(inputs, "patches")
        rows, columns = -(-height // self.size), -(-width // self.size)
        labels = (np.arange(height) // self.size)[:, None] * columns + (np.arange(width) // self.size)[None]
        names = tuple(f"row {row}, column {column}" for row in range(rows) for column in range(columns))
        return FeatureMap(as_map(labels[None], inputs), names, "patches")
