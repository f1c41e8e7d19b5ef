"""Pixel flipping: how far the score falls on the way, while what is called important is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.metrics.faithfulness._steps import measured, scores_after


@dataclass(frozen=True)
class PixelFlipping(Metric):
    """The area over the perturbation curve: how far the score has fallen, the mean over all steps, while units are taken away, the most important first.

        AOPC = 1 / (L + 1) · Σ_{k=0}^{L} (f(x⁽⁰⁾) − f(x⁽ᵏ⁾))

    Of L = `steps` equal steps, step 0 is the whole input and counts, as in Samek's definition; at the last one the `share` of the units is gone (1: all of
    them). In units of the explained score, a logit rather than a probability. Quantus 0.6 takes the trapezoids under f(x⁽¹⁾) … f(x⁽ᴸ⁾), one unit a step: the
    same curve, without step 0.

    >>> PixelFlipping(steps=100, share=0.3).better
    'higher'
    """

    steps: int = 20
    share: float = 1.0
    title: ClassVar[str] = "Pixel flipping"
    asks: ClassVar[str] = "How far has the score fallen on the way, while what is called important is taken away?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "higher"
    cost = "`steps` + 1 evaluations for each row of the fill"
    citation: ClassVar[str] = "Bach et al. 2015, doi:10.1371/journal.pone.0130140; Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820"

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.share <= 1:
            raise SettingError(f"pixel_flipping needs steps ≥ 1 and 0 < share ≤ 1, got {self.steps} and {self.share}.")

    def measure(self, trial: Trial) -> Measurement:
        shares = np.linspace(0, self.share, self.steps + 1)
        found = scores_after(trial, shares)
        return measured(trial, found[..., 0] - found.mean(axis=-1), shares, found)
