"""A map laid over its input: where the network looked, and what was there."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from pellucid.core.records import Explanation
from pellucid.figures._canvas import SIGNED, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import as_picture, aspect_of, bare, check_sample, is_signed
from pellucid.figures.attribution_map import map_of

HEAT = "inferno"


def overlay(
    explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, limit: float | None = None, title: str | None = None
) -> tuple[AxesImage, AxesImage]:
    """The map over the gray input, the more opaque the stronger: the input's image, then the map's."""
    ax = own_axes(ax, "picture", 2.3)
    sample = check_sample(sample, len(explanation))
    explanation = channels_last(explanation)
    picture = as_picture(explanation.inputs[sample])
    below = ax.imshow(picture if picture.ndim == 3 else 0.75 * picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect_of(picture.shape))
    shown = map_of(explanation, sample)
    reach = float(limit if limit is not None else np.abs(shown).max()) or 1.0
    low, cmap = (-reach, SIGNED) if is_signed(explanation) else (0.0, HEAT)
    strength = np.clip(np.abs(shown) / reach, 0, 1)
    above = ax.imshow(shown, cmap=cmap, vmin=low, vmax=reach, alpha=0.85 * np.sqrt(strength), interpolation="nearest", aspect=aspect_of(picture.shape))
    bare(ax)
    ax.set_title(_("over the input") if title is None else title, y=1.0, **words(9))
    return below, above
