"""Sparseness: how unequally importance is spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.metric import Measurement, Metric, Trial

Array = np.ndarray


@dataclass(frozen=True)
class Sparseness(Metric):
    """The Gini index of the absolute importances of the units that a sample has.

    With these sorted, a_1 ≤ … ≤ a_d, it is Σ_k (2k − d − 1) a_k / (d Σ_k a_k). 0 where all are equally important, 1 − 1/d where one is alone, NaN where none
    is. It depends on how many units there are, so that numbers of different features are not to be compared. Costs no pass; the random importances have the
    same values, and so the same index.

    >>> Sparseness().better
    'higher'
    """

    title = "Sparseness"
    asks = "On how few units does the importance lie?"
    group = "complexity"
    better = "higher"
    by_chance = False
    cost = "none"
    citation = "Chalasani, Chen, Chowdhury, Wu & Jha 2020, arXiv 1810.06583"

    def measure(self, trial: Trial) -> Measurement:
        values = np.array([[gini(one[present]) for one in maps] for maps, present in zip(trial.importance, trial.present, strict=True)])
        none = np.zeros(len(values), int)
        return Measurement(values, np.zeros(values.shape), none, none)


def gini(importance: Array) -> float:
    """The Gini index of absolute values; NaN where all are 0."""
    sizes = np.sort(np.abs(importance))
    if not sizes.sum():
        return float("nan")
    ranks = 2 * np.arange(1, len(sizes) + 1) - len(sizes) - 1
    return float((ranks * sizes).sum() / (len(sizes) * sizes.sum()))
