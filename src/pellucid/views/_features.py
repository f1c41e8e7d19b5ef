"""What a feature image is made for: classes, channels and directions as objectives of a climb, and the scores that inputs reach in them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError, ShapeError, UnsupportedError
from pellucid.core.layout import from_last
from pellucid.core.model import INPUT, Layer, Model
from pellucid.core.scene import Scene
from pellucid.core.target import Target, class_index, default_names, of_two
from pellucid.maths.variation import unit

Array = np.ndarray
OUTPUT_NAME = "output"
APART = 2.0
"""What keeping images apart counts beside the objective, whose gradient is 1, where they are wholly alike; less in proportion as they differ."""
ROWS_OF_BYTES = 64e6
"""Real inputs are read so many bytes of a layer's outputs at a time."""


@dataclass(frozen=True)
class Subjects:
    """What is climbed of one layer, or of the network's output: `weights` (subjects, channels) are what each channel counts; its score is their weighted sum,
    averaged over places and time. `numbers` are the classes or channels, or count directions; `of` says how many there would be."""

    layer: str
    numbers: tuple[int, ...]
    weights: Array
    of: int
    kind: str
    shape: tuple[int, ...]
    channel_axis: int

    def cotangents(self) -> Array:
        """The weights spread over places, (subjects, *layer)."""
        places = np.prod(self.shape) / self.shape[self.channel_axis]
        at = [1] * len(self.shape)
        at[self.channel_axis] = -1
        spread = self.weights.reshape(len(self.weights), *at) / places
        return np.ascontiguousarray(np.broadcast_to(spread, (len(self.weights), *self.shape)), dtype=np.float32)

    def scores(self, model: Model, inputs: Array) -> Array:
        """The scores of inputs as the model takes them, (inputs, subjects)."""
        if self.layer == OUTPUT_NAME:
            found = model.predict(inputs, logits=model.traits.head is not None)
        else:
            found = model.activations(inputs, [self.layer])[self.layer]
        channels = np.moveaxis(found, self.channel_axis + 1 if self.channel_axis >= 0 else self.channel_axis, -1)
        return np.asarray(channels.reshape(len(found), -1, channels.shape[-1]).mean(axis=1, dtype=np.float64) @ self.weights.T)

    def scores_of_many(self, model: Model, inputs: Array) -> Array:
        """`scores` of any number of inputs, some at a time."""
        together = max(1, int(ROWS_OF_BYTES // (4 * max(math.prod(self.shape), inputs[:1].size, 1))))
        parts = [self.scores(model, inputs[start : start + together]) for start in range(0, len(inputs), together)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.weights)))

    def values_and_gradients(self, model: Model, inputs: Array, which: Array) -> tuple[Array, Array]:
        """Of inputs as the model takes them, each with respect to the subject `which` (inputs,)."""
        cotangents = self.cotangents()[which]
        if self.layer == OUTPUT_NAME:
            target = Target(cotangents, "output" if model.traits.head is None else "logit", (), head=None, class_axis=model.traits.class_axis)
            found = model.gradients(inputs, target)
        else:
            found = model.pullback(inputs, self.layer, cotangents)
        return found.scores, found.gradients[INPUT]

    def taken(self, rows: Sequence[int] | Array) -> Subjects:
        """Some of the subjects, with repetition."""
        return replace(self, numbers=tuple(np.asarray(self.numbers)[rows].tolist()), weights=self.weights[rows])

    def repeated(self, times: int) -> Subjects:
        """Each subject so many times over."""
        return self.taken(np.repeat(np.arange(len(self.numbers)), times))


def output_subjects(scene: Scene, classes: Any, most: int) -> Subjects:
    """Classes that were asked for; else those that the network predicts for the samples, the most frequent first; else the first ones."""
    model = scene.model
    outputs = _outputs(scene)
    axis = model.traits.class_axis if len(outputs.shape) > 1 else -1
    count = outputs.shape[1:][axis]
    two = of_two(model.traits.head, outputs.shape[1:], model.traits.class_axis)
    total = 2 if two else count
    if classes is not None:
        names = list(scene.class_names) if len(scene.class_names) == total else default_names(total, None)
        given: list[str | int] = [classes] if isinstance(classes, (str, int)) or np.ndim(classes) == 0 else list(classes)
        numbers = [class_index(one, names) for one in given]
    else:
        numbers = _usual_classes(outputs, total, most, two) if len(scene.inputs) and outputs.ndim == 2 else list(range(min(most, total)))
    weights = np.array([[1.0 if number else -1.0] for number in numbers]) if two else np.eye(count)[numbers]
    if model.traits.head in ("softmax", "log_softmax"):
        weights = weights - 1 / count
    shape = tuple(outputs.shape[1:])
    return Subjects(OUTPUT_NAME, tuple(numbers), weights, total, "class" if total > 1 else "output", shape, axis)


def _outputs(scene: Scene) -> Array:
    """What the network answers to the samples, or to one empty input where none were given."""
    inputs = scene.inputs if len(scene.inputs) else np.zeros((1, *input_shape(scene)), np.float32)
    model, shape = scene.model, scene.model.traits.output_shape
    if shape is not None and None not in shape and not len(scene.inputs):
        return np.zeros((1, *(side or 1 for side in shape)))
    return model.predict(inputs, logits=model.traits.head is not None)


def _usual_classes(outputs: Array, total: int, most: int, two: bool) -> list[int]:
    predicted = (outputs[:, 0] > 0).astype(int) if two else outputs.argmax(axis=1)
    counts = np.bincount(predicted, minlength=total)
    order = np.argsort(-counts, kind="stable")
    return [int(number) for number in order[:most] if counts[number]]


