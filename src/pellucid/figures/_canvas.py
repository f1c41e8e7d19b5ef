"""Figures without global state: no pyplot, no changed rcParams, so that drawing in a server or a notebook disturbs nothing."""

from __future__ import annotations

import os
import re
import textwrap
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure

from pellucid.core import language, told
from pellucid.core.files import write_whole

SIGNED = "RdBu_r"
POSITIVE = "viridis"
ERROR = "cividis"
OWN = "plasma"
"""What a feature itself holds, from low to high; `value_colours` leaves out the yellow end, which is faint on white."""
FOR = "#b2182b"
AGAINST = "#2166ac"
INK = "#333333"
MUTED = "#9aa3ad"
BAND = "#d5d9de"
LETTERS_AN_INCH, LINE = 17, 0.14
"""Of the text above a figure: letters in an inch, and inches a line."""
MARGINS = {
    # left, right, bottom, top in inches, and the width of what lies between as a multiple of its height
    "picture": (0.1, 0.1, 0.1, 0.32, 1.0),
    "map": (0.1, 0.62, 0.1, 0.32, 1.0),
    "tiles": (0.1, 0.62, 0.36, 0.32, 1.0),
    "tokens": (0.55, 0.7, 0.95, 0.32, 2.0),
    "strip": (0.45, 0.62, 0.45, 0.32, 8.0),
    "grid": (0.5, 0.62, 0.42, 0.32, 1.0),
    "bars": (1.0, 0.22, 0.38, 0.32, 0.9),
    "answers": (1.75, 0.22, 0.38, 0.32, 0.9),
    "columns": (1.65, 0.22, 0.38, 0.32, 1.2),
    "states": (0.55, 0.7, 0.45, 0.32, 2.0),
    "pairs": (1.0, 0.62, 0.95, 0.32, 1.0),
    "steps": (2.35, 0.2, 0.42, 0.32, 1.3),
    "rows": (1.75, 0.25, 0.42, 0.32, 1.3),
    "summary": (1.75, 0.25, 0.56, 0.32, 1.3),
    "intervals": (2.45, 0.25, 0.8, 0.32, 1.3),
    "swarm": (1.75, 0.85, 0.42, 0.32, 1.3),
    "scatter": (0.62, 0.2, 0.42, 0.32, 1.4),
    "coloured": (0.62, 0.95, 0.42, 0.32, 1.4),
    "layers": (1.3, 0.75, 1.4, 0.32, 1.0),
    "boundary": (0.62, 1.1, 0.46, 0.32, 1.1),
    "series": (0.62, 0.72, 0.42, 0.32, 2.0),
    "sentence": (0.62, 0.2, 0.85, 0.32, 3.0),
    "gates": (1.0, 0.62, 0.45, 0.32, 1.5),
    "outlined": (0.1, 0.1, 0.5, 0.32, 1.0),
}
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "Noto Serif CJK SC",
)
_FALLBACK_FILES = re.compile(r"CJK|SourceHan|wqy|PingFang|msyh|simhei", re.IGNORECASE)


