"""The strongest features with their errors: whether the first is really ahead of the second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, BAND, FOR, INK, called, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import check_sample

Array = np.ndarray


def strongest(explanation: Explanation, sample: int, count: int) -> Array:
    """The numbers of the features, or pairs of them, with the largest absolute values, strongest first."""
    present = np.flatnonzero(explanation.counted_mask[sample])
    order = np.argsort(-np.abs(explanation.values[sample].ravel()[present]), kind="stable")
    return np.asarray(present[order][:count])


def feature_bars(
    explanation: Explanation,
    *,
    sample: int = 0,
    ax: Axes | None = None,
    count: int = 8,
    title: str | None = None,
    features: Sequence[int] | Array | None = None,
    letters: int = 16,
) -> tuple[Artist, ...]:
    """Bars of the strongest features, the strongest on top, red for and blue against the target, with 95 % intervals where there is an error; `features` are
    others by number, in their order; names are cut to so many `letters`.

    One bar a feature, then one artist with the error bars if there are any. Where choices were varied, each bar lies on a gray band, first of all artists: from
    the smallest to the largest value under any choice.
    """
    if explanation.values.ndim != 2 and not explanation.of_pairs:
        raise UnsupportedError(f"'{explanation.method}' attributes to elements of a grid, not to features; draw 'attribution_map'.")
    ax = own_axes(ax, "bars", 2.3)
    sample = check_sample(sample, len(explanation))
    chosen = strongest(explanation, sample, count) if features is None else np.asarray(features, dtype=int)
    values = explanation.values[sample].ravel()[chosen]
    places = np.arange(len(chosen))
    artists: list[Artist] = []
    if explanation.choices is not None:
        low, high = (ends[sample].ravel()[chosen] for ends in (explanation.choices.low, explanation.choices.high))
        artists += ax.barh(places, high - low, left=low, color=BAND, height=0.96)
    artists += ax.barh(places, values, color=[FOR if value > 0 else AGAINST for value in values], height=0.5 if artists else 0.7)
    upper = explanation[sample].interval(0.95)[1]
    half = upper[0].ravel()[chosen] - values
    if explanation.error_kind not in ("exact", "none"):
        artists.append(ax.errorbar(values, places, xerr=half, fmt="none", ecolor=INK, elinewidth=0.9, capsize=1.8).lines[2][0])
    names = [_lines(" × ".join(map(called, explanation.feature_name(int(i), sample).split(" × "))), letters) for i in chosen]
    ax.set_yticks(places, names, **words(6 if any(len(name) > letters for name in names) else 7))
    ax.tick_params(axis="x", labelsize=7, length=2)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=3, steps=(1, 2, 5, 10))
    ax.invert_yaxis()
    ax.axvline(0, color=INK, linewidth=0.6)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.set_title(_("strongest features") if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _lines(name: str, letters: int) -> str:
    """A pair's name on two lines; a name and what was given there each as short as there is room."""
    if " = " in name and " × " not in name:
        head, held = name.split(" = ", 1)
        held = short_name(held, max(letters // 2, letters - len(head)))
        return f"{short_name(head, letters - 2 - len(held))} = {held}"
    return "\n× ".join(short_name(part, letters) for part in name.split(" × "))
