"""The pointing game: whether the most important place lies where the reason is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation

Array = np.ndarray


@dataclass(frozen=True)
class PointingGame(Metric):
    """1 where the unit with the largest importance lies in the truth, 0 where it does not; of a unit that lies in it in part, that part.

    Where several units are the largest, the mean over them: what a point drawn among them would hit. The mean over samples is the paper's accuracy.

    `tolerance` (pixels) counts a point as a hit that comes so near, in a circle, as the paper's 15 pixels do for objects in photographs. Costs no pass.

    >>> PointingGame(tolerance=15).better
    'higher'
    """

    tolerance: float = 0.0
    title = "Pointing game"
    asks = "Does the most important place lie where the reason is?"
    group = "localisation"
    better = "higher"
    needs = frozenset({"truth"})
    cost = "none"
    citation = "Zhang, Bargal, Lin, Brandt, Shen & Sclaroff 2018, arXiv 1608.00507"

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < np.inf:
            raise SettingError(f"tolerance must be a number of pixels of at least 0, got {self.tolerance}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        if self.tolerance and (explanation.inputs.ndim != 4 or explanation.packing is not None):
            return "measures its tolerance in pixels, and the inputs are no images; set tolerance=0"
        return super().refuses(model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        if trial.truth is None:
            raise UnsupportedError("needs to know where the reason lies: truth=…")
        if self.tolerance:
            trial = replace(trial, truth=widened(trial.truth, self.tolerance, channels_of(trial.explanation)))
        truth, values = trial.known_truth(), np.zeros(trial.importance.shape[:2])
        for sample, k in np.ndindex(*values.shape):
            units = np.flatnonzero(trial.present[sample])
            importance = trial.importance[sample, k, units]
            values[sample, k] = truth[sample, units[importance == importance.max()]].mean()
        none = np.zeros(len(values), int)
        return Measurement(values, np.zeros(values.shape), none, none)


def widened(truth: Array, reach: float, channels: str) -> Array:
    """A mask over images with everything that lies within `reach` pixels of what it marks."""
    last = to_last(truth, channels).max(axis=-1)
    near = [np.maximum(mask, distance_transform_edt(mask == 0) <= reach) for mask in last]
    return np.broadcast_to(from_last(np.stack(near)[..., None], channels), truth.shape)
