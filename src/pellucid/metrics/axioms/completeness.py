"""Completeness: values add up to the change of the score from the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.metric import Measurement, Trial
from pellucid.metrics.axioms import _sums
from pellucid.metrics.axioms._promise import Axiom


@dataclass(frozen=True)
class Completeness(Axiom):
    """|Σ values − (f(x) − f(baseline))| as a share of |f(x) − f(baseline)|, for methods that go along a way from a baseline.

    Both scores are read from the network now: one evaluation, with a background one for each row, over which the mean is taken. Where a method makes its own
    start (blurred, black and white), or the values lie at a layer, the start's score is the one in the record. NaN where both scores are the same. 0.05 is
    what the paper asks for. `curves`: both sides of the equation. Draws nothing; random importances have the same sum.

    >>> Completeness().better
    'lower'
    """

    title = "Completeness"
    asks = "Do the values add up to the change of the score from the baseline?"
    promise = "completeness"
    says = "values that add up to the change of the score from a baseline"
    by_chance = False
    cost = "one evaluation at the baseline, none where the record holds its score"
    citation = "Sundararajan, Taly & Yan 2017, arXiv 1703.01365"

    def measure(self, trial: Trial) -> Measurement:
        return _sums.gap(trial)
