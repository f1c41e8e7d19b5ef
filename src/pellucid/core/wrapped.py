"""A model that stands before another one and passes everything on, for those that change something on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.model import INPUT, Gradients, Layer, MaskRows, Model, PathRows
from pellucid.core.target import Target

Array = np.ndarray


class Wrapped(Model):
    """Another model, as it is."""

    def __init__(self, inner: Model) -> None:
        self.inner, self.traits, self.packing = inner, inner.traits, inner.packing

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        return self.inner.batch_size

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return self.inner.predict(inputs, logits=logits)

    def rows_at_once(self, inputs: Array) -> int:
        return self.inner.rows_at_once(inputs)

    def layers(self) -> tuple[Layer, ...]:
        return self.inner.layers()

    def layer(self, name: str) -> Layer:
        return self.inner.layer(name)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self.inner.activations(inputs, layers)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self.inner.states(inputs, layers)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        return self.inner.gradients(inputs, target, wrt)

    def scores(self, inputs: Array, target: Target) -> Array:
        return self.inner.scores(inputs, target)

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        return self.inner.path_gradients(rows, target)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        return self.inner.masked_scores(rows, target)
