"""Whether LIME's linear stand-in deserves to be read at all."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.core.outcome import Check
from pellucid.core.records import Explanation


def surrogate_fit(explanation: Explanation) -> Sequence[Check | None]:
    """A weighted R² below what the method was told is enough."""
    fits, enough = explanation.statistics.get("r_squared"), explanation.statistics.get("enough")
    if fits is None or enough is None:
        return [None] * len(explanation)
    return [_check(float(fit), float(bound)) for fit, bound in zip(fits, enough, strict=True)]


def _check(fit: float, enough: float) -> Check | None:
    if fit >= enough:
        return None
    return Check(
        "poor_fit",
        f"The linear surrogate explains only {max(fit, 0) * 100:.0f} % of the variance: do not rely on it.",
        "Use finer or fewer features, another fill, or a method without a surrogate (shap, integrated_gradients).",
        {"r_squared": fit},
    )
