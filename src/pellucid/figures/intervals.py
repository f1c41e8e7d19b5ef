"""Numbers with their intervals, row by row, those of several networks beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import SettingError, ShapeError
from pellucid.figures._canvas import INK, MUTED, own_rows, short_name, words

Array = np.ndarray
LOOKS = (("#22577a", "o"), ("#c8691c", "s"), ("#6a4c93", "^"), ("#3a7d44", "D"))
"""A colour and a mark each."""
LETTERS = 40
BELOW = 0.54
"""Inches from the axis down to the legend."""


def intervals(
    names: Sequence[str],
    series: Mapping[str, Array],
    *,
    ax: Axes | None = None,
    title: str = "",
    label: str = "",
    zero: bool = True,
) -> tuple[Artist, ...]:
    """A row for each name, the first on top, and in it a mark with its interval for each of the `series`: arrays (names, 3) of value, low and high. NaN is left
    out; an end that is infinite goes to the edge. `zero` draws a line there. `label` says below what the numbers are.

    For each series its marks, with its name as their label, then its whiskers. Several have a legend.
    """
    arrays = {name: np.asarray(array, dtype=np.float64) for name, array in series.items()}
    if not 0 < len(arrays) <= len(LOOKS):
        raise SettingError(f"intervals draws 1 to {len(LOOKS)} series, got {len(arrays)}.")
    for name, array in arrays.items():
        if array.shape != (len(names), 3) or not len(names):
            raise ShapeError(f"series '{name}' has shape {array.shape} for {len(names)} names; give (names, 3): value, low, high.")
    ax = own_rows(ax, "intervals", len(names), width=3.2, each=max(0.21, 0.13 * len(arrays)))
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays.values()] + ([[0.0]] if zero else []))
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.06 * ((high - low) or 1.0)
    artists: list[Artist] = []
    for place, ((name, array), (colour, mark)) in enumerate(zip(arrays.items(), LOOKS, strict=False)):
        known = np.flatnonzero(np.isfinite(array[:, 0]))
        rows = known + 0.56 * ((place + 0.5) / len(arrays) - 0.5)
        values, ends = array[known, 0], np.clip(array[known, 1:], low - room, high + room)
        artists += ax.plot(values, rows, mark, color=colour, markersize=4, label=name, zorder=3)
        artists.append(ax.errorbar(values, rows, xerr=np.abs(ends.T - values), fmt="none", ecolor=colour, elinewidth=1.1, capsize=1.8).lines[2][0])
    if zero:
        ax.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
    ax.set_xlim(low - room, high + room)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), [short_name(name, LETTERS) for name in names], **words(7))
    ax.tick_params(axis="x", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel(label, **words(7))
    ax.set_title(title, y=1.0, **words(9))
    if len(arrays) > 1:
        below = -BELOW * ax.figure.dpi / ax.bbox.height
        font = {"family": words()["family"], "size": 7}
        ax.legend(prop=font, frameon=False, ncols=len(arrays), loc="upper center", bbox_to_anchor=(0.5, below), borderaxespad=0.0, columnspacing=1.2)
    return tuple(artists)
