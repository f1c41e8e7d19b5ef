"""Where the nodes of a graph go so that it can be read from top to bottom: rows by the longest path, few crossings, short bends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
SWEEPS, PULLS = 12, 16
MAIN, BESIDE, PASSING = 1.0, 1e-3, 1e-5
"""How heavy a node of the longest path is, which stays straight, another one, and a line that passes."""
THIN = 0.3
"""Room that a passing line takes, of a node's."""


@dataclass(frozen=True)
class Layered:
    """`row` (nodes,) counts from the top, `x` (nodes,) in widths of a node, the leftmost at 0. `routes`: per edge the (row, x) where it passes, both ends
    included."""

    row: Array
    x: Array
    routes: tuple[tuple[tuple[int, float], ...], ...]


def layered(count: int, edges: Sequence[tuple[int, int]]) -> Layered:
    """Rows and places of nodes 0 … count − 1 for edges (from, to). An edge that closes a circle is drawn against the stream. Source: Sugiyama, Tagawa &
    Toda 1981, doi:10.1109/TSMC.1981.4308636.

    >>> layered(3, [(0, 1), (1, 2), (0, 2)]).row.tolist()
    [0, 1, 2]
    """
    row = _rows(count, edges)
    node_rows, chains = row.tolist(), []
    for start, stop in edges:
        first, last = (start, stop) if row[start] <= row[stop] else (stop, start)
        between = list(range(len(node_rows), len(node_rows) + max(int(row[last] - row[first]) - 1, 0)))
        node_rows += range(int(row[first]) + 1, int(row[first]) + 1 + len(between))
        chains.append([first, *between, last])
    links = [pair for chain in chains for pair in itertools.pairwise(chain) if pair[0] != pair[1]]
    order = _ordered(node_rows, links)
    main = _longest(row, edges)
    heavy = np.array([MAIN if node in main else BESIDE if node < count else PASSING for node in range(len(node_rows))])
    x = _placed(order, node_rows, links, np.array([1.0 if node < count else THIN for node in range(len(node_rows))]), heavy)
    x -= x.min(initial=0.0)
    routes = tuple(tuple((node_rows[node], float(x[node])) for node in chain) for chain in chains)
    return Layered(row, x[:count], routes)


def _rows(count: int, edges: Sequence[tuple[int, int]]) -> Array:
    """The length of the longest path to each node, along edges that close no circle."""
    after: list[list[int]] = [[] for _ in range(count)]
    for start, stop in edges:
        after[start].append(stop)
    order: list[int] = []
    state = [0] * count
    fed = {stop for start, stop in edges if start != stop}
    for root in sorted(range(count), key=lambda node: (node in fed, node)):
        stack = [(root, iter(after[root]))] if not state[root] else []
        state[root] = state[root] or 1
        while stack:
            node, following = stack[-1]
            new = next((one for one in following if not state[one]), None)
            if new is None:
                stack.pop()
                order.append(node)
                state[node] = 2
            else:
                state[new] = 1
                stack.append((new, iter(after[new])))
    row, place = np.zeros(count, int), {node: -position for position, node in enumerate(order)}
    for node in reversed(order):
        for one in after[node]:
            if place[one] > place[node]:
                row[one] = max(row[one], row[node] + 1)
    return row


def _ordered(rows: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The nodes of each row from left to right, by the mean place of their neighbours in the row before, down and up in turn; the best of the sweeps."""
    order: list[list[int]] = [[] for _ in range(max(rows, default=-1) + 1)]
    for node, row in enumerate(rows):
        order[row].append(node)
    above, below = _neighbours(len(rows), links)
    best, fewest = [list(one) for one in order], _crossings(order, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        near, span = (above, range(1, len(order))) if sweep % 2 == 0 else (below, range(len(order) - 2, -1, -1))
        for row in span:
            place = {node: position for one in order for position, node in enumerate(one)}
            middle = {node: np.mean([place[one] for one in near[node]]) if near[node] else place[node] for node in order[row]}
            order[row] = sorted(order[row], key=lambda node: middle[node])
        crossings = _crossings(order, below)
        if crossings < fewest:
            best, fewest = [list(one) for one in order], crossings
    return best


def _neighbours(count: int, links: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _crossings(order: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(order):
        place = {node: position for position, node in enumerate(lower)}
        ends = np.array([one for node in upper for one in sorted(place[other] for other in below[node])])
        total += int(sum((ends[i + 1 :] < end).sum() for i, end in enumerate(ends)))
    return total


def _longest(row: Array, edges: Sequence[tuple[int, int]]) -> set[int]:
    """A longest path, from its end back; the first of several."""
    before: dict[int, list[int]] = {}
    for start, stop in edges:
        if row[start] == row[stop] - 1:
            before.setdefault(stop, []).append(start)
    node = int(row.argmax()) if len(row) else -1
    found = {node}
    while node in before:
        node = min(before[node])
        found.add(node)
    return found


def _placed(order: Sequence[Sequence[int]], rows: Sequence[int], links: Sequence[tuple[int, int]], widths: Array, heavy: Array) -> Array:
    """Places that draw each node towards its neighbours' mean, in its row's order and with room for its width; the lighter give way to the heavier."""
    x = np.zeros(len(rows))
    gaps = []
    for row in order:
        half = widths[list(row)] / 2
        gaps.append(np.concatenate([[0.0], np.cumsum(half[1:] + half[:-1])]))
        x[list(row)] = gaps[-1] - gaps[-1][-1] / 2
    above, below = _neighbours(len(rows), links)
    for pull in range(PULLS):
        near = above if pull % 2 == 0 else below
        for row, gap in list(zip(order, gaps, strict=True))[:: 1 if pull % 2 == 0 else -1]:
            wanted = np.array([np.average(x[near[node]], weights=heavy[near[node]]) if near[node] else x[node] for node in row])
            x[list(row)] = rising(wanted - gap, heavy[list(row)]) + gap
    return x


def rising(values: Array, weights: Array) -> Array:
    """The numbers that never fall and are closest to these, in weighted squares, by pooling neighbours that do. As `scipy.optimize.isotonic_regression`, which
    is of SciPy 1.12.

    >>> rising(np.array([1.0, 3.0, 2.0]), np.ones(3)).tolist()
    [1.0, 2.5, 2.5]
    """
    blocks: list[list[float]] = []  # mean, weight, count
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, w, n), (high, v, m) = blocks[-2:]
            blocks[-2:] = [[(low * w + high * v) / (w + v), w + v, n + m]]
    return np.concatenate([np.full(int(count), mean) for mean, _, count in blocks]) if blocks else values
