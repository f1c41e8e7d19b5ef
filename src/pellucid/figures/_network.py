"""A graph view laid out: layers that follow one another without a branch stand in one stack, stacks in rows from the input to the output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.core.language import number
from pellucid.core.view import View
from pellucid.maths.layered import layered

Point = tuple[float, float]
LINES = 6
"""Layers in a stack at most."""
GAP = 1.0
"""Lines' heights between rows of stacks."""


@dataclass(frozen=True)
class Stack:
    """Layers one after the other. `x` is the middle, in widths of a stack; `top` in lines."""

    names: tuple[str, ...]
    x: float
    top: float

    @property
    def bottom(self) -> float:
        """Where the last line ends."""
        return self.top + len(self.names)


@dataclass(frozen=True)
class Plan:
    """Stacks and the lines between them, from stack to stack as points (widths, lines); in all so many widths and lines."""

    stacks: tuple[Stack, ...]
    lines: tuple[tuple[int, int, tuple[Point, ...]], ...]
    width: float
    height: float


def planned(view: View) -> Plan:
    """Where everything of a graph view goes."""
    feeds = {name: [one for one in view.details[name]["inputs"].tolist() if one in view.values] for name in view.values}
    names = _stacks(view, feeds)
    home = {name: place for place, stack in enumerate(names) for name in stack}
    edges = list(dict.fromkeys((home[source], home[name]) for name, sources in feeds.items() for source in sources if home[source] != home[name]))
    found = layered(len(names), edges)
    rows = int(found.row.max(initial=0)) + 1
    tall = [max((len(names[place]) for place in range(len(names)) if found.row[place] == row), default=0) for row in range(rows)]
    tops = [sum(tall[:row]) + GAP * row for row in range(rows)]
    stacks = tuple(Stack(stack, float(found.x[place]), tops[int(found.row[place])]) for place, stack in enumerate(names))
    lines = tuple((start, stop, _bent(stacks, start, stop, route, tops, tall)) for (start, stop), route in zip(edges, found.routes, strict=True))
    across = max((x for *_, points in lines for x, _ in points), default=0.0)
    return Plan(stacks, lines, max(across, max((stack.x for stack in stacks), default=0.0)) + 1, tops[-1] + tall[-1])


def _bent(stacks: Sequence[Stack], start: int, stop: int, route: Sequence[tuple[int, float]], tops: Sequence[float], tall: Sequence[int]) -> tuple[Point, ...]:
    """The points of a line: out below, past the rows between, in from above."""
    passing = [point for row, x in route[1:-1] for point in ((x, tops[row]), (x, tops[row] + tall[row]))]
    upper, lower = (start, stop) if stacks[start].top <= stacks[stop].top else (stop, start)
    points = ((stacks[upper].x, stacks[upper].bottom), *passing, (stacks[lower].x, stacks[lower].top))
    return points if upper == start else points[::-1]


def _stacks(view: View, feeds: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """What costs nothing of its own joins the only layer that feeds it and feeds nothing else."""
    readers = Counter(source for sources in feeds.values() for source in set(sources))
    found: list[list[str]] = []
    home: dict[str, int] = {}
    for name, sources in feeds.items():
        before = sources[0] if len(sources) == 1 else ""
        free = not view.values[name][1] and view.values[name][0] < MOST_HELD and "multiply_adds" not in view.details[name]["unknown"]
        last = before in home and found[home[before]][-1] == before and len(found[home[before]]) < LINES
        if free and last and readers[before] == 1 and _kind(view, before) != "Input":
            found[home[before]].append(name)
            home[name] = home[before]
        else:
            home[name] = len(found)
            found.append([name])
    return [tuple(stack) for stack in found]


MOST_HELD = 1e5
"""Parameters from which a layer stands by itself also where it costs nothing, such as an embedding."""


def _kind(view: View, name: str) -> str:
    return str(view.details[name]["kind"][0])


def shape_of(view: View, name: str) -> str:
    """The shape of a layer's output, as it is written; empty where it is not known."""
    return " × ".join("?" if size < 0 else str(size) for size in view.details[name]["shape"].tolist())


def share_of(view: View, name: str) -> float:
    """Its share of the network's multiply-adds; 0 where that is not known."""
    return float(view.values[name][3])


def quantity(value: float) -> str:
    """A large number in few letters.

    >>> quantity(40551040), quantity(2304), quantity(17), quantity(float("nan"))
    ('40.6 M', '2.3 k', '17', '–')
    """
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{number(value / size, 3)} {letter}"
    return number(value)
