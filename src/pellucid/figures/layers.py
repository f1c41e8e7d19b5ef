"""Samples down, layers across: everything that a view read, on one figure."""

from __future__ import annotations

from matplotlib.artist import Artist

from pellucid.core.view import View
from pellucid.figures._canvas import drawn as _
from pellucid.figures._grid import cells
from pellucid.figures.activation_map import activation_map

SIZE = (4.6, 2.2)


def layers(view: View) -> tuple[Artist, ...]:
    """One row a sample, one column a layer; always on a figure of its own. For many channels, a figure per layer (`activation_map`) shows more."""
    axes = cells(len(view), len(view.values), SIZE, left=0.5, right=0.75, below=0.4)
    numbers = view.numbers
    artists: list[Artist] = []
    for sample, row in enumerate(axes):
        for name, ax in zip(view.values, row, strict=True):
            artists += activation_map(view, layer=name, sample=sample, ax=ax, title=_("sample {number}, {name}").format(number=numbers[sample], name=name))
    return tuple(artists)
