"""What spoke for the target and what against it, over the input."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.records import Explanation
from pellucid.figures._canvas import POSITIVE, SIGNED, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import adds_up, as_map, as_picture, aspect_of, bare, check_sample, colour_bar, draw_borders, draw_outline, flat_labels, is_signed

Array = np.ndarray


def map_of(explanation: Explanation, sample: int, *, signed: bool | None = None) -> Array:
    """The values of one sample over its input, shape (rows, columns): what this figure shows."""
    chosen = channels_last(explanation[check_sample(sample, len(explanation))])
    signed = is_signed(explanation) if signed is None else signed
    return as_map(chosen.to_input()[0], chosen.inputs.shape[1:], signed=adds_up(chosen, signed=signed))


def attribution_map(
    explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, limit: float | None = None, title: str | None = None, signed: bool | None = None
) -> tuple[Artist, ...]:
    """One sample's attribution as a map with its colour bar; `limit` gives several maps one scale.

    Values with a direction are shown from −limit to limit, white at zero (red speaks for the target, blue against it), channels summed; others from 0 to
    limit, the largest channel; `signed` decides it otherwise. A feature that holds all channels shows its value. The input's edge is drawn faintly, and the
    borders of features where there are any. The image comes first among the artists.
    """
    ax = own_axes(ax, "map", 2.3)
    sample = check_sample(sample, len(explanation))
    explanation = channels_last(explanation)
    signed = is_signed(explanation) if signed is None else signed
    shown = map_of(explanation, sample, signed=signed)
    reach = float(limit if limit is not None else np.abs(shown).max()) or 1.0
    low, cmap = (-reach, SIGNED) if signed else (0.0, POSITIVE)
    image = ax.imshow(shown, cmap=cmap, vmin=low, vmax=reach, interpolation="nearest", aspect=aspect_of(shown.shape))
    artists: list[Artist | None] = [image]
    if explanation.features is not None:
        artists.append(draw_borders(ax, flat_labels(explanation.features.of(sample), explanation.inputs.shape[1:])))
    artists.append(draw_outline(ax, as_picture(explanation.inputs[sample]), colors="#444444" if signed else "#eeeeee"))
    bare(ax)
    colour_bar(image, ax)
    ax.set_title(_("attribution") if title is None else title, y=1.0, **words(9))
    return tuple(artist for artist in artists if artist is not None)
