"""Slow twins of Owen values and interaction indices, in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': v the game, S a coalition, φ shares, I interactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations, product
from math import factorial

import numpy as np

Array = np.ndarray
Game = Callable[[Sequence[int]], float]
Tree = int | list["Tree"]


def orders(tree: Tree) -> Iterator[list[int]]:
    """Every order of the leaves in which the leaves of each node stand together."""
    if isinstance(tree, int):
        yield [tree]
        return
    for turn in permutations(tree):
        for parts in product(*(list(orders(part)) for part in turn)):
            yield [leaf for part in parts for leaf in part]


def owen(v: Game, tree: Tree, n: int) -> Array:
    """φ: the mean of what each feature adds over all orders that respect the tree (Owen 1977; Winter 1989 for levels)."""
    phi, count = np.zeros(n), 0
    for order in orders(tree):
        count += 1
        for place, j in enumerate(order):
            phi[j] += v(order[: place + 1]) - v(order[:place])
    return phi / count


def owen_by_coalitions(v: Game, groups: Sequence[Sequence[int]], n: int) -> Array:
    """Owen's own formula, for one level of groups: Σ over sets H of other groups and S of the own group's others,
    |H|!(m−|H|−1)!/m! · |S|!(g−|S|−1)!/g! · (v(Q ∪ S ∪ j) − v(Q ∪ S)), Q the members of H."""
    phi, m = np.zeros(n), len(groups)
    for own, group in enumerate(groups):
        others = [g for k, g in enumerate(groups) if k != own]
        for j in group:
            mates = [i for i in group if i != j]
            for h in range(m):
                for joined in combinations(others, h):
                    q = [i for g in joined for i in g]
                    for s in range(len(group)):
                        weight = factorial(h) * factorial(m - h - 1) / factorial(m) * factorial(s) * factorial(len(group) - s - 1) / factorial(len(group))
                        phi[j] += weight * sum(v((*q, *some, j)) - v((*q, *some)) for some in combinations(mates, s))
    return phi


def coalitions_met(tree: Tree) -> int:
    """How many different coalitions the orders meet on their way, the empty and the full one among them."""
    return len({frozenset(order[:k]) for order in orders(tree) for k in range(len(order) + 1)})


def interactions(v: Game, n: int) -> Array:
    """I_ij = Σ_S |S|!(n−|S|−2)!/(n−1)! Δ_ij v(S), literally (Grabisch & Roubens 1999); zero on the diagonal."""
    index = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        others = [k for k in range(n) if k not in (i, j)]
        for size in range(n - 1):
            weight = factorial(size) * factorial(n - size - 2) / factorial(n - 1)
            for s in combinations(others, size):
                index[i, j] += weight * (v((*s, i, j)) - v((*s, i)) - v((*s, j)) + v(s))
        index[j, i] = index[i, j]
    return index
