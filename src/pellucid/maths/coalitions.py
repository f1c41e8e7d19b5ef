"""Coalitions as rows of zeros and ones: all of them, along permutations, at random."""

from __future__ import annotations

from math import comb

import numpy as np

Array = np.ndarray


def all_coalitions(features: int) -> Array:
    """Every coalition, shape (2^features, features), uint8; row r holds the binary digits of r, lowest first."""
    return (np.arange(2**features)[:, None] >> np.arange(features) & 1).astype(np.uint8)


def exact_shapley(scores: Array, features: int) -> Array:
    """Shapley values (features,) from the scores of `all_coalitions`: Σ_S |S|!(n−|S|−1)!/n! · (v(S∪j) − v(S)). Shapley 1953."""
    sizes = all_coalitions(features).sum(axis=1)
    weights = np.array([1 / (features * comb(features - 1, size)) for size in range(features)])
    numbers = np.arange(2**features)
    values = np.empty(features)
    for j in range(features):
        without = numbers[numbers >> j & 1 == 0]
        values[j] = weights[sizes[without]] @ (scores[without | 1 << j] - scores[without])
    return values


def permutation_ranks(generator: np.random.Generator, count: int, features: int) -> Array:
    """Random permutations as ranks, shape (count, features): `ranks[p, j]` is when feature j joins."""
    return generator.permuted(np.tile(np.arange(features), (count, 1)), axis=1)


def prefixes(ranks: Array, sizes: Array | None = None) -> Array:
    """The coalitions met on the way, then those of the reversed permutation (their complements): of all sizes but those of the empty and the full one, or
    of some `sizes` that are symmetric, s and features − s.

    Shape (permutations, 2, sizes, features): axis 1 is forward, backward; axis 2 counts the members.
    """
    features = ranks.shape[1]
    small = np.uint8 if features < 256 else np.int64
    members = (np.arange(1, features) if sizes is None else sizes).astype(small)[None, :, None]
    ranks = ranks.astype(small)[:, None, :]
    found = np.empty((len(ranks), 2, members.shape[1], features), np.uint8)
    np.less(ranks, members, out=found[:, 0].view(bool))
    np.greater_equal(ranks, members[:, ::-1], out=found[:, 1].view(bool))
    return found


def permutation_contributions(ranks: Array, scores: Array, empty: Array, full: float) -> Array:
    """Mean contribution of each feature over a permutation and its reverse, shape (permutations, features).

    `scores` is (permutations, 2, features − 1) as in `prefixes`, `empty` (permutations,). Each row sums to full − empty exactly.
    """
    count, features = ranks.shape
    ends = np.broadcast_to(np.asarray(empty)[:, None, None], (count, 2, 1))
    steps = np.diff(np.concatenate([ends, scores, np.full((count, 2, 1), full)], axis=2), axis=2)
    forward = np.take_along_axis(steps[:, 0], ranks, axis=1)
    backward = np.take_along_axis(steps[:, 1], features - 1 - ranks, axis=1)
    return (forward + backward) / 2


def random_pairs(generator: np.random.Generator, pairs: int, features: int) -> Array:
    """Coalitions that keep each feature with probability ½, each followed by its complement: (2 · pairs, features), uint8."""
    kept = generator.integers(0, 2, (pairs, features), dtype=np.uint8)
    return np.stack([kept, 1 - kept], axis=1).reshape(-1, features)
