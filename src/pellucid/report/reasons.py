"""The reasons of one answer as a person would name them: a column with what it holds, a word, a region of the picture, a stretch of time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from pellucid.core.language import number, percent, signed
from pellucid.core.language import said as _
from pellucid.core.layout import channels_of, of_columns, to_last
from pellucid.core.naming import given_of
from pellucid.core.records import Explanation
from pellucid.core.told import named
from pellucid.figures.attribution_map import map_of
from pellucid.figures.contours import strongest_part
from pellucid.report.pictures import drawn_apart, of_series, worded

Array = np.ndarray
COUNT = 3
"""Reasons told for an answer, and against it."""
STRONG, LONG = 0.1, 0.25
"""Of a picture's elements, and of a series' steps, those that may belong to a region: the strongest part."""
CANDIDATES = 8
"""Regions of each direction among which the strongest are looked for."""
LEAST = 0.005
"""What has less than this share of all that spoke the same way is no reason worth a line."""
CONTRAST = " − "
"""Between the two classes of a contrast, in its label."""
NAMELESS = re.compile(r"(patch|superpixel|pixel|window|feature|column|unit)s?[ (]*\d.*")
"""What features are called that nobody named."""
COLUMNS, WORDS, REGIONS, WINDOWS, FEATURES = "columns", "words", "regions", "windows", "features"


@dataclass(frozen=True)
class Part:
    """What may be a reason: `reach` is half its 95 % interval (0 where it is exact, NaN where nobody knows); `area` where it lies, (rows, columns) of a
    picture or (steps, channels) of a series; `key` tells it from others over methods, None where another method has no such part;
    `weight` is what its share is reckoned with, its value where it is 0."""

    name: str
    value: float
    reach: float
    area: Array | None = None
    key: object = None
    weight: float = 0.0

    @property
    def sure(self) -> bool:
        """Whether it is told apart from 0, as far as its error is known."""
        return self.value != 0 and not abs(self.value) <= self.reach


@dataclass(frozen=True)
class Reason:
    """One reason: `share` of all that spoke the same way; `place` is its number in the picture, 0 where there is none."""

    part: Part
    share: float
    place: int = 0

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def words(self) -> str:
        """Its contribution and how sure that is: "+0.83; 95% sure: +0.7 to +0.96"."""
        value, reach = self.part.value, self.part.reach
        if np.isnan(reach):
            return _("{value}; its error is not known").format(value=signed(value))
        if reach == 0:
            return _("{value}; exact").format(value=signed(value))
        return _("{value}; 95% sure: {low} to {high}").format(value=signed(value), low=signed(value - reach), high=signed(value + reach))

    @property
    def width(self) -> float:
        """Of the bar beside it, in percent."""
        return round(max(100 * min(self.share, 1.0), 1.0), 1)


@dataclass(frozen=True)
class Reasons:
    """The strongest reasons for an answer and against it, `target` being what was explained. `unsure` names what is as strong as those and not told apart
    from 0. Without a direction (`directed` false) all are in `supports`, and mattered."""

    kind: str
    target: str
    supports: tuple[Reason, ...]
    opposes: tuple[Reason, ...]
    unsure: tuple[str, ...]
    directed: bool
    totals: tuple[float, float] = (0.0, 0.0)
    """All that spoke for it, and the size of all that spoke against it."""
    rather: tuple[str, str] = ("", "")
    """Of a contrast, which class was explained against which."""

    @property
    def all(self) -> tuple[Reason, ...]:
        return (*self.supports, *self.opposes)


def reasons_of(explanation: Explanation, row: int) -> Reasons:
    """What spoke for the answer of one sample and what against it, the strongest first.

    Shares are of the sum of all values of the same sign. Where a reason is made of several values (a region of pixels, a category in several columns) its
    value is their sum, and its error the sum of theirs, which is the most they can do together.

    >>> import pellucid
    >>> found = pellucid.explain(lambda x: x @ np.array([[1.0], [-2.0]]), np.array([[3.0, 4.0]]), "shap")
    >>> [(reason.name, reason.share) for reason in reasons_of(found, 0).all]
    [('column 0', 1.0), ('column 1', 1.0)]
    """
    kind, parts, totals = parts_of(explanation, row)
    signs = directed(explanation)
    ranked = sorted((part for part in parts if part.value != 0), key=lambda part: -abs(part.value))
    sure = [part for part in ranked if part.sure]
    totals = totals if signs else (sum(totals), 0.0)
    supports = _told(sure if not signs else [part for part in sure if part.value > 0], totals[0], 1)
    opposes = _told([part for part in sure if part.value < 0] if signs else [], totals[1], 1 + len(supports))
    least = min((abs(one.part.value) for one in (*supports, *opposes)), default=0.0)
    unsure = tuple(part.name for part in ranked[: 2 * COUNT] if not part.sure and abs(part.value) >= least)
    label = explanation.target.labels[row]
    first, apart, second = label.partition(CONTRAST)
    rather = (first, second) if apart and first in explanation.class_names and second in explanation.class_names else ("", "")
    return Reasons(kind, label, supports, opposes, unsure, signs, totals, rather)


def parts_of(explanation: Explanation, row: int) -> tuple[str, list[Part], tuple[float, float]]:
    """The kind of one sample's parts, the parts, and the sum of all values above 0 and of all below it (its size)."""
    sentence = worded(explanation, row)
    if sentence is not None:
        return _of_words(*sentence, given_of(explanation, row)["of"])
    one = explanation[row]
    told = given_of(explanation, row)
    if one.of_pairs or not one.on_grid:
        return _of_features(one, FEATURES)
    if told.get("data") and len(told["of"]) == one.inputs[0].size and one.values.ndim == 2:
        return _of_columns(one, told["of"])
    if one.packing is None:
        return _of_one(one)
    found = [(name, _of_one(part)) for name, (part, _row) in drawn_apart(one, 0).items()]
    parts = [replace(part, name=f"{name}: {part.name}", area=None, key=(name, part.key)) for name, (_kind, parts, _all) in found for part in parts]
    return FEATURES, parts, _sums([totals for _, (_kind, _parts, totals) in found])


