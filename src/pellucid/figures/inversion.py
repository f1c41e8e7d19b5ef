"""The input beside what layers, the first the first, do not tell from it."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnknownLayerError, unknown
from pellucid.core.language import number, percent
from pellucid.core.layout import channels_of, to_last
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MARGINS, MUTED, POSITIVE, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import bare, check_sample

Array = np.ndarray
SIDE, GAP, LEFT, OVER, UNDER = 1.05, 0.1, 0.75, 0.34, 0.3
"""Inches: of a picture, between two, left of all, above them, and below each for its residual."""
WIDE = 1.9
"""Inches of a series or a row of a table, which are as high as a picture."""
MOST_CHANNELS = 4
"""Channels of a series that are drawn."""


def inversion(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """The input, then a column a layer by depth, or of one: an inversion from each random start, with its residual and its correlation with the input, and
    below them how far they differ from each other. Images are on one scale, and so are spreads, from 0; of series and tables lines, the input in gray.

    Returns the artists of the input, then by layer those of its inversions and that of the spread.
    """
    row = check_sample(sample, len(view))
    if layer is not None and layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    names = list(view.values) if layer is None else [layer]
    real = to_last(view.inputs, channels_of(view))[row].astype(np.float64)
    pictures = real.ndim == 3
    across, starts = (SIDE if pictures else WIDE), view.values[names[0]].shape[1]
    width = LEFT + (len(names) + 1) * (across + GAP) + 0.5
    height = OVER + (starts + 1) * (SIDE + UNDER)
    ax = own_axes(ax, "picture", height + MARGINS["picture"][2] + MARGINS["picture"][3], width / height)
    ax.set_axis_off()
    ax.set_title(_("what layers do not tell from the input") if title is None else title, y=1.0, **words(9))

    def place(column: int, line: int) -> Axes:
        top = height - OVER - line * (SIDE + UNDER)
        return ax.inset_axes(((LEFT + column * (across + GAP)) / width, (top - SIDE) / height, across / width, SIDE / height))

    scale = _scale(view, names, row, real)
    first = place(0, 0)
    artists = _drawn(first, real, real, scale)
    first.set_title(_("input"), y=1.0, pad=3, **words(7))
    for line in range(starts + 1):
        said = _("start {number}").format(number=line + 1) if line < starts else _("spread")
        where = (height - OVER - line * (SIDE + UNDER) - SIDE / 2) / height
        ax.text((LEFT - 0.08) / width if line else 0.0, where, said if line else "", transform=ax.transAxes, va="center", ha="right", **words(7))
    most = max(float(view.details[name]["spread"][row].max()) for name in names) or 1.0
    for k, name in enumerate(names, start=1):
        found = view.details[name]
        for start in range(starts):
            inner = place(k, start)
            artists += _drawn(inner, view.values[name][row, start].astype(np.float64), real, scale)
            residual, alike = (float(found[one][row, start]) for one in ("residual", "correlation"))
            inner.set_xlabel(
                _("residual {residual}\nlikeness {likeness}").format(residual=percent(residual), likeness=number(alike, 2)), labelpad=2, **words(6)
            )
            if not start:
                inner.set_title(short_name(name, 18), y=1.0, pad=3, **words(7))
        artists.append(_spread(place(k, starts), found["spread"][row].astype(np.float64), most, last=k == len(names)))
    return tuple(artists)


def _scale(view: View, names: list[str], row: int, real: Array) -> tuple[float, float]:
    """From the least to the greatest value of all that is drawn."""
    arrays = [real, *(view.values[name][row] for name in names)]
    return min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)


def _drawn(ax: Axes, values: Array, real: Array, scale: tuple[float, float]) -> list[Artist]:
    """One input: an image, or lines over time or over the columns of a table, the real one in gray."""
    bare(ax)
    low, high = scale
    if values.ndim == 3:
        shown = values if values.shape[-1] == 3 else values.mean(axis=-1)
        shown = np.clip((shown - low) / ((high - low) or 1.0), 0, 1)
        return [ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")]
    lines = real[:, None] if real.ndim == 1 else real.reshape(len(real), -1)[:, :MOST_CHANNELS]
    mine = values.reshape(len(values), -1)[:, : lines.shape[1]]
    ax.plot(lines, color=MUTED, linewidth=1.4)
    room = 0.05 * ((high - low) or 1.0)
    ax.set_ylim(low - room, high + room)
    return list(ax.plot(mine, linewidth=0.8, color=None if mine.shape[1] > 1 else INK))


def _spread(ax: Axes, spread: Array, most: float, *, last: bool) -> Artist:
    """How far the inversions differ, as a share of the range."""
    bare(ax)
    if spread.ndim == 2:
        image = ax.imshow(spread, cmap=POSITIVE, vmin=0.0, vmax=most, interpolation="nearest", aspect="auto")
        if last:
            bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.05, 0.0, 0.07, 1.0)))
            bar.ax.tick_params(labelsize=6, length=2, colors=INK)
            bar.outline.set_linewidth(0.4)
        return image
    (line,) = ax.plot(spread.ravel(), color=INK, linewidth=0.9)
    ax.set_ylim(0.0, 1.05 * most)
    if last:
        ax.yaxis.tick_right()
        ax.set_yticks([0.0, most], ["0", number(most, 2)], fontsize=6)
        ax.tick_params(length=2, colors=INK)
    return line
