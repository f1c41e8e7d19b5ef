"""Figures without global state: no pyplot, no changed rcParams, so that drawing in a server or a notebook disturbs nothing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pellucid.core.files import write_whole

SIGNED = "RdBu_r"
POSITIVE = "viridis"
ERROR = "cividis"
FOR = "#b2182b"
AGAINST = "#2166ac"
INK = "#333333"
MUTED = "#9aa3ad"
BAND = "#d5d9de"
MARGINS = {
    # left, right, bottom, top in inches, and the width of what lies between as a multiple of its height
    "picture": (0.1, 0.1, 0.1, 0.32, 1.0),
    "map": (0.1, 0.62, 0.1, 0.32, 1.0),
    "grid": (0.5, 0.62, 0.42, 0.32, 1.0),
    "bars": (1.0, 0.22, 0.38, 0.32, 0.9),
    "states": (0.55, 0.7, 0.45, 0.32, 2.0),
    "pairs": (1.0, 0.62, 0.95, 0.32, 1.0),
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


@cache
def families() -> tuple[str, ...]:
    """Font families for text that a user wrote: matplotlib's own, then what is installed for Chinese."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


def words(size: float = 8, **more: Any) -> dict[str, Any]:
    """Keywords for text that may hold any script."""
    return {"family": list(families()), "fontsize": size, "color": INK, "parse_math": False, **more}


def short_name(name: str, most: int = 16) -> str:
    """A feature's name where there is little room; of one of several inputs, what follows the input's name is kept.

    >>> short_name("superpixel number 12"), short_name("image: patch (10, 3)")
    ('superpixel numb…', 'i… patch (10, 3)')
    """
    if len(name) <= most:
        return name
    head, colon, tail = name.partition(": ")
    return f"{head[: max(most - len(tail) - 2, 1)]}… {tail}" if colon and len(tail) < most else name[: most - 1] + "…"


def own_axes(ax: Axes | None, kind: str, height: float) -> Axes:
    """`ax`, or the axes of a new figure of this height in inches."""
    return panels((kind,), height)[0] if ax is None else ax


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


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG, without a date or a software's name in it."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write the figure as PNG under a temporary name, then rename."""
    return write_whole(path, png_bytes(figure, dpi))
