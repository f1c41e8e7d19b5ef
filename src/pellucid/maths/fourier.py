"""Signals over a grid as real Fourier coefficients: synthesis, its exact transpose, and the scale at which nature has them.

Arrays are (n, *grid, channels). Coefficients are real: (n, 2, *half grid, channels), cosines' and sines' parts, so that an optimiser sees plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

Array = np.ndarray
DECAY = 1.0
"""Amplitudes of natural images fall about as 1/frequency (Field 1987, doi:10.1364/JOSAA.4.002379)."""


@dataclass(frozen=True)
class Fourier:
    """The real Fourier transform on a grid of one, two or three axes, orthonormal.

    >>> fourier = Fourier((4, 4))
    >>> one = np.zeros((1, 2, 4, 3, 1))
    >>> one[0, 0, 1, 0] = 1
    >>> fourier.made_of(one)[0, :, 0, 0].round(2).tolist()
    [0.25, 0.0, -0.25, 0.0]
    """

    grid: tuple[int, ...]

    @property
    def half(self) -> tuple[int, ...]:
        """The grid of coefficients: the last axis holds no negative frequencies, which are known from the positive ones."""
        return (*self.grid[:-1], self.grid[-1] // 2 + 1)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + len(self.grid)))

    @cached_property
    def frequencies(self) -> Array:
        """Cycles an element of each coefficient, shape `half`."""
        each = [np.fft.fftfreq(side) for side in self.grid[:-1]] + [np.fft.rfftfreq(self.grid[-1])]
        return np.asarray(np.sqrt(sum(axis**2 for axis in np.meshgrid(*each, indexing="ij"))))

    @cached_property
    def multiplicity(self) -> Array:
        """How many coefficients of the full transform each one stands for, (last axis of `half`,): 2, but 1 for a frequency that is its own negative."""
        counts = np.full(self.half[-1], 2.0)
        counts[0] = 1.0
        if self.grid[-1] % 2 == 0:
            counts[-1] = 1.0
        return counts

    def natural_scale(self, decay: float = DECAY) -> Array:
        """Amplitudes ∝ 1/frequency^decay, the lowest ones alike, such that coefficients of unit variance make elements of unit variance; shape `half`."""
        scale = 1 / np.maximum(self.frequencies, 1 / max(self.grid)) ** decay
        power = np.sum((self.multiplicity * scale) ** 2) / np.prod(self.grid)
        return np.asarray(scale / np.sqrt(power))

    def made_of(self, coefficients: Array) -> Array:
        """The signals (n, *grid, channels) that real coefficients (n, 2, *half, channels) make."""
        return np.asarray(fft.irfftn(_complex(coefficients), s=self.grid, axes=self._axes, norm="ortho"))

    def coefficients(self, signals: Array) -> Array:
        """The inverse of `made_of`: the real coefficients of signals (n, *grid, channels)."""
        spectrum = fft.rfftn(signals, axes=self._axes, norm="ortho")
        return np.stack([spectrum.real, spectrum.imag], axis=1)

    def transpose(self, signals: Array) -> Array:
        """The transpose of `made_of`: from gradients with respect to the signals to those with respect to the coefficients."""
        found = self.coefficients(signals)
        found *= self.multiplicity[:, None]
        return found

    def amplitudes(self, signals: Array) -> Array:
        """The mean amplitude of each coefficient over signals (n, *grid, channels), shape (*half, channels)."""
        return np.asarray(np.abs(fft.rfftn(signals, axes=self._axes, norm="ortho")).mean(axis=0))


def _complex(coefficients: Array) -> Array:
    found = np.empty((len(coefficients), *coefficients.shape[2:]), complex)
    found.real, found.imag = coefficients[:, 0], coefficients[:, 1]
    return found
