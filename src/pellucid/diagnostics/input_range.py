"""Inputs whose range contradicts a network that was trained on small numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.apart import seen_from
from pellucid.core.outcome import Check
from pellucid.core.records import Explanation

BYTE_LIKE = 32.0
"""Whole numbers above this, up to 255, look like unscaled image bytes."""


def input_range(explanation: Explanation) -> Sequence[Check | None]:
    """Samples that look like bytes 0 to 255 though the network holds no layer that rescales them; of several inputs the first that does."""
    if explanation.packing is not None:
        each = [input_range(seen_from(explanation, name)) for name in explanation.packing.names]
        return [next((check for check in checks if check is not None), None) for checks in zip(*each, strict=True)]
    takes = explanation.provenance.get("takes", {})
    if explanation.inputs.ndim < 3 or takes.get("scales_input", True) or takes.get("tokens", True):
        return [None] * len(explanation)
    return [_check(sample) for sample in explanation.inputs]


def _check(sample: np.ndarray) -> Check | None:
    low, high = float(sample.min()), float(sample.max())
    if low < 0 or not BYTE_LIKE < high <= 255 or not np.array_equal(sample, np.round(sample)):
        return None
    return Check(
        "suspicious_range",
        f"The input runs from {low:.0f} to {high:.0f} in whole numbers, and the network has no layer that rescales it.",
        "If it was trained on values in [0, 1], give x / 255.",
        {"input_low": low, "input_high": high},
    )
