"""A figure of equal cells, for what stands side by side on one page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BELOW_TITLE = 0.34


def cells(rows: int, columns: int, size: tuple[float, float], *, left: float, right: float, below: float) -> list[list[Axes]]:
    """Axes, row by row, on one new figure; sizes in inches: (width, height) of each, and the room around each for labels and a colour bar."""
    width, height = size
    across, down = columns * (left + width + right), rows * (BELOW_TITLE + height + below)
    figure = Figure(figsize=(across, down), facecolor="white")
    FigureCanvasAgg(figure)

    def place(row: int, column: int) -> Axes:
        start, top = column * (left + width + right) + left, row * (BELOW_TITLE + height + below) + BELOW_TITLE
        return figure.add_axes((start / across, (down - top - height) / down, width / across, height / down))

    return [[place(row, column) for column in range(columns)] for row in range(rows)]
