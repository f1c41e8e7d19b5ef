"""Sound: its waveform, or its spectrogram, as a network takes them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.signal import spectrogram

from pellucid.core.errors import EmptyError, SettingError, ShapeError, unknown
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import on_host
from pellucid.data.preprocessings.series import Series
from pellucid.data.sound import as_sound, read_wav, resampled

Array = np.ndarray
PICTURES = ("waveform", "spectrogram", "mel")
FLOOR = 1e-10
"""Power that counts as silence: −100 dB."""
TILES = 8
"""Into how many stretches of time, and of frequency, a spectrogram is cut, at most."""


@dataclass(frozen=True)
class Audio(Series):
    """Sound as it is recorded, and the arrays that a network takes: a `Series` with a rate, which also reads files and can make a spectrogram.

    `raw`: WAV files (16 bits, other whole numbers, floats), pairs (rate, samples), arrays (samples, steps[, channels]) at the network's rate, or a list of
    these; whole numbers become fractions of their range, −1 to 1. rate: samples a second of the network; a file or pair of another rate is an error, or, with
    `resample`, brought to it by a polyphase filter. length: samples of the network; another length as for `Series`. names: of the channels; where there is one
    and a sound has two, that is an error, or, with `mix`, their mean.

    picture: "waveform" gives (samples, length, channels), features windows of time; "spectrogram" gives (samples, frequencies, times, channels) in decibels of
    the power in Hann windows of `frame` samples every `hop`; "mel" the same summed in `bands` triangles, even in mel. Low frequencies come first. mean and
    deviation are then of decibels. A person's feature is then a tile, called by its times and frequencies. `times` (seconds, the middle of each window) and
    `frequencies` (Hz) say where each element of an attribution lies.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> heard = Audio(length=8000, rate=8000, picture="spectrogram", frame=256, hop=128)
    >>> picture = heard.inputs([(8000, tone)])
    >>> picture.shape, float(heard.frequencies[picture[0, :, 10, 0].argmax()])
    ((1, 129, 61, 1), 1000.0)
    """

    names: tuple[str, ...] = ("sound",)
    resample: bool = False
    mix: bool = False
    picture: str = "waveform"
    frame: int = 400
    hop: int = 160
    bands: int = 40
    kind: ClassVar[str] = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.picture not in PICTURES:
            raise SettingError(unknown("picture", self.picture, PICTURES))
        if not self.rate or self.rate != int(self.rate):
            raise SettingError(f"audio needs its rate in whole samples a second, e.g. rate=16000; got {self.rate!r}.")
        if self.picture != "waveform" and not (1 <= self.hop <= self.frame <= self.length and self.frame > 1 and self.bands > 0):
            raise SettingError(f"a spectrogram needs 1 ≤ hop ≤ frame ≤ length and bands above 0; got {self.hop}, {self.frame}, {self.length}, {self.bands}.")

    @classmethod
    def fit(cls, raw: Any, *, names: tuple[str, ...] = (), **settings: Any) -> Self:
        """The preprocessing of such sounds, all of one length unless `length` is given: mean and deviation of the waveform or of the decibels, by channel."""
        first = _sounds(raw)[0]
        rate = settings.pop("rate", first[0])
        channels = 1 if settings.get("mix") else first[1].shape[1]
        names = names or (("sound",) if channels == 1 else ("left", "right") if channels == 2 else tuple(f"channel {i}" for i in range(channels)))
        plain: dict[str, Any] = {"length": len(first[1]), "rate": rate, "names": names, "mean": (0.0,) * channels, "deviation": (1.0,) * channels}
        values = cls(**plain | settings | {"first": False}).inputs(raw).reshape(-1, channels).astype(float)
        learned = {"mean": tuple(map(float, values.mean(axis=0))), "deviation": tuple(float(one) or 1.0 for one in values.std(axis=0))}
        return cls(**plain | settings | learned)

    @property
    def times(self) -> Array:
        """The middle of each window of a spectrogram, seconds."""
        return np.asarray((np.arange(1 + (self.length - self.frame) // self.hop) * self.hop + self.frame / 2) / self.rate)

    @property
    def frequencies(self) -> Array:
        """The frequency of each row of a spectrogram, Hz; of a mel band its middle."""
        bins = np.arange(self.frame // 2 + 1) * self.rate / self.frame
        return bins if self.picture != "mel" else _edges(self.bands, self.rate)[1:-1]

    def inputs(self, raw: Any) -> Array:
        waves = np.stack([self._one(sound, row) for row, sound in enumerate(self.heard(raw))])
        if self.picture == "waveform":
            return self._laid(waves)
        return self._laid(np.asarray((self._pictures(waves) - np.array(self.mean)) / np.array(self.deviation), dtype=np.float32))

    def features(self, raw: Any) -> FeatureMap:
        heard = self.heard(raw)
        if self.picture == "waveform":
            return super().features(heard)
        rows, columns = len(self.frequencies), len(self.times)
        tall, wide = -(-rows // TILES), -(-columns // TILES)
        down, across = np.arange(rows) // tall, np.arange(columns) // wide
        labels = (down[:, None] * (across[-1] + 1) + across[None])[None, :, :, None]
        names = tuple(
            f"{_span(self.times[across == column], 3, 's')}, {_span(self.frequencies[down == row], 0, 'Hz')}"
            for row in range(down[-1] + 1)
            for column in range(across[-1] + 1)
        )
        return FeatureMap(self._laid(labels), names, "tiles")

    def cut(self, features: Any, raw: Any) -> Any:
        return super().cut(features, self.heard(raw)) if self.picture == "waveform" else features

    def _scaled(self, series: Array) -> Array:
        """The waveform; of a spectrogram the decibels are standardised, not the sound."""
        return super()._scaled(series) if self.picture == "waveform" else series

    def heard(self, raw: Any) -> list[Array]:
        """Each sound at the network's rate and with its channels, (steps, channels)."""
        found = []
        for row, (rate, sound) in enumerate(_sounds(raw)):
            if rate and rate != int(self.rate):
                if not self.resample:
                    raise ShapeError(
                        f"sound {row} has {rate} samples a second, the network takes {int(self.rate)}; bring it to that rate, or ask for it: resample=True."
                    )
                sound = resampled(sound, rate, int(self.rate))
            if sound.shape[1] > 1 and len(self.names) == 1:
                if not self.mix:
                    raise ShapeError(f"sound {row} has {sound.shape[1]} channels, the network takes 1; give one of them, or ask for their mean: mix=True.")
                sound = sound.mean(axis=1, keepdims=True)
            found.append(sound)
        return found

    def _pictures(self, waves: Array) -> Array:
        """Decibels of sounds (samples, length, channels), (samples, frequencies, times, channels)."""
        power = spectrogram(
            waves.astype(np.float64), self.rate, "hann", self.frame, self.frame - self.hop, axis=1, detrend=False, scaling="spectrum", mode="psd"
        )[2]
        power = np.moveaxis(power, 2, -1)
        if self.picture == "mel":
            power = np.einsum("bf,sftc->sbtc", _triangles(self.bands, self.rate, self.frame), power)
        return np.asarray(10 * np.log10(power + FLOOR))


