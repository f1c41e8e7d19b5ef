"""Change: how far reasons are from those of an earlier model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pellucid.checks._expectation import Expectation, Seen
from pellucid.core.errors import ShapeError, UnsupportedError
from pellucid.core.evaluation import Evaluation
from pellucid.core.records import Explanation, t_quantile


@dataclass(frozen=True, kw_only=True)
class Change(Expectation):
    """‖values − earlier‖ / ‖earlier‖ of each sample against an earlier explanation of the same samples by the same method: the change since last week's model.
    What the errors of both alone would make is taken out of the square; the interval is what they leave (first order, errors independent).

    >>> Change(at_most=0.1).bound
    'at most 0.1'
    """

    since: Explanation | None = field(default=None, repr=False)
    name: str = ""

    def look(self, explanation: Explanation, evaluation: Evaluation | None) -> Seen:
        earlier = self.since
        if explanation.targets or (isinstance(earlier, Explanation) and earlier.targets):
            raise UnsupportedError("an explanation of several targets has a change for each; choose one: explanation.at(target).")
        if not isinstance(earlier, Explanation) or earlier.method != explanation.method or earlier.values.shape != explanation.values.shape:
            had = repr(earlier)[:60] if not isinstance(earlier, Explanation) else f"{earlier.method} of shape {earlier.values.shape}"
            raise ShapeError(f"the change is from the same method on the same samples: {explanation.method} {explanation.values.shape} here, {had} before.")
        rows = len(explanation)
        if explanation.inputs.shape != earlier.inputs.shape or not np.array_equal(explanation.inputs, earlier.inputs):
            raise ShapeError("the earlier explanation is of other samples; explain the same ones with both models.")
        difference = (explanation.values - earlier.values).reshape(rows, -1).astype(np.float64)
        variance = (np.square(explanation.error) + np.square(earlier.error)).reshape(rows, -1)
        size = np.maximum(np.linalg.norm(earlier.values.reshape(rows, -1), axis=1), 1e-300)
        square = np.square(difference).sum(axis=1)
        distance = np.sqrt(np.maximum(square - variance.sum(axis=1), 0))
        spread = np.sqrt(4 * (np.square(difference) * variance).sum(axis=1) + 2 * np.square(variance).sum(axis=1))
        reach = t_quantile((1 + self.level) / 2, np.minimum(explanation.degrees, earlier.degrees)) * spread
        low, high = (np.sqrt(np.maximum(square - variance.sum(axis=1) + sign * reach, 0)) for sign in (-1, 1))
        return Seen(distance / size, low / size, high / size)

    def __str__(self) -> str:
        return f"reasons changed by {self.bound}" + (f" since {self.name}" if self.name else "")
