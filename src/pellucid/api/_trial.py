"""What `evaluate` gives a metric: random importances beside the explanation's, and what stands for what is taken away."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.core.errors import CombinationError
from pellucid.core.features import FeatureMap
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.data.preprocessing import of_json

Array = np.ndarray


def fills_of(explanation: Explanation, model: Model, fill: Any, background: Any, units: FeatureMap) -> Array:
    """What stands for what is taken away, (1 or samples, rows, *shape): where nothing is given zeros, or what the preprocessing says of an absent feature."""
    if fill is not None and background is not None:
        raise CombinationError("give either fill or background, not both: a background is a fill whose rows are data.")
    fill = fill_of(explanation, fill, background)
    if model.packing is not None:
        return _inputs.fill_rows(fill, background, explanation.inputs, model.packing, units)
    return _parts.fill_rows(fill, background, explanation.inputs, model.traits.channels, units)


def fill_of(explanation: Explanation, fill: Any, background: Any) -> Any:
    """The fill that is asked for, or what the preprocessing says of an absent feature, or zeros."""
    said = explanation.provenance.get("preprocessing")
    absent = of_json(said).absent if fill is None and background is None and said else None
    return (0.0 if absent is None else absent) if fill is None else fill


def with_chance(importance: Array, present: Array, draws: int, seed: int) -> Array:
    """The importance and `draws` random ones, (samples, 1 + draws, units): the same values, given to units by chance."""
    found = np.repeat(importance[:, None], 1 + draws, axis=1)
    orders: dict[int, Array] = {}  # each sample meets the same stream, so that one alone gets what it gets in company
    for sample in range(len(importance)):
        units = np.flatnonzero(present[sample])
        count = len(units)
        if draws and count not in orders:
            orders[count] = np.stack([np.random.default_rng((seed, draw)).permutation(count) for draw in range(draws)])
        if draws:
            found[sample, 1:, units] = importance[sample, units[orders[count]]].T
    return found
