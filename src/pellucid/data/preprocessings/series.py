"""Time series and sound: of one length, standardised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from pellucid.core.errors import EmptyError, NonFiniteError, SettingError, ShapeError, unknown
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import on_host
from pellucid.core.preprocessing import Preprocessing
from pellucid.data import FEATURES
from pellucid.data.features.windows import Windows
from pellucid.data.parts import parse_part

Array = np.ndarray
LENGTHS = ("error", "fit")
WINDOWS = 40
"""Into how many windows, at most, a series is cut where nobody says."""


@dataclass(frozen=True)
class Series(Preprocessing):
    """Series as they are measured, and the arrays (samples, length, channels) that a network takes: (value − mean) / deviation.

    `raw`: (samples, steps), (samples, steps, channels), or a list of series. length: steps of the network. names: of the channels; unit: of what they measure,
    or units, one for each channel. step, time_unit: the time between two samples, and its unit; rate: samples a second, in its place; 0 where they are unknown.
    mean, deviation: one number a channel. other_length: a series of another length is an "error", or made to "fit": cut at its end, or filled up there with
    the channel's mean. window: steps of a window; 0 for about 40 windows.
    first: channels first, (samples, channels, length), as PyTorch's convolutions take them.

    A person's feature is a window of time, all channels together, called by its times; what was filled up belongs to none. `features="windows:10:each"` gives
    each channel its own, and these names too.

    >>> series = Series.fit(np.array([[0.0, 2.0], [2.0, 0.0]]), unit="mV")
    >>> series.inputs([[2.0, 1.0]])[..., 0].tolist(), series.restored(series.inputs([[4.0, 2.0]]))[..., 0].tolist()
    ([[1.0, 0.0]], [[4.0, 2.0]])
    >>> Series(length=100, step=0.01, window=10).features(np.zeros((1, 100))).names[2]
    '0.2–0.3 s'
    """

    length: int
    names: tuple[str, ...] = ("signal",)
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    unit: str = ""
    rate: float = 0.0
    other_length: str = "error"
    step: float = 0.0
    time_unit: str = "s"
    units: tuple[str, ...] = ()
    window: int = 0
    first: bool = False
    kind: ClassVar[str] = "series"

    def __post_init__(self) -> None:
        if self.other_length not in LENGTHS:
            raise SettingError(unknown("other_length", self.other_length, LENGTHS))
        if self.rate and (self.step or self.time_unit != "s"):
            raise SettingError("a series takes rate, samples a second, or step with time_unit, the time between two samples; give one of them.")
        if not 0 <= self.step < np.inf or self.window < 0 or len(self.units) not in (0, len(self.names)):
            raise SettingError("a series needs step ≥ 0, window ≥ 0 (0: unknown, and about 40 windows), and a unit for each channel in units, or none.")
        if self.length < 1 or self.rate < 0 or not len(self.names) == len(self.mean) == len(self.deviation) or min(self.deviation, default=0) <= 0:
            raise SettingError("a series needs length ≥ 1, rate ≥ 0, and a name, a mean and a deviation above 0 for each channel.")

    @classmethod
    def fit(cls, raw: Any, *, names: tuple[str, ...] = (), **settings: Any) -> Self:
        """The preprocessing of such series, all of one length: mean and deviation of each channel."""
        series = _series(raw)
        lengths = {len(one) for one in series}
        if "length" not in settings and len(lengths) > 1:
            raise ShapeError(f"the series have {min(lengths)} to {max(lengths)} steps; say how many the network takes: length=….")
        values = np.concatenate(series)
        names = names or (("signal",) if values.shape[1] == 1 else tuple(f"channel {i}" for i in range(values.shape[1])))
        deviation = tuple(float(one) or 1.0 for one in values.std(axis=0))
        learned: dict[str, Any] = {"length": next(iter(lengths)), "names": names, "mean": tuple(map(float, values.mean(axis=0))), "deviation": deviation}
        return cls(**learned | settings)

    def inputs(self, raw: Any) -> Array:
        return self._laid(np.stack([self._one(series, row) for row, series in enumerate(_series(raw))]))

    def features(self, raw: Any) -> FeatureMap:
        return self._mapped(Windows(self.window or -(-self.length // WINDOWS)), raw)

    def cut(self, features: Any, raw: Any) -> Any:
        windows = parse_part(FEATURES, features) if isinstance(features, str) and features.partition(":")[0] == "windows" else features
        return self._mapped(windows, raw) if isinstance(windows, Windows) else features

    def _mapped(self, windows: Windows, raw: Any) -> FeatureMap:
        """Windows called by their times and channels, as the network's inputs lie; what was filled up belongs to none."""
        named = windows if windows.step else replace(windows, step=self.spacing, unit=self.time_unit, names=windows.names or self.names)
        found, series = named.label(np.empty((1, self.length, len(self.names)), np.float32)), _series(raw)
        labels = found.labels
        if any(len(one) < self.length for one in series):
            there = np.arange(self.length)[None, :, None] < np.array([len(one) for one in series])[:, None, None]
            labels = np.where(there, labels, -1)
        return FeatureMap(self._laid(labels), found.names, found.kind)

    def _laid(self, array: Array) -> Array:
        """What lies over inputs with channels last, as the network takes them."""
        return np.ascontiguousarray(np.moveaxis(array, -1, 1)) if self.first else array

    @property
    def spacing(self) -> float:
        """The time between two samples, in `time_unit`; 0 where it is unknown."""
        return 1 / self.rate if self.rate else self.step

    def restored(self, inputs: Array) -> Array:
        """As it was measured, channels last."""
        last = np.moveaxis(np.asarray(inputs), 1, -1) if self.first else np.asarray(inputs)
        return np.asarray(last * np.array(self.deviation) + np.array(self.mean))

    def _one(self, series: Array, row: int) -> Array:
        if series.shape[1] != len(self.names):
            raise ShapeError(f"series {row} has {series.shape[1]} channels, the network takes {len(self.names)} ({', '.join(self.names)}).")
        if not np.isfinite(series).all():
            step = int(np.flatnonzero(~np.isfinite(series).all(axis=1))[0])
            raise NonFiniteError(f"series {row} has no number at step {step}; fill gaps in before.")
        scaled = self._scaled(series).astype(np.float32)
        if len(scaled) == self.length:
            return scaled
        if self.other_length == "error":
            raise ShapeError(f"series {row} has {len(scaled)} steps, the network takes {self.length}; cut or fill it, or ask for it: other_length='fit'.")
        return np.pad(scaled[: self.length], ((0, max(0, self.length - len(scaled))), (0, 0)))

    def _scaled(self, series: Array) -> Array:
        return np.asarray((series - np.array(self.mean)) / np.array(self.deviation))


def _series(raw: Any) -> list[Array]:
    """Series (steps, channels), one after the other."""
    listed = list(raw) if isinstance(raw, (list, tuple)) else list(np.asarray(on_host(raw)))
    if not listed:
        raise EmptyError("there is no series; give at least one.")
    found = [np.asarray(on_host(one), dtype=float) for one in listed]
    found = [one[:, None] if one.ndim == 1 else one for one in found]
    for row, one in enumerate(found):
        if one.ndim != 2 or not len(one):
            raise ShapeError(f"series {row} has shape {one.shape}, expected (steps,) or (steps, channels).")
    return found
