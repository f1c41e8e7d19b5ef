"""Short texts, thousands on a figure: the numbers of channels, of filters, of units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from pellucid.figures._canvas import words

Array = np.ndarray
EDGE = 2
"""Pixels around a letter, for what reaches over its own box."""
SEVERAL = 8
"""So many of a letter beside each other tell how far one is from the next, between pixels."""


class Label(Artist):
    """An upright line of a few letters that begins at its place and stands above it. On pixels it is set from letters that are drawn once; matplotlib lays each
    of its own texts out and draws it anew, which takes nearly all the time of a figure of many. Elsewhere, in a PDF say, it is such a text."""

    def __init__(self, text: str, place: tuple[float, float], style: Mapping[str, Any]) -> None:
        super().__init__()
        self._text, self._place, self._style = text, place, style

    def get_text(self) -> str:
        """What is written."""
        return self._text

    def get_position(self) -> tuple[float, float]:
        """Where it begins, in the axes' data."""
        return self._place

    def draw(self, renderer: RendererBase) -> None:
        """Set the letters."""
        if not self.get_visible() or not self._text:
            return
        if not isinstance(renderer, RendererAgg):
            written = Text(*self._place, self._text, va="bottom", ha="left", **self._style)
            if self.figure is not None:
                written.set_figure(self.figure)
            written.set_transform(self.get_transform())
            written.draw(renderer)
            return
        stamp = _stamp(self._text, tuple(self._style["family"]), float(self._style["fontsize"]), str(self._style["color"]), float(renderer.dpi))
        left, bottom = self.get_transform().transform(self._place)
        gc = renderer.new_gc()
        renderer.draw_image(gc, round(left) - EDGE, round(bottom) - EDGE, stamp)
        gc.restore()
        self.stale = False


class _Sheet(Artist):
    """All labels of a figure: one artist for the axes to care for."""

    def __init__(self, labels: Sequence[Label]) -> None:
        super().__init__()
        self.labels = labels

    def draw(self, renderer: RendererBase) -> None:
        """Each in its turn."""
        for label in self.labels:
            label.draw(renderer)


@lru_cache(maxsize=4096)
def _stamp(text: str, families: tuple[str, ...], size: float, colour: str, dpi: float) -> Array:
    """The pixels of a text (rows, columns, red green blue alpha), the lowest row first, as a renderer takes them."""
    letters = [_letter(letter, families, size, colour, dpi) for letter in text]
    starts = np.rint(np.cumsum([0.0, *(advance for _pixels, advance in letters)])).astype(int)
    stamp = np.zeros((letters[0][0].shape[0], starts[-1] + max(pixels.shape[1] for pixels, _advance in letters), 4), np.uint8)
    stamp[..., :3] = letters[0][0][0, 0, :3]
    for start, (pixels, _advance) in zip(starts, letters, strict=False):
        place = stamp[:, start : start + pixels.shape[1], 3]
        np.maximum(place, pixels[..., 3], out=place)
    return stamp


@lru_cache(maxsize=512)
def _letter(letter: str, families: tuple[str, ...], size: float, colour: str, dpi: float) -> tuple[Array, float]:
    """The pixels of one letter, with `EDGE` around, and how far the next one is from it."""
    font = FontProperties(family=list(families), size=size)
    measure = RendererAgg(1, 1, dpi)
    (width, height, below), (_line, tall, deep) = (measure.get_text_width_height_descent(text, font, False) for text in (letter, "lp"))
    across = [measure.get_text_width_height_descent(f"0{letter * count}0", font, False)[0] for count in (0, SEVERAL)]
    renderer = RendererAgg(math.ceil(width) + 2 * EDGE, math.ceil(max(height, tall)) + 2 * EDGE, dpi)  # a line leaves room for "lp"
    gc = renderer.new_gc()
    gc.set_foreground(colour)
    renderer.draw_text(gc, EDGE, renderer.height - EDGE - max(below, deep), letter, font, 0)
    gc.restore()
    pixels = np.array(renderer.buffer_rgba())[::-1]
    pixels[..., :3] = np.rint(255 * np.array(to_rgb(colour)))
    return pixels, (across[1] - across[0]) / SEVERAL


def labelled(ax: Axes, texts: Iterable[str], corners: Iterable[tuple[int, int]], size: float) -> list[Label]:
    """A text above each tile that begins at (row, column)."""
    style = words(size)
    made = [Label(text, (left, top - 1), style) for text, (top, left) in zip(texts, corners, strict=True)]
    for one in made:
        one.set_figure(ax.figure)
        one.axes = ax
        one.set_transform(ax.transData)
    ax.add_artist(_Sheet(made))
    return made
