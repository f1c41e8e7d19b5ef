"""Completeness: what Integrated Gradients hands out must be the difference of the scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.outcome import Check
from pellucid.core.records import Explanation

ALLOWANCE = 2.0
"""The gap may be this many times the estimated L1 error before it is called unexplained."""
FLOOR = 1e-4
"""Rounding of float32 scores, relative to the L1 norm of the values."""


def completeness(explanation: Explanation) -> Sequence[Check | None]:
    """A gap between Σ values and f(x) − f(baseline) that the estimated error does not explain."""
    gap, estimate = explanation.statistics.get("completeness_gap"), explanation.statistics.get("relative_error")
    if gap is None or estimate is None:
        return [None] * len(explanation)
    norms = np.abs(explanation.values).reshape(len(explanation), -1).sum(axis=1)
    return [_check(float(g), float(e), float(norm)) for g, e, norm in zip(gap, estimate, norms, strict=True)]


def _check(gap: float, estimate: float, norm: float) -> Check | None:
    allowed = (ALLOWANCE * estimate + FLOOR) * max(norm, 1e-6)
    if abs(gap) <= allowed:
        return None
    return Check(
        "incomplete",
        f"The values miss f(x) − f(baseline) by {gap:+.3g}, more than the estimated error explains.",
        "Lower the tolerance; if the gap stays, the network is not differentiable along the path (rounding, argmax, a custom gradient).",
        {"completeness_gap": gap},
    )
