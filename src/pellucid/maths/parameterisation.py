"""What an input is made of when it is found by optimisation: pixels, Fourier coefficients, or the phases of a fixed spectrum.

A parameterisation makes inputs (n, *grid, channels) of real parameters (n, ...), within a range, and carries gradients back exactly. It knows no network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, logit

from pellucid.maths.fourier import Fourier

Array = np.ndarray
RATE, MANY = 0.05, 32 * 32
"""A first step that suits Adam, where there are no more places than so many."""
BRIGHTNESS = 0.1
"""How fast the mean of an input changes beside what 1/frequency would have it do at its lowest: else whole images drift to an end of the range."""
MARGIN = 0.02
"""How near the ends of the range the mean that a start lies about may be, as a share of the range."""


@dataclass(frozen=True)
class Palette:
    """From numbers without limits and with unrelated channels to an input's values: channels are mixed by `root` (channels, channels), and brought between
    `low` and `high` (each (channels,)) by a sigmoid that has `mean` (channels,) at 0, and slope `spread` × the range in the middle of it."""

    low: Array
    high: Array
    mean: Array
    root: Array
    spread: float = 1.0

    @property
    def _middle(self) -> Array:
        reach = self.high - self.low
        share = np.divide(self.mean - self.low, reach, out=np.full_like(reach, 0.5), where=reach > 0)
        return np.asarray(logit(np.clip(share, MARGIN, 1 - MARGIN)))

    def painted(self, raw: Array) -> Array:
        """Values of raw numbers (n, *grid, channels)."""
        mixed = raw @ (4 * self.spread * self.root.T)
        mixed += self._middle
        found = expit(mixed, out=mixed)
        found *= self.high - self.low
        found += self.low
        return np.asarray(found)

    def unpainted(self, values: Array) -> Array:
        """The raw numbers of values, as near as there are any: values at an end of the range, which the sigmoid does not reach, are taken a little within."""
        reach = self.high - self.low
        share = np.divide(values - self.low, reach, out=np.full(values.shape, 0.5), where=reach > 0)
        mixed = (logit(np.clip(share, MARGIN, 1 - MARGIN)) - self._middle) / (4 * self.spread)
        return np.asarray(mixed @ np.linalg.pinv(self.root).T)

    def transpose(self, values: Array, gradients: Array) -> Array:
        """Gradients with respect to the raw numbers, at these painted values."""
        reach = self.high - self.low
        found = (values - self.low) * (self.high - values)  # reach × the sigmoid's slope is this over reach
        found *= gradients
        return np.asarray(found @ (np.divide(4 * self.spread, reach, out=np.zeros_like(reach), where=reach > 0)[:, None] * self.root))


@dataclass(frozen=True)
class Parameterisation(ABC):
    """How inputs on a grid, () for a table's row, are made of parameters, and painted with a palette."""

    grid: tuple[int, ...]
    palette: Palette

    @property
    def rate(self) -> float:
        """A first step that suits Adam."""
        return RATE

    @abstractmethod
    def start(self, generator: np.random.Generator, loudness: float = 0.1) -> Array:
        """Parameters of one input to begin with, without the axis of inputs: noise whose standard deviation is about `loudness` of the range."""

    @abstractmethod
    def raw(self, parameters: Array) -> Array:
        """What the palette paints, (n, *grid, channels)."""

    @abstractmethod
    def raw_transpose(self, parameters: Array, gradients: Array) -> Array:
        """From gradients with respect to what is painted to those with respect to the parameters."""

    @abstractmethod
    def fitted(self, inputs: Array) -> Array:
        """Parameters (n, ...) whose inputs come near these (n, *grid, channels)."""

    def starts(self, generators: Sequence[np.random.Generator], loudness: float = 0.1) -> Array:
        """Parameters of several inputs, each from a generator of its own."""
        return np.stack([self.start(generator, loudness) for generator in generators])

    def made_of(self, parameters: Array) -> Array:
        """Inputs (n, *grid, channels) of parameters (n, ...)."""
        return self.palette.painted(self.raw(parameters))

    def transpose(self, parameters: Array, inputs: Array, gradients: Array) -> Array:
        """Gradients with respect to the parameters, of those with respect to the inputs that they make."""
        return self.raw_transpose(parameters, self.palette.transpose(inputs, gradients))

    @property
    def channels(self) -> int:
        return len(self.palette.mean)


