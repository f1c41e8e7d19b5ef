"""What layers make of samples, as rows, and what the network answers, from one pass where it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit, log_softmax

from pellucid.core.errors import SettingError, unknown
from pellucid.core.model import Layer, Model
from pellucid.core.target import TINY, predicted_classes
from pellucid.views._spool import flat

Array = np.ndarray
POOLINGS = ("mean", "flat", "last")
PASSES_ON = ("Dropout", "Identity", "InputLayer", "GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout", "ActivityRegularization")
"""Layers that give on what they are given when nobody trains."""


def check_pooling(pooling: str) -> None:
    """Raise unless it is one of `POOLINGS`."""
    if pooling not in POOLINGS:
        raise SettingError(unknown("pooling", pooling, POOLINGS))


def pooled(values: Array, layer: Layer, pooling: str) -> Array:
    """A layer's output (samples, ...) as rows: "mean" over places and time steps, "last" time step (mean over places of a grid), or everything side by side."""
    values = widened(np.asarray(values))
    if values.ndim < 3 or pooling == "flat":
        return flat(values)
    last = values if layer.channel_axis == -1 else np.moveaxis(values, 1 + layer.channel_axis, -1)
    if pooling == "last" and last.ndim == 3:
        return last[:, -1]
    return np.asarray(last.reshape(len(last), -1, last.shape[-1]).mean(axis=1))


def widened(values: Array) -> Array:
    """Numbers of half a width, bfloat16 among them, in single precision; others as they are."""
    return values.astype(np.float32) if values.dtype.kind not in "iub" and values.dtype.itemsize < 4 else values


def last_hidden(model: Model) -> Layer:
    """The layer whose output the head reads: the one before the last that has weights, of those that compute something."""
    layers = [layer for layer in model.layers() if not layer.kind.startswith(PASSES_ON)]
    heads = [place for place, layer in enumerate(layers) if layer.parameters]
    place = (heads[-1] if heads else len(layers)) - 1
    return layers[max(min(place, len(layers) - 1), 0)] if layers else model.layers()[0]


@dataclass(frozen=True)
class Answers:
    """What the network says of samples. `outputs` as it gives them; `classes` (samples,) and `confidence` (samples,), the probability of that class, None where
    the output names no class or is no probability."""

    outputs: Array
    classes: Array | None
    confidence: Array | None


def answers_of(model: Model, outputs: Array) -> Answers:
    """Classes and confidence of what the network returns."""
    traits = model.traits
    classes = predicted_classes(outputs, traits.head, traits.class_axis)
    if classes is None or (traits.head != "sigmoid" and outputs.shape[1] < 2):
        return Answers(outputs, None, None)
    if traits.head is None:
        return Answers(outputs, classes, None)
    values = np.exp(outputs) if traits.head == "log_softmax" else outputs
    top = values.max(axis=1)
    return Answers(outputs, classes, np.maximum(top, 1 - top) if traits.head == "sigmoid" and outputs.shape[1] == 1 else top)


def log_probabilities(model: Model, outputs: Array) -> Array:
    """The logarithm of each class's probability, (samples, classes), of outputs before the head, where there is one. A single sigmoid gives two classes.
    Outputs of a network without a known head count as probabilities where all of them add up to 1, else as what a softmax would be given."""
    outputs, head = outputs.astype(np.float64), model.traits.head
    if head == "sigmoid":
        both = np.concatenate([-outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs
        return np.asarray(log_expit(both))
    if head is None and outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        return np.log(np.maximum(outputs, TINY))
    return np.asarray(log_softmax(outputs, axis=1))


class Reader:
    """Layers' outputs and the network's answers, batch by batch. Where the last layer's output is the network's, which is tried on the first batch, one pass
    gives both."""

    def __init__(self, model: Model, layers: Sequence[Layer]) -> None:
        self.model, self.layers = model, list(layers)
        self._last: str | None = None
        self._tried = False

    def read(self, batch: Array) -> tuple[dict[str, Array], Answers]:
        """Layer → its output as the framework gives it, and the answers."""
        names = [layer.name for layer in self.layers]
        if self._last is not None:
            found = self.model.activations(batch, list(dict.fromkeys([*names, self._last])))
            return {name: found[name] for name in names}, answers_of(self.model, found[self._last])
        outputs = self.model.predict(batch)
        if not self._tried:
            self._tried, last = True, self.model.layers()[-1].name
            found = self.model.activations(batch, list(dict.fromkeys([*names, last])))
            if found[last].shape == outputs.shape and np.allclose(found[last], outputs, rtol=1e-4, atol=1e-6):
                self._last = last
        else:
            found = self.model.activations(batch, names)
        return {name: found[name] for name in names}, answers_of(self.model, outputs)
