"""The picture of a graph: a box a layer with its name, darker the more it costs, lines from box to box."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from pellucid.core.errors import UnknownLayerError
from pellucid.core.view import View
from pellucid.figures import plan_of_graph
from pellucid.figures.graph import graph


def view(edges: dict[str, tuple[str, ...]], cost: dict[str, float] | None = None, **kinds: str) -> View:
    """A graph view of these connections; shares from the costs."""
    cost = cost or {}
    total = sum(cost.values()) or 1.0
    values = {name: np.array([10.0, cost.get(name, 0.0), 40.0, cost.get(name, 0.0) / total]) for name in edges}
    details = {
        name: {
            "inputs": np.array(sources, dtype=str),
            "shape": np.array([4, 4, 2]),
            "kind": np.array([kinds.get(name, "Layer")]),
            "activation": np.array([""]),
            "unknown": np.array([], dtype=str),
        }
        for name, sources in edges.items()
    }
    return View("graph", values, dict.fromkeys(values, ("quantity",)), np.zeros((0,)), details=details)


RESIDUAL = view(
    {"input": (), "conv": ("input",), "norm": ("conv",), "left": ("norm",), "sum": ("left", "norm"), "out": ("sum",)},
    {"conv": 100.0, "left": 50.0, "out": 1.0},
    input="Input",
)


def parts(artists: tuple[object, ...]) -> tuple[dict[str, Rectangle], LineCollection, list[str]]:
    boxes = {str(artist.get_label()): artist for artist in artists if isinstance(artist, Rectangle)}
    (lines,) = (artist for artist in artists if isinstance(artist, LineCollection))
    return boxes, lines, [artist.get_text() for artist in artists if isinstance(artist, Text)]


def test_a_box_a_layer_and_none_over_another() -> None:
    boxes, _, texts = parts(graph(RESIDUAL))
    assert list(boxes) == ["input", "conv", "norm", "left", "sum", "out"]
    corners = [(box.get_x(), box.get_y(), box.get_x() + box.get_width(), box.get_y() + box.get_height()) for box in boxes.values()]
    for i, (left, top, right, bottom) in enumerate(corners):
        for other in corners[:i]:
            assert left >= other[2] - 1e-9 or right <= other[0] + 1e-9 or top >= other[3] - 1e-9 or bottom <= other[1] + 1e-9
    assert any("66%" in text and "4 × 4 × 2" in text for text in texts)


def test_what_costs_nothing_stands_below_what_feeds_it_alone() -> None:
    names = [stack.names for stack in plan_of_graph(RESIDUAL).stacks]
    assert names == [("input",), ("conv", "norm"), ("left",), ("sum",), ("out",)]


def test_lines_run_from_box_to_box() -> None:
    boxes, lines, _ = parts(graph(RESIDUAL))
    drawn = {tuple(np.round([*segment[0], *segment[-1]], 6)) for segment in lines.get_segments()}

    def ends(start: str, stop: str) -> tuple[float, ...]:
        above, below = boxes[start], boxes[stop]
        middle = [box.get_x() + box.get_width() / 2 for box in (above, below)]
        return tuple(np.round([middle[0], above.get_y() + 1, middle[1], below.get_y()], 6))

    assert drawn == {ends("input", "conv"), ends("norm", "left"), ends("left", "sum"), ends("norm", "sum"), ends("sum", "out")}


def test_the_dearer_the_darker() -> None:
    boxes, *_ = parts(graph(RESIDUAL))
    bright = {name: sum(to_rgb(box.get_facecolor())) for name, box in boxes.items()}
    assert bright["conv"] < bright["left"] < bright["out"] < bright["norm"] == bright["input"]


def test_on_given_axes_with_a_layer_outlined() -> None:
    ax = Figure().add_subplot()
    artists = graph(RESIDUAL, layer="left", ax=ax, title="mine")
    boxes, *_ = parts(artists)
    assert all(artist.axes is ax for artist in artists)
    assert boxes["left"].get_linewidth() > 2 * boxes["conv"].get_linewidth()
    assert ax.get_title() == "mine"
    with pytest.raises(UnknownLayerError, match="lefd"):
        graph(RESIDUAL, layer="lefd")


def test_the_heading_adds_up() -> None:
    assert graph(RESIDUAL)[0].axes.get_title() == "60 parameters, 151 multiply-adds a sample"
