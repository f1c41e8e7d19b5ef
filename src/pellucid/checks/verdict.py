"""Verdict: whether the explanations are worth believing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.checks._expectation import Expectation, Seen
from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation
from pellucid.core.records import Explanation
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED

VALUE = {SUPPORTED: 1.0, MIXED: 0.0, NOT_SUPPORTED: -1.0}


@dataclass(frozen=True, kw_only=True)
class Verdict(Expectation):
    """The verdict of `evaluate` is "supported" (1) on at least `of_samples` of the samples; "mixed" is 0, "not supported" −1, so that at_least=0 asks that
    nothing be not supported.

    >>> print(Verdict(of_samples=0.9))
    the verdict is supported on at least 90 % of the samples
    """

    at_least: float | None = 1.0
    needs_evaluation: ClassVar[bool] = True

    def look(self, explanation: Explanation, evaluation: Evaluation | None) -> Seen:
        if evaluation is None:
            raise SettingError("the verdict is what evaluate says; give its Evaluation: expectation.check(explanation, evaluation).")
        found = np.array([VALUE[verdict.word] for verdict in evaluation.verdicts])
        return Seen(found, found, found, tuple(str(verdict) for verdict in evaluation.verdicts))

    def __str__(self) -> str:
        word = "supported" if self.at_least == 1 else f"{self.bound} (supported 1, mixed 0, not supported −1)"
        return f"the verdict is {word} on at least {self.of_samples:.0%} of the samples".replace("%", " %")