@cache
def families() -> tuple[str, ...]:
    """Font families for text that a user wrote: matplotlib's own, then what is installed for Chinese, also since matplotlib last made its list of fonts."""
    manager = font_manager.fontManager
    if not any(font.name in _FALLBACKS for font in manager.ttflist):
        for path in font_manager.findSystemFonts():
            if _FALLBACK_FILES.search(path):
                with suppress(OSError, RuntimeError):  # a damaged font is none
                    manager.addfont(path)
    installed = {font.name for font in manager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


@cache
def _glyphs(family: str) -> frozenset[int]:
    """The letters that a font has, as numbers."""
    return frozenset(font_manager.get_font(font_manager.findfont(family, fallback_to_default=False)).get_charmap())


def drawable(text: str) -> bool:
    """Whether the fonts at hand have every letter of a text."""
    return all(letter.isspace() or any(ord(letter) in _glyphs(family) for family in families()) for letter in text)


def drawn(text: str) -> str:
    """A figure's own text in the language spoken now; in English, with one warning, where no font at hand has the letters, rather than as empty boxes.
    Imported as `_`."""
    return _with_glyphs(language.said(text), text)


def called(name: str) -> str:
    """A feature's name, in the language spoken now where it is one that nobody gave: "patch (2, 3)"."""
    return _with_glyphs(told.named(name), name)


def _with_glyphs(text: str, english: str) -> str:
    if text == english or drawable(text):
        return text
    _warn_of_glyphs(language.current().tag)
    return english


@cache
def _warn_of_glyphs(tag: str) -> None:
    warnings.warn(
        f"no font here has the letters of '{tag}', so figures are labelled in English; install one, such as Noto Sans CJK.", UserWarning, stacklevel=4
    )


def words(size: float = 8, **more: Any) -> dict[str, Any]:
    """Keywords for text that may hold any script."""
    return {"family": list(families()), "fontsize": size, "color": INK, "parse_math": False, **more}


def short_name(name: str, most: int = 16) -> str:
    """A feature's name where there is little room; of one of several inputs, what follows the input's name is kept. A Chinese letter takes the room of two.

    >>> short_name("superpixel number 12"), short_name("image: patch (10, 3)")
    ('superpixel numb…', 'i… patch (10, 3)')
    >>> short_name("平均半径", 8), short_name("平均半径与周长", 8)
    ('平均半径', '平均半…')
    """
    if letters_of(name) <= most:
        return name
    if letters_of(name) > len(name):
        return next(name[:end] for end in range(len(name), -1, -1) if letters_of(name[:end]) < most) + "…"
    head, colon, tail = name.partition(": ")
    return f"{head[: max(most - len(tail) - 2, 1)]}… {tail}" if colon and len(tail) < most else name[: most - 1] + "…"


def value_colours() -> Colormap:
    """Low to high of a feature's own value, uniform to the eye and for the colour-blind; gray where there is no number."""
    return ListedColormap(colormaps[OWN](np.linspace(0.0, 0.88, 256))).with_extremes(bad=MUTED)


def letters_of(text: str) -> int:
    """The room that a text takes, in Latin letters."""
    return sum(1 + (east_asian_width(letter) in "WF") for letter in text)


def own_axes(ax: Axes | None, kind: str, height: float, aspect: float | None = None) -> Axes:
    """`ax`, or the axes of a new figure of this height in inches; `aspect` as in `panels`."""
    return panels((kind,), height, aspect)[0] if ax is None else ax


def own_rows(ax: Axes | None, kind: str, rows: int, width: float = 2.8, each: float = 0.21) -> Axes:
    """`ax`, or the axes of a new figure that is as high as so many rows of text need; inches."""
    _, _, bottom, top, _ = MARGINS[kind]
    return own_axes(ax, kind, bottom + top + each * rows, width / (each * rows))


def inside(ax: Axes, heights: Sequence[float], gaps: Sequence[float]) -> list[Axes]:
    """Axes below each other in the place of `ax`, which keeps its title alone; heights, and the gap below each but the last, relative to each other."""
    ax.set_axis_off()
    total, top, made = sum(heights) + sum(gaps[: len(heights) - 1]), 1.0, []
    for height, gap in zip(heights, gaps, strict=True):
        made.append(ax.inset_axes((0.0, max(top - height / total, 0.0), 1.0, height / total)))
        top -= (height + gap) / total
    return made


def panels(kinds: Sequence[str], height: float, aspect: float | None = None) -> list[Axes]:
    """Axes side by side on one new figure, each with the room around it that its kind needs: one of `MARGINS`; `aspect` overrides its shape."""
    widths = [_width(kind, height, aspect) for kind in kinds]
    total = sum(widths)
    figure = Figure(figsize=(total, height), facecolor="white")
    FigureCanvasAgg(figure)
    made, start = [], 0.0
    for kind, width in zip(kinds, widths, strict=True):
        left, right, bottom, top, _ = MARGINS[kind]
        box = ((start + left) / total, bottom / height, (width - left - right) / total, (height - bottom - top) / height)
        made.append(figure.add_axes(box))
        start += width
    return made


def stacked(parts: Sequence[tuple[str, float]], width: float) -> list[Axes]:
    """Axes below each other on one new figure of this width in inches: kinds with the heights of what lies between their margins."""
    heights = [MARGINS[kind][2] + height + MARGINS[kind][3] for kind, height in parts]
    total = sum(heights)
    figure = Figure(figsize=(width, total), facecolor="white")
    FigureCanvasAgg(figure)
    made, below = [], total
    for (kind, inner), height in zip(parts, heights, strict=True):
        left, right, bottom, _, _ = MARGINS[kind]
        below -= height
        made.append(figure.add_axes((left / width, (below + bottom) / total, (width - left - right) / width, inner / total)))
    return made


def _width(kind: str, height: float, aspect: float | None) -> float:
    left, right, bottom, top, usual = MARGINS[kind]
    return left + right + (usual if aspect is None else aspect) * (height - bottom - top)


def headed(figure: Figure, text: str) -> None:
    """Put a text above all that a figure holds, which grows by as many lines as it takes."""
    width, height = (float(side) for side in figure.get_size_inches())
    lines = textwrap.wrap(text, max(int(LETTERS_AN_INCH * width), 20))
    grown = height + LINE * (len(lines) + 1)
    for ax in figure.axes:
        x, y, across, up = ax.get_position().bounds
        ax.set_position((x, y * height / grown, across, up * height / grown))
    figure.set_size_inches(width, grown)
    figure.text(0.1 / width, 1 - LINE / 2 / grown, "\n".join(lines), va="top", **words(7))


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG, without a date or a software's name in it."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def pixels(figure: Figure, dpi: int = 110) -> np.ndarray:
    """The figure's pixels (rows, columns, red green blue): what `png_bytes` would write."""
    own = figure.dpi
    figure.set_dpi(dpi)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
    finally:
        figure.set_dpi(own)
    return np.array(canvas.buffer_rgba())[..., :3]


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write the figure as PNG under a temporary name, then rename."""
    return write_whole(path, png_bytes(figure, dpi))
