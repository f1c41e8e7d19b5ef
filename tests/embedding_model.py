"""A network that reads tokens, in NumPy and float64: a table of vectors below dense layers, with all answers known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import UnsupportedError
from pellucid.core.model import INPUT, Gradients, Layer, Model
from pellucid.core.target import Target

Array = np.ndarray


class EmbeddingModel(Model):
    """Tokens (samples, length) → table[tokens], flattened → dense layers."""

    batch_size = 256

    def __init__(self, table: Array, stack: Sequence[Dense], length: int) -> None:
        self.table = table
        self.upper = NumpyModel(stack, (length, table.shape[1]), batch_size=256)
        self.traits = replace(self.upper.traits, input_shape=(length,), tokens=True)

    @classmethod
    def drawn(cls, seed: int, length: int, units: int, hidden: int, activation: str = "relu", vocabulary: int = 30) -> EmbeddingModel:
        generator = np.random.default_rng(seed)
        wide = length * units
        first = Dense(generator.normal(size=(wide, hidden)) / np.sqrt(wide) * 2, generator.normal(size=hidden), activation)
        return cls(generator.normal(size=(vocabulary, units)), [first, Dense(generator.normal(size=(hidden, 3)), np.zeros(3))], length)

    def embed(self, inputs: Array) -> Array:
        return self.table[np.round(inputs).astype(int)]

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("embedding", "Embedding", (*(self.traits.input_shape or ()), self.table.shape[1]), self.table.size), *self.upper.layers())

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return self.upper.predict(self.embed(inputs))

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return {name: self.embed(inputs) if name == "embedding" else self.upper.activations(self.embed(inputs), [name])[name] for name in layers}

    def above(self, layer: str, context: Array) -> Model:
        return self.upper if layer == "embedding" else self.upper.above(layer, context)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        raise UnsupportedError("tokens have no gradient")
