"""Which maps share one colour scale, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.records import Explanation
from pellucid.figures.attribution_map import map_of

SHARED = (("integrated_gradients", "gradient_x_input"), ("lime", "shap", "exact_shap", "permutation_shap", "partition_shap"))
"""Methods whose values have the same units and meaning per element, so that one scale makes them comparable."""


def scale_key(explanation: Explanation) -> tuple[object, ...] | None:
    """What two explanations must have in common to share a scale; None for one that shares with none."""
    if explanation.layer:
        return None
    for number, methods in enumerate(SHARED):
        if explanation.method in methods:
            features = explanation.features
            return (number, explanation.target.score, None if features is None else (features.kind, features.labels.shape))
    return None


def limits(rows: Sequence[tuple[Explanation, int]]) -> list[float | None]:
    """The limit of each map: the largest value among those that share a scale, None for a scale of its own."""
    found: dict[tuple[object, ...], list[float]] = {}
    for explanation, row in rows:
        key = scale_key(explanation)
        if key is not None:
            found.setdefault(key, []).append(float(np.abs(map_of(explanation, row)).max()))
    keys = [scale_key(explanation) for explanation, _ in rows]
    return [max(found[key]) if key is not None and len(found[key]) > 1 else None for key in keys]
