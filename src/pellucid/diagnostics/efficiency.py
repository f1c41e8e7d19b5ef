"""Efficiency: Shapley values must add up to the score less the score of the fill, to rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.outcome import Check
from pellucid.core.records import Explanation

ROUNDING = 1e-4
"""Float32 scores, relative to the largest of the sizes involved."""


def efficiency(explanation: Explanation) -> Sequence[Check | None]:
    """A gap between Σ values and f(x) − f(fill) of a method whose values are shares."""
    if "live_features" not in explanation.statistics or explanation.baseline_score is None:
        return [None] * len(explanation)
    gaps = explanation.shares.sum(axis=1) - (explanation.score - explanation.baseline_score)
    sizes = np.maximum(np.abs(explanation.shares).sum(axis=1), np.abs(explanation.score) + np.abs(explanation.baseline_score))
    return [_check(float(gap), float(size)) for gap, size in zip(gaps, sizes, strict=True)]


def _check(gap: float, size: float) -> Check | None:
    if abs(gap) <= ROUNDING * max(size, 1e-6):
        return None
    return Check(
        "inefficient",
        f"The shares miss f(x) − f(fill) by {gap:+.3g}.",
        "The model does not give the same score for the same input; make it deterministic (dropout off, no random layers).",
        {"efficiency_gap": gap},
    )
