"""Images made for a network's features, in their own colours, each with the score it reached and where that stands among real inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.language import number
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED, POSITIVE, families, panels, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import bare, colour_bar

Array = np.ndarray
COLUMNS, MANY_COLUMNS, MANY = 6, 8, 24
WIDTH, LINES, GAP = 7.2, 0.44, 0.06
"""Inches: of the figure, of the lines of text below a tile, and between tiles."""
FEW_LINES, BUDGET_END = 6, 2
COLOURS = ("#4269d0", "#c2410c", "#2e7d52", "#8e44ad", "#b8860b", "#555555")


def feature_visualization(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """All feature images of one layer; `layer` may be left out where there is one, `sample` says nothing here.

    Images in colour are shown in their colours, `low` to `high` of the range being black to full; one channel in gray, others by their mean. Series are lines,
    or channels × time where there are many; rows of a table are bars. Below each: what it is for, the score reached, in brackets the share of real inputs that
    score lower, and a class's probability under random shifts, turns and scalings. Gives back what shows each feature, then the texts.
    """
    name = _layer(view, layer)
    values, details = view.values[name].astype(np.float64), view.details.get(name, {})
    heading = title if title is not None else name
    columns = min(len(values), COLUMNS if len(values) <= MANY else MANY_COLUMNS)
    rows = math.ceil(len(values) / columns)
    picture = values.ndim > 3
    shape = values.shape[1:3] if picture else (1.0, 1.4)
    wide = (WIDTH - 0.75) / max(columns, 3)
    tall = wide * shape[0] / shape[1]
    across, down = columns * wide, rows * (tall + LINES)
    if ax is None:
        ax = panels(("map",), down + 0.5, aspect=across / (down + 0.08))[0]
    ax.set_axis_off()
    ax.set_title(heading, y=1.0, **words(9))
    resolved = view.provenance.get("resolved", {})
    low, high = (np.asarray(resolved.get(end, default), np.float64) for end, default in (("low", 0.0), ("high", 1.0)))
    edge, below = (GAP, 0.0) if picture else (0.3, 0.14)
    shown: list[Artist] = []
    texts: list[Artist] = []
    for k, image in enumerate(values):
        left, bottom = (k % columns) * wide + edge, down - (k // columns) * (tall + LINES) - tall
        tile = ax.inset_axes((left / across, (bottom + below) / down, (wide - edge - 0.5 * GAP) / across, (tall - below) / down))
        shown.append(_tile(tile, image, low, high))
        text = _told(k, resolved.get("kind", {}).get(name, "channel"), details, view.provenance.get("class_names") or (), letters=int(wide * 19))
        texts.append(ax.text(left / across, (bottom - 0.03) / down, text, va="top", ha="left", linespacing=1.15, **words(6.5 if columns <= COLUMNS else 5.5)))
    if "percentile" in details:
        texts.append(ax.text(0.0, 0.0, _("In brackets: how many of the real inputs score lower."), va="top", ha="left", transform=ax.transAxes, **words(6)))
    _scale(ax, shown)
    return (*shown, *texts)


def _layer(view: View, layer: str | None) -> str:
    if layer is None:
        if len(view.values) != 1:
            raise SettingError(f"the view holds {len(view.values)} layers; say which, e.g. layer={next(iter(view.values), '')!r}.")
        return next(iter(view.values))
    if layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    return layer


def _tile(tile: Axes, image: Array, low: Array, high: Array) -> Artist:
    if image.ndim == 1:
        return _row(tile, image)
    if image.ndim == 2:
        return _series(tile, image)
    bare(tile)
    if image.shape[-1] == 3 and image.ndim == 3:
        return tile.imshow(np.clip((image - low) / np.where(high > low, high - low, 1.0), 0, 1), interpolation="nearest")
    flat = image.mean(axis=-1)
    while flat.ndim > 2:
        flat = flat[len(flat) // 2]
    one = image.shape[-1] == 1
    return tile.imshow(flat, cmap="gray" if one else POSITIVE, vmin=float(low.min()), vmax=float(high.max()), interpolation="nearest")


def _series(tile: Axes, image: Array) -> Artist:
    """Time runs to the right."""
    if image.shape[1] > FEW_LINES:
        bare(tile)
        reach = float(np.abs(image).max()) or 1.0
        return tile.imshow(
            image.T, aspect="auto", cmap=POSITIVE if image.min() >= 0 else "RdBu_r", vmin=min(0.0, -reach if image.min() < 0 else 0.0), vmax=reach
        )
    lines = [tile.plot(channel, color=COLOURS[k], linewidth=0.8, label=_("channel {number}").format(number=k))[0] for k, channel in enumerate(image.T)]
    _small(tile)
    if len(lines) > 1:
        tile.legend(frameon=False, loc="best", handlelength=1.0, labelspacing=0.1, prop={"size": 4.5, "family": list(families())})
    return lines[0]


def _row(tile: Axes, image: Array) -> Artist:
    bars = tile.bar(np.arange(len(image)), image, width=0.8, color=COLOURS[0])
    tile.axhline(0, color=MUTED, linewidth=0.5)
    _small(tile)
    return bars[0]


def _small(tile: Axes) -> None:
    tile.tick_params(labelsize=4.5, length=1.5, pad=1, colors=INK)
    tile.locator_params(nbins=3)
    for side in ("top", "right"):
        tile.spines[side].set_visible(False)


def _told(k: int, kind: str, details: Mapping[str, Array], names: Any, letters: int) -> str:
    """What stands below a tile."""
    which = int(details["number"][k]) if "number" in details else k
    spoken = {"class": _("class {number}"), "channel": _("channel {number}"), "direction": _("direction {number}")}.get(kind, _("output {number}"))
    name = str(names[which]) if kind == "class" and which < len(names) else spoken.format(number=which)
    lines = [short_name(name, max(letters, 8))]
    if "silent" in details and details["silent"][k]:
        return "\n".join([*lines, _("no gradient found")])
    if "score" in details:
        score = number(float(details["score"][k]), 3)
        if "percentile" in details:
            lines.append(_("{score} ({share} %)").format(score=score, share=number(math.floor(10 * float(details["percentile"][k])) / 10, 4)))
        else:
            lines.append(_("score {score}").format(score=score))
    if "probability" in details:
        lines.append(_("probability {share}").format(share=f"{math.floor(1000 * float(details['probability'][k]) + 1e-9) / 1000:.3f}"))
    if "end" in details and details["end"][k] == BUDGET_END:
        lines.append(_("cut short, still rising"))
    return "\n".join(lines)


def _scale(ax: Axes, shown: list[Artist]) -> None:
    """The scale of images without colours of their own, which all share."""
    first = shown[0]
    if isinstance(first, AxesImage) and np.asarray(first.get_array()).ndim == 2:
        colour_bar(first, ax, thin=True)
