"""A few rows that stand for many: the background of a marginal game at a fraction of its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pellucid.core.errors import MissingExtraError, SettingError
from pellucid.core.inputs import check_inputs, on_host
from pellucid.core.preprocessing import Preprocessing

Array = np.ndarray
MOST = 1000
"""Rows that are dealt out to clusters; of more, so many by chance."""
RESTARTS = 4


def typical(rows: Any, count: int = 20, *, preprocessing: Preprocessing | None = None, seed: int = 0) -> Any:
    """`count` of these rows, of the kind they were given in, that stand for all of them as a background does, each for as many as any other.

    Centres come from k-means; rows are then dealt out to `count` clusters of one size, where a dense region has several, so that no row needs a weight: the
    mean over the rows chosen stands for the mean over all. Of each cluster the real row nearest its middle is taken, so that no category is halved and no two
    values are mixed that do not occur together. With `preprocessing` rows are a person's, and are compared as the network sees them, categories as words alike
    or not. Needs scikit-learn (`pip install 'pellucid[tables]'`). Does not keep what is rare: a region that holds fewer than one row in `count` may have none.

    >>> rows = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [0.2], [0.1], [0.1]])
    >>> np.sort(typical(rows, 4)[:, 0]).round().tolist()
    [0.0, 0.0, 0.0, 5.0]
    """
    numbers = _numbers(rows, preprocessing)
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise SettingError(f"count is {count!r}, expected how many rows are to stand for all, e.g. 20.")
    if count >= len(numbers):
        return rows
    return _taken(rows, _chosen(numbers, int(count), seed))


def _numbers(rows: Any, preprocessing: Preprocessing | None) -> Array:
    """Rows as points, (rows, numbers)."""
    if preprocessing is None:
        found = check_inputs(rows, None, "rows")
        return found.reshape(len(found), -1)
    seen = preprocessing.compared(rows)
    arrays = list(seen.values()) if isinstance(seen, Mapping) else [seen]
    return np.concatenate([np.asarray(array).reshape(len(array), -1) for array in arrays], axis=1)


def _chosen(numbers: Array, count: int, seed: int) -> Array:
    """The numbers of the chosen rows, ascending."""
    draw = np.random.default_rng(seed)
    some = np.sort(draw.permutation(len(numbers))[:MOST])
    points = numbers[some].astype(np.float64)
    centres = _find_kmeans()(count, n_init=RESTARTS, random_state=seed).fit(numbers).cluster_centers_.astype(np.float64)
    places = np.repeat(np.arange(count), -(-len(points) // count))
    places = np.delete(places, draw.permutation(len(places))[: len(places) - len(points)])  # some clusters are smaller by one
    of = np.empty(len(points), dtype=int)
    taken, given = linear_sum_assignment(cdist(points, centres, "sqeuclidean")[:, places])
    of[taken] = places[given]
    found = []
    for cluster in np.unique(of):
        members = np.flatnonzero(of == cluster)
        middle = points[members].mean(axis=0)
        found.append(members[np.square(points[members] - middle).sum(axis=1).argmin()])
    return np.sort(some[found])


def _taken(rows: Any, chosen: Array) -> Any:
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen]
    if isinstance(rows, Mapping):
        return {name: np.asarray(values)[chosen] for name, values in rows.items()}
    if isinstance(rows, (list, tuple)):
        return [rows[int(i)] for i in chosen]
    return np.asarray(on_host(rows))[chosen]


def _find_kmeans() -> Any:
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise MissingExtraError(f"k-means needs scikit-learn ({error}): pip install 'pellucid[tables]'") from error
    return KMeans
