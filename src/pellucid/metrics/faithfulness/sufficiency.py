"""Sufficiency: whether what is called important is enough for the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._rationales import RATIOS, checked, fall


@dataclass(frozen=True)
class Sufficiency(Metric):
    """By how much the probability falls when only the most important units are left: the smaller the better.

        1 / (|B| + 1) · Σ_{k=0}^{|B|} (m(x) − m(r_k))

    over rationales r_k of 1, 5, 10, 20 and 50 % of the units (`ratios`), rounded up, and the empty one, of the fill alone, which is the same for every
    explanation. Below 0 where the rationale does better without the rest.

    Made for text: words are replaced by the fill; fill='deletion' cuts them out. For features of any kind. The most important are those of the largest
    values, not amounts.
    Not the sufficiency of Dasgupta et al. 2022, which Quantus calls by this name.

    >>> Sufficiency(ratios=(0.1, 0.5)).better
    'lower'
    """

    ratios: tuple[float, ...] = RATIOS
    title: ClassVar[str] = "Sufficiency"
    asks: ClassVar[str] = "Is what is called important enough for the network?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "lower"
    cost = "an evaluation for each ratio and row of the fill, and one more"
    citation: ClassVar[str] = "DeYoung et al. 2020, arXiv 1911.03429"

    def __post_init__(self) -> None:
        checked(self.ratios, "sufficiency")

    def measure(self, trial: Trial) -> Measurement:
        return fall(trial, self.ratios, alone=True)
