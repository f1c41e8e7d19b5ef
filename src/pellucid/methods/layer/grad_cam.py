"""Grad-CAM: where in the image a convolution's channels speak for a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import Layer, Model
from pellucid.methods import _stopping


@dataclass(frozen=True)
class GradCam(Method):
    """A coarse heat map of the places whose activations at a layer speak for the target.

    values = ReLU(Σ_k α_k A_k), A_k the layer's channels, α_k the mean over places of ∂f/∂A_k. One forward pass, and a backward pass of what
    lies above the layer only. `layer` names the layer; without it the last convolution is taken, and said. `positive=False` leaves the ReLU out.

    Shapes: values (samples, rows, columns) of the layer's grid; `to_input()` resizes them bilinearly. Exact (error 0).
    Source: Selvaraju et al. 2017, arXiv:1610.02391. Does not resolve what is smaller than a cell of the layer's grid, and
    may mark places that the network did not use (Draelos & Carin 2020, arXiv:2011.08891).

    >>> from pellucid.methods.layer.grad_cam import GradCam
    >>> GradCam().positive
    True
    """

    positive: bool = True

    title: ClassVar[str] = "Grad-CAM"
    answers: ClassVar[str] = "Where in the image does a layer speak for the target?"
    family: ClassVar[str] = "layer"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients", "spatial layer"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    single_pass: ClassVar[bool] = True
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    citation: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391"

    def explain(self, task: Task) -> Attribution:
        layer = choose_layer(task.model, task.layer)
        found = task.model.gradients(task.inputs, task.target, (layer.name,))
        activations, gradients = found.values[layer.name], found.gradients[layer.name]
        channels = layer.channel_axis % 3 + 1
        places = tuple(axis for axis in (1, 2, 3) if axis != channels)
        weights = gradients.mean(axis=places, keepdims=True)
        maps = (weights * activations).sum(axis=channels)
        values = np.maximum(maps, 0) if self.positive else maps
        task.progress(1.0)
        stops = [
            _stopping.exact(f"one pass, layer '{layer.name}'") if one.any() else _stopping.nothing(f"no place of layer '{layer.name}' speaks for the target")
            for one in values
        ]
        once = np.ones(len(values), dtype=int)
        return Attribution(
            values,
            np.zeros_like(values),
            self.error_kind,
            ("sample", "row", "column"),
            once,
            once,
            stops,
            outputs=found.outputs,
            resolved={"layer": layer.name},
        )


def choose_layer(model: Model, name: str | None) -> Layer:
    """The named layer, which must have channels over a grid, or the last convolution, or the last such layer of any kind."""
    if name is not None:
        layer = model.layer(name)
        if not layer.spatial:
            fitting = ", ".join(other.name for other in model.layers() if other.spatial)
            raise UnsupportedError(f"layer '{name}' ({layer.kind}, shape {layer.shape}) has no channels over a grid; these have: {fitting}.")
        return layer
    spatial = [layer for layer in model.layers() if layer.spatial]
    return next((layer for layer in reversed(spatial) if "Conv" in layer.kind), spatial[-1])
