"""What a page of the inside is made of: small pictures of any view, layer by layer and sample by sample, and values that a slider goes through."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from pellucid.core.errors import PellucidError
from pellucid.core.language import number
from pellucid.core.language import said as _
from pellucid.core.view import View
from pellucid.figures import FIGURES, pixels
from pellucid.report.pictures import Picture
from pellucid.report.views import pictures_by_layer

Array = np.ndarray
DPI, COLOURS, MARGIN = 88, 64, 6
"""Of the page's pictures: pixels an inch, the colours of a picture's own palette, and pixels that stay white around it."""
SLID = ("time", "epoch", "frame")
"""Axes that a slider goes through."""
STEPS, TRACKS, TILES = 96, 10, 8
"""Steps of a slider, quantities beside each other, and channels of an image at most."""
HELD = 400_000
"""Values of a quantity that a slider goes through at most; of larger ones every second step, every fourth."""


@dataclass(frozen=True)
class Shot:
    """A picture, of one of the samples that are shown or, with None, of all."""

    sample: int | None
    picture: Picture


@dataclass(frozen=True)
class Track:
    """A quantity over the steps: (steps, units) or (steps, rows, columns), as bytes from `low` to `high`."""

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    data: str

    @property
    def words(self) -> str:
        """Its range, in the language spoken now."""
        return _("{low} to {high}").format(low=number(self.low), high=number(self.high))


@dataclass(frozen=True)
class Frames:
    """Quantities that a slider goes through, of one sample or of all; `labels` says what each step is called."""

    sample: int | None
    axis: str
    labels: tuple[str, ...]
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class Thumb:
    """A sample that is shown: a small picture of it where it is one, and what is known of it."""

    src: str
    text: str
    given: str = ""
    """The sentence, or what the row holds, as a person gave it."""


def shown_inputs(views: Sequence[View]) -> Array:
    """The samples of the page: those of the activation maps, or of the first view that has entries by sample."""
    by_sample = [view for view in views if len(view) and any(view.by_sample(name) for name in view.values)]
    chosen = next((view for view in by_sample if view.view == "activation_map"), by_sample[0] if by_sample else None)
    return np.zeros((0,)) if chosen is None else chosen.inputs


def is_of(view: View, shown: Array) -> bool:
    """Whether a view has an entry for each of the samples that are shown."""
    same = view.inputs.shape == shown.shape and np.array_equal(view.inputs, shown, equal_nan=view.inputs.dtype.kind == "f")
    return len(shown) > 0 and same and any(view.by_sample(name) for name in view.values)


def shots(view: View, shown: Array) -> Iterator[tuple[str, Shot]]:
    """Every picture of a view, with the layer that it is of."""
    rows: Sequence[int | None] = range(len(shown)) if is_of(view, shown) else (None,)
    covered: set[str] = set()
    for row in rows:
        for layer, picture in pictures_by_layer(view, row or 0, view.view, small_png):
            covered.add(layer)
            yield layer, Shot(row, picture)
    for layer in [name for name in view.values if name not in covered and view.view in FIGURES and name != "network"] if "" in covered else []:
        for row in rows:
            apart = _apart(view, layer, row or 0)
            if apart is not None:
                yield layer, Shot(row, apart)


def _apart(view: View, layer: str, row: int) -> Picture | None:
    """The picture of one layer by the figure of the view's own name, where it draws one."""
    try:
        artists = FIGURES.load(view.view)(view, layer=layer, sample=row)
    except (PellucidError, LookupError, TypeError, ValueError):
        return None
    drawn = artists[0].figure if artists else None
    return None if drawn is None else Picture(f"{view.view}-{layer}", small_png(drawn.figure), layer)


def small_png(figure: Any) -> bytes:
    """A figure without its white margins, in a palette of its own: a fifth to a half of the bytes, alike to the eye."""
    written, drawn = BytesIO(), pixels(figure, DPI)
    inked = (drawn != 255).any(axis=-1)
    (top, bottom), (left, right) = (_span(inked.any(axis=axis)) for axis in (1, 0))
    opened = Image.fromarray(np.ascontiguousarray(drawn[top:bottom, left:right]))
    opened.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(written, "PNG", compress_level=6)
    return written.getvalue()


def _span(inked: Array) -> tuple[int, int]:
    """From the first that is inked to behind the last, with `MARGIN`."""
    places = np.flatnonzero(inked) if inked.any() else np.array([0])
    return max(int(places[0]) - MARGIN, 0), min(int(places[-1]) + 1 + MARGIN, len(inked))


def frames(view: View, shown: Array) -> Iterator[tuple[str, Frames]]:
    """The quantities of a view that go over time or epochs, layer by layer."""
    rows: Sequence[int | None] = range(len(shown)) if is_of(view, shown) else (None,)
    for layer in dict.fromkeys((*view.values, *view.details)):
        arrays = _slid(view, layer)
        for axis in dict.fromkeys(axes[axes.index(one)] for _array, axes in arrays.values() for one in SLID if one in axes):
            for row in rows:
                chosen = {name: found for name, found in arrays.items() if axis in found[1]}
                tracks = [track for name, (array, axes) in chosen.items() for track in _tracks(name, array, axes, axis, row, _ends(array))][:TRACKS]
                if tracks:
                    steps = tracks[0].shape[0]
                    yield layer, Frames(row, axis, _labels(view, axis, steps), tuple(track for track in tracks if track.shape[0] == steps))


