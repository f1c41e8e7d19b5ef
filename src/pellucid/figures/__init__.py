"""Records drawn: one file = one figure, named as its file. The only room that imports matplotlib, and only once a figure is asked for.

A figure takes a record, draws on `ax` (its own new figure where that is None) and returns the artists it drew:

    from pellucid.figures import FIGURES, save
    artists = FIGURES.load("attribution_map")(explanation, sample=0)
    save(artists[0].figure, "map.png")
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownPartError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pellucid.core.records import Explanation
    from pellucid.core.view import View
    from pellucid.figures._network import Plan

__all__ = ["FIGURES", "headed", "label", "limits", "panels", "pixels", "plan_of_graph", "png_bytes", "save", "scale_key", "stacked"]

FIGURES = Catalogue("figure", __name__, Path(__file__).parent, UnknownPartError, plain=True)


def scale_key(explanation: Explanation) -> tuple[object, ...] | None:
    """What two explanations must have in common to share a colour scale; None for one that shares with none."""
    from pellucid.figures import _scales

    return _scales.scale_key(explanation)


def limits(rows: Sequence[tuple[Explanation, int]]) -> list[float | None]:
    """The limit of each map: the largest value among those that share a scale, None for a scale of its own."""
    from pellucid.figures import _scales

    return _scales.limits(rows)


def label(text: str) -> str:
    """A figure's text in the language spoken now; in English, with one warning, where no font at hand has that language's letters."""
    from pellucid.figures import _canvas

    return _canvas.drawn(text)


def panels(kinds: Sequence[str], height: float) -> list[Axes]:
    """Axes side by side on one new figure; each kind ("picture", "map", "bars", …) brings the room that its labels need."""
    from pellucid.figures import _canvas

    return _canvas.panels(kinds, height)


def stacked(parts: Sequence[tuple[str, float]], width: float) -> list[Axes]:
    """Axes below each other on one new figure: kinds as in `panels`, each with the height of what lies between its margins, in inches."""
    from pellucid.figures import _canvas

    return _canvas.stacked(parts, width)


def plan_of_graph(view: View) -> Plan:
    """Where the layers of a graph view and the lines between them go."""
    from pellucid.figures import _network

    return _network.planned(view)


def headed(figure: Figure, text: str) -> None:
    """Put a text of some lines above all that a figure holds, which grows by as much."""
    from pellucid.figures import _canvas

    _canvas.headed(figure, text)


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as a PNG file's bytes; the same figure gives the same bytes."""
    from pellucid.figures import _canvas

    return _canvas.png_bytes(figure, dpi)


def pixels(figure: Figure, dpi: int = 110) -> np.ndarray:
    """The figure's pixels (rows, columns, red green blue), where no file of them is wanted."""
    from pellucid.figures import _canvas

    return _canvas.pixels(figure, dpi)


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write the figure as PNG, whole or not at all."""
    from pellucid.figures import _canvas

    return _canvas.save(figure, path, dpi)