def _sounds(raw: Any) -> list[tuple[int, Array]]:
    """(rate, sound (steps, channels)) of each; a rate of 0 where it is not told."""
    if isinstance(raw, (str, os.PathLike)) or _is_pair(raw):
        raw = [raw]
    listed = list(raw) if isinstance(raw, (list, tuple)) else list(np.asarray(on_host(raw)))
    if not listed:
        raise EmptyError("there is no sound; give at least one.")
    found = []
    for row, one in enumerate(listed):
        rate, sound = read_wav(one) if isinstance(one, (str, os.PathLike)) else (int(one[0]), one[1]) if _is_pair(one) else (0, one)
        array = as_sound(np.asarray(on_host(sound)))
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or not len(array):
            raise ShapeError(f"sound {row} has shape {array.shape}, expected (steps,) or (steps, channels).")
        found.append((rate, array))
    return found


def _is_pair(one: Any) -> bool:
    """Whether this is (rate, samples)."""
    return isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], (int, np.integer)) and np.ndim(one[1]) > 0


def _edges(bands: int, rate: float) -> Array:
    """The ends and middles of triangles that are even in mel, up to half the rate, Hz (O'Shaughnessy 1987: 2595 · log10(1 + f/700))."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    return np.asarray(700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1))


def _triangles(bands: int, rate: float, frame: int) -> Array:
    """The weight of each bin in each band, (bands, bins); of a band between two bins, the nearest one counts."""
    edges, bins = _edges(bands, rate), np.arange(frame // 2 + 1) * rate / frame
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    found = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    empty = np.flatnonzero(found.sum(axis=1) == 0)
    found[empty, np.abs(bins - edges[1:-1][empty, None]).argmin(axis=1)] = 1.0
    return found


def _span(places: Array, digits: int, unit: str) -> str:
    first, last = (f"{place:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{place:.0f}" for place in (places[0], places[-1]))
    return f"{first} {unit}" if first == last else f"{first}–{last} {unit}"
