"""How a feature's attribution follows what the feature holds, over samples."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, MUTED, own_axes, short_name, value_colours, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import check_features, half_widths, held_numbers, number_of, score_of, with_unit
from pellucid.figures._picture import colour_bar
from pellucid.figures.beeswarm import ENDS

Array = np.ndarray
DOT = "#3b5a7a"


def dependence(
    explanation: Explanation, *, feature: int | str, colour: int | str | None = None, ax: Axes | None = None, title: str | None = None
) -> tuple[Artist, ...]:
    """A dot a sample: across what it holds of `feature`, up what that was worth, with 95 % error bars. `colour` is a second feature, whose own value colours
    the dots (5th to 95th percentile). Features are given by number or name.

    The dots come first, in the order of samples, then the error bars, where there is an error, then the line at zero. `UnsupportedError` for a category that
    was spread over columns, which has no single number.
    """
    check_features(explanation, common=True)
    shown, by = number_of(explanation, feature), None if colour is None else number_of(explanation, colour)
    ax = own_axes(ax, "scatter" if by is None else "coloured", 2.6)
    across, up = _numbers(explanation, shown), explanation.values[:, shown].astype(np.float64)
    if by is None:
        dots = ax.scatter(across, up, s=12, color=DOT, linewidths=0, alpha=0.85, zorder=2)
    else:
        held = _numbers(explanation, by)
        low, high = np.percentile(held, ENDS)
        dots = ax.scatter(across, up, s=12, c=held, cmap=value_colours(), vmin=low, vmax=high if high > low else low + 1, linewidths=0, zorder=2)
        colour_bar(dots, ax, label=short_name(with_unit(explanation, by), 32), extend="both")
    artists: list[Artist] = [dots]
    halves = half_widths(explanation)
    if halves is not None:
        artists.append(ax.errorbar(across, up, yerr=halves[:, shown], fmt="none", ecolor=MUTED, elinewidth=0.7, zorder=1).lines[2][0])
    artists.append(ax.axhline(0, color=INK, linewidth=0.6, zorder=0))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    ax.locator_params(nbins=5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    name = explanation.feature_name(shown)
    ax.set_xlabel(short_name(with_unit(explanation, shown), 40), labelpad=2, **words(7.5))
    ax.set_ylabel(short_name(_("attribution to the {score}").format(score=score_of(explanation)), 44), labelpad=1, **words(7))
    ax.set_title(_("{name}, {count} samples").format(name=short_name(name, 28), count=len(explanation)) if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _numbers(explanation: Explanation, feature: int) -> Array:
    found = held_numbers(explanation)[:, feature]
    if np.isnan(found).any():
        name = explanation.feature_name(feature)
        raise UnsupportedError(f"'{name}' holds no single number (a category in several columns, or a layer's unit); draw 'beeswarm' or 'summary_bars'.")
    return np.asarray(found)
