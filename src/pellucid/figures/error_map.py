"""How far each value of a map can be trusted, over the input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.language import later, percent
from pellucid.core.records import Explanation
from pellucid.figures._canvas import ERROR, MUTED, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import adds_up, as_map, as_picture, aspect_of, bare, check_sample, colour_bar, draw_outline, is_signed

Array = np.ndarray
NOTES = {"exact": later("exact:\nno error to show"), "none": later("no error\nestimate")}


def error_of(explanation: Explanation, sample: int, level: float = 0.95) -> Array:
    """Half the width of each value's interval, over the input, shape (rows, columns); summed channels add in squares."""
    if explanation.of_pairs:
        raise UnsupportedError(f"'{explanation.method}' states the errors of pairs, which lie on no map; draw 'feature_bars'.")
    chosen = channels_last(explanation[check_sample(sample, len(explanation))])
    upper = chosen.interval(level)[1]
    spread = replace(chosen, values=upper - chosen.values).to_input()[0]
    if not adds_up(chosen, signed=is_signed(explanation)):
        return as_map(spread, chosen.inputs.shape[1:], signed=False)
    return np.sqrt(as_map(np.square(spread.astype(np.float64)), chosen.inputs.shape[1:], signed=True))


def error_map(explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, level: float = 0.95, limit: float | None = None) -> tuple[Artist, ...]:
    """Half the width of the interval at `level`, on its own scale; a note where the values are exact or have no error estimate."""
    ax = own_axes(ax, "map", 2.3)
    ax.set_title(_("± error ({level})").format(level=percent(level, 0)), y=1.0, **words(9))
    bare(ax)
    if explanation.error_kind in NOTES:
        ax.set_aspect("equal")
        return (ax.text(0.5, 0.5, _(NOTES[explanation.error_kind]), ha="center", va="center", transform=ax.transAxes, **words(8, color=MUTED)),)
    shown = error_of(explanation, sample, level)
    reach = float(limit if limit is not None else shown.max()) or 1.0
    image = ax.imshow(shown, cmap=ERROR, vmin=0, vmax=reach, interpolation="nearest", aspect=aspect_of(shown.shape))
    outline = draw_outline(ax, as_picture(channels_last(explanation).inputs[sample]), colors="#eeeeee")
    bare(ax)
    colour_bar(image, ax)
    return (image,) if outline is None else (image, outline)
