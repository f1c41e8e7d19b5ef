"""Comprehensiveness: whether the network can do without what is called important."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._rationales import RATIOS, checked, fall


@dataclass(frozen=True)
class Comprehensiveness(Metric):
    """By how much the probability falls when the most important units are taken away: the larger the better.

        1 / (|B| + 1) · Σ_{k=0}^{|B|} (m(x) − m(x without r_k))

    over rationales r_k of 1, 5, 10, 20 and 50 % of the units (`ratios`), rounded up, and the empty one, as DeYoung et al. write it. Code that leaves out the
    empty one, whose term is 0, gives 6/5 of this number.

    Made for text: words are replaced by the fill; fill='deletion' cuts them out. For features of any kind. The most important are those of the largest
    values, not amounts.

    >>> Comprehensiveness(ratios=(0.1, 0.5)).better
    'higher'
    """

    ratios: tuple[float, ...] = RATIOS
    title: ClassVar[str] = "Comprehensiveness"
    asks: ClassVar[str] = "Does the network need what is called important?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "higher"
    cost = "an evaluation for each ratio and row of the fill, and one more"
    citation: ClassVar[str] = "DeYoung et al. 2020, arXiv 1911.03429"

    def __post_init__(self) -> None:
        checked(self.ratios, "comprehensiveness")

    def measure(self, trial: Trial) -> Measurement:
        return fall(trial, self.ratios, alone=False)
