"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import ShapeError
from pellucid.core.language import number
from pellucid.figures._canvas import drawn as _
from pellucid.figures._canvas import own_axes, short_name, words
from pellucid.figures._picture import bare

Array = np.ndarray
COLOURS = "Reds"
DARK = 0.6
"""From which part of the largest count on a number is written in white."""


def confusion(counts: Array, names: Sequence[str], *, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """Counts (classes, classes) of answers (across) to each true class (down); the colour is that of the wrong answers alone, right ones are numbers on white.

    The image comes first among the artists, then the numbers, row by row; zeros are left blank.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape != (len(names),) * 2:
        raise ShapeError(f"confusion got counts of shape {counts.shape} for {len(names)} names; give (classes, classes) and a name for each class.")
    ax = own_axes(ax, "pairs", 4.4)
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    most = max(int(wrong.max()), 1)
    image = ax.imshow(wrong, cmap=COLOURS, vmin=0, vmax=most, interpolation="nearest")
    numbers = [
        ax.text(column, row, number(count), ha="center", va="center", **words(7, color="white" if wrong[row, column] > DARK * most else "#333333"))
        for (row, column), count in np.ndenumerate(counts)
        if count
    ]
    bare(ax)
    shown = [short_name(name, 12) for name in names]
    ax.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor", **words(7))
    ax.set_yticks(range(len(names)), shown, **words(7))
    ax.tick_params(length=0)
    ax.set_xlabel(_("answer"), **words(8))
    ax.set_ylabel(_("true class"), **words(8))
    ax.set_title(_("answers by true class") if title is None else title, y=1.0, **words(9))
    return (image, *numbers)