def layer_subjects(scene: Scene, layer: Layer, channels: Any, direction: Any, most: int) -> Subjects:
    """Channels of a layer, or directions in them."""
    shape = _layer_shape(scene, layer)
    axis = layer.channel_axis
    count = shape[axis]
    if direction is not None:
        weights = np.atleast_2d(np.asarray(direction, np.float64))
        if weights.ndim != 2 or weights.shape[1] != count or not np.isfinite(weights).all() or not np.abs(weights).sum(axis=1).all():
            raise ShapeError(
                f"direction has the shape {np.shape(direction)}; layer '{layer.name}' has {count} channels: give ({count},) or (n, {count}) numbers, not all 0."
            )
        return Subjects(layer.name, tuple(range(len(weights))), weights, len(weights), "direction", shape, axis)
    numbers = list(range(min(most, count))) if channels is None else _whole_numbers(channels, count, layer.name)
    return Subjects(layer.name, tuple(numbers), np.eye(count)[numbers], count, "channel", shape, axis)


def _whole_numbers(given: Any, count: int, layer: str) -> list[int]:
    if isinstance(given, str):
        if given == "all":
            return list(range(count))
        raise SettingError(f"channels={given!r}: give numbers, e.g. channels=[0, 5], or 'all'.")
    try:
        numbers = [operator.index(given)] if np.ndim(given) == 0 else [operator.index(one) for one in given]
    except TypeError:
        raise SettingError(f"channels={given!r}: give whole numbers, e.g. channels=[0, 5], or 'all'.") from None
    for number in numbers:
        if not 0 <= number < count:
            raise SettingError(f"channel {number} is not there: layer '{layer}' has {count}, numbered 0 to {count - 1}.")
    if not numbers:
        raise SettingError("channels is empty; give at least one number, or leave it out.")
    return numbers


def input_shape(scene: Scene) -> tuple[int, ...]:
    """The shape of one input as the model takes it."""
    if len(scene.inputs):
        return tuple(scene.inputs.shape[1:])
    shape = scene.model.traits.input_shape
    if shape is None or any(side is None for side in shape):
        raise UnsupportedError(
            f"the network does not say what shape its input has ({shape}); give real samples: pellucid.visualize(model, x, 'feature_visualization')."
        )
    return tuple(side or 1 for side in shape)


def _layer_shape(scene: Scene, layer: Layer) -> tuple[int, ...]:
    if layer.shape is not None and None not in layer.shape:
        return tuple(side or 1 for side in layer.shape)
    one = scene.inputs[:1] if len(scene.inputs) else np.zeros((1, *input_shape(scene)), np.float32)
    return tuple(scene.model.activations(one, [layer.name])[layer.name].shape[1:])


class Facets:
    """Keeps images of one subject apart: the cosines between the Gram matrices of what a layer answers to them, whose mean gradient is taken off (Olah,
    Mordvintsev, Schubert 2017). Costs a forward and a backward pass up to the layer beside the objective's own."""

    def __init__(self, model: Model, layer: Layer, subjects: Array) -> None:
        self.model, self.layer, self.subjects = model, layer, subjects
        self._grams: dict[int, Array] = {}

    def apart(self, inputs: Array, rows: Array, gradients: Array) -> Array:
        """The gradients, with that of likeness taken off; inputs as the model takes them."""
        answers = self.model.activations(inputs, [self.layer.name])[self.layer.name].astype(np.float64)
        axis = self.layer.channel_axis + (1 if self.layer.channel_axis >= 0 else 0)
        last = np.moveaxis(answers, axis, -1)
        flat = last.reshape(len(last), -1, last.shape[-1])
        grams = np.einsum("npc,npd->ncd", flat, flat) / flat.shape[1]
        self._grams.update({int(row): gram for row, gram in zip(rows, grams, strict=True)})
        cotangents, likeness = np.zeros_like(flat), np.zeros(len(rows))
        for place, row in enumerate(rows):
            slope, likeness[place] = self._likeness(int(row))
            cotangents[place] = 2 * flat[place] @ slope / flat.shape[1]
        back = np.ascontiguousarray(np.moveaxis(cotangents.reshape(last.shape), -1, axis), dtype=np.float32)
        found = self.model.pullback(inputs, self.layer.name, back).gradients[INPUT]
        spread = APART * likeness.reshape(-1, *[1] * (inputs.ndim - 1))
        return np.asarray(unit(gradients) - spread * unit(found.astype(np.float64)))

    def _likeness(self, row: int) -> tuple[Array, float]:
        """The gradient of a row's mean cosine to the others of its subject with respect to its Gram matrix, and that mean."""
        own = self._grams[row]
        size = np.sqrt((own**2).sum())
        slope, total = np.zeros_like(own), 0.0
        others = [self._grams[int(other)] for other in np.flatnonzero(self.subjects == self.subjects[row]) if other != row and int(other) in self._grams]
        for other in others:
            length = np.sqrt((other**2).sum())
            if size > 0 and length > 0:
                cosine = float((own * other).sum() / (size * length))
                slope += (other / length - cosine * own / size) / size
                total += cosine
        return slope / max(len(others), 1), total / max(len(others), 1)


def facet_layer(layers: Sequence[Layer], below: str | None) -> Layer | None:
    """The layer whose answers keep facets apart: the one that is climbed, else the last convolution or the last layer but the output's."""
    if below is not None:
        return next(layer for layer in layers if layer.name == below)
    grids = [layer for layer in layers if layer.spatial] or list(layers[:-1])
    return grids[-1] if grids else None


def as_taken(inputs: Array, channels: str) -> Array:
    """Inputs with channels last as the model takes them."""
    return np.ascontiguousarray(from_last(inputs, channels), dtype=np.float32)
