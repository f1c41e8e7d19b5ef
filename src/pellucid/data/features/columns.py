"""Columns of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError
from pellucid.core.features import FeatureMap, Features

Array = np.ndarray


@dataclass(frozen=True)
class Columns(Features):
    """Each column of a table (samples, columns) is a feature; the label map has shape (1, columns).

    Does not join the columns of one category that was spread over several: give `Given(labels)` for that.

    >>> Columns().label(np.zeros((8, 3), np.float32)).names
    ('column 0', 'column 1', 'column 2')
    """

    def label(self, inputs: Array) -> FeatureMap:
        """One map for all samples; `CombinationError` where inputs are no table."""
        if inputs.ndim != 2:
            raise CombinationError(
                f"features 'columns' got inputs of shape {inputs.shape}, expected a table (samples, columns); use features='patches:4' for images."
            )
        return FeatureMap(np.arange(inputs.shape[1])[None], tuple(f"column {i}" for i in range(inputs.shape[1])), "columns")
