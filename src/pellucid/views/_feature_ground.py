"""The ground of feature images: their range, colours and spectrum, and the real inputs that they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.layout import to_last
from pellucid.core.model import Model
from pellucid.core.scene import Scene
from pellucid.maths.colour import channel_root, natural_root
from pellucid.maths.fourier import Fourier
from pellucid.maths.parameterisation import Coefficients, Palette, Parameterisation, Phases, Pixels
from pellucid.maths.transformations import Moves
from pellucid.maths.variation import contrast, total_variation
from pellucid.views._features import input_shape

Array = np.ndarray
SHIFT, ROTATION, SCALE = 1 / 16, 10.0, 0.1
"""What a strength of 1 draws from: shifts of a share of each side, degrees, and a factor."""
MOST_BYTES = 64e6
FEW_CHANNELS = 16
"""Up to so many channels are decorrelated."""
STANDARD, UNKNOWN_CONTRAST, NOISES = (-3.0, 3.0), 0.2, 8
"""The range of inputs other than images where no data tells it; and the standard deviation, in shares of the range, of noise with amplitudes ∝ 1/frequency,
which stands for real inputs where none are given, so many times."""


@dataclass(frozen=True)
class Ground:
    """What images are made of and held against: `real` (samples, *grid, channels) and what was learnt of them."""

    parameterisation: Parameterisation
    real: Array
    real_variation: float
    real_contrast: float
    channels: str
    resolved: Mapping[str, Any]

    @classmethod
    def of(cls, scene: Scene, parameterisation: str, limits: Any) -> Ground:
        taken, lies = input_shape(scene), scene.model.traits.channels
        real = to_last(scene.inputs, lies) if len(scene.inputs) else np.zeros((0, *to_last(np.zeros((1, *taken)), lies).shape[1:]))
        grid, count = real.shape[1:-1], real.shape[-1]
        low, high = _range(limits, real, scene.model)
        some = _some(real)
        palette = _palette(some, low, high)
        name = parameterisation if grid else "pixels"
        like = some if len(some) else _noise(grid, palette, scene.seed)
        variation, spread = (float(measure(like, high - low).mean()) for measure in (total_variation, contrast))
        resolved = {
            "parameterisation": name,
            "low": low.tolist() if count <= FEW_CHANNELS else [float(low.min())],
            "high": high.tolist() if count <= FEW_CHANNELS else [float(high.max())],
            "real inputs": len(real),
            "variation of real inputs" if len(real) else "variation of noise with amplitudes of 1/frequency": variation,
            "contrast of real inputs" if len(real) else "contrast of that noise": spread,
        }
        return cls(_parameterisation(name, grid, palette, some), real, variation, spread if grid else 0.0, lies, resolved)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input, (*grid, channels)."""
        return tuple(self.real.shape[1:])

    @property
    def axes(self) -> tuple[str, ...]:
        return {0: ("column",), 1: ("time", "channel"), 2: ("row", "column", "channel")}.get(
            len(self.shape) - 1, (*(f"axis_{k}" for k in range(len(self.shape) - 1)), "channel")
        )

    @property
    def reach(self) -> Array:
        """The width of each channel's range."""
        return self.parameterisation.palette.high - self.parameterisation.palette.low


def moves(strength: float) -> Moves:
    """What is drawn from at each step."""
    return Moves(SHIFT * strength, ROTATION * strength, SCALE * strength)


def _some(real: Array) -> Array:
    """So many of the real inputs, evenly spread, as tell their colours, spectrum and variation without a large copy; float64."""
    rows = max(1, int(MOST_BYTES // (8 * max(real[:1].size, 1))))
    return np.asarray(real[:: -(-len(real) // rows) or 1], np.float64)


def _noise(grid: tuple[int, ...], palette: Palette, seed: int) -> Array:
    """Images of noise that stand for real ones; a table's rows have no neighbours that could differ."""
    if not grid:
        return np.zeros((1, len(palette.mean)))
    made = Coefficients(grid, palette)
    return made.made_of(made.starts([np.random.default_rng([seed, number]) for number in range(NOISES)], UNKNOWN_CONTRAST))


def _range(given: Any, real: Array, model: Model) -> tuple[Array, Array]:
    """The least and greatest value of each channel."""
    count = real.shape[-1]
    if given is not None:
        try:
            low, high = (np.broadcast_to(np.asarray(end, np.float64), (count,)).copy() for end in given)
        except (TypeError, ValueError):
            raise SettingError(f"range={given!r}: give (low, high), each a number or one for each of the {count} channels, e.g. range=(0, 1).") from None
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise SettingError(f"range={given!r}: each low must be below its high, e.g. range=(0, 1).")
        return low, high
    if len(real):
        each = tuple(range(real.ndim - 1))
        return np.asarray(real.min(axis=each), np.float64), np.asarray(real.max(axis=each), np.float64)
    ends = ((0.0, 255.0) if model.traits.scales_input else (0.0, 1.0)) if real.ndim == 4 else STANDARD
    return np.full(count, ends[0]), np.full(count, ends[1])


def _palette(real: Array, low: Array, high: Array) -> Palette:
    count = real.shape[-1]
    middle = (low + high) / 2
    if not len(real):
        return Palette(low, high, middle, natural_root(count) if real.ndim == 4 else np.eye(count))
    each = tuple(range(real.ndim - 1))
    mean = np.clip(np.asarray(real.mean(axis=each), np.float64), low, high)
    reach = np.where(high > low, high - low, 1.0)
    root = channel_root((real - low) / reach) if real.ndim > 2 and count <= FEW_CHANNELS else np.eye(count)
    return Palette(low, high, mean, root)


def _parameterisation(name: str, grid: tuple[int, ...], palette: Palette, real: Array) -> Parameterisation:
    if name == "maco":
        return Phases(grid, palette, Fourier(grid).amplitudes(palette.unpainted(real)) if len(real) else None)
    return (Coefficients if name == "fourier" else Pixels)(grid, palette)
