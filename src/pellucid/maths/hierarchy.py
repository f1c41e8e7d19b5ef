"""Hierarchies of features: how they are made, the coalitions that they allow, and the orders that keep their groups together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

Array = np.ndarray
Nested = int | tuple["Nested", ...]
WIDEST = 20
"""A node with more children than this has too many sets of them to be counted through."""


class Contexts(NamedTuple):
    """Some ways in which the features outside one node can be present, with every set of its children but none and all.

    `coalitions` are (contexts · sets, leaves), `weights` (contexts,), `signs` (children, sets): a child's share of the node is
    Σ weights · signs · scores, which its own leaves divide among them by `portions` (children, leaves).
    """

    coalitions: Array
    weights: Array
    signs: Array
    portions: Array

    def shares(self, scores: Array) -> Array:
        """What these coalitions add to the leaves' values, (leaves,), from their scores."""
        return np.asarray(self.signs @ (self.weights @ scores.reshape(len(self.weights), -1)) @ self.portions)


@dataclass(frozen=True)
class Hierarchy:
    """A tree of features 0 to `leaves` − 1, as SciPy numbers linkages: node `leaves` + i has `children[i]`, all of smaller number; the last node is the root.

    >>> tree = from_nested(((0, 1), 2))
    >>> tree.children, tree.coalitions
    (((0, 1), (3, 2)), 8.0)
    """

    leaves: int
    children: tuple[tuple[int, ...], ...]

    @property
    def root(self) -> int:
        return self.leaves + len(self.children) - 1

    @cached_property
    def members(self) -> Array:
        """Which leaves lie below each node, (nodes, leaves)."""
        found = np.zeros((self.root + 1, self.leaves), np.uint8)
        np.fill_diagonal(found, 1)
        for number, children in enumerate(self.children, self.leaves):
            found[number] = found[list(children)].sum(axis=0)
        return found

    @cached_property
    def portions(self) -> Array:
        """Which part of a node's own share each leaf gets where all its siblings below the node are present, or none is: (nodes, leaves)."""
        found = np.zeros((self.root + 1, self.leaves))
        np.fill_diagonal(found, 1.0)
        for number, children in enumerate(self.children, self.leaves):
            found[number] = found[list(children)].mean(axis=0)
        return found

    @property
    def coalitions(self) -> float:
        """How many coalitions the Owen values need, the empty and the full one among them."""
        if self.leaves == 0:
            return 1
        inside = [0.0] * self.leaves
        for children in self.children:
            width = len(children)
            if width > WIDEST:
                return float("inf")
            inside.append(2.0**width - 2 + 2.0 ** (width - 1) * sum(inside[child] for child in children))
        return 2 + inside[self.root]

    def restricted(self, chosen: Array) -> Hierarchy:
        """The hierarchy of some leaves, renumbered in their order; nodes with a single child fall away."""
        numbers = {int(leaf): place for place, leaf in enumerate(chosen)}
        children: list[tuple[int, ...]] = []
        for number, those in enumerate(self.children, self.leaves):
            kept = tuple(numbers[child] for child in those if child in numbers)
            if len(kept) == 1:
                numbers[number] = kept[0]
            elif kept:
                numbers[number] = len(chosen) + len(children)
                children.append(kept)
        return Hierarchy(len(chosen), tuple(children))

    def contexts(self, most: int) -> Iterator[Contexts]:
        """Every coalition that the Owen values need, each once, but the empty and the full one; about `most` numbers at a time."""
        waiting = [(self.root, np.zeros((1, self.leaves), np.uint8), np.ones(1))] if self.children else []
        while waiting:
            node, bases, weights = waiting.pop()
            children = list(self.children[node - self.leaves])
            if len(bases) > 1 and len(bases) * 2 ** len(children) * self.leaves > most:
                half = len(bases) // 2
                waiting += [(node, bases[half:], weights[half:]), (node, bases[:half], weights[:half])]
                continue
            sets = _sets(len(children))[1:-1]
            together = (bases[:, None] | (sets @ self.members[children])[None]).reshape(-1, self.leaves)
            yield Contexts(together, weights, _signs(sets), self.portions[children])
            for place, child in enumerate(children):
                if child >= self.leaves:
                    siblings = children[:place] + children[place + 1 :]
                    beside = _sets(len(siblings))
                    outside = (bases[:, None] | (beside @ self.members[siblings])[None]).reshape(-1, self.leaves)
                    waiting.append((child, outside, np.outer(weights, _chance(beside.sum(axis=1), len(children))).ravel()))

    def ranks(self, generator: np.random.Generator, count: int) -> Array:
        """Random orders in which the leaves of every node stand together, each as likely as any other: (count, leaves), when each leaf joins."""
        sizes = self.members.sum(axis=1, dtype=int)
        first = np.zeros((self.root + 1, count), int)
        for node in range(self.root, self.leaves - 1, -1):
            children = list(self.children[node - self.leaves])
            turns = generator.permuted(np.tile(np.arange(len(children)), (count, 1)), axis=1)
            ordered = sizes[children][np.argsort(turns, axis=1)]
            before = np.cumsum(ordered, axis=1) - ordered
            first[children] = first[node] + np.take_along_axis(before, turns, axis=1).T
        return first[: self.leaves].T