def share_words(reason: Reason, reasons: Reasons) -> str:
    """How much of all that spoke the same way a reason is, in words."""
    share = percent(reason.share)
    if not reasons.directed:
        return _("{share} of all that mattered").format(share=share)
    said = _("{share} of all that spoke for it") if reason.part.value > 0 else _("{share} of all that spoke against it")
    return said.format(share=share)


def _told(parts: Sequence[Part], total: float, first: int) -> tuple[Reason, ...]:
    shares = [float(abs(part.weight or part.value) / total) if total else 0.0 for part in parts[:COUNT]]
    chosen = [(part, share) for part, share in zip(parts, shares, strict=False) if share >= LEAST]
    return tuple(Reason(part, share, first + i if part.area is not None else 0) for i, (part, share) in enumerate(chosen))


def directed(explanation: Explanation) -> bool:
    """Whether values say for or against: not where the method's never do, nor where they are no parts of the score, of no features, and none is below 0."""
    if not explanation.provenance.get("directed", True):
        return False
    parts = explanation.features is not None or explanation.provenance.get("unit") == "score"
    return parts or bool((explanation.values < 0).any())


def _half(one: Explanation) -> Array:
    """Half the width of each 95 % interval, shape of `values`: 0 where exact, NaN where not known."""
    if one.error_kind == "exact":
        return np.zeros_like(one.values)
    return np.asarray(one.interval(0.95)[1] - one.values) if one.error_kind != "none" else np.full(one.values.shape, np.nan)


def _signs(values: Array) -> tuple[float, float]:
    return float(values[values > 0].sum()), float(-values[values < 0].sum())


