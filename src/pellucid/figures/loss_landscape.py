"""The loss around a network's weights: a map with its contours and the path of training, and the lines along random directions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogFormatterSciNotation, MaxNLocator, ScalarFormatter

from pellucid.core.errors import SettingError
from pellucid.core.language import number, percent
from pellucid.core.view import View
from pellucid.figures._canvas import FOR, INK, MUTED, POSITIVE, own_axes, words
from pellucid.figures._canvas import drawn as _

Array = np.ndarray
WIDE = 30.0
"""Largest over smallest loss from which on the scale is logarithmic."""
LINE, CONTOURS, TOLD = "#22577a", 9, 4
"""The colour of lines; contours of a map; epochs of a path that are written at most."""


def loss_landscape(
    view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None, lines: bool = False
) -> tuple[Artist, ...]:
    """A plane as a map, logarithmic where losses differ 30-fold, with contours, the network (or where training ended) as a cross, and the path where there is
    one, from its first set of weights (an open ring) on. Lines: the loss along each direction, or from one network to the other;
    with `lines` those that a plane brings along.

    Of a plane: its image, the cross, then of a path its line and its ring. Of lines: a line each. `layer` and `sample` say nothing here.
    """
    values = view.values["network"].astype(np.float64)
    found = {name: np.asarray(array) for name, array in view.details["network"].items()}
    if view.axes["network"][0] == "direction":
        return _lines(values, found, ax, title)
    if not lines:
        return _plane(values, found, ax, title)
    if "profiles" not in found:
        raise SettingError("the view holds no lines beside its plane; draw them of a view along random directions.")
    return _lines(found["profiles"].astype(np.float64), found, ax, title)


def _plane(values: Array, found: dict[str, Array], ax: Axes | None, title: str | None) -> tuple[Artist, ...]:
    ax = own_axes(ax, "coloured", 3.7, 1.05)
    across, down = found["across"], found["down"]
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    logarithmic = low > 0 and high > WIDE * low
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high if high > low else low + 1.0)
    shading: Literal["gouraud", "nearest"] = (
        "gouraud" if len(finite) == values.size else "nearest"
    )  # between its points the map is blended; around one without a number it is not
    image = ax.pcolormesh(across, down, values, norm=norm, cmap=POSITIVE, shading=shading, rasterized=True)
    levels = np.geomspace(low, high, CONTOURS + 2)[1:-1] if logarithmic else np.linspace(low, high, CONTOURS + 2)[1:-1]
    if high > low:
        ax.contour(across, down, values, levels=levels, colors="white", linewidths=0.5, alpha=0.8)
    artists: list[Artist] = [image]
    artists += ax.plot([0.0], [0.0], "+", color=FOR, markersize=10, markeredgewidth=1.8, zorder=5)
    on_path = "path" in found
    if on_path:
        artists += _path(ax, found["path"], found["epoch"])
        shares = found["shares"]
        ax.set_xlabel(_("first component ({share} of the path's variance)").format(share=percent(float(shares[0]))), **words(7.5))
        ax.set_ylabel(_("second component ({share})").format(share=percent(float(shares[1]))), **words(7.5))
    else:
        ax.set_xlabel(_("first random direction (filter-normalised)"), **words(7.5))
        ax.set_ylabel(_("second random direction"), **words(7.5))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlim(float(across[0]), float(across[-1]))
    ax.set_ylim(float(down[0]), float(down[-1]))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0.0, 0.035, 1.0)))
    bar.ax.tick_params(labelsize=7, length=2, which="both")
    bar.ax.yaxis.set_major_formatter(LogFormatterSciNotation() if logarithmic else ScalarFormatter())
    bar.set_label(_("loss (logarithmic)") if logarithmic else _("loss"), **words(7.5))
    usual = _("Loss in the plane of the training's path") if on_path else _("Loss around the weights")
    ax.set_title(title if title is not None else usual, y=1.0, **words(9))
    return tuple(artists)


def _path(ax: Axes, path: Array, epochs: Array) -> list[Artist]:
    """The path, its sets as dots, some of them with their epoch."""
    line = ax.plot(path[:, 0], path[:, 1], "-o", color="white", markersize=2.6, linewidth=1.1, markeredgecolor=INK, markeredgewidth=0.5, zorder=4)
    ring = ax.plot(path[:1, 0], path[:1, 1], "o", markerfacecolor="none", markeredgecolor=FOR, markersize=8, markeredgewidth=1.4, zorder=5)
    for i in dict.fromkeys([0, *np.linspace(0, len(path) - 1, min(len(path), TOLD)).round().astype(int).tolist()]):
        told = ax.annotate(number(float(epochs[i])), path[i], xytext=(5, 5), textcoords="offset points", **(words(7) | {"color": "white"}))
        told.set_path_effects([withStroke(linewidth=1.6, foreground=INK)])
    return [*line, *ring]


def _lines(values: Array, found: dict[str, Array], ax: Axes | None, title: str | None) -> tuple[Artist, ...]:
    ax = own_axes(ax, "scatter", 2.7)
    place = found["place"]
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() > WIDE * finite.min():
        ax.set_yscale("log")
    between = "barrier" in found
    artists: list[Any] = []
    for row in values:
        artists += ax.plot(place, row, "-o", color=LINE, linewidth=1.2, markersize=2.5, alpha=1.0 if len(values) == 1 else 0.65)
    for end in (0.0, 1.0) if between else (0.0,):
        ax.axvline(end, color=MUTED, linewidth=0.8, zorder=0)
    if between:
        ends = [float(values[0][np.flatnonzero(place == end)[0]]) for end in (0.0, 1.0)]
        ax.plot([0, 1], ends, "--", color=MUTED, linewidth=0.9, zorder=0)
        ax.set_xlabel(_("0: the network's own weights, 1: the other set"), **words(7.5))
        usual = _("Loss between two sets of weights (barrier {barrier})").format(barrier=number(float(found["barrier"])))
    else:
        ax.set_xlabel(_("place along a random direction (filter-normalised)"), **words(7.5))
        mean, error = number(float(found["curvature_mean"])), number(float(found["curvature_error"]), 2)
        usual = _("Loss along {count} directions (curvature {mean} ± {error})").format(count=len(values), mean=mean, error=error)
    ax.set_ylabel(_("loss"), **words(7.5))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.tick_params(labelsize=7, length=2, which="both", colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_title(title if title is not None else usual, y=1.0, **words(9))
    return tuple(artists)
