"""What excites units: a row of examples a unit, each cut to what the unit sees, with its value and its class."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.language import number, percent
from pellucid.core.layout import channels_of, to_last
from pellucid.core.view import View
from pellucid.figures._canvas import BAND, INK, MARGINS, MUTED, POSITIVE, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import as_picture, bare

Array = np.ndarray
SHOWN = (("most", 9), ("between", 2), ("least", 4))
LINES = (("most", 4), ("between", 1), ("least", 2))
"""Examples of each kind in a row: pictures, and lines of text."""
MOST_UNITS = 8
SIDE, GAP, APART, LEFT, OVER = 0.52, 0.06, 0.16, 0.95, 0.2
"""Inches: of a picture, between two, between kinds, left of all, and above a row for values."""
UNUSUAL = 4
"""Features of a row of a table that are told."""
TEXT, BLOCK, LETTERS, CONTEXT = 0.15, 0.12, 92, 4
"""Inches of a line and below a unit's; letters of a line, and words of context on each side."""


def top_examples(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """A row a unit: what excites it most, random samples, and what excites it least. Images and series are cut to what the unit's place sees; of texts and
    tables there are lines, the word of the place in brackets. The value stands above, the class, where it is known, below.

    `sample` is the first unit that is drawn, of at most 8. Returns the images or lines of series, row by row; of texts and tables the texts.
    """
    names = list(view.values)
    name = names[0] if layer is None and len(names) == 1 else layer
    if name is None:
        raise SettingError(f"the view holds {len(names)} layers; say which, e.g. layer={names[0]!r}.")
    if name not in view.values:
        raise UnknownLayerError(unknown("layer", name, names))
    units = len(view.values[name])
    if not 0 <= sample < units:
        raise SettingError(f"sample {sample} is not there: {units} units are shown, numbered 0 to {units - 1}.")
    rows = range(sample, min(sample + MOST_UNITS, units))
    heading = _("{layer}: what excites each unit").format(layer=name) if title is None else title
    draw = _texts if _as_text(view) else _pictures
    return draw(view, name, rows, ax, heading)


def _as_text(view: View) -> bool:
    """Whether examples are texts, rows of a table, or several inputs in one row."""
    return view.inputs.ndim == 2


# ---- images and series ----------------------------------------------------------------------------------------------


def _pictures(view: View, name: str, rows: Sequence[int], ax: Axes | None, heading: str) -> tuple[Artist, ...]:
    found = view.details[name]
    values = {"most": view.values[name], "between": found["between"], "least": found["least"]}
    counts = [(kind, min(most, values[kind].shape[1])) for kind, most in SHOWN]
    labelled = "most_label" in found
    inputs = to_last(view.inputs, channels_of(view))
    step = SIDE + OVER + (0.14 if labelled else 0.02)
    width = LEFT + sum(count * (SIDE + GAP) for _, count in counts) + 2 * APART
    height = 0.2 + len(rows) * step
    ax = own_axes(ax, "picture", height + MARGINS["picture"][2] + MARGINS["picture"][3], width / height)
    ax.set_axis_off()
    ax.set_xlim(0, width)  # inches: pictures lie on the same axes, of which each would take ten times as long to make as itself
    ax.set_ylim(0, height)
    ax.set_title(heading, y=1.0, **words(9))
    artists: list[Artist] = []
    heads = {"most": _("most"), "between": _("at random"), "least": _("least")}
    for i, row in enumerate(rows):
        left, top = LEFT, height - 0.2 - i * step
        ax.text(0.0, top - OVER - SIDE / 2, _unit(view, name, row), va="center", ha="left", **words(6.5))
        for kind, count in counts:
            if not i:
                ax.text(left, height - 0.02, heads[kind], va="top", ha="left", **words(7))
            for k in range(count):
                window = found[f"{kind}_window"][row, k] if f"{kind}_window" in found else None
                artists += _example(ax, (left, top - OVER - SIDE), inputs[int(found[f"{kind}_kept"][row, k])], window)
                ax.text(left + SIDE / 2, top - OVER + 0.02, number(float(values[kind][row, k]), 2), va="bottom", ha="center", **words(6))
                if labelled:
                    said = short_name(_class(view, int(found[f"{kind}_label"][row, k])), 10)
                    ax.text(left + SIDE / 2, top - OVER - SIDE - 0.02, said, va="top", ha="center", **words(5.5))
                left += SIDE + GAP
            left += APART
    return tuple(artists)


def _unit(view: View, name: str, row: int) -> str:
    """The unit's number, how many samples excite it, and the class that owns it."""
    found = view.details[name]
    lines = [_("unit {number}").format(number=int(found["unit"][row])), _("above half: {share}").format(share=percent(float(found["above_half"][row])))]
    if "owner" in found and found["owner_share"][row, 0] > 0:
        share = percent(float(found["owner_share"][row, 0]))
        lines.append(_("class {class_name}: {share}").format(class_name=short_name(_class(view, int(found["owner"][row])), 9), share=share))
    return "\n".join(lines)


def _class(view: View, label: int) -> str:
    names = view.provenance.get("class_names") or []
    return str(names[label]) if 0 <= label < len(names) else str(label)


def _example(ax: Axes, corner: tuple[float, float], sample: Array, window: Array | None) -> list[Artist]:
    """An input cut to a window, in a square at a corner: an image, or the lines of a series."""
    left, bottom = corner
    if sample.ndim == 2:
        low, high = (0, len(sample)) if window is None else (int(window[0, 0]), int(window[0, 1]))
        if sample.shape[1] > 6:
            return [_picture(ax, corner, sample[low:high].T, POSITIVE, (float(sample.min()), float(sample.max())), square=False)]
        inner = ax.inset_axes((left, bottom, SIDE, SIDE), transform=ax.transData)
        bare(inner)
        lines = inner.plot(np.arange(low, high), sample[low:high], linewidth=0.8)
        inner.set_ylim(float(sample.min()), float(sample.max()) + 1e-9)
        return list(lines)
    picture = as_picture(sample if sample.ndim <= 3 else sample[int(sample.shape[0] // 2)])
    if window is not None and len(window) == 2 and sample.ndim == 3:
        (top, bottom_row), (first, last) = window
        picture = picture[top:bottom_row, first:last]
    return [_picture(ax, corner, picture, "gray", (0.0, 1.0), square=True)]


def _picture(ax: Axes, corner: tuple[float, float], picture: Array, colours: str, ends: tuple[float, float], *, square: bool) -> Artist:
    """An image in the middle of a square at a corner, with square elements or as large as the square, and a frame around it."""
    rows, columns = picture.shape[:2]
    across, up = (SIDE * columns / max(rows, columns), SIDE * rows / max(rows, columns)) if square else (SIDE, SIDE)
    left, bottom = corner[0] + (SIDE - across) / 2, corner[1] + (SIDE - up) / 2
    ax.add_patch(Rectangle((left, bottom), across, up, fill=False, edgecolor=MUTED, linewidth=0.6, zorder=2))
    extent = (left, left + across, bottom, bottom + up)
    return ax.imshow(picture, cmap=colours, vmin=ends[0], vmax=ends[1], interpolation="nearest", aspect="auto", extent=extent, zorder=1)


# ---- texts and tables -----------------------------------------------------------------------------------------------


def _texts(view: View, name: str, rows: Sequence[int], ax: Axes | None, heading: str) -> tuple[Artist, ...]:
    found = view.details[name]
    values = {"most": view.values[name], "between": found["between"], "least": found["least"]}
    counts = [(kind, min(most, values[kind].shape[1])) for kind, most in LINES]
    lines = sum(count for _, count in counts)
    block = (lines + 1) * TEXT + BLOCK
    width, height = 7.4, len(rows) * block
    ax = own_axes(ax, "picture", height + MARGINS["picture"][2] + MARGINS["picture"][3], width / height)
    ax.set_axis_off()
    ax.set_title(heading, y=1.0, **words(9))
    heads = {"most": _("most"), "between": _("at random"), "least": _("least")}
    artists: list[Artist] = []
    for i, row in enumerate(rows):
        top = height - i * block
        ax.text(0.0, top / height, _unit(view, name, row).replace("\n", "   "), transform=ax.transAxes, va="top", ha="left", **words(7.5))
        ax.plot([0, 1], [(top + 0.04) / height] * 2, transform=ax.transAxes, color=BAND, linewidth=0.6, clip_on=False)
        at = itertools.count(1)
        for kind, count in counts:
            for k in range(count):
                y = (top - next(at) * TEXT) / height
                shown = number(float(values[kind][row, k]), 2)
                label = f"  {short_name(_class(view, int(found[f'{kind}_label'][row, k])), 10)}" if f"{kind}_label" in found else ""
                if not k:
                    ax.text(0.0, y, heads[kind], transform=ax.transAxes, va="top", ha="left", **words(6.5))
                ax.text(0.13, y, shown, transform=ax.transAxes, va="top", ha="right", **words(6.5))
                said = _said(view, name, kind, row, k)
                artists.append(ax.text(0.145, y, said, transform=ax.transAxes, va="top", ha="left", **words(6.5) | {"color": INK}))
                if label:
                    ax.text(1.0, y, label, transform=ax.transAxes, va="top", ha="right", **words(6.5))
    return tuple(artists)


def _said(view: View, name: str, kind: str, row: int, k: int) -> str:
    """An example in one line: the words around the place, or what the row of a table holds that is most unusual among those kept."""
    found = view.details[name]
    sample = view.inputs[int(found[f"{kind}_kept"][row, k])]
    index = int(found[f"{kind}_index"][row, k])
    told = view.provenance.get("given")
    given = told[index] if isinstance(told, list) and index < len(told) else {}
    if not view.provenance.get("takes", {}).get("tokens") or sample.ndim != 1:
        return short_name(f"#{_number(view, index)}: {_unusual(view, sample.ravel(), given)}", LETTERS)
    tokens = _tokens(given, sample)
    window = found.get(f"{kind}_window")
    low, high = (int(end) for end in window[row, k, 0]) if window is not None else (0, len(tokens))
    if high - low < len(tokens):
        before, after = max(low - CONTEXT, 0), min(high + CONTEXT, len(tokens))
        tokens = [*tokens[before:low], f"[{' '.join(word for word in tokens[low:high] if word)}]", *tokens[high:after]]
    return short_name(f"#{_number(view, index)}: {' '.join(word for word in tokens if word)}", LETTERS)


def _number(view: View, index: int) -> int:
    """The number of a sample in the whole data, where the view was given some of it."""
    rows = view.provenance.get("indices")
    return int(rows[index]) if isinstance(rows, list) and index < len(rows) else index


def _tokens(given: dict[str, object], sample: Array) -> list[str]:
    """A word for each token, where the record has them, else its number; nothing for padding and for further pieces of a word."""
    names, of = given.get("names", ()), given.get("of", ())
    if isinstance(names, (list, tuple)) and isinstance(of, (list, tuple)) and len(of) == len(sample):
        return ["" if place < 0 or (i and of[i - 1] == place) else str(names[place]) for i, place in enumerate(of)]
    return [str(int(token)) if token else "" for token in sample]


def _unusual(view: View, sample: Array, given: Mapping[str, Any]) -> str:
    """The features of a row that lie farthest from what is usual among the samples kept, in the words of the person who gave it where the record has them."""
    flat = view.inputs.reshape(len(view.inputs), -1).astype(np.float64)
    away = np.abs(sample - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-12)
    order = np.argsort(-away, kind="stable")
    names, of, held = (given.get(key, ()) for key in ("names", "of", "data"))
    if held and len(of) == len(sample):
        features = list(dict.fromkeys(int(of[i]) for i in order if of[i] >= 0))[:UNUSUAL]
        return ", ".join(f"{names[i]} = {held[i]}" for i in features)
    known = view.provenance.get("takes", {}).get("feature_names") or [_("feature {number}").format(number=i) for i in range(len(sample))]
    return ", ".join(f"{known[int(i)]} = {number(float(sample[int(i)]), 3)}" for i in order[:UNUSUAL])
