"""Local Lipschitz constant: how fast the map changes with the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Piece
from pellucid.metrics.robustness._nearby import cannot_move, check_nearby, largest

Array = np.ndarray


@dataclass(frozen=True)
class LocalLipschitz(Metric):
    """The largest ‖e(x + δ) − e(x)‖₂ / ‖δ‖₂ over small δ: the smaller the better.

    In units of the explanation per unit of input: numbers of methods whose values have another unit are not to be compared; max_sensitivity is relative.

    `draws` inputs are drawn uniformly within `radius` around each sample: a share of the sample's range, of a table (one axis of columns) a share of each
    number's size, or an array (*shape) in the input's own units. Where `same_prediction`, only those count that leave the predicted class as it is; the paper
    takes all. A largest value of few draws lies below the supremum; `error` is that of the draws, by the jackknife. One explanation a draw, with the seed of
    the first, so that a method that draws meets the same draws.

    Agrees with Quantus's LocalLipschitzEstimate given the same inputs and no normalisation; its own inputs have normal noise.

    >>> LocalLipschitz().better
    'lower'
    """

    draws: int = 10
    radius: Any = 0.02
    same_prediction: bool = True
    title = "Local Lipschitz constant"
    asks = "How fast does the map change with the input?"
    group = "robustness"
    better = "lower"
    by_chance = False
    needs = frozenset({"again"})
    cost = "`draws` explanations"
    citation = "Alvarez-Melis & Jaakkola 2018, arXiv 1806.08049"

    def __post_init__(self) -> None:
        check_nearby(self.draws, self.radius)

    def refuses(self, model: Model, explanation: Explanation) -> str:
        return super().refuses(model, explanation) or cannot_move(self.radius, model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        def slope(piece: Piece, there: Array, own: Array) -> Array:
            step = np.linalg.norm((piece.inputs - trial.inputs[piece.rows]).reshape(len(piece.rows), -1).astype(float), axis=1)
            return np.divide(np.linalg.norm(there - own, axis=1), step, out=np.full(len(step), np.nan), where=step > 0)

        return largest(trial, self.draws, self.radius, self.same_prediction, slope, "slope")
