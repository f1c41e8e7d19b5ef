"""The network as a picture: layers from the input down to the output, in boxes that are the darker the more they cost."""

from __future__ import annotations

from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from pellucid.core.errors import UnknownLayerError, unknown
from pellucid.core.language import percent
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED, panels, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._network import Plan, planned, quantity, shape_of, share_of

LINE, STACK = 0.17, 2.9
"""Inches of a layer's line and of a stack's width."""
LETTERS = 46
"""For which a layer's line has room."""
HIGHEST = 60.0
"""Inches of a figure at most."""
BOX, COLOURS, DARKEST = 0.86, "Blues", 0.5


def graph(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """A `graph` view: a box a layer, those that follow each other without a branch in one stack, lines to what they feed; the share of the network's
    multiply-adds as colour. `layer` is outlined. Boxes first, then the collection of lines, then texts."""
    if layer is not None and layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    plan = planned(view)
    if ax is None:
        ax = panels(("picture",), min(plan.height * LINE + 0.6, HIGHEST), plan.width * STACK / max(plan.height * LINE, LINE))[0]
    most = max((share_of(view, name) for name in view.values), default=0.0) or 1.0
    boxes = [ax.add_patch(_box(view, plan, place, line, most, layer)) for place, stack in enumerate(plan.stacks) for line in range(len(stack.names))]
    lines = LineCollection([points for *_, points in plan.lines], colors=MUTED, linewidths=0.8, zorder=0)
    ax.add_collection(lines)
    texts = [text for stack in plan.stacks for place, name in enumerate(stack.names) for text in _texts(view, ax, name, stack.x, stack.top + place)]
    ax.set_xlim(-0.5, plan.width - 0.5)
    ax.set_ylim(plan.height, 0)
    ax.set_axis_off()
    ax.set_title(title if title is not None else _heading(view), y=1.0, **words(9))
    return (*boxes, lines, *texts)


def _heading(view: View) -> str:
    cost = sum(float(numbers[1]) for numbers in view.values.values())
    held = sum(float(numbers[0]) for numbers in view.values.values())
    return _("{parameters} parameters, {cost} multiply-adds a sample").format(parameters=quantity(held), cost=quantity(cost))


def _box(view: View, plan: Plan, place: int, line: int, most: float, outlined: str | None) -> Rectangle:
    stack = plan.stacks[place]
    name = stack.names[line]
    colour = colormaps[COLOURS](DARKEST * share_of(view, name) / most)
    edge, width = (INK, 1.6) if name == outlined else (MUTED, 0.5)
    return Rectangle((stack.x - BOX / 2, stack.top + line), BOX, 1, facecolor=colour, edgecolor=edge, linewidth=width, label=name)


def _texts(view: View, ax: Axes, name: str, x: float, top: float) -> list[Artist]:
    kind, share = str(view.details[name]["kind"][0]), share_of(view, name)
    right = shape_of(view, name) + (f"  {percent(share, 0)}" if share >= 0.005 else "")
    said = f"{short_name(name, 22)}  {kind}" if kind.lower() not in name.lower() else short_name(name, 34)
    said = said if len(said) + len(right) <= LETTERS else short_name(name, LETTERS - len(right))
    return [
        ax.text(x - BOX / 2 + 0.02, top + 0.5, said, ha="left", va="center", clip_on=True, **words(6)),
        ax.text(x + BOX / 2 - 0.02, top + 0.5, right, ha="right", va="center", clip_on=True, **words(6)),
    ]
