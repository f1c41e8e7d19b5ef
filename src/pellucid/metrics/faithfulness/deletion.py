"""Deletion: how fast the score falls while what is called important is taken away."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._steps import by_steps


@dataclass(frozen=True)
class Deletion(Metric):
    """The area under the probability over the share of units taken away, the most important first: the smaller the better.

    The most important are those of the largest values, not of the largest amounts. `steps` equal steps from the whole input to none of it.

    >>> Deletion(steps=10).better
    'lower'
    """

    steps: int = 20
    title = "Deletion"
    asks = "How fast does the score fall while what is called important is taken away?"
    group = "faithfulness"
    better = "lower"
    cost = "`steps` + 1 evaluations for each row of the fill"
    citation = "Petsiuk, Das & Saenko 2018, arXiv 1806.07421"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"steps must be at least 1, got {self.steps}.")

    def measure(self, trial: Trial) -> Measurement:
        return by_steps(trial, self.steps)
