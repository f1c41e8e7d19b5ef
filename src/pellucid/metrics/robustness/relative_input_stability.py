"""Relative input stability: how much the map changes, in percent, for each percent that the input changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Piece
from pellucid.metrics.robustness._nearby import cannot_move, check_nearby, largest

Array = np.ndarray


@dataclass(frozen=True)
class RelativeInputStability(Metric):
    """The largest ‖(e(x) − e(x′)) / e(x)‖₂ / max(‖(x − x′) / x‖₂, ε) over nearby x′ with the same predicted class: the smaller the better.

    Divisions are element by element. `floor` is ε, and stands for an element that is 0 where it is divided by: black pixels, and units without importance,
    then decide the number.

    `draws` inputs are drawn uniformly within `radius` around each sample: a share of the sample's range, of a table (one axis of columns) a share of each
    number's size, or an array (*shape) in the input's own units. `same_prediction` as in the paper; False takes all. A largest value of few draws lies below
    the supremum; `error` is that of the draws, by the jackknife. One explanation a draw, with the seed of the first, so that a method that draws meets the same
    draws.

    Agrees with Quantus's RelativeInputStability given the same inputs, where no prediction changes: its value is then NaN, here those inputs do not count.

    >>> RelativeInputStability().better
    'lower'
    """

    draws: int = 10
    radius: Any = 0.02
    same_prediction: bool = True
    floor: float = 1e-6
    title = "Relative input stability"
    asks = "How much does the map change, in percent, for each percent that the input changes?"
    group = "robustness"
    better = "lower"
    by_chance = False
    needs = frozenset({"again"})
    cost = "`draws` explanations"
    citation = "Agarwal et al. 2022, arXiv 2203.06877"

    def __post_init__(self) -> None:
        check_nearby(self.draws, self.radius)
        if not self.floor > 0:
            raise SettingError(f"floor must be above 0, got {self.floor}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        return super().refuses(model, explanation) or cannot_move(self.radius, model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        def ratio(piece: Piece, there: Array, own: Array) -> Array:
            x = trial.inputs[piece.rows].reshape(len(piece.rows), -1).astype(float)
            moved = self._relative(piece.inputs.reshape(x.shape).astype(float), x)
            return np.asarray(self._relative(there, own) / np.maximum(moved, self.floor))

        return largest(trial, self.draws, self.radius, self.same_prediction, ratio, "ratio")

    def _relative(self, other: Array, own: Array) -> Array:
        """‖(own − other) / own‖ of each row."""
        return np.asarray(np.linalg.norm((own - other) / np.where(own == 0, self.floor, own), axis=1))
