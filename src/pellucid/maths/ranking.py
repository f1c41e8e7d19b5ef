"""Which of the strongest values are told apart, and which are as good as tied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.stats import rankdata

Array = np.ndarray

ROUNDING = 1e-12
"""Values that differ by less than this share of their norm are the same."""


@dataclass(frozen=True)
class Ranking:
    """The strongest values by size, and what is known of each neighbour in that order.

    `order` holds their places, strongest first, and then that of the next one, where there is one; `gaps` (len(order) − 1,) are the differences of size
    between neighbours and `reaches` how far an interval for each goes to either side, at the confidence asked for all of them together. `slack`: what
    does not differ by more is tied.
    """

    order: Array
    gaps: Array
    reaches: Array
    slack: float

    @property
    def separated(self) -> Array:
        """Neighbours whose order is beyond doubt."""
        return self.gaps > self.reaches

    @property
    def tied(self) -> Array:
        """Neighbours that are not told apart and differ by no more than the slack."""
        return ~self.separated & (self.gaps + self.reaches <= self.slack)

    @property
    def unsettled(self) -> Array:
        return ~self.separated & ~self.tied

    def factor(self) -> float:
        """How many times as many draws settle all neighbours, if the differences are as they look: each is then separated or tied, whichever comes first."""
        short = self.unsettled
        if not short.any():
            return 1.0
        nearest = np.maximum(self.gaps[short], self.slack - self.gaps[short])
        return float(np.square(self.reaches[short] / np.maximum(nearest, ROUNDING * self.reaches[short])).max())


def rank(values: Array, covariance: Array, degrees: float, top: int, confidence: float, slack: float) -> Ranking:
    """The `top` values strongest in size among `values` (n,) with their covariance (n, n), and the intervals of the differences of neighbours: Student's t
    with Bonferroni's correction for the number of neighbours, that of the last one and the next included.

    >>> found = rank(np.array([1.0, -3.0, 2.9]), np.diag([0.01, 0.01, 0.01]), 100, 2, 0.95, 0.5)
    >>> found.order.tolist(), found.separated.tolist(), found.tied.tolist()
    ([1, 2, 0], [False, True], [True, False])
    """
    order = np.argsort(-np.abs(values), kind="stable")[: top + 1]
    strong, signs = np.abs(values)[order], np.sign(values)[order]
    own, shared = covariance[order, order], covariance[order[:-1], order[1:]] * signs[:-1] * signs[1:]
    variance = own[:-1] + own[1:] - 2 * shared
    quantile = float(special.stdtrit(max(degrees, 1.0), 1 - (1 - confidence) / (2 * max(len(order) - 1, 1))))
    reaches = quantile * np.sqrt(np.maximum(variance, 0))
    return Ranking(order, strong[:-1] - strong[1:], reaches, max(slack, ROUNDING * float(np.linalg.norm(values))))


def mean_ranks(numbers: Sequence[tuple[Array, str]]) -> Array:
    """The mean rank of each of several candidates, 1 the best: `numbers` holds arrays (candidates, cases), each with which way is better, "higher" or "lower".
    Equals share the mean of their ranks; NaN ranks last.

    >>> mean_ranks([(np.array([[1.0], [np.nan], [3.0]]), "higher")]).tolist()
    [2.0, 3.0, 1.0]
    """
    signed = [np.where(np.isnan(values), np.inf, -values if better == "higher" else values) for values, better in numbers]
    return np.asarray(np.mean([rankdata(one, axis=0).mean(axis=1) for one in signed], axis=0))
