"""What metrics that take units away, or put them in, in the order of their importance share: the score after each share of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core.metric import Measurement, Trial
from pellucid.metrics._masks import Removal, area, kept_after, order_of, removed_scores

Array = np.ndarray
ROUNDING = 1e-9
"""What a share of a whole number of units may be too large by, in units."""


def scores_after(trial: Trial, shares: Array, *, insert: bool = False, least_first: bool = False, up: bool = False) -> Array:
    """The score after each share of the units has been taken away from the input (or put into the fill), the most important first (or the least important),
    (samples, maps, shares). Shares of units are rounded, or rounded up."""
    samples, maps, width = trial.importance.shape
    sign = -1 if least_first else 1

    def removals() -> Iterator[Removal]:
        for sample, k in np.ndindex(samples, maps):
            order = order_of(sign * trial.importance[sample, k], trial.present[sample])
            counts = shares * len(order)
            kept = kept_after(order, width, np.ceil(counts - ROUNDING) if up else np.round(counts))
            yield Removal(sample, ~kept if insert else kept)

    found = np.array(list(removed_scores(trial, removals(), samples * maps)))
    return found.reshape(samples, maps, len(shares))


def measured(trial: Trial, values: Array, shares: Array, scores: Array) -> Measurement:
    """What a metric makes of `scores_after`: nothing is drawn, and each score costs a pass for every row of the fill."""
    samples = len(values)
    passes = np.full(samples, scores.shape[-1] * trial.fills.shape[1])
    curves = {"share": np.broadcast_to(shares, (samples, len(shares))), "score": scores[:, 0]}
    return Measurement(values, np.zeros(values.shape), passes, np.zeros(samples, int), curves)


def by_steps(trial: Trial, steps: int, *, insert: bool = False) -> Measurement:
    """The area under the probability over the share of units taken away (or put in), the most important first."""
    trial, shares = trial.as_probability(), np.linspace(0, 1, steps + 1)
    found = scores_after(trial, shares, insert=insert)
    return measured(trial, area(found), shares, found)
