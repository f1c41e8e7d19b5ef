"""The same function of inputs that are shifted: a network that first takes away a constant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pellucid.core.model import INPUT, Gradients, MaskRows, Model, PathRows
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped

Array = np.ndarray


class Shifted(Wrapped):
    """g(x) = f(x − shift), `shift` (*shape) or one number: what f is at x, g is at x + shift, and so are all its gradients."""

    def __init__(self, inner: Model, shift: Array | float) -> None:
        super().__init__(inner)
        self.shift, self.has_weights = shift, inner.has_weights

    def back(self, inputs: Array) -> Array:
        """Inputs as the network itself takes them."""
        return np.asarray(inputs - self.shift).astype(inputs.dtype, copy=False)

    def meet(self, inputs: Array) -> None:
        self.inner.meet(self.back(inputs))
        self.traits = self.inner.traits

    def reading(self, output: str) -> Model:
        return Shifted(self.inner.reading(output), self.shift)

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return self.inner.predict(self.back(inputs), logits=logits)

    def rows_at_once(self, inputs: Array) -> int:
        return self.inner.rows_at_once(self.back(inputs))

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self.inner.activations(self.back(inputs), layers)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self.inner.states(self.back(inputs), layers)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        found = self.inner.gradients(self.back(inputs), target, wrt)
        return replace(found, values={**found.values, INPUT: inputs}) if INPUT in wrt else found

    def scores(self, inputs: Array, target: Target) -> Array:
        return self.inner.scores(self.back(inputs), target)

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        return self.inner.path_gradients(replace(rows, starts=self.back(rows.starts), ends=self.back(rows.ends)), target)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        return self.inner.masked_scores(replace(rows, inputs=self.back(rows.inputs), fills=self.back(rows.fills)), target)

    def above(self, layer: str, context: Array) -> Model:
        return self.inner.above(layer, self.back(context))

    def below(self, layer: str) -> Model:
        return Shifted(self.inner.below(layer), self.shift)

    def weights(self) -> dict[str, tuple[Array, ...]]:
        return self.inner.weights()

    @contextlib.contextmanager
    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> Iterator[Model]:
        with self.inner.replaced_weights(weights) as other:
            yield Shifted(other, self.shift)
