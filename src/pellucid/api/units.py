"""What an explanation's importance is measured by: the units that metrics, comparisons and expectations share."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.core.errors import UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.records import Explanation


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
