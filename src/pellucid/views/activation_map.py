"""Activation maps: every channel of any layer; for a recurrent layer the hidden state over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.model import Layer, Model
from pellucid.core.scene import Scene, Shown, ViewMethod

Array = np.ndarray

_AXES = {1: ("sample", "unit"), 2: ("sample", "time", "unit"), 3: ("sample", "row", "column", "channel"), 4: ("sample", "depth", "row", "column", "channel")}


@dataclass(frozen=True)
class ActivationMap(ViewMethod):
    """What each channel of a layer answers to an input.

    Use it to see what a layer has kept of an input, which channels are silent, and where. Without `layers`, every convolution and every
    recurrent layer is shown; a network with neither shows all its layers. A recurrent layer shows its hidden state at every time step, also
    where it returns only the last.

    Shapes: per layer (samples, rows, columns, channels), (samples, time, units) or (samples, units), in the layer's own units; channels last also where
    the framework has them first.
    Does not say whether a channel matters for the output.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2), "relu")], (2,))
    >>> pellucid.visualize(model, np.array([[1.0, -1.0]]), "activation_map").values["dense_0"]
    array([[1., 0.]])
    """

    title: ClassVar[str] = "Activation maps"
    answers: ClassVar[str] = "What does each channel of a layer answer to this input?"
    citation: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901"

    def show(self, scene: Scene) -> Shown:
        model, inputs = scene.model, scene.inputs
        chosen = scene.chosen(_default(model))
        recurrent = [layer.name for layer in chosen if layer.sequential]
        others = [layer.name for layer in chosen if not layer.sequential]
        found = (model.activations(inputs, others) if others else {}) | (model.states(inputs, recurrent) if recurrent else {})
        values = {layer.name: _channels_last(found[layer.name], layer) for layer in chosen}
        axes = {name: _AXES.get(array.ndim - 1, ("sample", *(f"axis_{i}" for i in range(array.ndim - 1)))) for name, array in values.items()}
        return Shown(values, axes, {f"kind of {layer.name}": layer.kind for layer in chosen})


def _channels_last(values: Array, layer: Layer) -> Array:
    """A layer's values with the channels last, wherever its framework has them."""
    return values if layer.channel_axis == -1 else np.ascontiguousarray(np.moveaxis(values, 1 + layer.channel_axis, -1))


def _default(model: Model) -> list[Layer]:
    telling = [layer for layer in model.layers() if "Conv" in layer.kind or layer.sequential]
    return telling or [layer for layer in model.layers() if layer.shape is not None] or list(model.layers())
