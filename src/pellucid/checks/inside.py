"""Inside: how much of the attribution lies where the reason is, or where it must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.api.truth import truth_of
from pellucid.api.units import units_of
from pellucid.checks._expectation import Expectation, Seen, share_of
from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation
from pellucid.core.metric import elements_of, summed
from pellucid.core.records import Explanation


@dataclass(frozen=True, kw_only=True)
class Inside(Expectation):
    """The share of the absolute attribution, 0 to 1, that lies inside `truth`: a mask over the inputs, boxes (top, left, bottom, right), or names or numbers of
    columns, words and steps, as `evaluate` takes it. Its interval is what the values' errors leave.

    >>> print(Inside(truth=["sex"], at_most=0.01))
    at most 0.01 of the attribution inside ['sex']
    """

    truth: Any = field(default=None)
    name: str = ""

    def look(self, explanation: Explanation, evaluation: Evaluation | None) -> Seen:
        units = units_of(explanation, None)
        place = truth_of(self.truth, explanation, units)
        if place is None:
            raise SettingError("truth is not given; say where the attribution must lie: truth=mask, a box, or names of columns.")
        values, error = explanation.to_input(), explanation.error
        if explanation.features is not None:
            inside = summed(place / elements_of(units, place.shape), units)
            return share_of(explanation.shares, explanation.error, explanation.degrees, inside, self.level)
        rows = len(explanation)
        if error.shape != values.shape:  # a map of a layer, resized: its own error does not lie over the input
            error = np.zeros(values.shape) if explanation.error_kind == "exact" else np.full(values.shape, np.nan)
        return share_of(values.reshape(rows, -1), error.reshape(rows, -1), explanation.degrees, place.reshape(rows, -1), self.level)

    def __str__(self) -> str:
        where = self.name or (f"a mask of shape {self.truth.shape}" if isinstance(self.truth, np.ndarray) else str(self.truth))
        return f"{self.bound} of the attribution inside {where}"
