"""The words of a text in their order, each with what it was worth."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, FOR, INK, MARGINS, inside, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import check_features, half_widths, score_of
from pellucid.figures._picture import check_sample

Array = np.ndarray
HEIGHT, GAP, EACH = 1.1, 0.85, 0.17
"""Inches: of a line of bars, below it for upright words, and of each word."""
LEAST = 16
"""Words that a line has room for at least, so that the title has."""


def token_bars(
    explanation: Explanation,
    *,
    sample: int = 0,
    ax: Axes | None = None,
    tokens: Sequence[str] | None = None,
    per_line: int = 30,
    title: str | None = None,
) -> tuple[Artist, ...]:
    """A bar a token, in the order of the text, red for and blue against the target, with 95 % intervals; the tokens stand upright below. More than `per_line`
    go on in the next line, on the same scale.

    `tokens` are the words by number, where the record does not name them; padding is left out. All bars come first, each with its full token as its label, then
    the whiskers of each line, where there is an error.
    """
    check_features(explanation)
    sample = check_sample(sample, len(explanation))
    present = np.flatnonzero(explanation.feature_mask[sample])
    if tokens is not None and len(tokens) < present[-1] + 1:
        raise SettingError(f"{len(tokens)} tokens were given, and the explanation has {present[-1] + 1}; give one for each.")
    names = [explanation.feature_name(int(i), sample) if tokens is None else str(tokens[int(i)]) for i in present]
    values, halves = explanation.values[sample, present].astype(np.float64), half_widths(explanation)
    half = None if halves is None else halves[sample, present].astype(np.float64)
    lines, wide = ceil(len(names) / per_line), max(min(len(names), per_line), LEAST)
    inner, margins = lines * HEIGHT + (lines - 1) * GAP, MARGINS["sentence"]
    ax = own_axes(ax, "sentence", inner + margins[2] + margins[3], EACH * wide / inner)
    spread = np.zeros(values.shape) if half is None else half
    scale = (float((values - spread).min(initial=0.0)), float((values + spread).max(initial=0.0)))
    bars: list[Artist] = []
    whiskers: list[Artist] = []
    for line, one in enumerate(inside(ax, [HEIGHT] * lines, [GAP] * lines)):
        part = slice(line * per_line, (line + 1) * per_line)
        places = np.arange(len(values[part]))
        drawn = one.bar(places, values[part], color=[FOR if value > 0 else AGAINST for value in values[part]], width=0.72)
        for bar, name in zip(drawn, names[part], strict=True):
            bar.set_label(name)
        bars += drawn
        if half is not None:
            whiskers.append(one.errorbar(places, values[part], yerr=half[part], fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.4).lines[2][0])
        _write(one, names[part], wide, scale)
    ax.set_title(
        short_name(_("attribution to the {score}").format(score=score_of(explanation, sample)), 40 if wide < 25 else 60) if title is None else title,
        y=1.0,
        **words(9),
    )
    return (*bars, *whiskers)


def _write(ax: Axes, names: Sequence[str], wide: int, scale: tuple[float, float]) -> None:
    """Upright words and the scale that all lines share."""
    ax.set_xticks(range(len(names)), [short_name(name, 12) for name in names], rotation=90, **words(7))
    ax.set_xlim(-0.6, wide - 0.4)
    room = 0.05 * ((scale[1] - scale[0]) or 1.0)
    ax.set_ylim(scale[0] - room, scale[1] + room)
    ax.axhline(0, color=INK, linewidth=0.6)
    ax.tick_params(axis="x", length=0)
    ax.tick_params(axis="y", labelsize=7, length=2, colors=INK)
    ax.locator_params(axis="y", nbins=4)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
