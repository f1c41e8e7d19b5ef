"""Pictures of the views of training's signals: how gradients flow, and the landscape of the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.core.language import number
from pellucid.core.language import said as _
from pellucid.core.view import View

Figure = tuple[str, str, Mapping[str, Any], str]


def gradient_flow(view: View, row: int) -> Iterator[Figure]:
    """One picture of all layers."""
    sizes = [float(found["gradient_rms"]) for found in view.details.values()]
    text = _("RMS gradient of {count} layers, {first} in the first and {last} in the last; found: {found}")
    found = ", ".join(_(finding.code) for finding in view.findings) or _("nothing")
    yield "layers", "gradient_flow", {}, text.format(count=len(sizes), first=number(sizes[0]), last=number(sizes[-1]), found=found)


def loss_landscape(view: View, row: int) -> Iterator[Figure]:
    """The plane, or the lines; then the lines that a plane brings along."""
    values, details = view.values["network"], view.details["network"]
    text = _("Loss from {low} to {high} on a slice through the weights; {own} at the network's own.")
    low, high, own = (number(float(value)) for value in (values.min(), values.max(), details["loss"]))
    yield "slice", "loss_landscape", {}, text.format(low=low, high=high, own=own)
    if view.axes["network"] == ("row", "column") and "profiles" in details:
        text = _("Loss along {count} random directions; curvature {mean} on average.")
        yield "lines", "loss_landscape", {"lines": True}, text.format(count=len(details["profiles"]), mean=number(float(details["curvature_mean"])))
