"""Max-sensitivity: how much the map changes at most where the input changes a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Piece, distance
from pellucid.metrics.robustness._nearby import cannot_move, check_nearby, largest

Array = np.ndarray


@dataclass(frozen=True)
class MaxSensitivity(Metric):
    """The largest ‖e(x + δ) − e(x)‖₂ / ‖e(x)‖₂ over small δ: the smaller the better. Relative, as in the authors' code, so that methods can be compared.

    `draws` inputs are drawn uniformly within `radius` around each sample: a share of the sample's range, of a table (one axis of columns) a share of each
    number's size, or an array (*shape) in the input's own units. Where `same_prediction`, only those count that leave the predicted class as it is; the paper
    takes all. A largest value of few draws lies below the supremum; `error` is that of the draws, by the jackknife. One explanation a draw, with the seed of
    the first, so that a method that draws meets the same draws; a change below its own error, `curves["own_error"]`, is not told from it.

    Agrees with Quantus's MaxSensitivity given the same inputs and no normalisation.

    >>> MaxSensitivity().better
    'lower'
    """

    draws: int = 10
    radius: Any = 0.02
    same_prediction: bool = True
    title = "Max-sensitivity"
    asks = "How much does the map change at most where the input changes a little?"
    group = "robustness"
    better = "lower"
    by_chance = False
    limits = "change"
    needs = frozenset({"again"})
    cost = "`draws` explanations"
    citation = "Yeh et al. 2019, arXiv 1901.09392"

    def __post_init__(self) -> None:
        check_nearby(self.draws, self.radius)

    def refuses(self, model: Model, explanation: Explanation) -> str:
        return super().refuses(model, explanation) or cannot_move(self.radius, model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        return largest(trial, self.draws, self.radius, self.same_prediction, _change, "change")


def _change(piece: Piece, there: Array, own: Array) -> Array:
    return distance(there, own)
