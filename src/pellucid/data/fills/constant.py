"""One value for everything that is absent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.features import Fill

Array = np.ndarray


@dataclass(frozen=True)
class Constant(Fill):
    """Absent features hold `value`, in the units of the input (0 is black where inputs lie in [0, 1]).

    `rows` has shape (1, 1, *shape). Does not know what is usual in the data: a background does.

    >>> Constant(0.5).rows(np.zeros((3, 2, 2, 1), np.float32)).shape
    (1, 1, 2, 2, 1)
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float, np.integer, np.floating)) or not np.isfinite(self.value):
            raise SettingError(f"fill 'constant': value is {self.value!r}, expected a finite number, e.g. constant:0.5.")

    def rows(self, inputs: Array) -> Array:
        """One row for all samples."""
        return np.full((1, 1, *inputs.shape[1:]), self.value, dtype=np.float32)
