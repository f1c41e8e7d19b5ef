"""Stretches of time of a series or of sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError, SettingError, unknown
from pellucid.core.features import FeatureMap, Features

Array = np.ndarray
CHANNELS = ("together", "each")
DIGITS = 4


@dataclass(frozen=True)
class Windows(Features):
    """Windows of `size` steps each, one after the other; the last one is shorter where the length is not divisible.

    Use it for series (samples, steps, channels), where a single step says little, and for a single channel (samples, steps). channels: "together" joins all
    channels of a window to one feature, label map (1, steps, 1), or (1, steps) where inputs have no axis of channels; "each" gives every channel windows of its
    own, label map (1, steps, channels). Windows are called by their first and last step, or, with the time between two samples in `step`, by when they begin
    and end, in `unit`; `names` are those of the channels. A `Series` says the three by itself.
    Does not follow events: a beat that lies across two windows is shared between them.

    >>> Windows(10).label(np.zeros((2, 25, 3), np.float32)).names
    ('steps 0 to 9', 'steps 10 to 19', 'steps 20 to 24')
    >>> Windows(10, step=0.01).label(np.zeros((2, 25), np.float32)).names[1]
    '0.1–0.2 s'
    """

    size: int = 10
    channels: str = "together"
    step: float = 0.0
    unit: str = "s"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)) or self.size < 1:
            raise SettingError(f"features 'windows': size is {self.size!r}, expected a whole number of steps from 1 on, e.g. windows:10.")
        if self.channels not in CHANNELS:
            raise SettingError(f"features 'windows': {unknown('channels', self.channels, CHANNELS)}")
        if not 0 <= self.step < np.inf:
            raise SettingError(f"features 'windows': step is {self.step!r}, expected the time between two samples, above 0, or 0 where it is unknown.")

    def label(self, inputs: Array) -> FeatureMap:
        """One map for all samples; `CombinationError` where inputs are no series, or names of channels do not fit them."""
        if inputs.ndim not in (2, 3):
            raise CombinationError(
                f"features 'windows' got inputs of shape {inputs.shape}, expected series (samples, steps) or (samples, steps, channels); "
                "use features='patches:4' for images."
            )
        steps = int(inputs.shape[1])
        number = np.arange(steps) // self.size
        names = [self._name(start, min(start + self.size, steps) - 1) for start in range(0, steps, self.size)]
        if self.channels == "together" or inputs.ndim == 2:
            return FeatureMap(number.reshape(1, steps, *(1,) * (inputs.ndim - 2)), tuple(names), "windows")
        count = int(inputs.shape[2])
        called = self.names or tuple(f"channel {i}" for i in range(count))
        if len(called) != count:
            raise CombinationError(
                f"features 'windows' name {len(called)} channels ({', '.join(called)}), and the inputs have {count}; give one name for each."
            )
        labels = number[None, :, None] + len(names) * np.arange(count)
        return FeatureMap(labels, tuple(f"{channel}, {name}" for channel in called for name in names), "windows")

    def _name(self, first: int, last: int) -> str:
        if self.step:
            start, stop = (f"{at * self.step:.{DIGITS}g}" for at in (first, last + 1))
            return f"{start}–{stop} {self.unit}".strip()
        return f"steps {first} to {last}" if last > first else f"step {first}"
