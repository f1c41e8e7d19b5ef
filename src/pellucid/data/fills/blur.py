"""The sample itself, out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import Fill

Array = np.ndarray


@dataclass(frozen=True)
class Blur(Fill):
    """Absent features hold the sample blurred by a Gaussian of `sigma` pixels (or time steps), channel by channel.

    The last axis counts as channels, as for `Mean`; borders are mirrored. `rows` has shape (samples, 1, *shape).
    Does not remove what is larger than a few `sigma`.

    >>> sharp = np.zeros((1, 9, 9, 1), np.float32)
    >>> sharp[0, 4, 4] = 1
    >>> bool(Blur(2.0).rows(sharp).max() < 0.1)
    True
    """

    sigma: float = 3.0

    def __post_init__(self) -> None:
        if isinstance(self.sigma, bool) or not isinstance(self.sigma, (int, float, np.integer, np.floating)) or not 0 < self.sigma < np.inf:
            raise SettingError(f"fill 'blur': sigma is {self.sigma!r}, expected a number of pixels above 0, e.g. blur:3.")

    def rows(self, inputs: Array) -> Array:
        """One row per sample; `CombinationError` for a table."""
        if inputs.ndim < 3:
            raise CombinationError(
                f"fill 'blur' got inputs of shape {inputs.shape}, expected images or series; a table has no neighbours to blur over: use background=samples."
            )
        sigma = (0.0, *(float(self.sigma) for _ in inputs.shape[1:-1]), 0.0)
        return np.asarray(gaussian_filter(inputs.astype(np.float32), sigma, mode="reflect"))[:, None]
