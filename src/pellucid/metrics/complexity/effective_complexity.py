"""Effective complexity: how many of the most important units are enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics._masks import Removal, kept_after, order_of, removed_scores, row_by_row

Array = np.ndarray
ROUNDING = 1e-6
"""Relative difference of scores that float32 explains."""


@dataclass(frozen=True)
class EffectiveComplexity(Metric):
    """The smallest number k of units, the most important first by absolute value, with which the score stays as it is while the fill stands for all others.

    It stays where the mean of |f(k units and fill) − f(x)| over the fill's rows is at most `tolerance` of |f(x) − f(fill)|, f the score that was explained
    (the paper's definition with the absolute difference for its loss, relative to the whole). The smaller the better: who reads these units has read all that
    matters. Counts are tried at `steps` places, evenly apart on a scale of ratios (one by one where units are no more), so that a number is known to within
    that ratio; NaN where the fill has the same score as the input. Costs `steps` × rows of the fill in evaluations.

    With `above` it is the number of units whose absolute importance, as a share of the largest, is greater than that: no pass, and nothing of the network
    (what Quantus calls by this name, there with 1e-5). Random importances have as many.

    >>> EffectiveComplexity(tolerance=0.05).better
    'lower'
    """

    tolerance: float = 0.1
    steps: int = 30
    above: float | None = None
    title = "Effective complexity"
    asks = "How many units has one to know to know the score?"
    group = "complexity"
    better = "lower"
    cost = "about `steps` evaluations for each row of the fill"
    citation = "Nguyen & Martínez 2020, arXiv 2007.07584"

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or self.steps < 1:
            raise SettingError(f"effective_complexity needs 0 ≤ tolerance < 1 and steps of at least 1, got {self.tolerance} and {self.steps}.")
        if self.above is not None and not 0 <= self.above < 1:
            raise SettingError(f"above is a share of the largest importance, from 0 to below 1, got {self.above}.")

    def measure(self, trial: Trial) -> Measurement:
        return _above(trial.alone(), self.above) if self.above is not None else self._needed(trial)

    def _needed(self, trial: Trial) -> Measurement:
        samples, maps, width = trial.importance.shape
        rows = trial.fills.shape[1]
        counts = [_counts(int(present.sum()), self.steps) for present in trial.present]

        def removals() -> Iterator[Removal]:
            for sample in range(samples):
                yield row_by_row(sample, np.zeros((1, width), dtype=bool), rows)
                for k in range(maps):
                    order = order_of(np.abs(trial.importance[sample, k]), trial.present[sample])
                    yield row_by_row(sample, ~kept_after(order, width, counts[sample]), rows)

        scores = removed_scores(trial, removals(), samples * (1 + maps))
        values = np.full((samples, maps), np.nan)
        tried, lost = np.full((samples, max(map(len, counts))), np.nan), np.full((samples, max(map(len, counts))), np.nan)
        for sample in range(samples):
            whole = abs(float(next(scores).mean()) - trial.scores[sample])
            for k in range(maps):
                loss = np.abs(next(scores).reshape(-1, rows) - trial.scores[sample]).mean(axis=1)
                loss[-1] = 0.0  # every unit is there: what is left is rounding
                if whole > ROUNDING * abs(trial.scores[sample]):
                    values[sample, k] = counts[sample][np.argmax(loss <= self.tolerance * whole)]
                if k == 0:
                    tried[sample, : len(loss)], lost[sample, : len(loss)] = counts[sample], loss
        passes = np.array([(len(one) + 1) * rows for one in counts])
        return Measurement(values, np.zeros(values.shape), passes, np.zeros(samples, int), {"units": tried, "loss": lost})


def _counts(units: int, steps: int) -> Array:
    """Numbers of units to try, from 1 to all of them."""
    if units <= steps:
        return np.arange(1, max(units, 1) + 1)
    return np.unique(np.round(np.geomspace(1, units, steps)).astype(int)) if steps > 1 else np.array([units])


def _above(trial: Trial, share: float) -> Measurement:
    sizes = np.abs(trial.importance) * trial.present[:, None]
    values = (sizes > share * sizes.max(axis=2, keepdims=True)).sum(axis=2).astype(float)
    none = np.zeros(len(values), int)
    return Measurement(values, np.zeros(values.shape), none, none)
