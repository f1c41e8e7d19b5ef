"""A figure of equal cells, for what stands side by side on one page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

LEFT, TOP = 0.1, 0.1
BELOW_TITLE = 0.34


def cells(rows: int, columns: int, width: float, height: float, right: float) -> list[list[Axes]]:
    """Axes, row by row, on one new figure; sizes in inches, `right` being the room for a colour bar beside each."""
    across, down = LEFT + columns * (width + right), TOP + rows * (height + BELOW_TITLE)
    figure = Figure(figsize=(across, down), facecolor="white")
    FigureCanvasAgg(figure)

    def place(row: int, column: int) -> Axes:
        left, top = LEFT + column * (width + right), row * (height + BELOW_TITLE) + BELOW_TITLE
        return figure.add_axes((left / across, (down - top - height) / down, width / across, height / down))

    return [[place(row, column) for column in range(columns)] for row in range(rows)]
