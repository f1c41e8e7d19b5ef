"""An array of the user's own: one sample, or several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.features import Fill
from pellucid.core.inputs import check_inputs

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Given(Fill):
    """Absent features hold what the user gave.

    `values` has the shape of one sample, or (rows, *shape) for a background of several. `rows` gives (1, 1, *shape) or (1, rows, *shape).
    Does not broadcast: a value per channel must be spread over the sample's shape first.

    >>> Given(np.zeros((4, 4, 1))).rows(np.ones((2, 4, 4, 1), np.float32)).shape
    (1, 1, 4, 4, 1)
    """

    values: Array

    def rows(self, inputs: Array) -> Array:
        """The given rows; an `InputError` where they do not fit the inputs."""
        values = np.asarray(self.values)
        if values.shape == inputs.shape[1:]:
            values = values[None]
        return check_inputs(values, tuple(inputs.shape[1:]), "fill")[None]
