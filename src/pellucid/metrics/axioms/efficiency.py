"""Efficiency: shares add up to the change of the score from the fill."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.metric import Measurement, Trial
from pellucid.metrics.axioms import _sums
from pellucid.metrics.axioms._promise import Axiom


@dataclass(frozen=True)
class Efficiency(Axiom):
    """|Σ values − (f(x) − v(∅))| as a share of |f(x) − v(∅)|, for methods that share a game out among features.

    v(∅) is the mean score with all features absent, over the rows of the fill or background that was explained with. Both are read from the network now: one
    evaluation a row. NaN where both are the same. Of interactions of pairs the features' own shares are added. `curves`: both sides of the equation. Draws
    nothing; random importances have the same sum.

    LIME's weights are a fit and promise no sum; neither do occlusion, feature ablation and RISE.

    >>> Efficiency().better
    'lower'
    """

    title = "Efficiency"
    asks = "Do the shares add up to the change of the score from the fill?"
    promise = "efficiency"
    says = "shares that add up to the change of the score from the fill"
    by_chance = False
    cost = "an evaluation for each row of the fill, none where the record holds their mean"
    citation = "Shapley 1953, doi:10.1515/9781400881970-018"

    def measure(self, trial: Trial) -> Measurement:
        return _sums.gap(trial)
