"""Chosen stretches of a series, shaded and numbered, so that a text can speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pellucid.core.errors import ShapeError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, FOR, words
from pellucid.figures.series_line import series_line

Array = np.ndarray


def windows(
    explanation: Explanation, *, sample: int = 0, areas: Sequence[Array] = (), signs: Sequence[float] = (), title: str | None = None
) -> tuple[Artist, ...]:
    """The series as `series_line` draws it, and each of `areas`, boolean (steps, channels), shaded on the lines of its channels: red where its sign is above 0,
    blue where it is below, with its number, counted from 1, in a disc. Where only some of the channels are drawn, on all of these.

    The artists of `series_line` come first, then a shade and a number for each area and channel.
    """
    drawn = series_line(explanation, sample=sample, title=title)
    lines = [artist.axes for artist in drawn if isinstance(artist, LineCollection)]
    more: list[Artist] = []
    for place, (area, sign) in enumerate(zip(areas, signs, strict=True), start=1):
        if area.ndim != 2 or len(area) != explanation.inputs.shape[1]:
            raise ShapeError(
                f"stretch {place} has the shape {area.shape}; give (steps, channels) of the series, which has {explanation.inputs.shape[1]} steps."
            )
        steps, colour = np.flatnonzero(area.any(axis=1)), FOR if sign > 0 else AGAINST
        inside: list[bool] = np.any(area, axis=0).tolist() if area.shape[1] == len(lines) else [True] * len(lines)
        first, last = float(steps[0]) - 0.5, float(steps[-1]) + 0.5
        for ax in (ax for ax, touched in zip(lines, inside, strict=True) if touched and isinstance(ax, Axes)):
            more.append(ax.axvspan(first, last, color=colour, alpha=0.15, linewidth=0, zorder=0))
            disc = {"boxstyle": "circle,pad=0.2", "facecolor": colour, "edgecolor": "white", "linewidth": 0.8}
            where: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "center", "zorder": 6, "bbox": disc}
            more.append(ax.text((first + last) / 2, 0.9, str(place), **where, **words(7, color="white", weight="bold")))
    return (*drawn, *more)
