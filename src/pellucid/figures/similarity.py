"""How alike layers represent the data: a square for each pair of them."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.language import number
from pellucid.core.view import View
from pellucid.figures._canvas import INK, POSITIVE, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import colour_bar

Array = np.ndarray
WRITTEN = 9
"""Up to so many layers the numbers are written into the squares."""
LETTERS = 17


def similarity(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """CKA of each pair of layers from 0 to 1, the first layer at the bottom left; `layer` and `sample` are taken as by other figures and change nothing.

    The image comes first, then the numbers in the squares, where there are few.
    """
    values = view.values["network"]
    told = view.provenance.get("resolved", {})
    down = [str(name) for name in told.get("layers", range(len(values)))]
    across = [str(name) for name in told.get("other layers", down)]
    side = float(np.clip(0.24 * max(values.shape), 2.4, 7.0))
    ax = own_axes(ax, "layers", side + 1.6, 1.0)
    image = ax.imshow(values, cmap=POSITIVE, vmin=0.0, vmax=1.0, origin="lower", interpolation="nearest", aspect="auto")
    artists: list[Artist] = [image]
    if max(values.shape) <= WRITTEN:
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if value < 0.6 else INK
            artists.append(ax.text(column, row, number(float(value), 2), ha="center", va="center", **words(6.5, color=ink)))
    _names(ax, down, across, side)
    if "other layers" in told:
        ax.set_xlabel(_("layers of the other network"), **words(8))
    colour_bar(image, ax, label=_("similarity (CKA)"))
    ax.set_title(_("similarity of layers") if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _names(ax: Axes, down: list[str], across: list[str], side: float) -> None:
    """Layers by their names, every other one or fewer where there is no room for all."""
    for names, axis, turned in ((down, ax.yaxis, 0), (across, ax.xaxis, 90)):
        step = max(int(np.ceil(len(names) * 0.11 / side)), 1)
        kept = range(0, len(names), step)
        axis.set_ticks(list(kept), [_tail(names[place]) for place in kept], rotation=turned, **words(6.5))
    ax.tick_params(length=2)


def _tail(name: str) -> str:
    """The end of a long name, which tells layers of a block apart."""
    return name if len(name) <= LETTERS else "…" + name[1 - LETTERS :]