def _sets(count: int) -> Array:
    """Every set of `count` things, none first and all last, (2^count, count)."""
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.uint8)


def _chance(sizes: Array, count: int) -> Array:
    """How often a set of this size precedes one of `count` things in a random order of them: s!(k−1−s)!/k!."""
    weights = np.array([1 / (count * comb(count - 1, size)) for size in range(count)])
    return np.asarray(weights[sizes])


def _signs(sets: Array) -> Array:
    """How each set counts in each child's Shapley value, (children, sets)."""
    count, sizes = sets.shape[1], sets.sum(axis=1, dtype=int)
    return np.where(sets.T == 1, _chance(sizes - 1, count), -_chance(sizes, count))


def from_nested(nested: Nested) -> Hierarchy:
    """A hierarchy from numbers in nested tuples. Each number from 0 on must stand there once; tuples of one are opened."""
    leaves: list[int] = []
    inner: list[tuple[int, ...]] = []

    def number(part: Nested) -> int:
        """Leaves keep their number; inner nodes get −1, −2, … until the number of leaves is known."""
        if not isinstance(part, tuple):
            leaves.append(part)
            return part
        children = tuple(number(one) for one in part)
        if len(children) == 1:
            return children[0]
        inner.append(children)
        return -len(inner)

    number(nested)
    count = len(leaves)
    return Hierarchy(count, tuple(tuple(child if child >= 0 else count - child - 1 for child in children) for children in inner))


def from_linkage(matrix: Array) -> Hierarchy:
    """A hierarchy from a SciPy linkage matrix, (features − 1, 4)."""
    return Hierarchy(len(matrix) + 1, tuple((int(row[0]), int(row[1])) for row in matrix))


def joined(parts: Sequence[tuple[Hierarchy, Array]], leaves: int) -> Hierarchy:
    """Hierarchies side by side under one root, each with the numbers of its leaves among all; leaves of none of them stand by themselves.

    >>> joined([(from_nested((0, 1)), np.array([0, 2])), (from_nested(((0, 1), 2)), np.array([1, 3, 4]))], 5).children
    ((0, 2), (1, 3), (6, 4), (5, 7))
    """
    children: list[tuple[int, ...]] = []
    tops: list[int] = []
    for tree, own in parts:
        numbers = [int(leaf) for leaf in own]
        for those in tree.children:
            numbers.append(leaves + len(children))
            children.append(tuple(numbers[child] for child in those))
        tops += numbers[-1:]
    tops += sorted(set(range(leaves)) - {int(leaf) for _, own in parts for leaf in own})
    return Hierarchy(leaves, (*children, tuple(tops)) if len(tops) > 1 else tuple(children))


def by_place(centres: Array) -> Hierarchy:
    """Halve the features again and again, in the middle of their longer extent; `centres` is (features, axes)."""
    parts: list[tuple[list[int], list[int], list[int]]] = []
    waiting = [list(range(len(centres)))]
    while waiting:
        group = waiting.pop()
        if len(group) > 1:
            one, other = _halves(group, centres[group])
            parts.append((group, one, other))
            waiting += [one, other]
    numbers: dict[tuple[int, ...], int] = {(leaf,): leaf for leaf in range(len(centres))}
    children = []
    for group, one, other in sorted(parts, key=lambda part: len(part[0])):
        children.append((numbers[tuple(one)], numbers[tuple(other)]))
        numbers[tuple(group)] = len(centres) + len(children) - 1
    return Hierarchy(len(centres), tuple(children))


def _halves(group: list[int], centres: Array) -> tuple[list[int], list[int]]:
    extent = np.ptp(centres, axis=0)
    axis = int(extent.argmax())
    beyond = centres[:, axis] > centres[:, axis].min() + extent[axis] / 2
    if not beyond.any():
        beyond = np.arange(len(group)) >= len(group) // 2
    return [one for one, far in zip(group, beyond, strict=True) if not far], [one for one, far in zip(group, beyond, strict=True) if far]


def by_correlation(rows: Array, groups: Sequence[Array]) -> Hierarchy:
    """Join what goes together in data (rows, columns): average linkage on 1 − |correlation|; a feature of several columns counts by their mean.
    Columns that do not vary go with nothing."""
    if len(groups) < 2:
        return Hierarchy(len(groups), ())
    centred = rows - rows.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norms > 0, norms, 1.0)
    part = np.zeros((len(groups), rows.shape[1]))
    for one, columns in enumerate(groups):
        part[one, columns] = 1 / max(len(columns), 1)
    apart = np.clip(1 - part @ np.abs(unit.T @ unit) @ part.T, 0, 1)
    np.fill_diagonal(apart, 0)
    return from_linkage(linkage(squareform(apart, checks=False), "average"))
