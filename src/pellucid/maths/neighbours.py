"""Nearest rows of a matrix, and how well a projection keeps them; distances are made in blocks, so that no n × n matrix is ever held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.maths.pca import Rows, block_rows

Array = np.ndarray


@dataclass(frozen=True)
class Nearest:
    """For each query the rows that lie nearest, itself left out, nearest first: `places` (queries, k) and Euclidean `distances` (queries, k). Of equal
    distances the earlier row comes first."""

    places: Array
    distances: Array


def nearest(rows: Rows, k: int, queries: Array | None = None) -> Nearest:
    """The `k` nearest rows of each row, or of those whose numbers `queries` holds; k < n.

    >>> nearest(np.array([[0.0], [1.0], [3.0]]), 1).places.tolist()
    [[1], [0], [1]]
    """
    asked = np.arange(rows.shape[0]) if queries is None else np.asarray(queries)
    step = block_rows(rows.shape[1])
    places, distances = np.empty((len(asked), k), np.int64), np.empty((len(asked), k))
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        places[start : start + step], distances[start : start + step] = _nearest_of(rows, part, k, step)
    return Nearest(places, np.sqrt(distances))


def _nearest_of(rows: Rows, asked: Array, k: int, step: int) -> tuple[Array, Array]:
    """Places and squared distances of a block of queries."""
    own = _taken(rows, asked)
    best, where = np.full((len(asked), k), np.inf), np.full((len(asked), k), -1)
    for start in range(0, rows.shape[0], step):
        squared = _squared(own, rows[start : start + step])
        numbers = np.arange(start, start + squared.shape[1])
        squared[asked[:, None] == numbers] = np.inf
        if squared.shape[1] > k:
            kept = np.argpartition(squared, k - 1, axis=1)[:, :k].copy()  # the rest of it goes
            ties = squared <= np.take_along_axis(squared, kept, axis=1).max(axis=1, keepdims=True)
            if ties.sum() > kept.size:  # equals at the edge: the earlier ones are to be kept
                kept = np.argsort(squared, axis=1, kind="stable")[:, :k]
            squared, numbers_of = np.take_along_axis(squared, kept, axis=1), numbers[kept]
        else:
            numbers_of = np.broadcast_to(numbers, squared.shape)
        squared, numbers_of = np.concatenate([best, squared], axis=1), np.concatenate([where, numbers_of], axis=1)
        order = np.lexsort((numbers_of, squared), axis=1)[:, :k]
        best, where = np.take_along_axis(squared, order, axis=1), np.take_along_axis(numbers_of, order, axis=1)
    return where, best


def _taken(rows: Rows, numbers: Array) -> Array:
    """Chosen rows in float64; where they follow each other they are read at once."""
    if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1 and (np.diff(numbers) == 1).all():
        return rows[int(numbers[0]) : int(numbers[-1]) + 1].astype(np.float64)
    found = np.empty((len(numbers), rows.shape[1]))
    for place, number in enumerate(numbers.tolist()):
        found[place] = rows[number : number + 1][0]
    return found


def _squared(queries: Array, block: Array) -> Array:
    """Squared distances (queries, rows). The common middle is taken out first, so that little is lost to rounding."""
    middle = queries.mean(axis=0)
    a, b = queries - middle, block.astype(np.float64) - middle
    found = a @ (-2 * b.T)
    found += np.square(a).sum(axis=1)[:, None]
    found += np.square(b).sum(axis=1)
    return np.maximum(found, 0, out=found)


def trustworthiness(high: Rows, low: Rows, k: int, queries: Array | None = None) -> tuple[float, float]:
    """How far neighbours in `low` (n, few) are neighbours in `high` (n, many) too, and the standard error of it where only some `queries` are asked.

    T(k) = 1 − 2 / (n k (2n − 3k − 1)) · Σ_i Σ_{j ∈ U_i} (r(i, j) − k), U_i being the k nearest of i in `low` and r(i, j) the rank of j among the neighbours of
    i in `high` (Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68); a rank of k or less adds nothing. 1 is perfect; k < n / 2. Continuity is the same with the
    two exchanged. Drawn queries give an unbiased estimate.

    >>> trustworthiness(np.arange(9.0)[:, None], np.arange(9.0)[:, None] * 2, 3)
    (1.0, 0.0)
    """
    count = high.shape[0]
    asked = np.arange(count) if queries is None else np.asarray(queries)
    step = block_rows(high.shape[1])
    sums = [_misplaced(high, nearest(low, k, part).places, part, k, step) for part in (asked[at : at + step] for at in range(0, len(asked), step))]
    scale = 2.0 / (k * (2.0 * count - 3.0 * k - 1.0))
    losses = scale * np.concatenate(sums)
    left = 1 - len(asked) / count
    error = float(losses.std(ddof=1) * np.sqrt(left / len(asked))) if queries is not None and len(asked) > 1 else 0.0
    return float(1 - losses.mean()), error


def _misplaced(high: Rows, chosen: Array, asked: Array, k: int, step: int) -> Array:
    """Σ max(rank − k, 0) of each query's `chosen` rows (queries, k)."""
    own = _taken(high, asked)
    middle = own.mean(axis=0)
    away = np.empty(chosen.shape)
    for query in range(len(asked)):  # a row at a time: the chosen ones lie anywhere
        beside = _taken(high, chosen[query]) - middle
        away[query] = np.square(own[query] - middle - beside).sum(axis=1)
    ranks = np.ones(chosen.shape)
    for start in range(0, high.shape[0], step):
        squared = _squared(own, high[start : start + step])
        numbers = np.arange(start, start + squared.shape[1])
        squared[asked[:, None] == numbers] = np.inf
        for place in range(k):
            nearer = squared < away[:, place : place + 1]
            nearer[chosen[:, place : place + 1] == numbers] = False
            ranks[:, place] += nearer.sum(axis=1)
    return np.asarray(np.maximum(ranks - k, 0).sum(axis=1))
