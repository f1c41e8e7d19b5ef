"""Chosen regions over the untouched input, outlined and numbered, so that a text can speak of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pellucid.core.errors import ShapeError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, FOR, own_axes, words
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import as_picture, aspect_of, bare, check_sample
from pellucid.figures.contours import outlines

Array = np.ndarray


def regions(
    explanation: Explanation,
    *,
    sample: int = 0,
    ax: Axes | None = None,
    areas: Sequence[Array] = (),
    signs: Sequence[float] = (),
    title: str = "regions",
) -> tuple[Artist, ...]:
    """The input with each of `areas`, boolean (rows, columns), outlined: a solid red line where its sign is above 0, a dashed blue one where it is below, and
    its number, counted from 1, in a disc beside it, on the region's own element that lies nearest its middle.

    The image comes first, then an outline and a number for each region.
    """
    sample = check_sample(sample, len(explanation))
    chosen = channels_last(explanation)
    ax = own_axes(ax, "picture", 2.6)
    picture = as_picture(chosen.inputs[sample])
    image = ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect_of(picture.shape))
    artists: list[Artist] = [image]
    artists += outlined(ax, areas, signs, picture.shape[:2])
    bare(ax)
    ax.set_title(title, y=1.0, **words(9))
    return tuple(artists)


def outlined(ax: Axes, areas: Sequence[Array], signs: Sequence[float], shape: tuple[int, ...]) -> list[Artist]:
    """An outline and a number for each of `areas`, boolean (rows, columns), on a picture of this shape."""
    artists: list[Artist] = []
    for place, (area, sign) in enumerate(zip(areas, signs, strict=True), start=1):
        if area.shape != shape:
            raise ShapeError(f"region {place} has the shape {area.shape}, and the input {shape}; give (rows, columns) of the input.")
        around, colour = outlines(area), FOR if sign > 0 else AGAINST
        ax.add_collection(LineCollection(around, colors="white", linewidths=3.0), autolim=False)
        lines = LineCollection(around, colors=colour, linewidths=1.6, linestyles="solid" if sign > 0 else (0, (2.0, 1.2)), label=str(place))
        artists.append(ax.add_collection(lines, autolim=False))
        row, column = _middle(area)
        disc = {"boxstyle": "circle,pad=0.25", "facecolor": colour, "edgecolor": "white", "linewidth": 0.8}
        artists.append(ax.text(column, row, str(place), ha="center", va="center", zorder=5, bbox=disc, **words(7, color="white", weight="bold")))
    return artists


def _middle(area: Array) -> tuple[float, float]:
    """Row and column of the element that lies nearest the region's middle."""
    places = np.argwhere(area)
    nearest = int(np.square(places - places.mean(axis=0)).sum(axis=1).argmin())
    return float(places[nearest][0]), float(places[nearest][1])