def _slid(view: View, layer: str) -> dict[str, tuple[Array, tuple[str, ...]]]:
    """The arrays of a layer of which one axis is gone through and at least one other is shown."""
    found: dict[str, tuple[Array, tuple[str, ...]]] = {}
    if layer in view.values:
        found[_("output") if view.view == "activation_map" else _("state")] = view.values[layer], view.axes.get(layer, ())
    found |= {_(name.replace("_", " ")): (array, view.detail_axes.get(name, ())) for name, array in view.details.get(layer, {}).items()}
    return {name: one for name, one in found.items() if any(axis in SLID for axis in one[1]) and one[0].ndim == len(one[1]) and one[0].dtype.kind in "fiub"}


def _ends(array: Array) -> tuple[float, float]:
    """The scale of a quantity, the same for all samples; about zero where it has both signs."""
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (-max(-low, high), max(-low, high)) if low < 0 < high else (low, high)


def _tracks(name: str, array: Array, axes: tuple[str, ...], axis: str, row: int | None, ends: tuple[float, float]) -> Iterator[Track]:
    """A quantity of one sample as a track with the axis first; of a probe of several samples one each; nothing where only one number is left a step."""
    if "sample" in axes:
        array, axes = array[row or 0] if axes[0] == "sample" else array, axes[1:] if axes[0] == "sample" else axes
    if axes[0] == "probe" or (len(axes) > 1 and axes[1] == "probe"):
        place = axes.index("probe")
        rest = (*axes[:place], *axes[place + 1 :])
        for one in range(min(array.shape[place], 2)):
            of_probe = _("probe {number}").format(number=one)
            yield from _tracks(f"{name}, {of_probe}", np.take(array, one, place), rest, axis, row, ends)
        return
    array = np.moveaxis(array, axes.index(axis), 0)
    if array.ndim < 2 or 0 in array.shape:
        return
    stride = max(math.ceil(len(array) / STEPS), math.ceil(array.size / HELD))
    yield _packed(name, _flat(array[::stride].astype(np.float64)), *ends)


def _flat(array: Array) -> Array:
    """(steps, units) as it is; channels of an image side by side; of filters the mean over what they read."""
    if array.ndim == 5:
        array = array.mean(axis=3)
    if array.ndim == 4:
        tiles = [np.pad(array[..., channel], ((0, 0), (0, 0), (0, 1)), constant_values=np.nan) for channel in range(min(array.shape[-1], TILES))]
        return np.concatenate(tiles, axis=2)[:, :, :-1]
    return array if array.ndim < 4 else array.reshape(len(array), -1)


def _packed(name: str, array: Array, low: float, high: float) -> Track:
    scaled = (array - low) / (high - low) if high > low else np.zeros_like(array)
    levels = np.where(np.isfinite(scaled), 1 + np.rint(254 * np.clip(np.nan_to_num(scaled), 0, 1)), 0).astype(np.uint8)  # 0 is for what is no number
    return Track(name, tuple(array.shape), low, high, base64.b64encode(levels.tobytes()).decode())


def _labels(view: View, axis: str, steps: int) -> tuple[str, ...]:
    told: Mapping[str, Any] = view.details.get("network", {})
    epochs = told.get("frame_epoch" if axis == "frame" else "epoch")
    if epochs is None or len(epochs) != steps:
        return tuple(number(step + 1) for step in range(steps))
    return tuple(number(float(epoch)) for epoch in epochs)


def thumbs(views: Sequence[View], shown: Array) -> tuple[Thumb, ...]:
    """The samples that are shown, with their classes as far as these are told."""
    view = next((one for one in views if is_of(one, shown)), None)
    if view is None:
        return ()
    labels, names = view.provenance.get("labels"), view.provenance.get("class_names") or ()
    found = []
    for row, (place, sample) in enumerate(zip(view.numbers, shown, strict=True)):
        true = None if labels is None or len(labels) != len(shown) else int(labels[row])
        text = _("sample {number}").format(number=place)
        if true is not None:
            text += f" · {names[true] if 0 <= true < len(names) else true}"
        found.append(Thumb(_seen(sample), text, _given(view, row)))
    return tuple(found)


def _given(view: View, row: int) -> str:
    """A sentence as it is, or the columns of a row with what they hold; empty where the network is given numbers alone."""
    told = view.provenance.get("given")
    if not isinstance(told, list) or row >= len(told):
        return ""
    one = told[row]
    return str(one["text"]) if "text" in one else "; ".join(f"{name}: {held}" for name, held in zip(one.get("names", ()), one.get("data", ()), strict=False))


def _seen(sample: Array) -> str:
    """A sample as a small picture, where it is an image of one or three channels; empty where it is not."""
    if sample.ndim == 3 and sample.shape[0] in (1, 3) and sample.shape[-1] not in (1, 3):
        sample = np.moveaxis(sample, 0, -1)
    if sample.ndim != 3 or sample.shape[-1] not in (1, 3) or min(sample.shape[:2]) < 4:
        return ""
    low, high = float(np.nanmin(sample)), float(np.nanmax(sample))
    scaled = np.nan_to_num((sample - low) / (high - low) if high > low else np.zeros_like(sample, dtype=np.float64))
    picture, written = Image.fromarray(np.rint(255 * scaled).astype(np.uint8).squeeze()), BytesIO()
    picture.thumbnail((96, 96))
    picture.save(written, "PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
