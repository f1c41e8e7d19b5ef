"""Relevance mass: how much of the positive attribution lies where the reason is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.metric import Measurement, Metric, Trial


@dataclass(frozen=True)
class RelevanceMass(Metric):
    """The positive importance inside the truth over all positive importance (relevance mass accuracy).

    What a unit has is spread evenly over its elements, so that of a unit that lies in the truth in part, that part counts. By chance it is the truth's share
    of the units; NaN where no unit is positive. What speaks against the target does not count. Costs no pass.

    >>> RelevanceMass().better
    'higher'
    """

    title = "Relevance mass"
    asks = "How much of what speaks for the target lies where the reason is?"
    group = "localisation"
    better = "higher"
    needs = frozenset({"truth"})
    cost = "none"
    citation = "Arras, Osman & Samek 2022, arXiv 2003.07258"

    def measure(self, trial: Trial) -> Measurement:
        positive = np.maximum(trial.importance, 0) * trial.present[:, None]
        inside = (positive * trial.known_truth()[:, None]).sum(axis=2)
        whole = positive.sum(axis=2)
        values = np.divide(inside, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
        none = np.zeros(len(values), int)
        return Measurement(values, np.zeros(values.shape), none, none)
