"""Small pictures of inputs beside their points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from pellucid.core.layout import channels_of, to_last
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED
from pellucid.figures._picture import as_picture

Array = np.ndarray
INCHES, AWAY = 0.3, 26
"""How large a picture is, and how many points of print it stands away from what it belongs to."""
TURNS = 16


def pictures_of(view: View) -> list[Array] | None:
    """The inputs as pictures; None where they are none."""
    if view.inputs.ndim != 4 or not len(view):
        return None
    last = to_last(view.inputs, channels_of(view))
    return [as_picture(sample) for sample in last] if last.shape[-1] in (1, 3) and min(last.shape[1:3]) >= 4 else None


def thumbnails(ax: Axes, pictures: Sequence[Array], places: Array) -> list[AnnotationBbox]:
    """A picture beside each place (pictures, 2) with a line to it: outwards of the middle, or turned from there as far as it takes to lie within the axes and
    on no other picture or place. The limits of the axes must stand."""
    ax.autoscale(False)
    points = ax.transData.transform(places) * 72 / ax.figure.dpi
    box = ax.get_window_extent().get_points() * 72 / ax.figure.dpi
    centres = _centres(points, box)
    found = [_one(picture, place, away) for picture, place, away in zip(pictures, places, centres - points, strict=True)]
    for one in found:
        ax.add_artist(one)
    return found


def _centres(points: Array, box: Array) -> Array:
    """Where pictures of places (pictures, 2) lie, in points of print like `box`, the corners (low, high) of the axes."""
    middle = points.mean(axis=0) if len(points) > 1 else points[0] - 1
    turns = np.concatenate([[0], *([turn, -turn] for turn in range(1, TURNS // 2)), [TURNS // 2]]) * (2 * np.pi / TURNS)
    size, found = 72 * INCHES + 5, np.zeros((0, 2))
    for place, point in enumerate(points):
        outwards = np.arctan2(*(point - middle)[::-1])
        tried = point + AWAY * np.stack([np.cos(outwards + turns), np.sin(outwards + turns)], axis=1)
        outside = np.maximum(box[0] + size / 2 - tried, 0).sum(axis=1) + np.maximum(tried - box[1] + size / 2, 0).sum(axis=1)
        covered = np.prod(np.maximum(size - np.abs(tried[:, None] - found), 0), axis=-1).sum(axis=1) if len(found) else np.zeros(len(tried))
        hidden = (np.abs(tried[:, None] - np.delete(points, place, axis=0)).max(axis=-1) < size / 2).sum(axis=1) * size
        found = np.concatenate([found, tried[[int((size * outside + covered + hidden).argmin())]]])
    return found


def _one(picture: Array, place: Array, away: Array) -> AnnotationBbox:
    """A picture that lies so many points of print away from its place."""
    image = OffsetImage(picture, cmap="gray", zoom=72 * INCHES / max(picture.shape[:2]), interpolation="nearest")
    box = AnnotationBbox(
        image,
        (float(place[0]), float(place[1])),
        xybox=(float(away[0]), float(away[1])),
        xycoords="data",
        boxcoords="offset points",
        pad=0.1,
        bboxprops={"edgecolor": MUTED, "linewidth": 0.6},
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.5},
    )
    box.set_zorder(4)
    return box
