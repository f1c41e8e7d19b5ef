"""Insertion: how fast the score rises while what is called important is put in."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._steps import by_steps


@dataclass(frozen=True)
class Insertion(Metric):
    """The area under the probability over the share of units put into the fill, the most important first: the larger the better.

    The most important are those of the largest values, not of the largest amounts. `steps` equal steps from the fill alone to the whole input.

    >>> Insertion(steps=10).better
    'higher'
    """

    steps: int = 20
    title = "Insertion"
    asks = "How fast does the score rise while what is called important is put in?"
    group = "faithfulness"
    better = "higher"
    cost = "`steps` + 1 evaluations for each row of the fill"
    citation = "Petsiuk, Das & Saenko 2018, arXiv 1806.07421"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"steps must be at least 1, got {self.steps}.")

    def measure(self, trial: Trial) -> Measurement:
        return by_steps(trial, self.steps, insert=True)
