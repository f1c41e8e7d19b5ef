"""From the base score to the score, a step a feature: how the parts of one answer add up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.exports import base_of
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, FOR, INK, MUTED, own_rows, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import check_features, half_widths, in_figures, row_name, score_of
from pellucid.figures._picture import check_sample
from pellucid.figures.feature_bars import strongest

SEEN = 0.005
"""What of all steps together a rest must be to be drawn: less is no wider than a line."""

LETTERS = 38
"""Of a step's name and what the sample holds there, which is as much as the room beside the steps takes."""


class _Step(NamedTuple):
    short: str
    full: str
    value: float
    half: float
    colour: str


def waterfall(explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, count: int = 9, title: str | None = None) -> tuple[Artist, ...]:
    """Steps from the base score (top) to the score (bottom): the `count` strongest features, largest first, named with what the sample holds there, then all
    others as one. Red steps add to the score of the target, blue ones take from it. Whiskers at a step's end are the 95 % interval of that step alone;
    errors of joined features add in squares.

    What the values leave of the score (a surrogate's misfit, the quadrature's error) is a gray step, "not attributed", where it can be seen. For explanations
    whose values add up: Shapley values, Integrated and Expected Gradients, LIME up to its misfit; `UnsupportedError` for others.

    One bar a step, whose label is the feature's full name; then the whiskers, where there is an error; then the lines at the base score and at the score.
    """
    check_features(explanation)
    sample = check_sample(sample, len(explanation))
    base, score = float(base_of(explanation)[sample]), float(explanation.score[sample])
    if not np.isfinite(base):
        raise UnsupportedError(f"the values of '{explanation.method}' do not add up from a base score; draw 'feature_bars', or explain with 'shap'.")
    steps = _steps(explanation, sample, count, score - base)
    ax, rows = own_rows(ax, "steps", len(steps) + 2), np.arange(1, len(steps) + 1)
    values = np.array([step.value for step in steps])
    ends = base + np.cumsum(values)
    bars = list(ax.barh(rows, values, left=ends - values, color=[step.colour for step in steps], height=0.66))
    for bar, step in zip(bars, steps, strict=True):
        bar.set_label(step.full)
    artists: list[Artist] = [*bars]
    halves = np.array([step.half for step in steps])
    if half_widths(explanation) is not None:
        artists.append(ax.errorbar(ends, rows, xerr=halves, fmt="none", ecolor=INK, elinewidth=0.9, capsize=1.8).lines[2][0])
    ax.vlines([base, *ends], np.arange(len(ends) + 1), np.arange(1, len(ends) + 2), colors=MUTED, linewidths=0.6, zorder=0)
    artists += [ax.axvline(place, color=INK, linewidth=0.7, linestyle=style, zorder=0) for place, style in ((base, (0, (2, 2))), (score, "-"))]
    ax.plot([base, score], [0, len(steps) + 1], "o", color=INK, markersize=3)
    _write(
        ax,
        [_("base score {value}").format(value=in_figures(base)), *(step.short for step in steps), _("score {value}").format(value=in_figures(score))],
        values,
        ends,
        np.nan_to_num(halves),
    )
    ax.set_xlabel(score_of(explanation, sample), **words(7.5))
    ax.set_title(_("from base score to score") if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _steps(explanation: Explanation, sample: int, count: int, difference: float) -> list[_Step]:
    values, halves = explanation.values[sample].astype(np.float64), half_widths(explanation)
    spread = np.full(values.shape, np.nan) if halves is None else halves[sample].astype(np.float64)
    order = strongest(explanation, sample, len(values))
    count = len(order) if len(order) == count + 1 else count  # one feature is not worth a step called "others"

    def colour(value: float) -> str:
        return FOR if value > 0 else AGAINST

    steps = [
        _Step(row_name(explanation, sample, i, LETTERS), row_name(explanation, sample, i), values[i], spread[i], colour(values[i]))
        for i in map(int, order[:count])
    ]
    rest = order[count:]
    if len(rest):
        names = ", ".join(row_name(explanation, sample, int(i)) for i in rest)
        steps.append(
            _Step(
                _("{count} others").format(count=len(rest)),
                names,
                values[rest].sum(),
                float(np.sqrt(np.square(spread[rest]).sum())),
                colour(values[rest].sum()),
            )
        )
    left = difference - values[order].sum()
    if abs(left) > SEEN * max(np.abs(values[order]).sum(), abs(difference)):
        steps.append(_Step(_("not attributed"), "not attributed", left, np.nan, MUTED))
    return steps


def _write(ax: Axes, names: list[str], values: np.ndarray, ends: np.ndarray, halves: np.ndarray) -> None:
    """Names at the left, and each step's number on the side that it goes to."""
    ax.set_yticks(range(len(names)), names, **words(7))
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    starts, reach = ends - values, np.sign(values) * halves
    low, high = (float(pick([*starts, *ends, *(ends + reach)])) for pick in (np.min, np.max))
    width = (high - low) or 1.0
    for_numbers = [(0.19 * bool(beside) + 0.02) * width for beside in ((values < 0).any(), (values > 0).any())]
    ax.set_xlim(low - for_numbers[0], high + for_numbers[1])
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85}
    for row, (value, end, half) in enumerate(zip(values, ends, halves, strict=True), start=1):
        away, side = (1, "left") if value > 0 else (-1, "right")
        place = (end + away * half, row)
        ax.annotate(in_figures(value, "+.3g"), place, (4 * away, 0), textcoords="offset points", ha=side, va="center", bbox=paper, **words(6.5))
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
