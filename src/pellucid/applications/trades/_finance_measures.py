"""What is measured of a network that grants loans: how much a column contributes, to whom, and what happens to the answers when it is set to something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.applications._intervals import Interval, drawn, plain, share
from pellucid.applications._quality import auc_of

Array = np.ndarray
LIMIT = 0.5
"""Who is more likely not to pay back than to pay back is refused."""
FEWEST = 5
"""Of fewer applicants no interval is drawn."""


def mean_span(values: Array, *, seed: int = 0) -> Interval:
    """A mean over applicants (n,) with a bootstrap interval (percentiles); NaN ends where they are too few.

    >>> mean_span(np.full(9, 0.25))
    (0.25, 0.25, 0.25)
    """
    if len(values) < FEWEST:
        return (float(values.mean()) if len(values) else np.nan, np.nan, np.nan)
    return drawn((values,), np.mean, seed=seed)


def attribution_shares(values: Array, *, seed: int = 0) -> list[Interval]:
    """Of each column (applicants, columns) its share of all attribution, sizes only, with a bootstrap interval over applicants.

    >>> attribution_shares(np.array([[3.0, -1.0]] * 9))
    [(0.75, 0.75, 0.75), (0.25, 0.25, 0.25)]
    """
    sizes = np.abs(values.astype(np.float64))
    total = sizes.sum(axis=1)

    def ratio(part: Array, whole: Array, axis: int = -1) -> Array:
        return np.asarray(part.mean(axis=axis) / whole.mean(axis=axis))

    return [drawn((part, total), ratio, paired=True, seed=seed) for part in sizes.T]


def flip(before: Array, after: Array, *, seed: int = 0) -> dict[str, Any]:
    """What setting a column to one value does to the risks (n,) of all applicants: the rate of refusals then and its change, the change of the mean risk, both
    with bootstrap intervals over applicants, and how many answers turn.

    >>> flip(np.array([0.4, 0.6, 0.2, 0.1, 0.3]), np.array([0.6, 0.7, 0.2, 0.1, 0.3]))["turned"]
    1
    """
    refused, then = before >= LIMIT, after >= LIMIT
    return {
        "rate": float(then.mean()),
        "change": list(mean_span(then.astype(float) - refused, seed=seed)),
        "risk": list(mean_span(after - before, seed=seed)),
        "turned": int((refused != then).sum()),
    }


def group_of(name: str, chosen: Array, values: Array, risks: Array, others: Array, labels: Array, *, seed: int = 0) -> dict[str, Any]:
    """One group of applicants, `chosen` (n,): how many they are, the mean contribution of the column to their risk, and the shares of them who are refused, who
    are refused without the columns (`others`: risks there), and who did not pay back."""
    count = int(chosen.sum())
    return {
        "group": name,
        "count": count,
        "contribution": plain(mean_span(values[chosen], seed=seed)),
        "refused": plain(share(int((risks[chosen] >= LIMIT).sum()), count)),
        "refused_without": plain(share(int((others[chosen] >= LIMIT).sum()), count)),
        "bad": plain(share(int(labels[chosen].sum()), count)),
    }


def auc_difference(first: Array, second: Array, labels: Array, *, seed: int = 0) -> Interval:
    """How much larger the AUC of the first scores (n,) is than that of the second, on the same samples, with a paired bootstrap interval: samples are drawn,
    each with both its scores, of each class as many as there are.

    >>> auc_difference(np.array([0.9, 0.8, 0.1]), np.array([0.1, 0.2, 0.9]), np.array([1, 1, 0]))
    (1.0, 1.0, 1.0)
    """

    def difference(high: Array, low: Array, axis: int = -1) -> Array:
        return auc_of(first[high], first[low], axis=axis) - auc_of(second[high], second[low], axis=axis)

    high, low = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    if len(low) < 2:
        return (float(difference(high, low)),) * 3
    return drawn((high, low), difference, seed=seed)


def sizes_of(found: Sequence[int], most: int) -> Mapping[str, int]:
    """Of how many applicants one change suffices, two, and so on; "none" where up to `most` do not.

    >>> sizes_of([1, 1, 0, 2], 3)
    {'1': 2, '2': 1, '3': 0, 'none': 1}
    """
    return {**{str(size): found.count(size) for size in range(1, most + 1)}, "none": found.count(0)}


def spread(order: Sequence[int], count: int) -> list[int]:
    """So many of a list, spread evenly from its first to its last.

    >>> spread([10, 20, 30, 40, 50], 3), spread([7], 3)
    ([10, 30, 50], [7])
    """
    places = np.linspace(0, max(len(order) - 1, 0), min(count, len(order))).round().astype(int)
    return [int(order[place]) for place in dict.fromkeys(places.tolist())]
