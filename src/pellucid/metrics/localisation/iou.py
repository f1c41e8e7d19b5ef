"""Intersection over union: whether the most important units are those that the reason covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.metric import Measurement, Metric, Trial, summed

Array = np.ndarray
CHOICES = ("size", "mean")


@dataclass(frozen=True)
class Iou(Metric):
    """How far the important units and the truth are the same: the elements of the input that are in both over those that are in one of them.

    `choose` says what is important: "size", the units with the largest importance that together cover as many elements as the truth does (of the last of
    them a part, of equals there as large a part of each), or "mean", those above the mean of all units. The first asks for the order alone, the second for the
    outline too. Costs no pass.

    >>> Iou(choose="mean").better
    'higher'
    """

    choose: str = "size"
    title = "Intersection over union"
    asks = "Are the most important units those that the reason covers?"
    group = "localisation"
    better = "higher"
    needs = frozenset({"truth"})
    cost = "none"
    citation = "Everingham, Van Gool, Williams, Winn & Zisserman 2010, doi:10.1007/s11263-009-0275-4"

    def __post_init__(self) -> None:
        if self.choose not in CHOICES:
            raise SettingError(f"iou: {unknown('choice', self.choose, CHOICES)}")

    def measure(self, trial: Trial) -> Measurement:
        inside = trial.known_truth()
        sizes = summed(np.ones(trial.inputs.shape), trial.units)
        values = np.zeros(trial.importance.shape[:2])
        for sample, k in np.ndindex(*values.shape):
            units = np.flatnonzero(trial.present[sample])
            size, truth = sizes[sample, units], inside[sample, units]
            importance = trial.importance[sample, k, units]
            chosen = largest(importance, size, float((size * truth).sum())) if self.choose == "size" else (importance > importance.mean()).astype(float)
            both = (size * chosen * truth).sum()
            values[sample, k] = both / ((size * chosen).sum() + (size * truth).sum() - both)
        none = np.zeros(len(values), int)
        return Measurement(values, np.zeros(values.shape), none, none)


def largest(importance: Array, size: Array, wanted: float) -> Array:
    """Which part of each unit is chosen, (units,), so that the chosen are the most important ones and cover `wanted` elements.

    >>> largest(np.array([3.0, 1.0, 1.0, 2.0]), np.ones(4), 3.0)
    array([1. , 0.5, 0.5, 1. ])
    """
    _, rank = np.unique(-importance, return_inverse=True)
    cover = np.bincount(rank, weights=size)
    before = np.cumsum(cover) - cover
    return np.asarray(np.clip((wanted - before) / cover, 0, 1)[rank])
