"""A record of a network with several inputs as records of one input each, so that whatever reads an ordinary record shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.packing import Packing

if TYPE_CHECKING:
    from pellucid.core.records import Explanation

Array = np.ndarray


def apart(explanation: Explanation) -> dict[str, Explanation]:
    """Name → what the explanation says of that input, in the input's own shape, a single number as a table of one column; of pairs of features, those within
    it. A feature that covers elements of several inputs stands with each of them. `UnsupportedError` for values at a layer, which belong to no input."""
    packing = explanation.packing
    if packing is None:
        raise UnsupportedError("this explanation is of a network with one input; it has nothing to be taken apart.")
    if explanation.layer:
        raise UnsupportedError(f"the values are those of layer '{explanation.layer}' and belong to no single input; read `values`, or draw 'feature_bars'.")
    return {name: _one(explanation, packing, name) for name in packing.names}


def seen_from(explanation: Explanation, name: str) -> Explanation:
    """The record as it is, with one of its inputs in place of all: what a figure of the input and the prediction needs."""
    packing = explanation.packing
    if packing is None:
        return explanation
    takes = dict(explanation.provenance.get("takes", {})) | _takes(packing, name)
    provenance = dict(explanation.provenance) | {"input": name, "takes": takes}
    return replace(explanation, inputs=_own(packing, name, explanation.inputs), baseline=None, features=None, packing=None, provenance=provenance)


def _own(packing: Packing, name: str, array: Array) -> Array:
    """One input's part of an array (..., total)."""
    part = packing.unpack(array)[name]
    return part if packing.shapes[packing.names.index(name)] else part[..., None]


def _takes(packing: Packing, name: str) -> dict[str, Any]:
    place = packing.names.index(name)
    return {"input_shape": list(packing.shapes[place]), "tokens": bool(packing.whole[place]), "channels": packing.channels[place]}


def _one(explanation: Explanation, packing: Packing, name: str) -> Explanation:
    alone = seen_from(explanation, name)
    baseline = None if explanation.baseline is None else _own(packing, name, explanation.baseline)
    common: dict[str, Any] = {"baseline": baseline, "statistics": {}, "state": {}, "continuation": None}
    lead = 1 + bool(explanation.targets)
    choices = explanation.choices
    if explanation.features is None:
        if choices is not None:
            common["choices"] = choices.each(lambda array: _own(packing, name, array))
        values, error = (_own(packing, name, array) for array in (explanation.values, explanation.error))
        axes = (*explanation.axes[:lead], *(f"input_{i}" for i in range(values.ndim - lead)))
        return replace(alone, values=values, error=error, axes=axes, **common)
    labels = _own(packing, name, explanation.features.labels)
    present = np.unique(labels[labels >= 0])
    place = np.full(explanation.values.shape[lead] + 1, -1)
    place[present] = np.arange(len(present))
    names = tuple(explanation.features.names[feature].removeprefix(f"{name}: ") for feature in present)
    features = FeatureMap(place[labels], names, explanation.features.kind)
    if choices is not None:
        common["choices"] = choices.each(lambda array: array[..., present[:, None], present] if explanation.of_pairs else array[..., present])
    pick = np.ix_(*(np.arange(size) for size in explanation.values.shape[:lead]), *(present,) * (explanation.values.ndim - lead))
    return replace(alone, values=explanation.values[pick], error=explanation.error[pick], features=features, **common)
