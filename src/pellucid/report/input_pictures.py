"""Pictures of views that lead back to the input: what attention takes from each part, what excites units, and inputs made anew from a layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.core.language import said as _
from pellucid.core.view import View

FEW = 3
"""Layers whose heads are shown apart as well, with their tokens named."""
NETWORK = "network"
UNITS_TOGETHER = 8
"""Units whose examples one picture shows."""


def of_attention(view: View, row: int) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """All heads of all layers, those of each layer where there are few, and the rollout."""
    layers = [name for name in view.values if name != NETWORK]
    if len(layers) > 1:
        text = _("heads of attention in {count} layers, from {first} to {last}: the share that each token gives each").format(
            count=len(layers), first=layers[0], last=layers[-1]
        )
        yield "heads", "attention", {"sample": row}, text
    for name in layers if len(layers) <= FEW else []:
        text = _("{layer}: the share that each token gives each, in {heads} heads").format(layer=name, heads=view.values[name].shape[1])
        yield name, "attention", {"layer": name, "sample": row}, text
    if NETWORK in view.values:
        yield NETWORK, "attention", {"layer": NETWORK, "sample": row}, _("what attention carries from each token to the output, over all layers")


def of_top_examples(view: View, row: int) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """The units of each layer, some at a time."""
    for name, values in view.values.items():
        for first in range(0, len(values), UNITS_TOGETHER):
            text = _("what of the data excites units of {layer} most and least, cut to what they see").format(layer=name)
            yield f"{name}-{first}" if first else name, "top_examples", {"layer": name, "sample": first}, text


def of_inversion(view: View, row: int) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """All layers beside the input."""
    text = _("the input, and what {count} layers do not tell from it, with how far these inputs differ").format(count=len(view.values))
    yield "inversion", "inversion", {"sample": row}, text
