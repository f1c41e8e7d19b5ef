"""How far each value of a map depends on choices that were varied, over the input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import ERROR, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import as_picture, aspect_of, bare, check_sample, colour_bar, draw_outline, is_signed
from pellucid.figures.attribution_map import map_of

Array = np.ndarray


def spread_of(explanation: Explanation, sample: int) -> Array:
    """The range of the map's values over all choices, shape (rows, columns): of the maps as they are shown, channels summed where they are."""
    if explanation.choices is None:
        raise UnsupportedError("this explanation is of one choice alone; vary some: pellucid.explain(..., vary=['baseline', 'fill']).")
    one, signed = explanation[check_sample(sample, len(explanation))], is_signed(explanation)
    if one.choices is None or one.of_pairs:
        raise UnsupportedError("values of pairs lie on no map; draw 'feature_bars'.")
    every = [one.values, *(choice.values[:, i] for choice in one.choices.options for i in range(len(choice.names)))]
    return np.ptp([map_of(replace(one, values=values, choices=None), 0, signed=signed) for values in every], axis=0)


def choice_spread(
    explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, limit: float | None = None, title: str | None = None
) -> tuple[Artist, ...]:
    """The largest minus the smallest value under any choice, on its own scale, 0 where nothing depends on them; `limit` gives it another."""
    ax = own_axes(ax, "map", 2.3)
    shown = spread_of(explanation, sample)
    reach = float(limit if limit is not None else shown.max()) or 1.0
    image = ax.imshow(shown, cmap=ERROR, vmin=0, vmax=reach, interpolation="nearest", aspect=aspect_of(shown.shape))
    outline = draw_outline(ax, as_picture(channels_last(explanation).inputs[sample]), colors="#eeeeee")
    bare(ax)
    colour_bar(image, ax)
    ax.set_title(_("choice spread") if title is None else title, y=1.0, **words(9))
    return (image,) if outline is None else (image, outline)
