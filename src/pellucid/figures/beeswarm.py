"""Every sample's attribution in one picture: which features matter, for how many samples, and whether high or low values of them do it."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, MUTED, called, own_rows, short_name, value_colours, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import check_features, half_widths, held_numbers, in_figures, largest_on_average, score_of
from pellucid.figures._picture import colour_bar

Array = np.ndarray
BINS = 80
HALF_ROW = 0.42
ENDS = (5, 95)
"""Percentiles of a feature's values that are its lowest and its highest colour, so that a single outlier does not take all colours."""


def scaled(values: Array) -> Array:
    """Each feature's own values over samples, from 0 (low) to 1 (high); ½ where all are the same, NaN where there is no number."""
    known = np.where(np.isnan(values).all(axis=0), 0.0, values)
    low, high = np.nanpercentile(known, ENDS, axis=0)
    width = high - low
    return np.asarray(np.where(np.isnan(values), np.nan, np.where(width > 0, np.clip((values - low) / np.where(width > 0, width, 1), 0, 1), 0.5)))


def piled(values: Array, low: float, high: float) -> Array:
    """How far each dot of one row is moved up or down, at most `HALF_ROW`: dots of one bin are piled, the first in the middle. Nothing is random."""
    bins = np.clip(((values - low) / ((high - low) or 1.0) * BINS).astype(int), 0, BINS - 1)
    order = np.argsort(bins, kind="stable")
    firsts = np.searchsorted(bins[order], bins[order])
    place = np.empty(len(values), dtype=int)
    place[order] = np.arange(len(values)) - firsts
    side = np.where(place % 2 == 1, 1, -1) * ((place + 1) // 2)
    return np.asarray(side * min(0.09, HALF_ROW / max(np.abs(side).max(initial=0), 1)))


def beeswarm(explanation: Explanation, *, ax: Axes | None = None, count: int = 10, title: str | None = None) -> tuple[Artist, ...]:
    """A row a feature, those with the largest mean absolute value, largest on top; in it a dot a sample at its attribution, piled where many lie. A dot's
    colour is what that sample holds of the feature, low to high over these samples (5th to 95th percentile), gray where it is no number, as a category.

    One collection of dots a row, in the order of samples, whose label is the feature's full name; then the line at zero. The label of the axis states the usual
    95 % error of a dot.
    """
    check_features(explanation, common=True)
    chosen = largest_on_average(explanation, count)
    ax = own_rows(ax, "swarm", len(chosen), each=0.27)
    values, colours = explanation.values[:, chosen].astype(np.float64), scaled(held_numbers(explanation)[:, chosen])
    low, high = float(values.min()), float(values.max())
    artists: list[Artist] = []
    for row, feature in enumerate(map(int, chosen)):
        places = row + piled(values[:, row], low, high)
        artists.append(ax.scatter(values[:, row], places, s=9, c=colours[:, row], cmap=value_colours(), vmin=0, vmax=1, linewidths=0, alpha=0.9,
                                  plotnonfinite=True, label=explanation.feature_name(feature)))  # fmt: skip
    dots = ax.collections[-1]
    artists.append(ax.axvline(0, color=MUTED, linewidth=0.7, zorder=0))
    bar = colour_bar(dots, ax, label=_("the feature's own value (gray: a category)") if np.isnan(colours).any() else _("the feature's own value"))
    bar.set_ticks([0, 1], labels=[_("low"), _("high")], **words(7))
    ax.set_yticks(range(len(chosen)), [short_name(called(explanation.feature_name(int(i))), 26) for i in chosen], **words(7))
    ax.set_ylim(len(chosen) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel(_stated(explanation, chosen), **words(7))
    shown = _("{count} samples").format(count=len(explanation))
    if len(chosen) < explanation.values.shape[1]:
        shown = _("{count} samples, {part} of {all} features").format(count=len(explanation), part=len(chosen), all=explanation.values.shape[1])
    ax.set_title(shown if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _stated(explanation: Explanation, chosen: Array) -> str:
    """What lies across, and the usual error of it."""
    halves, across = half_widths(explanation), _("attribution to the {score}").format(score=score_of(explanation))
    if halves is None:
        return across
    return _("{axis}  (95 % error: ± {error})").format(axis=across, error=in_figures(float(np.median(halves[:, chosen])), ".2g"))
