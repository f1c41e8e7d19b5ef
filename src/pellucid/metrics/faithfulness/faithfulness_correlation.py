"""Faithfulness correlation: whether what is called important together changes the score together."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.maths.correlation import pearson, pearson_error
from pellucid.metrics._draws import key_of, subsets
from pellucid.metrics._masks import Removal, removed_scores

Array = np.ndarray
STREAM = 11
"""Keeps these draws apart from those of random importances, which have the same seed."""


@dataclass(frozen=True)
class FaithfulnessCorrelation(Metric):
    """Pearson's correlation, over random subsets S of the units, of the importance in S with the fall of the explained score when S is taken away:

        corr_S( Σ_{i∈S} φ_i , f(x) − f(x without S) )

    from −1 to 1. Subsets hold `size` units: a share of them below 1, a number of them from 1 on. `runs` are drawn; where there are no more than that, all of
    them are taken and nothing is drawn. All importances that are tried meet the same subsets. `error` is the jackknife's, each subset left out in turn. NaN
    where all subsets have the same importance, or the score never changes. Costs `runs` evaluations for each row of the fill.

    Says what units do together at this size; the smaller the subsets, the nearer to one at a time. With one row of the fill the same number as Quantus 0.6's
    from the same subsets.

    >>> FaithfulnessCorrelation(runs=200, size=0.1).better
    'higher'
    """

    runs: int = 100
    size: float = 0.2
    title: ClassVar[str] = "Faithfulness correlation"
    asks: ClassVar[str] = "Does what is called important together change the score together?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "higher"
    cost = "`runs` evaluations for each row of the fill"
    citation: ClassVar[str] = "Bhatt, Weller & Moura 2020, arXiv 2005.00631"

    def __post_init__(self) -> None:
        if self.runs < 3 or self.size <= 0 or (self.size > 1 and self.size != int(self.size)):
            raise SettingError(
                f"faithfulness_correlation needs runs ≥ 3 and a size that is a share of the units below 1 or a number of them, got {self.runs}, {self.size}."
            )

    def measure(self, trial: Trial) -> Measurement:
        samples, maps, _ = trial.importance.shape
        values, error, passes = np.full((samples, maps), np.nan), np.zeros((samples, maps)), np.zeros(samples, int)
        gone = [self._subsets(trial.present[sample], key_of(trial, sample)) for sample in range(samples)]
        removals = (Removal(sample, ~taken) for sample, (taken, _) in enumerate(gone))
        for sample, ((taken, drawn), scores) in enumerate(zip(gone, removed_scores(trial, removals, samples), strict=True)):
            held = trial.importance[sample] @ taken.T.astype(np.float64)
            fall = np.broadcast_to(trial.scores[sample] - scores, held.shape)
            values[sample] = pearson(held, fall)
            error[sample, 0] = pearson_error(held[0], fall[0]) if drawn else 0.0
            passes[sample] = len(taken) * trial.fills.shape[1]
        return Measurement(values, error, passes, np.zeros(samples, int))

    def _subsets(self, present: Array, key: tuple[int, int]) -> tuple[Array, bool]:
        """Subsets of a sample's units as masks, (subsets, width), and whether they were drawn."""
        units = np.flatnonzero(present)
        size = min(max(round(self.size * len(units)), 1) if self.size < 1 else int(self.size), len(units))
        drawn = math.comb(len(units), size) > self.runs
        if drawn:
            return subsets(present, size, self.runs, np.random.default_rng((*key, STREAM))), True
        chosen = list(itertools.combinations(units, size))
        masks = np.zeros((len(chosen), len(present)), dtype=bool)
        np.put_along_axis(masks, np.array(chosen, dtype=int).reshape(-1, size), True, axis=1)
        return masks, False
