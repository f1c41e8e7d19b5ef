"""How far few samples tell: means, shares and their differences with 95 % intervals, all as (value, low, high)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap, spearmanr
from scipy.stats import t as student

Array = np.ndarray
Interval = tuple[float, float, float]
RESAMPLES = 2000


def plain(interval: Interval) -> list[float | None]:
    """As JSON: what is not known or has no end is None."""
    return [one if math.isfinite(one) else None for one in interval]


def mean(values: Array) -> Interval:
    """The mean of values (samples,) with Student's t; of one value the interval is open, of none nothing is known (NaN).

    >>> [round(one, 2) for one in mean(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.48, 4.48]
    """
    count = len(values)
    if not count:
        return math.nan, math.nan, math.nan
    centre = float(np.mean(values))
    if count < 2:
        return centre, -math.inf, math.inf
    reach = float(student.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return centre, centre - reach, centre + reach


def share(hits: int, count: int) -> Interval:
    """A share with Wilson's interval.

    >>> [round(one, 3) for one in share(8, 10)]
    [0.8, 0.49, 0.943]
    """
    if not count:
        return math.nan, math.nan, math.nan
    found = binomtest(int(hits), int(count)).proportion_ci(0.95, method="wilson")
    return hits / count, float(found.low), float(found.high)


def share_difference(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """The share of the first (hits, count) less that of the second, of other samples, with Newcombe's interval (1998, method 10, doi:10.1002/(SICI)1097-
    0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).

    >>> [round(one, 4) for one in share_difference((56, 70), (48, 80))]
    [0.2, 0.0524, 0.3339]
    """
    (a, low_a, high_a), (b, low_b, high_b) = share(*first), share(*second)
    return a - b, a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b)


def rank_agreement(a: Array, b: Array, *, seed: int = 0) -> Interval:
    """Spearman's correlation of two lists (n,), with a bootstrap interval over their entries (percentiles); NaN of fewer than three."""
    if len(a) < 3:
        return math.nan, math.nan, math.nan

    def of(a: Array, b: Array) -> float:
        return float(spearmanr(a, b).statistic) if np.ptp(a) and np.ptp(b) else 0.0

    return drawn((a, b), of, paired=True, vectorized=False, seed=seed)


def drawn(samples: Sequence[Array], statistic: Callable[..., Any], *, paired: bool = False, vectorized: bool = True, seed: int = 0) -> Interval:
    """A statistic of samples with its bootstrap interval (percentiles); `paired` draws rows of all samples together.

    >>> drawn((np.full(9, 0.25),), np.mean)
    (0.25, 0.25, 0.25)
    """
    rng = np.random.default_rng(seed)
    found = bootstrap(tuple(samples), statistic, paired=paired, n_resamples=RESAMPLES, vectorized=vectorized, method="percentile", rng=rng).confidence_interval
    return float(statistic(*samples)), float(found.low), float(found.high)


def side(interval: Sequence[float | None]) -> int:
    """1 or −1 where the whole interval (value, low, high) lies above or below zero; 0 where it holds zero or is not known.

    >>> side((0.5, 0.1, 0.9)), side((-1.0, -2.0, -0.1)), side((0.5, -0.1, 0.9)), side((0.5, None, None))
    (1, -1, 0, 0)
    """
    _value, low, high = interval
    return 0 if low is None or high is None else int(low > 0) - int(high < 0)
