"""Which features act together: the pairs among the strongest of them as a square."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, SIGNED, called, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import bare, check_sample, colour_bar

Array = np.ndarray
BLANK = "#d0d4d9"


def most_interacting(explanation: Explanation, sample: int, count: int) -> Array:
    """The numbers of the features with the largest sums of absolute pairs, main effects breaking ties, in the order of the features."""
    present = np.flatnonzero(np.diagonal(explanation.feature_mask[sample]))
    sizes = np.abs(explanation.values[sample][np.ix_(present, present)])
    own = np.diagonal(sizes)
    order = np.lexsort((-own, own - sizes.sum(axis=1)))
    return np.asarray(np.sort(present[order][:count]))


def interactions(
    explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, count: int = 12, limit: float | None = None, title: str | None = None
) -> tuple[Artist, ...]:
    """A square of one sample's pairs among the `count` features with the strongest ones, red where two bring more together than apart, blue where less.

    White is zero, the scale runs from −limit to limit. The diagonal is gray: main effects are often many times larger, and `feature_bars` shows them with
    their errors. The image comes first, then the gray cells.
    """
    if not explanation.of_pairs:
        raise UnsupportedError(f"'{explanation.method}' gives no pairs of features; explain with 'shapley_interactions', or draw 'attribution_map'.")
    ax = own_axes(ax, "pairs", 3.4)
    sample = check_sample(sample, len(explanation))
    chosen = most_interacting(explanation, sample, count)
    shown = explanation.values[sample][np.ix_(chosen, chosen)] * (1 - np.eye(len(chosen)))
    reach = float(limit if limit is not None else np.abs(shown).max(initial=0.0)) or 1.0
    image = ax.imshow(shown, cmap=SIGNED, vmin=-reach, vmax=reach, interpolation="nearest", aspect="equal")
    cells = [Rectangle((place - 0.5, place - 0.5), 1, 1, facecolor=BLANK, edgecolor="none") for place in range(len(chosen))]
    for cell in cells:
        ax.add_patch(cell)
    bare(ax)
    names = [short_name(called(explanation.features.names[int(feature)])) for feature in chosen] if explanation.features is not None else []
    ax.set_xticks(range(len(names)), names, rotation=90, **words(6.5))
    ax.set_yticks(range(len(names)), names, **words(6.5))
    ax.tick_params(length=0, pad=2, colors=INK)
    colour_bar(image, ax)
    ax.set_title(_("pairs of features") if title is None else title, y=1.0, **words(9))
    return (image, *cells)
