"""What views of activations share: layers read with channels last, the ends of an activation's range, and what is said of units that are dead or saturated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.language import later
from pellucid.core.model import Layer, Model
from pellucid.core.view import FAULT, NOTE, WARNING, Finding

Array = np.ndarray
MANY = 0.1
"""A share of units that is more than the few which training may leave behind in any network."""


@dataclass(frozen=True)
class Span:
    """The range of an activation. `low` and `high` are the ends at which its slope vanishes, None where there is none; a value is at an end when it is no
    farther than `margin` from it. `floor` says that it is zero for all that lies below zero, so that a unit can die."""

    low: float | None = None
    high: float | None = None
    margin: float = 0.0
    floor: bool = False

    def at_end(self, values: Array) -> Array:
        """Which values lie at an end."""
        if self.high is None:
            return np.zeros(values.shape, bool) if self.low is None else values <= self.low + self.margin
        high: Array = values >= self.high - self.margin
        return high if self.low is None else high | (values <= self.low + self.margin)

    def may_be_at_end(self, values: Array) -> bool:
        """Whether one of the values lies at an end; also where some are no numbers, so that nothing can be said."""
        low = self.low is not None and not values.min() > self.low + self.margin
        return low or (self.high is not None and not values.max() < self.high - self.margin)

    @property
    def ends(self) -> bool:
        return self.low is not None or self.high is not None


_TANH = Span(-1.0, 1.0, 0.02)
_SPANS = {
    "relu": Span(floor=True),
    "relu6": Span(high=6.0, floor=True),
    "sigmoid": Span(0.0, 1.0, 0.01),
    "tanh": _TANH,
    "softsign": Span(-1.0, 1.0, 0.2),
    "hardsigmoid": Span(0.0, 1.0),
    "hardtanh": Span(-1.0, 1.0),
    **dict.fromkeys(("lstm", "gru", "rnn", "simplernn", "lstmcell", "grucell", "rnncell", "bidirectional"), _TANH),
}
"""Margins of the smooth ones are where the slope is 4 % of its steepest: 4a(1 − a) of sigmoid's, 1 − a² of tanh's, (1 − |a|)² of softsign's."""


def span_of(layer: Layer) -> Span:
    """The range of what a layer gives, as its activation, or else its kind, says; one without ends where neither is known."""
    return _SPANS.get((layer.activation or layer.kind).lower().replace("_", ""), Span())


def is_head(model: Model, layer: Layer) -> bool:
    """Whether a layer is the last and ends in the network's sigmoid or softmax, which is meant to reach its ends."""
    return model.traits.head is not None and model.layers()[-1].name == layer.name


def axes_of(model: Model, array: Array) -> tuple[str, ...]:
    """Names of the axes of a layer's values (samples, ..., channels)."""
    step = "token" if model.traits.tokens and array.shape[1:2] == (model.traits.input_shape or ())[:1] else "time"
    known = {
        1: ("sample", "unit"),
        2: ("sample", step, "unit"),
        3: ("sample", "row", "column", "channel"),
        4: ("sample", "depth", "row", "column", "channel"),
    }
    return known.get(array.ndim - 1, ("sample", *(f"axis_{i}" for i in range(array.ndim - 1))))


def read(model: Model, inputs: Array, layers: Sequence[Layer]) -> dict[str, Array]:
    """Layer → its values (samples, ..., channels), of a recurrent layer its hidden state at every time step."""
    recurrent = [layer.name for layer in layers if layer.sequential]
    others = [layer.name for layer in layers if not layer.sequential]
    found = (model.activations(inputs, others) if others else {}) | (model.states(inputs, recurrent) if recurrent else {})
    return {layer.name: _channels_last(found[layer.name], layer) for layer in layers}


def _channels_last(values: Array, layer: Layer) -> Array:
    """A layer's values with the channels last, wherever its framework has them."""
    if layer.channel_axis == -1:
        return values
    axis = 1 + layer.channel_axis
    return values.transpose(*range(axis), *range(axis + 1, values.ndim), axis)


def by_place(values: Array) -> Array:
    """Values (samples, ..., units) as (samples, places, units)."""
    return values.reshape(len(values), -1, values.shape[-1] if values.ndim > 1 else 1)


def told(layer: str, units: int, samples: int, *, dead: int = 0, saturated: int = 0, floor: bool = True) -> list[Finding]:
    """What is said of a layer with so many dead and saturated units over so many inputs."""
    found = []
    if dead == units:
        text = later("Every one of the {units} units of {layer} gives zero everywhere, for each of {samples} inputs: nothing passes.")
        still = later("Every one of the {units} units of {layer} gives the same number everywhere, for each of {samples} inputs: nothing passes.")
        found.append(Finding("dead layer", layer, text if floor else still, DEAD if floor else STILL, {"units": units, "samples": samples}, FAULT))
    elif dead:
        numbers = {"dead": dead, "units": units, "samples": samples, "share_dead": dead / units}
        text = later("{dead} of the {units} units of {layer} ({share_dead}) give zero everywhere, for each of {samples} inputs.")
        still = later("{dead} of the {units} units of {layer} ({share_dead}) give the same number everywhere, for each of {samples} inputs.")
        severity = WARNING if dead >= MANY * units else NOTE
        found.append(Finding("dead units", layer, text if floor else still, DEAD if floor else STILL, numbers, severity))
    if saturated:
        numbers = {"saturated": saturated, "units": units, "share_saturated": saturated / units, "samples": samples}
        most = 2 * saturated > units
        text = later("{saturated} of the {units} units of {layer} ({share_saturated}) lie at an end of their range at most places of {samples} inputs.")
        severity = WARNING if saturated >= MANY * units else NOTE
        found.append(Finding("saturated layer" if most else "saturated units", layer, text, SATURATED, numbers, FAULT if saturated == units else severity))
    return found


def not_finite(layer: str, count: int) -> Finding:
    """What is said of a layer that gives what is no number."""
    text = later("{layer} gives {count} values that are no numbers, or infinite.")
    advice = later("Look for a division by zero or an exponential of a large number in this layer or before it; lower the learning rate; clip gradients.")
    return Finding("not finite", layer, text, advice, {"count": count}, FAULT)


DEAD = later(
    "No gradient reaches their weights. Lower the learning rate or warm it up, start from He-scaled weights, normalise what the layer is given, "
    "or take an activation with a slope below zero, such as leaky ReLU or GELU."
)
STILL = later(
    "They tell nothing of the input: what they read is the same for all inputs, or their weights are near zero. See the layers before this one, and filters, "
    "which shows the weights."
)
SATURATED = later(
    "Hardly any gradient passes them. Start from smaller, Glorot-scaled weights, lower the learning rate, normalise what the layer is given, "
    "or take an activation without ends, such as ReLU."
)
FEW = later("These are few inputs: activation_statistics over a data set tells whether it is so for all.")
