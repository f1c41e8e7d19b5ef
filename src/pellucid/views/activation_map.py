"""Activation maps: every channel of any layer; for a recurrent layer the hidden state over time; which channels are dead or saturated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.model import Layer, Model
from pellucid.core.scene import Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, Finding
from pellucid.maths.streams import column_sums
from pellucid.views._units import FEW, Span, axes_of, by_place, is_head, not_finite, read, span_of, told

Array = np.ndarray
ORDERS = ("number", "strength")
AT_ONCE = 1 << 17
"""Numbers that are looked at together, so that they stay in a processor's cache."""
FIRST = 64
"""Places that are looked at first for an answer."""


@dataclass(frozen=True)
class ActivationMap(ViewMethod):
    """What each channel of a layer answers to an input.

    Use it to see what a layer has kept of an input, which channels are silent, and where. Without `layers`, every convolution and every
    recurrent layer is shown; a network with neither shows all its layers. A recurrent layer shows its hidden state at every time step, also
    where it returns only the last.

    `order` is that of a figure: "number", or "strength", the strongest channel of each sample first, each under its own number.

    Shapes: per layer (samples, rows, columns, channels), (samples, time or tokens, units) or (samples, units), in the layer's own units, channels in their
    own order; channels last also where the framework has them first. Arrays may be read-only where they are the framework's own memory.
    Details (samples, channels): "dead", of a layer that ends in a ReLU, whether it is zero everywhere for this input; "saturated", of one with ends
    (sigmoid, tanh, softsign, the state of a recurrent layer), the share of places so near an end that the slope is below 4 % of the steepest (Glorot &
    Bengio 2010, AISTATS 9:249); where asked, "strength", the mean of the absolute value over places, and "order", the channels from the strongest to the
    weakest.
    Does not say whether a channel matters for the output, nor whether one that is dead here ever answers: `activation_statistics` does.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2), "relu")], (2,))
    >>> view = pellucid.visualize(model, np.array([[1.0, -1.0]]), "activation_map")
    >>> view.values["dense_0"], view.details["dense_0"]["dead"]
    (array([[1., 0.]]), array([[False,  True]]))
    """

    title: ClassVar[str] = "Activation maps"
    answers: ClassVar[str] = "What does each channel of a layer answer to this input?"
    citation: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901"

    order: str = "number"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise SettingError(f"order is {self.order!r}; known: {', '.join(ORDERS)}.")

    def show(self, scene: Scene) -> Shown:
        model = scene.model
        chosen = scene.chosen(_default(model))
        values = read(model, scene.inputs, chosen)
        details, findings = {}, _broken(values)
        for i, layer in enumerate(chosen):
            details[layer.name] = self._details(values[layer.name], span_of(layer))
            findings += _found(layer.name, values[layer.name], details[layer.name], is_head(model, layer))
            scene.progress((i + 1) / len(chosen))
        axes = {name: axes_of(model, array) for name, array in values.items()}
        kinds = {f"kind of {layer.name}": layer.kind for layer in chosen}
        return Shown(values, axes, kinds, details, dict.fromkeys(("strength", "dead", "saturated", "order"), ("sample", "channel")), findings)

    def _details(self, values: Array, span: Span) -> dict[str, Array]:
        placed, found = by_place(values), {}
        if span.floor:
            found["dead"] = _silent(placed)
        if span.ends:
            found["saturated"] = _share_at_end(placed, span)
        if self.order == "strength":
            found["strength"] = _strength(placed)
            found["order"] = np.argsort(-found["strength"], axis=1, kind="stable")
        return found


def _silent(placed: Array) -> Array:
    """Which units of a ReLU are zero at every place, (samples, units). It gives nothing below zero, so a sum of zero tells; most units have answered at one of
    a few places, and only where some have not are others read."""
    places = placed.shape[1]
    adjacent = placed.strides[1] < placed.strides[2]  # the places of one unit lie side by side in memory, else the units of one place do
    middle = max(places - FIRST, 0) // 2
    few = placed[:, middle : middle + FIRST] if adjacent else placed[:, :: max(1, places // FIRST)]
    silent: Array = column_sums(few) == 0
    if few.shape[1] < places and silent.any():
        if adjacent:
            silent[silent] = column_sums(placed.transpose(0, 2, 1)[silent][..., None])[:, 0] == 0
        else:
            silent = column_sums(placed) == 0
    return silent


def _share_at_end(placed: Array, span: Span) -> Array:
    """At how many of its places a unit lies at an end of its range, (samples, units); counted only where one of some samples does at all."""
    samples, places, units = placed.shape
    rows, found = max(1, AT_ONCE // max(places * units, 1)), np.zeros((samples, units), np.float32)
    for start in range(0, samples, rows):
        part = placed[start : start + rows]
        if part.size and span.may_be_at_end(part):
            found[start : start + rows] = column_sums(span.at_end(part).astype(np.float32)) / np.float32(places)
    return found


def _strength(placed: Array) -> Array:
    """The mean of the absolute value over places, (samples, units)."""
    samples, places, units = placed.shape
    dtype = placed.dtype if placed.dtype.kind == "f" else np.dtype(np.float64)
    each, rows = np.full((1, places), 1 / max(places, 1), dtype), max(1, AT_ONCE // max(places * units, 1))
    buffer, found = np.empty((min(rows, samples), places, units), dtype), np.empty((samples, 1, units), dtype)
    for start in range(0, samples, rows):
        part = placed[start : start + rows]
        np.matmul(each, np.abs(part, out=buffer[: len(part)]), out=found[start : start + rows])
    return found[:, 0]


def _found(layer: str, values: Array, details: Mapping[str, Array], head: bool) -> list[Finding]:
    """What holds for all inputs alike; of few inputs, nothing but a layer that is wholly dead is worth a warning."""
    if not details:
        return []
    samples, units = len(values), by_place(values).shape[-1]
    dead = int(details["dead"].all(axis=0).sum()) if "dead" in details else 0
    saturated = int((details["saturated"].mean(axis=0) > 0.5).sum()) if "saturated" in details and not head else 0
    found = told(layer, units, samples, dead=dead, saturated=saturated)
    return [one if one.code == "dead layer" else replace(one, advice=FEW, severity=NOTE) for one in found]


def _broken(values: Mapping[str, Array]) -> list[Finding]:
    """Layers with values that are no numbers, looked for where they have reached the last one that was read, as they do."""
    if not values or np.isfinite(values[list(values)[-1]]).all():
        return []
    counts = {name: int((~np.isfinite(array)).sum()) for name, array in values.items()}
    return [not_finite(name, count) for name, count in counts.items() if count]


def _default(model: Model) -> list[Layer]:
    telling = [layer for layer in model.layers() if "Conv" in layer.kind or layer.sequential]
    return telling or [layer for layer in model.layers() if layer.shape is not None] or list(model.layers())
