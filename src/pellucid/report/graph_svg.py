"""The graph of a network as SVG: every layer can be pointed at, selected by keyboard and read out; sharp at any size, complete in itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from pellucid.core.errors import SettingError
from pellucid.core.language import current, percent
from pellucid.core.language import said as _
from pellucid.core.view import SEVERITIES, View
from pellucid.figures import plan_of_graph

BROAD, LINE, GAP, EDGE = 300, 22, 14, 10
"""Width of a stack and height of a layer in it; between stacks; around everything; units of the picture."""
MARKS = ("", "M0-7 7 6H-7Z", "M-6-6H6V6H-6Z")
"""By severity, a triangle and a square, which those who do not see their colours tell apart."""
NAME = 39
"""Letters for which a layer's line has room."""
STYLE = """
svg.graph { font: 11.5px system-ui, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", sans-serif; --ink: #1d2733; --soft: #566273; --box: #ffffff;
  --edge: #9aa3ad; --cost: #8fb8e0; --mark: #1f5fa8; --warn: #d08700; --fault: #b2182b; }
@media (prefers-color-scheme: dark) { svg.graph { --ink: #e5eaf0; --soft: #a3afbd; --box: #1b222b; --edge: #56626f; --cost: #2f5f92; --mark: #86b7ec;
  --warn: #f3cf82; --fault: #ffa9ae; } }
.graph .wire { fill: none; stroke: var(--edge); stroke-width: 1.2; }
.graph .box { fill: var(--box); stroke: var(--edge); stroke-width: .8; }
.graph .cost { fill: var(--cost); }
.graph text { fill: var(--ink); dominant-baseline: central; }
.graph .shape { fill: var(--soft); text-anchor: end; }
.graph .layer { cursor: pointer; outline: none; }
.graph .layer:hover .box, .graph .layer:focus .box { stroke: var(--mark); stroke-width: 2; }
.graph .layer.chosen .box { stroke: var(--mark); stroke-width: 3; }
.graph .mark { stroke: var(--box); } .graph .warning { fill: var(--warn); } .graph .fault { fill: var(--fault); }
"""


def graph_svg(view: View, *, marks: Mapping[str, int] | None = None) -> str:
    """A `graph` view as the text of an SVG file. `marks`: layers with the severity of what was found in them, warnings and faults being marked.

    The length of the bar in a layer's line is its share of the network's multiply-adds, beside that of the dearest layer.
    """
    if view.view != "graph":
        raise SettingError(f"only the view 'graph' is a graph; this is '{view.view}': pellucid.visualize(model, view='graph').")
    plan = plan_of_graph(view)
    wide, high = (plan.width - 1) * (BROAD + 2 * GAP) + BROAD + 2 * EDGE, plan.height * LINE + 2 * EDGE
    named = _("The network as a graph, from the input down to the output")
    wires = "".join(f'<path class="wire" d="{_bent(points)}"/>' for *_ends, points in plan.lines)
    most = max((_share(view, name) for name in view.values), default=0.0) or 1.0
    numbered = {name: place for place, name in enumerate(view.values)}
    boxes = "".join(
        _layer(view, name, numbered[name], _across(stack.x) - BROAD / 2, EDGE + (stack.top + line) * LINE, most, (marks or {}).get(name, 0))
        for stack in plan.stacks
        for line, name in enumerate(stack.names)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" height="{high:.0f}" '
        f'role="group" aria-label="{escape(named, quote=True)}" lang="{current().tag}">'
        f"<style>{STYLE}</style>{wires}{boxes}</svg>"
    )


def _across(x: float) -> float:
    return EDGE + BROAD / 2 + x * (BROAD + 2 * GAP)


def _bent(points: Sequence[tuple[float, float]]) -> str:
    """A line through points, leaving and arriving upright."""
    placed = [(_across(x), EDGE + y * LINE) for x, y in points]
    text = "M{:.1f} {:.1f}".format(*placed[0])
    for (x0, y0), (x1, y1) in itertools.pairwise(placed):
        middle = (y0 + y1) / 2
        text += f"V{y1:.1f}" if abs(x0 - x1) < 0.05 else f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return text


def _share(view: View, name: str) -> float:
    return float(view.values[name][3])


def _layer(view: View, name: str, number: int, left: float, top: float, most: float, severity: int) -> str:
    told, share = view.details[name], _share(view, name)
    kind, shape = str(told["kind"][0]), " × ".join("?" if size < 0 else str(size) for size in told["shape"].tolist())
    right = shape + (f" · {percent(share, 0)}" if share >= 0.005 else "")
    said = name if kind.lower() in name.lower() else f"{name} · {kind}"
    room = NAME - len(right)
    shown = said if len(said) <= room else name if len(name) <= room else f"{name[: max(room // 2 - 1, 2)]}…{name[-max(room - room // 2, 2) :]}"
    bar = f'<rect class="cost" x="{left:.1f}" y="{top + LINE - 4:.1f}" width="{BROAD * share / most:.1f}" height="3.5"/>' if share else ""
    mark = f'<path class="mark {SEVERITIES[severity]}" transform="translate({left:.1f} {top + LINE / 2:.1f})" d="{MARKS[severity]}"/>' if severity else ""
    grave = ("", _("Warning"), _("Fault"))[severity]
    label = escape(", ".join(filter(None, (name, kind, shape, grave))), quote=True)
    return (
        f'<g class="layer" data-layer="{number}" tabindex="-1" role="button" aria-label="{label}"><title>{label}</title>'
        f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{BROAD}" height="{LINE}"/>{bar}'
        f'<text x="{left + 9:.1f}" y="{top + LINE / 2 - 1:.1f}">{escape(shown)}</text>'
        f'<text class="shape" x="{left + BROAD - 8:.1f}" y="{top + LINE / 2 - 1:.1f}">{escape(right)}</text>{mark}</g>'
    )


def of_graph(view: View, row: int) -> Iterator[tuple[str, str, Mapping[str, object], str]]:
    """The one picture of a graph view."""
    yield "network", "graph", {}, _("the network as a graph of {count} layers").format(count=len(view.values))
