"""Which maps share one colour scale, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.records import Explanation
from pellucid.figures.attribution_map import map_of


def scale_key(explanation: Explanation) -> tuple[object, ...] | None:
    """What two explanations must have in common to share a scale; None for one that shares with none, as several inputs together do."""
    unit = explanation.provenance.get("unit")
    if not unit or explanation.layer or explanation.packing is not None:
        return None
    features = explanation.features
    return (unit, explanation.target.score, None if features is None else (features.kind, features.labels.shape))


def limits(rows: Sequence[tuple[Explanation, int]]) -> list[float | None]:
    """The limit of each map: the largest value among those that share a scale, None for a scale of its own."""
    found: dict[tuple[object, ...], list[float]] = {}
    for explanation, row in rows:
        key = scale_key(explanation)
        if key is not None:
            found.setdefault(key, []).append(float(np.abs(map_of(explanation, row)).max()))
    keys = [scale_key(explanation) for explanation, _ in rows]
    return [max(found[key]) if key is not None and len(found[key]) > 1 else None for key in keys]
