"""What `evaluate` gives a metric: the units that importance is of, random importances beside it, and what stands for what is taken away."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.core.errors import CombinationError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.model import Model
from pellucid.core.records import Explanation

Array = np.ndarray


def units_of(explanation: Explanation, features: Any) -> FeatureMap:
    """What importance is measured by: `features` where they are given, the explanation's own, or the pixels of an image and the numbers of all else."""
    inputs, channels = explanation.inputs, channels_of(explanation)
    if features is not None:
        packing = explanation.packing
        return _inputs.cut_features(features, inputs, packing) if packing is not None else _parts.cut_features(features, inputs, channels)
    if explanation.features is not None:
        return explanation.features
    if not explanation.on_grid:
        raise UnsupportedError(
            f"the values lie at layer '{explanation.layer}', on no grid over the input, so that nothing of the input can be taken away by them; "
            "evaluate an explanation of the input."
        )
    shape = to_last(inputs, channels).shape[1:]
    places = (*shape[:-1], 1) if inputs.ndim == 4 and explanation.packing is None else shape
    labels = np.arange(int(np.prod(places))).reshape(1, *places)
    names = tuple(str(i) for i in range(labels.size))
    return FeatureMap(from_last(labels, channels), names, "pixels" if inputs.ndim == 4 else "elements")


def fills_of(explanation: Explanation, model: Model, fill: Any, background: Any, units: FeatureMap) -> Array:
    """What stands for what is taken away, (1 or samples, rows, *shape): zeros where nothing is given."""
    if fill is not None and background is not None:
        raise CombinationError("give either fill or background, not both: a background is a fill whose rows are data.")
    fill = 0.0 if fill is None else fill
    if model.packing is not None:
        return _inputs.fill_rows(fill, background, explanation.inputs, model.packing, units)
    return _parts.fill_rows(fill, background, explanation.inputs, model.traits.channels, units)


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
