"""Pictures of views that show a network's units: what they give over a data set, and their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.view import View

Figure = tuple[str, str, Mapping[str, Any], str]


def of_activation_statistics(view: View, row: int) -> Iterator[Figure]:
    """All layers on one picture, then each by itself."""
    samples = number(int(view.provenance.get("resolved", {}).get("samples", 0)))
    text = _(
        "{layers} layers over {samples} samples: how their values are distributed, and shares of dead units, of zeros and of values at an end of the range"
    )
    yield "all", "activation_statistics", {}, text.format(layers=len(view.values), samples=samples)
    for layer, mean in view.values.items():
        found = view.details[layer]
        text = _("{layer}: {units} units over {samples} samples, mean from {low} to {high}, {zero} of the values zero, {dead} units dead")
        numbers = {"low": number(float(mean.min())), "high": number(float(mean.max())), "zero": percent(float(found["zero"].mean()))}
        yield (
            layer,
            "activation_statistics",
            {"layer": layer},
            text.format(layer=layer, units=number(len(mean)), samples=samples, dead=number(int(found["dead"].sum())), **numbers),
        )


def of_filters(view: View, row: int) -> Iterator[Figure]:
    """One picture a layer."""
    for layer, values in view.values.items():
        shape = " × ".join(str(size) for size in values.shape)
        text = _("{layer}: weights of shape {shape}, from {low} to {high}")
        low, high = (number(float(end)) for end in (np.nanmin(values), np.nanmax(values)))
        yield layer, "filters", {"layer": layer, "title": f"{layer}  ({shape})"}, text.format(layer=layer, shape=shape, low=low, high=high)
