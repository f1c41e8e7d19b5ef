"""Sufficiency: whether what is called important is enough for the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._rationales import RATIOS, checked, fall


@dataclass(frozen=True)
class Sufficiency(Metric):
    """By how much the probability falls when only the most important units are left: 1, 5, 10, 20 and 50 % of them, rounded up, the mean over these lengths
    and the empty one, Σ_{k=0}^{|B|} (m(x) − m(r_k)) / (|B| + 1). The smaller the better; below 0 where they do better without the rest. The empty length, of
    the fill alone, is the same for every explanation.

    Made for text: words are replaced by the fill, not cut out. For features of any kind. The most important are those of the largest values, not amounts.
    Not the sufficiency of Dasgupta et al. 2022, which Quantus calls by this name.

    >>> Sufficiency(ratios=(0.1, 0.5)).better
    'lower'
    """

    ratios: tuple[float, ...] = RATIOS
    title: ClassVar[str] = "Sufficiency"
    asks: ClassVar[str] = "Is what is called important enough for the network?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "lower"
    citation: ClassVar[str] = "DeYoung et al. 2020, arXiv 1911.03429"

    def __post_init__(self) -> None:
        checked(self.ratios, "sufficiency")

    def measure(self, trial: Trial) -> Measurement:
        return fall(trial, self.ratios, alone=True)
