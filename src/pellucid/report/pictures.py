"""The pictures of a page: figures set side by side, as PNG with a name and a text for those who cannot see them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.apart import seen_from
from pellucid.core.choices import Choices
from pellucid.core.comparison import Comparison
from pellucid.core.errors import UnsupportedError
from pellucid.core.language import said as _
from pellucid.core.layout import of_columns
from pellucid.core.naming import given_of
from pellucid.core.records import Explanation
from pellucid.figures import label, limits, panels, png_bytes, stacked
from pellucid.figures.attribution_map import attribution_map
from pellucid.figures.beeswarm import beeswarm
from pellucid.figures.choice_spread import choice_spread
from pellucid.figures.dependence import dependence
from pellucid.figures.difference import difference
from pellucid.figures.error_map import error_map
from pellucid.figures.feature_bars import feature_bars
from pellucid.figures.input_image import input_image
from pellucid.figures.interactions import interactions
from pellucid.figures.overlay import overlay
from pellucid.figures.probabilities import probabilities
from pellucid.figures.series_line import series_line
from pellucid.figures.spectrogram import heard_by, spectrogram
from pellucid.figures.summary_bars import summary_bars
from pellucid.figures.token_bars import token_bars
from pellucid.report.words import flat, title_of

DPI = 150
DIGITS = 3
"""Letters of a class's name for which there is room beside a picture of the input."""
WORDS_A_LINE = 18
"""Words whose bars stand beside each other on a card."""
MOST_CHANNELS = 6
"""Channels of what is drawn as lines where nothing says that it is a series; more are drawn as a grid."""
MANY = 8
"""Samples from which on a table is also shown over all of them."""
FOLLOWED = 3
"""Numeric columns shown one by one over all samples."""
HEIGHT = 1.75
"""Inches of a card's picture: small, so that its letters are large when it fills a card."""