@dataclass(frozen=True)
class Pixels(Parameterisation):
    """Every element by itself; also for rows of a table, which have no grid."""

    def start(self, generator: np.random.Generator, loudness: float = 0.1) -> Array:
        return generator.normal(0, loudness, (*self.grid, self.channels))

    def raw(self, parameters: Array) -> Array:
        return parameters

    def raw_transpose(self, parameters: Array, gradients: Array) -> Array:
        return gradients

    def fitted(self, inputs: Array) -> Array:
        return self.palette.unpainted(inputs)


@dataclass(frozen=True)
class Coefficients(Parameterisation):
    """Fourier coefficients that are scaled by 1/frequency, so that a step changes what is coarse and what is fine as natural images differ in them
    (Olah, Mordvintsev, Schubert 2017, doi:10.23915/distill.00007)."""

    fourier: Fourier = field(init=False)
    scale: Array = field(init=False)

    def __post_init__(self) -> None:
        fourier = Fourier(self.grid)
        object.__setattr__(self, "fourier", fourier)
        scale = fourier.natural_scale()[..., None]
        scale[(0,) * len(self.grid)] *= BRIGHTNESS
        object.__setattr__(self, "scale", scale)

    @property
    def rate(self) -> float:
        """Smaller where there are many coefficients, for steps of all that go one way add up, and would drive an image to the ends of its range."""
        return float(RATE * min(1.0, np.sqrt(MANY / np.prod(self.grid))))

    def start(self, generator: np.random.Generator, loudness: float = 0.1) -> Array:
        return generator.normal(0, loudness, (2, *self.fourier.half, self.channels))

    def raw(self, parameters: Array) -> Array:
        return self.fourier.made_of(parameters * self.scale)

    def raw_transpose(self, parameters: Array, gradients: Array) -> Array:
        return self.fourier.transpose(gradients) * self.scale

    def fitted(self, inputs: Array) -> Array:
        return self.fourier.coefficients(self.palette.unpainted(inputs)) / self.scale


@dataclass(frozen=True)
class Phases(Parameterisation):
    """MACO: phases under fixed amplitudes (*half grid, channels), those that real data have (Fel et al. 2023, arXiv:2306.06805). The mean is the palette's."""

    amplitudes: Array | None = None
    fourier: Fourier = field(init=False)

    def __post_init__(self) -> None:
        fourier = Fourier(self.grid)
        object.__setattr__(self, "fourier", fourier)
        given = self.amplitudes
        fixed = np.repeat(0.2 * np.sqrt(2) * fourier.natural_scale()[..., None], self.channels, axis=-1) if given is None else given.copy()
        fixed[(0,) * len(self.grid)] = 0.0
        object.__setattr__(self, "amplitudes", fixed)

    @property
    def rate(self) -> float:
        return 2 * RATE

    def start(self, generator: np.random.Generator, loudness: float = 0.1) -> Array:
        return generator.uniform(-np.pi, np.pi, (*self.fourier.half, self.channels))

    def _spectrum(self, parameters: Array) -> Array:
        return np.stack([np.cos(parameters), np.sin(parameters)], axis=1) * self.amplitudes

    def raw(self, parameters: Array) -> Array:
        return self.fourier.made_of(self._spectrum(parameters))

    def raw_transpose(self, parameters: Array, gradients: Array) -> Array:
        spectrum, back = self._spectrum(parameters), self.fourier.transpose(gradients)
        return np.asarray(spectrum[:, 0] * back[:, 1] - spectrum[:, 1] * back[:, 0])

    def fitted(self, inputs: Array) -> Array:
        found = self.fourier.coefficients(self.palette.unpainted(inputs))
        return np.arctan2(found[:, 1], found[:, 0])
