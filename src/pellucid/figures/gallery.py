"""Samples side by side, each with its map below it, all maps on one scale."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist

from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation
from pellucid.figures._grid import cells
from pellucid.figures._picture import check_sample
from pellucid.figures._scales import limits
from pellucid.figures.attribution_map import attribution_map
from pellucid.figures.input_image import input_image

SIDE, SIZE, LETTERS = 1.2, 7.5, 20
"""Inches of an image, points of a letter above it, and letters for which a line there has room."""


def gallery(
    explanations: Sequence[tuple[Explanation, int]], *, titles: Sequence[str] = (), below: Sequence[str] = (), columns: int | None = None
) -> tuple[Artist, ...]:
    """One column an (explanation, sample): the input, and under it its map; always on a figure of its own. Maps of values in the same units share a scale.

    `titles` stand above the inputs, `below` above the maps, one each; without them nothing is written there. After so many `columns` a new line of inputs and
    maps begins; all stand in one where that is None. Returns the artists of the inputs, then those of the maps.
    """
    if not explanations or (columns is not None and columns < 1):
        raise SettingError(f"a gallery needs at least one (explanation, sample) and one column, got {len(explanations)} and {columns}.")
    for name, texts in (("titles", titles), ("below", below)):
        if texts and len(texts) != len(explanations):
            raise SettingError(f"{name} has {len(texts)} texts for {len(explanations)} samples; give one each.")
    shown = [(explanation, check_sample(sample, len(explanation))) for explanation, sample in explanations]
    across = min(columns or len(shown), len(shown))
    places = cells(2 * -(-len(shown) // across), across, (SIDE, SIDE), left=0.12, right=0.5, below=0.06)
    upper, lower = ([ax for row in places[start::2] for ax in row] for start in (0, 1))
    for ax in (*upper[len(shown) :], *lower[len(shown) :]):
        ax.set_axis_off()
    artists: list[Artist] = []
    for (explanation, sample), ax, title in zip(shown, upper, titles or [""] * len(shown), strict=False):
        artists += input_image(explanation, sample=sample, ax=ax, title=_lines(title))
        ax.title.set_fontsize(SIZE)
    for (explanation, sample), ax, limit, title in zip(shown, lower, limits(shown), below or [""] * len(shown), strict=False):
        artists += attribution_map(explanation, sample=sample, ax=ax, limit=limit, title=_lines(title))
        ax.title.set_fontsize(SIZE)
    return tuple(artists)


def _lines(title: str) -> str:
    """Two lines of a title that is too long for one; what is over is left to stick out."""
    lines = textwrap.wrap(title, LETTERS, break_long_words=False)
    return "\n".join([lines[0], " ".join(lines[1:])]) if len(lines) > 1 else title