@dataclass(frozen=True)
class Picture:
    """A PNG, the stem of its file name, and its text."""

    name: str
    png: bytes
    alt: str

    @property
    def src(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return int(width), int(height)


def input_picture(explanation: Explanation, row: int, true: int | None, name: str, alt: str) -> Picture:
    """The input, or each of several, and, where it is over classes, the prediction."""
    names = explanation.packing.names if explanation.packing is not None else ("",)
    scores = explanation.prediction[row]
    seen = {title: seen_from(explanation, title) for title in names}
    if scores.ndim == 1:
        seen = {title: one for title, one in seen.items() if not (of_columns(one) or of_series(one) or heard_by(one) or text_of(explanation, row))}
    shapes = ["grid" if one.inputs.ndim == 3 else "picture" for one in seen.values()]
    kind = "answers" if any(len(one) > DIGITS for one in explanation.class_names) else "bars"
    axes = panels((*shapes, kind) if scores.ndim == 1 else shapes, 2.1)
    for (title, one), ax in zip(seen.items(), axes, strict=False):
        input_image(one, sample=row, ax=ax, title=title or None)
    if scores.ndim == 1:
        probabilities(explanation, sample=row, ax=axes[-1], true=true)
    return Picture(name, png_bytes(axes[0].figure.figure, DPI), alt)


def text_of(explanation: Explanation, row: int) -> str:
    """The sentence that a person gave; empty where none is told."""
    return str(given_of(explanation, row).get("text", ""))


def of_series(explanation: Explanation) -> bool:
    """Whether a `Series` was given, or what lies as one: steps of one to a few channels."""
    said = explanation.provenance.get("preprocessing") or {}
    few = explanation.inputs.ndim == 3 and explanation.inputs.shape[2] <= MOST_CHANNELS < explanation.inputs.shape[1]
    return explanation.packing is None and explanation.on_grid and not explanation.of_pairs and (few or said.get("kind") == "series")


def _channels(explanation: Explanation) -> list[str] | None:
    """The names of a series' channels, where they are told."""
    said = explanation.provenance.get("preprocessing") or {}
    return list(said["settings"]["names"]) if said.get("kind") == "series" else None


def worded(explanation: Explanation, row: int) -> tuple[Explanation, list[str]] | None:
    """One sample of an explanation of a sentence, a value a word or token, with these by name; what stands for no word is left out. None where values are of
    something else."""
    one = given_of(explanation, row)
    if not one.get("text") or not one.get("of") or explanation.of_pairs or explanation.values.ndim != 2:
        return None
    found = explanation[row]
    if explanation.features is not None:
        return (found, list(one["names"])) if explanation.features.kind == "words" else None
    if len(one["of"]) != explanation.values.shape[1]:
        return None
    places = [place for place, word in enumerate(one["of"]) if word >= 0]
    kept = replace(found, values=found.values[:, places], error=found.error[:, places], inputs=found.inputs[:, places], packing=None, choices=None)
    return kept, [one["names"][one["of"][place]] for place in places]


def drawn_apart(explanation: Explanation, row: int) -> dict[str, tuple[Explanation, int]]:
    """What is drawn of a sample: of several inputs each under its name, with its row there; all together where their values belong together."""
    if explanation.packing is None or explanation.layer or explanation.of_pairs or worded(explanation, row) is not None:
        return {"": (explanation, row)}
    return {name: (one, 0) for name, one in explanation[row].by_input.items()}


def limits_apart(rows: Sequence[tuple[Explanation, int]]) -> list[dict[str, float | None]]:
    """For each explanation the limits of its maps, by input: what shares a scale does so input by input."""
    parts = [drawn_apart(explanation, row) for explanation, row in rows]
    found: list[dict[str, float | None]] = [{} for _ in rows]
    for name in dict.fromkeys(name for part in parts for name in part):
        having = [place for place, part in enumerate(parts) if name in part]
        for place, limit in zip(having, limits([parts[place][name] for place in having]), strict=True):
            found[place][name] = limit
    return found


def explanation_pictures(explanation: Explanation, row: int, limits: Mapping[str, float | None], name: str) -> tuple[Picture, ...]:
    """One picture, or one an input."""
    found = []
    for word, (one, place) in drawn_apart(explanation, row).items():
        picture = explanation_picture(one, place, limits.get(word), f"{name}-{word}" if word else name, title=word or "map")
        more = (
            (choices_picture(one, one.choices, place, f"{picture.name}-choices"),) if one.choices is not None and one.on_grid and one.features is None else ()
        )
        found += [replace(each, alt=_("Of the input {name}: {text}").format(name=word, text=each.alt)) if word else each for each in (picture, *more)]
    return tuple(found)


def explanation_picture(explanation: Explanation, row: int, limit: float | None, name: str, *, title: str = "map") -> Picture:
    """A map or a square of pairs, and beside it what says most of it: features with their errors, the error map, or the map over the input."""
    if not explanation.on_grid:
        (ax,) = panels(("bars",), HEIGHT)
        feature_bars(explanation, sample=row, ax=ax, count=8, title=label("strongest units of {layer}").format(layer=explanation.layer))
        alt = _("{title}: strongest units of {layer} with 95 % intervals").format(title=title_of(explanation), layer=explanation.layer)
        return Picture(name, png_bytes(ax.figure.figure, DPI), alt)
    if explanation.of_pairs:
        return _pairs_picture(explanation, row, name)
    sentence = worded(explanation, row)
    if sentence is not None:
        first, *_more = token_bars(sentence[0], tokens=sentence[1], per_line=WORDS_A_LINE)
        alt = _("{title} for the target {target}: a bar for each word, with 95 % intervals")
        return Picture(name, png_bytes(first.figure.figure, DPI), _of(alt, explanation, row))
    if of_columns(explanation) and explanation.values.ndim == 2:
        return _columns_picture(explanation, row, name, title)
    if of_series(explanation):
        first, *_more = series_line(explanation, sample=row, limit=limit, channels=_channels(explanation), title=None if title == "map" else title)
        alt = _("{title} for the target {target}: the series in the colours of its attribution, and that with its error")
        return Picture(name, png_bytes(first.figure.figure, DPI), _of(alt, explanation, row))
    if heard_by(explanation) is not None:
        first, *_more = spectrogram(explanation, sample=row, limit=limit, title=None if title == "map" else title)
        alt = _("{title} for the target {target}: the spectrogram, and below it its attribution over time and frequency")
        return Picture(name, png_bytes(first.figure.figure, DPI), _of(alt, explanation, row))
    coalition, exact = explanation.features is not None, explanation.error_kind in ("exact", "none")
    left, right = panels(("map", "bars" if coalition else "picture" if exact else "map"), HEIGHT)
    attribution_map(explanation, sample=row, ax=left, limit=limit, title=label("map") if title == "map" else title)
    if coalition:
        feature_bars(explanation, sample=row, ax=right, count=6)
    elif exact:
        overlay(explanation, sample=row, ax=right, limit=limit)
    else:
        error_map(explanation, sample=row, ax=right)
    alt = _("{title} map for the target {target}, and its 95 % error")
    if coalition and explanation.choices is not None:
        alt = _("{title} map for the target {target}, and its strongest features with 95 % intervals, on bands of the range over choices")
    elif coalition:
        alt = _("{title} map for the target {target}, and its strongest features with 95 % intervals")
    elif exact:
        alt = _("{title} map for the target {target}, and the same over the input")
    return Picture(name, png_bytes(left.figure.figure, DPI), _of(alt, explanation, row))


def _of(text: str, explanation: Explanation, row: int) -> str:
    """A picture's text with the method's title and the target."""
    return text.format(title=title_of(explanation), target=explanation.target.labels[row])


def _columns_picture(explanation: Explanation, row: int, name: str, title: str) -> Picture:
    """The strongest columns by their names."""
    (ax,) = panels(("columns",), HEIGHT)
    feature_bars(explanation, sample=row, ax=ax, count=8, letters=30, title=None if title == "map" else title)
    alt = _("{title} for the target {target}: the strongest features with 95 % intervals")
    if explanation.choices is not None:
        alt = _("{title} for the target {target}: the strongest features with 95 % intervals on bands of the range over choices")
    return Picture(name, png_bytes(ax.figure.figure, DPI), _of(alt, explanation, row))


def over_samples(explanation: Explanation, name: str) -> tuple[Picture, ...]:
    """A table's explanation over all its samples: what matters on average, how each sample's values lie, and how those of the strongest numbers follow what the
    samples hold there; nothing where samples are few, or have features of their own."""
    common = explanation.values.ndim == 2 and (explanation.features is None or len(explanation.features.labels) == 1)
    named = explanation.features is not None or bool(explanation.provenance.get("given"))
    table = of_columns(explanation) or (explanation.features is not None and explanation.features.kind == "columns")
    if len(explanation) < MANY or not common or explanation.targets or not table or not named or not explanation.on_grid:
        return ()
    title = _("{title} over {count} samples").format(title=title_of(explanation), count=len(explanation))
    mean, each = (
        _("{title}: the mean size of each feature's values, with 95 % intervals over samples"),
        _("{title}: a dot a sample in each row of a feature, coloured by its own value"),
    )
    bars, swarm = summary_bars(explanation)[0], beeswarm(explanation)[0]
    return (
        Picture(f"{name}-summary", png_bytes(bars.figure.figure, DPI), mean.format(title=title)),
        Picture(f"{name}-swarm", png_bytes(swarm.figure.figure, DPI), each.format(title=title)),
        *_followed(explanation, name),
    )


def _followed(explanation: Explanation, name: str) -> Iterator[Picture]:
    """The strongest columns that hold numbers, each with what it was worth; nothing where samples were explained for different answers, which have no direction
    in common."""
    drawn = 0 if len(set(explanation.target.labels)) == 1 else FOLLOWED
    for column in np.argsort(-np.abs(explanation.values).mean(axis=0), kind="stable"):
        if drawn == FOLLOWED:
            return
        try:
            first, *_rest = dependence(explanation, feature=int(column))
        except UnsupportedError:  # a category holds no single number
            continue
        alt = _("{column}: a dot a sample, what it holds against what that was worth, with 95 % intervals")
        yield Picture(f"{name}-of-{column}", png_bytes(first.figure.figure, DPI), alt.format(column=explanation.feature_name(int(column))))
        drawn += 1


def choices_picture(explanation: Explanation, choices: Choices, row: int, name: str) -> Picture:
    """How far a map depends on choices, and the map under the one that changes it most."""
    one, (choice, other) = explanation[row], choices.furthest(row)
    left, right = panels(("map", "map"), HEIGHT)
    choice_spread(one, ax=left)
    there = replace(one, values=choice.values[row : row + 1, other], choices=None)
    attribution_map(there, ax=right, title=flat(f"{label(choice.option)} {choice.names[other]}", 22))
    alt = _("{title}: the range of the map over choices, and the map with the {option} {name}")
    alt = alt.format(title=title_of(explanation), option=_(choice.option), name=choice.names[other])
    return Picture(name, png_bytes(left.figure.figure, DPI), alt)


def _pairs_picture(explanation: Explanation, row: int, name: str) -> Picture:
    """The square of pairs, the strongest of them, and the strongest main effects."""
    main, error = (np.diagonal(array, axis1=1, axis2=2) for array in (explanation.values, explanation.error))
    alone = replace(explanation, values=main, error=error, axes=explanation.axes[:2])
    apart = replace(explanation, values=explanation.values * (1 - np.eye(main.shape[1])))
    square, pairs, effects = stacked((("pairs", 2.4), ("bars", 1.4), ("bars", 1.0)), 4.0)
    interactions(explanation, sample=row, ax=square)
    feature_bars(apart, sample=row, ax=pairs, count=5, title=label("strongest pairs"))
    feature_bars(alone, sample=row, ax=effects, count=5, title=label("strongest main effects"))
    alt = _("{title} of pairs for the target {target}, the strongest pairs and main effects with 95 % intervals")
    return Picture(name, png_bytes(square.figure.figure, DPI), _of(alt, explanation, row))


def difference_picture(comparison: Comparison, row: int, name: str) -> Picture:
    """Both and their difference."""
    artists = difference(comparison, sample=row)
    alt = _("{first}, {second}, and the first minus the second, of sample {number}")
    alt = alt.format(first=comparison.names[0], second=comparison.names[1], number=comparison.numbers[row])
    figure = artists[0].figure
    return Picture(name, b"" if figure is None else png_bytes(figure.figure, DPI), alt)
