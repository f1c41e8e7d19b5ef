"""The oracle: networks written out in NumPy, float64, with gradients by hand, against which every framework and method is held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from pellucid.adapters import _losses
from pellucid.core.errors import UnsupportedError
from pellucid.core.loss import Loss
from pellucid.core.model import INPUT, Gradients, Layer, Model, Traits, batches, checked_weights
from pellucid.core.target import Target

Array = np.ndarray


@dataclass(frozen=True)
class Dense:
    """One dense layer: `activation` is "linear", "relu" or "tanh"; weights (inputs, units), bias (units,)."""

    weights: Array
    bias: Array
    activation: str = "linear"


_ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}


class NumpyModel(Model):
    """A stack of dense layers on flattened inputs, with an optional softmax at its end; everything in float64.

    `input_shape` is flattened first. With no gradients by framework to trust, derivatives are written out by the chain rule.

    >>> model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.array([1.0]))], (2,))
    >>> model.predict(np.array([[1.0, 1.0]]))
    array([[6.]])
    """

    suffixes: tuple[str, ...] = ()
    rank = 0

    def __init__(self, stack: Sequence[Dense], input_shape: tuple[int | None, ...], *, softmax: bool = False, batch_size: int = 512) -> None:
        self.stack = tuple(stack)
        self.batch_size = batch_size
        self.traits = Traits(
            "NumPy",
            input_shape=tuple(input_shape),
            output_shape=(stack[-1].weights.shape[1],),
            head="softmax" if softmax else None,
            gradients=True,
            tokens=True,
            fingerprint="numpy",
        )

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        return isinstance(candidate, cls)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> Model:
        if not isinstance(candidate, cls):
            raise UnsupportedError("a NumpyModel is built in Python, not opened.")
        return candidate

    def _forward(self, inputs: Array) -> tuple[list[Array], list[Array]]:
        values, sums = [inputs.reshape(len(inputs), -1).astype(np.float64)], []
        for dense in self.stack:
            sums.append(values[-1] @ dense.weights + dense.bias)
            values.append(_ACTIVATIONS[dense.activation][0](sums[-1]))
        return values, sums

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        outputs = np.concatenate([self._forward(inputs[part])[0][-1] for part in batches(len(inputs), self.batch_size)])
        return softmax(outputs, axis=-1) if self.traits.head == "softmax" and not logits else outputs

    def layers(self) -> tuple[Layer, ...]:
        return tuple(
            Layer(
                f"dense_{i}",
                "Dense",
                (dense.weights.shape[1],),
                dense.weights.size + dense.bias.size,
                dense.activation,
                inputs=(f"dense_{i - 1}" if i else INPUT,),
            )
            for i, dense in enumerate(self.stack)
        )

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        values, _ = self._forward(inputs)
        names = [layer.name for layer in self.layers()]
        return {name: values[names.index(self.layer(name).name) + 1] for name in layers}

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        values, _ = self._forward(inputs)
        return {name: (values[self._place(name)],) for name in layers}

    def above(self, layer: str, context: Array) -> NumpyModel:
        cut = self._place(layer) + 1
        if cut == len(self.stack):
            raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
        return NumpyModel(self.stack[cut:], (self.stack[cut].weights.shape[0],), softmax=self.traits.head == "softmax", batch_size=self.batch_size)

    def below(self, layer: str) -> NumpyModel:
        return NumpyModel(self.stack[: self._place(layer) + 1], self.traits.input_shape or (), batch_size=self.batch_size)

    has_weights = True

    def weights(self) -> dict[str, tuple[Array, ...]]:
        return {f"dense_{i}": (dense.weights.copy(), dense.bias.copy()) for i, dense in enumerate(self.stack)}

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> contextlib.AbstractContextManager[Model]:
        given = checked_weights({name: [array.shape for array in arrays] for name, arrays in self.weights().items()}, weights)
        placed = {self._place(name): [array.astype(np.float64) for array in arrays] for name, arrays in given.items()}
        stack = [replace(dense, weights=placed[i][0], bias=placed[i][1]) if i in placed else dense for i, dense in enumerate(self.stack)]
        return contextlib.nullcontext(NumpyModel(stack, self.traits.input_shape or (), softmax=self.traits.head == "softmax", batch_size=self.batch_size))

    def _place(self, layer: str) -> int:
        return [known.name for known in self.layers()].index(self.layer(layer).name)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        values, sums = self._forward(inputs)
        target, read, back = self._back(values[-1], target)
        named = {self.layers()[-1].name: back}
        for i in reversed(range(len(self.stack))):
            back = (back * _ACTIVATIONS[self.stack[i].activation][1](sums[i])) @ self.stack[i].weights.T
            named[f"dense_{i - 1}" if i else INPUT] = back.reshape(inputs.shape) if i == 0 else back
        taken_at = {INPUT: inputs, **{f"dense_{i}": value for i, value in enumerate(values[1:])}}
        return Gradients(target.of(read), read, {name: named[name] for name in wrt}, {name: taken_at[name] for name in wrt})

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        def made() -> Iterator[list[Array]]:
            for part in batches(len(inputs), self.batch_size):
                values, sums = self._forward(inputs[part])
                _, _, back = self._back(values[-1], target.unnamed(np.arange(part.start, part.stop)))
                found: list[Array] = []
                for dense, value, total in zip(self.stack[::-1], values[-2::-1], sums[::-1], strict=True):
                    back = back * _ACTIVATIONS[dense.activation][1](total)
                    found = [value.T @ back, back.sum(axis=0), *found]
                    back = back @ dense.weights.T
                yield found

        return _losses.named(self.weights(), _losses.summed(made()))

    def _back(self, outputs: Array, target: Target) -> tuple[Target, Array, Array]:
        """The target once the outputs are known, what it reads, and the gradient of its score at the last layer's outputs."""
        probabilities = softmax(outputs, axis=-1)
        through_softmax = self.traits.head == "softmax" and not target.reads_logits
        read = probabilities if through_softmax else outputs
        target = target.settled(read)
        return target, read, _at_outputs(target, outputs, probabilities, through_softmax)


def _at_outputs(target: Target, outputs: Array, probabilities: Array, through_softmax: bool) -> Array:
    """The gradient of the score with respect to the last layer's outputs."""
    if isinstance(target, Loss):
        found = target.cotangents(probabilities if through_softmax else outputs)
        return probabilities * (found - (found * probabilities).sum(axis=-1, keepdims=True)) if through_softmax else found
    weights = target.effective_weights.astype(np.float64)
    if target.score == "log_probability":
        weights = weights / np.maximum(probabilities if through_softmax else outputs, 1e-30)
    if not through_softmax:
        return weights
    return probabilities * (weights - (weights * probabilities).sum(axis=-1, keepdims=True))
