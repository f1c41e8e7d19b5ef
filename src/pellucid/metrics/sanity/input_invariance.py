"""Input invariance: whether the map stays when input and network are shifted against each other, which changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Passes, distance, movable, own_error, ranges, stands_still
from pellucid.metrics.sanity._shifted import Shifted

Array = np.ndarray


@dataclass(frozen=True)
class InputInvariance(Metric):
    """‖e′ − e‖ / ‖e‖ between the explanation and that of x + s by the network that takes s away first, f′(x) = f(x − s): the smaller the better.

    The two are the same function of the same thing, only counted from another zero; a map that changes depends on where zero is.

    `shift` is s, one number for all elements; None takes minus the range of each sample, rounded up to a power of two (−1 for images in [0, 1], as in the
    paper; powers of two lose few bits of the input). All else stays as it was set: a baseline or fill of zeros is still zero, so that Integrated Gradients from
    zero, Gradient × Input and all that puts zeros in the place of features depend on the shift, while gradients, and baselines that move along ("mean",
    "blur:2"), do not. One explanation, with the seed of the first, so that a method that draws meets the same draws; what its error leaves open by itself is
    `curves["own_error"]`. Tokens cannot be shifted, and whole numbers that may
    be tokens only by a `shift` that is given; of several inputs those with numbers are.

    >>> InputInvariance().better
    'lower'
    """

    shift: float | None = None
    title = "Input invariance"
    asks = "Does the map stay when input and network are shifted against each other, which changes nothing?"
    group = "sanity"
    better = "lower"
    by_chance = False
    needs = frozenset({"again"})
    cost = "one explanation"
    citation = "Kindermans et al. 2017, arXiv 1711.00867"

    def __post_init__(self) -> None:
        if self.shift is not None and (not np.isfinite(self.shift) or self.shift == 0):
            raise SettingError(f"shift must be a number other than 0, got {self.shift}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        return super().refuses(model, explanation) or stands_still(model, explanation, "shift=1.0", self.shift is not None)

    def measure(self, trial: Trial) -> Measurement:
        samples = len(trial.inputs)
        passes, found, moved = Passes.none(samples), np.empty(samples), movable(trial)
        shifts = self._shifts(trial)
        for number in np.unique(shifts):
            rows = np.flatnonzero(shifts == number)
            shift = (number * moved).astype(trial.inputs.dtype)
            explanation = trial.again(Shifted(trial.model, shift), trial.inputs[rows] + shift, rows)
            passes.count(explanation, rows)
            found[rows] = distance(trial.importance_of(explanation, rows), trial.importance[rows, 0])
        curves = {"own_error": own_error(trial.explanation), "shift": shifts}
        return Measurement(found[:, None], np.zeros((samples, 1)), passes.evaluations, passes.gradients, curves)

    def _shifts(self, trial: Trial) -> Array:
        """One number for each sample, which does not depend on the others."""
        if self.shift is not None:
            return np.full(len(trial.inputs), float(self.shift))
        largest = np.broadcast_to(ranges(trial), trial.inputs.shape)[:, movable(trial)].max(axis=1)
        return np.asarray(-np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0)))))