def _sums(totals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(one for one, _against in totals), sum(one for _for, one in totals)


def _of_words(one: Explanation, names: Sequence[str], of: Sequence[int]) -> tuple[str, list[Part], tuple[float, float]]:
    """Words in quotation marks, with their place where one stands twice; of one that was cut into pieces these are added up."""
    if one.features is None:
        words = [word for word in of if word >= 0]
        values, half = (np.bincount(words, weights=array[0].astype(float)) for array in (one.values, _half(one)))
        names = [names[words.index(word)] if word in words else "" for word in range(len(values))]
    else:
        values, half = (array[0][: len(names)].astype(float) for array in (one.values, _half(one)))
    often, shown = Counter(names), []
    for place, word in enumerate(names, start=1):
        said = _("“{word}”") if often[word] < 2 else _("“{word}” (word {place})")
        shown.append(said.format(word=word, place=place))
    return WORDS, [Part(name, values[i], half[i], key=i) for i, name in enumerate(shown)], _signs(values)


def _of_features(one: Explanation, kind: str) -> tuple[str, list[Part], tuple[float, float]]:
    """Values as the record names them."""
    values, half = one.values[0].ravel().astype(float), _half(one)[0].ravel().astype(float)
    places = np.flatnonzero(one.counted_mask[0].ravel())
    parts = [Part(named(one.feature_name(int(i), 0)), values[i], half[i], key=int(i)) for i in places]
    return kind, parts, _signs(values[places])


def _of_columns(one: Explanation, of: Sequence[int]) -> tuple[str, list[Part], tuple[float, float]]:
    """A person's columns; the elements of one that was spread over several are added up."""
    if one.features is not None:
        return _of_features(one, COLUMNS)
    values, half = (np.bincount(of, weights=array[0].astype(float)) for array in (one.values, _half(one)))
    parts = [Part(named(one.feature_name(of.index(i), 0)), values[i], half[i], key=i) for i in range(len(values))]
    return COLUMNS, parts, _signs(values)


def _of_one(one: Explanation) -> tuple[str, list[Part], tuple[float, float]]:
    """Of one input in its own shape."""
    if of_columns(one) or (one.inputs.ndim == 2 and not of_series(one)):
        return _of_features(one, COLUMNS)
    series = of_series(one)
    kind = WINDOWS if series else REGIONS
    labels = None if one.features is None else _labels(one)
    if labels is None or (labels >= 0).sum() < 2 * one.values.shape[1]:
        return (kind, *_grown(one, series))
    values, half = one.values[0].astype(float), _half(one)[0].astype(float)
    areas = ((int(i), labels == i) for i in np.flatnonzero(one.feature_mask[0]))
    parts = [Part(_called(one, i, area, series), values[i], half[i], area, key=i) for i, area in areas if area.any()]
    return kind, parts, _signs(values)


def _called(one: Explanation, feature: int, area: Array, series: bool) -> str:
    """A feature by the name that somebody gave it, else by where it lies."""
    name = one.feature_name(feature, 0)
    return _where(one, area, series) if series or NAMELESS.fullmatch(name) else named(name)


def _labels(one: Explanation) -> Array:
    """The features of one sample over its input, (rows, columns) or (steps, channels)."""
    shape, channels = one.inputs.shape[1:], channels_of(one)
    features = one.features
    full = to_last(np.broadcast_to(features.of(0), shape)[None], channels)[0] if features is not None else np.zeros(shape, int)
    return full[..., 0] if full.ndim == 3 else full


def _grown(one: Explanation, series: bool) -> tuple[list[Part], tuple[float, float]]:
    """Regions where strong elements of one direction lie close together, of each direction those that hold most. What lies beside each other is averaged first
    (Gaussian, a 28th of the side), so that a speckled map has regions too; shares are of the averaged map, values are the sums of
    the map itself."""
    shown = _flat(one, series)
    half = _flat(replace(one, values=_half(one).astype(one.values.dtype), choices=None), series) if one.error_kind != "exact" else np.zeros_like(shown)
    near = (len(shown) if series else min(shown.shape)) / 28
    averaged = ndimage.gaussian_filter(shown, (near / 2, 0) if series else near, mode="constant")
    strong, parts = strongest_part(averaged, LONG if series else STRONG), []
    for sign in (1, -1):
        for area in _areas(strong & (sign * averaged > 0), np.abs(averaged), series):
            value = float(shown[area].sum())
            if sign * value > 0:
                parts.append(Part(_where(one, area, series), value, float(half[area].sum()), area, weight=float(averaged[area].sum())))
    return parts, _signs(averaged)


def _flat(one: Explanation, series: bool) -> Array:
    """A map over the input, (rows, columns) or (steps, channels), that adds up to what the values do."""
    if series:
        return np.asarray(to_last(one.to_input(), channels_of(one))[0].reshape(one.inputs.shape[1], -1), dtype=float)
    shown = map_of(one, 0, signed=True).astype(float)
    return shown * (one.values[0].size / shown.size) if one.layer else shown


def _areas(region: Array, sizes: Array, series: bool) -> Iterator[Array]:
    """The pieces of a region, those first that hold most: of a series each stretch of a channel; of a picture what lies about one peak, so that a ring has a
    left and a right; down to half the peak."""
    if not region.any():
        return
    if series:
        pieces, count = ndimage.label(region, [[0, 1, 0]] * 3)
    else:
        peaks = peak_local_max(sizes, min_distance=max(1, min(region.shape) // 7), labels=region.astype(int), exclude_border=False)
        marks = np.zeros(region.shape, dtype=int)
        marks[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        pieces, count = watershed(-sizes, marks, mask=region), len(peaks)
    held = ndimage.sum_labels(sizes, pieces, np.arange(1, count + 1))
    for piece in np.argsort(-held, kind="stable")[:CANDIDATES]:
        area = pieces == piece + 1
        yield area & (sizes >= sizes[area].max() / 2)


def _where(one: Explanation, area: Array, series: bool) -> str:
    return window_words(one, area) if series else place_words(area)


def place_words(area: Array) -> str:
    """Where a region's middle lies, in a grid of three by three.

    >>> place_words(np.eye(9, dtype=bool) & (np.arange(9) < 3)), place_words(np.ones((9, 9), dtype=bool))
    ('upper left', 'centre')
    """
    middle = [float(found.mean() + 0.5) / size for found, size in zip(np.nonzero(area), area.shape, strict=True)]
    down, across = (min(int(3 * one), 2) for one in middle)
    names = (
        (_("upper left"), _("top"), _("upper right")),
        (_("left"), _("centre"), _("right")),
        (_("lower left"), _("bottom"), _("lower right")),
    )
    return names[down][across]


def window_words(one: Explanation, area: Array) -> str:
    """From which step to which, in seconds too where the preprocessing knows them, and on which channel where there are several. Steps count from 0, as on
    the axis of the picture."""
    steps, channels = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    first, last = int(steps[0]), int(steps[-1])
    settings = _settings(one)
    text = _("steps {first} to {last}").format(first=first, last=last) if last > first else _("step {first}").format(first=first)
    spacing = 1 / float(settings["rate"]) if settings.get("rate") else float(settings.get("step") or 0)
    if spacing:
        ends = {"first": number(first * spacing), "last": number((last + 1) * spacing)}
        text = _("{first} to {last} {unit} ({steps})").format(**ends, unit=settings.get("time_unit", "s"), steps=text)
    if len(channels) < area.shape[1]:
        names = settings.get("names") or [_("channel {number}").format(number=i) for i in range(area.shape[1])]
        text = _("{channel}, {steps}").format(channel=_(", ").join(str(names[int(i)]) for i in channels), steps=text)
    return text


def _settings(one: Explanation) -> dict[str, Any]:
    told = one.provenance.get("preprocessing") or {}
    return dict(told["settings"]) if told.get("kind") in ("series", "audio") else {}
