"""Other samples of the data: what is usual where a feature is unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.features import Fill
from pellucid.core.inputs import check_inputs

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Background(Fill):
    """Absent features hold those of background samples, one row each: the marginal game.

    `samples` has shape (rows, *shape), with shape that of the inputs; `rows` gives (1, rows, *shape).
    Does not respect how features depend on each other: a row may be mixed with a sample it would never occur with.

    >>> Background(np.zeros((5, 3))).rows(np.ones((2, 3), np.float32)).shape
    (1, 5, 3)
    """

    samples: Array

    def rows(self, inputs: Array) -> Array:
        """All background samples; an `InputError` where they are empty, not finite, or of another shape than the inputs."""
        return check_inputs(self.samples, tuple(inputs.shape[1:]), "background")[None]
