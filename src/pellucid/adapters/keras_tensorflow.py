"""Keras 3 on TensorFlow: graph mode, with the path sums and the masked inputs made inside the graph."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import _keras
from pellucid.core.errors import MissingExtraError, UnsupportedError
from pellucid.core.model import INPUT, Gradients, Layer, MaskRows, Model, PathRows, Traits, batches, power_of_two_batch
from pellucid.core.target import Target

Array = np.ndarray
BATCH_BUDGET = 64e6
"""Bytes of activations a batch: measured flat from here on for the reference networks (`docs/theory/batch-size.md`)."""
FEW_FEATURES = 256
"""Up to so many features masks are spread over an input by a matrix product."""


class KerasTensorflow(Model):
    """A Keras 3 model while Keras runs on TensorFlow.

    Functions are traced once each and kept; the model is touched only while one is traced, and put back at once. Reads weights as they
    are at the time of a call. Does not serve several inputs, nor Keras on another backend.
    """

    suffixes = _keras.SUFFIXES
    rank = 10

    def __init__(self, keras_model: Any) -> None:
        self.keras, self.tf = _frameworks()
        self.network = keras_model
        shape = _keras.input_shape(keras_model)
        self._table = _keras.layer_table(self.keras, keras_model)
        self._final = _keras.final_operation(keras_model)
        self.batch_size = power_of_two_batch(_keras.activation_bytes(keras_model, self._table), BATCH_BUDGET)
        kinds = [layer.kind for layer in self._table]
        self.traits = Traits(
            framework="Keras on TensorFlow",
            input_shape=shape,
            output_shape=tuple(keras_model.output_shape[1:]),
            head=_keras.head_of(self._final),
            gradients=True,
            scales_input=any(kind in ("Rescaling", "Normalization") for kind in kinds),
            tokens="Embedding" in kinds,
            fingerprint=_keras.fingerprint(keras_model),
            versions={"keras": self.keras.__version__, "tensorflow": self.tf.__version__},
        )
        self._traced: dict[tuple[Any, ...], Callable[..., Any]] = {}

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        keras = sys.modules.get("keras")
        return keras is not None and isinstance(candidate, keras.Model)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> KerasTensorflow:
        keras, _ = _frameworks()
        return cls(_keras.open_file(keras, candidate, allow_unsafe) if isinstance(candidate, Path) else candidate)

    def layers(self) -> tuple[Layer, ...]:
        return self._table

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        function = self._function(("predict", logits), lambda: self._trace(lambda x: self._outputs(x, logits), self._spec()))
        found = [function(self._tensor(inputs[part])).numpy() for part in batches(len(inputs), self.batch_size)]
        return np.concatenate(found)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._recorded("activations", inputs, layers, _record)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        for name in layers:
            if not self.layer(name).sequential:
                raise UnsupportedError(f"layer '{name}' is a {self.layer(name).kind}, not a recurrent layer; it has no states over time.")
        return self._recorded("states", inputs, layers, _record_states)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        named = tuple(name for name in wrt if name != INPUT)
        chosen = self._named(named)
        function = self._function(
            ("gradients", target.score, tuple(wrt), target.follows_prediction),
            lambda: self._trace(
                lambda x, w: self._score_and_gradients(x, w, target.score, tuple(wrt), chosen, target.follows_prediction), *self._specs("input", "weights")
            ),
        )
        weights = target.effective_weights
        found = [function(self._tensor(inputs[part]), self._tensor(weights[part])) for part in batches(len(inputs), self.batch_size)]
        return Gradients(
            np.concatenate([scores.numpy() for scores, *_ in found]).astype(np.float64),
            np.concatenate([outputs.numpy() for _, outputs, _, _ in found]),
            {name: np.concatenate([gradients[i].numpy() for *_, gradients, _ in found]) for i, name in enumerate(wrt)},
            {name: np.concatenate([values[i].numpy() for *_, values in found]) for i, name in enumerate(wrt)},
        )

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        if not len(rows):
            return first, second
        function = self._function(("path", target.score, rows.stencil, rows.displace), lambda: self._trace_path(target.score, rows.stencil, rows.displace))
        starts, ends, weights = self._tensor(rows.starts), self._tensor(rows.ends), self._tensor(target.effective_weights)
        tail = self.tf.zeros((len(rows.stencil) - 1, *shape[1:]))
        for part in batches(len(rows), self.batch_size):
            group = rows.group[part]
            low, high = int(group[0]), int(group[-1]) + 1
            numbers = [self._tensor(array[part]) for array in (rows.position, rows.weight, rows.square)]
            sums, squares, tail = function(starts, ends, weights, self._index(rows.path[part]), *numbers, self._index(group), low, high, tail)
            first[low:high] += sums.numpy()
            second[low:high] += squares.numpy()
        return first, second

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        shared, few = len(rows.labels) == 1, rows.masks.shape[1] <= FEW_FEATURES
        single = len(rows.inputs) == 1 and rows.fills.shape[:2] == (1, 1)
        kind = ("masked", target.score, shared, few, single, rows.labels.shape[1:])
        function = self._function(kind, lambda: self._trace_masked(target.score, shared, few, single, rows))
        inputs, weights = self._tensor(rows.inputs), self._tensor(target.effective_weights)
        absent = self._tensor(rows.fills.reshape(-1, *rows.fills.shape[2:]))
        of_sample = rows.fills.shape[1] if len(rows.fills) > 1 else 0
        labels = self._index(np.where(rows.labels < 0, rows.masks.shape[1], rows.labels).reshape(len(rows.labels), -1))
        found = []
        for part in batches(len(rows), self.batch_size):
            sample = rows.sample[part]
            scores = function(
                inputs, absent, labels, weights, self._tensor(rows.masks[part]), self._index(sample), self._index(sample * of_sample + rows.fill[part])
            )
            found.append(scores.numpy())
        return np.concatenate(found).astype(np.float64) if found else np.zeros(0)

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        return _Below(self, layer)

    # ---- inside the graph -------------------------------------------------------------------------------------------

    def _outputs(self, x: Any, logits: bool) -> Any:
        touched = _keras.without_head(self._final) if logits and self.traits.head else contextlib.nullcontext()
        with touched:
            outputs = self.network(x, training=False)
        if isinstance(outputs, (list, tuple, dict)):
            raise UnsupportedError("networks with several outputs are not served yet; wrap the model so that it returns one array.")
        return self.tf.cast(outputs, "float32")

    def _scores(self, x: Any, weights: Any, score: str, follow: bool = False) -> tuple[Any, Any]:
        """Scores and outputs; the weights follow the prediction where asked."""
        outputs = read = self._outputs(x, score in ("logit", "centered_logit"))
        if follow:
            weights = self.tf.one_hot(self.tf.argmax(read, axis=-1), read.shape[-1])
            weights = weights - 1 / read.shape[-1] if score == "centered_logit" else weights
        if score == "log_probability":
            outputs = self.tf.math.log(self.tf.maximum(outputs, 1e-30))
        return self.tf.reduce_sum(self.tf.reshape(outputs * weights, (self.tf.shape(x)[0], -1)), axis=1), read

    def _score_and_gradients(self, x: Any, weights: Any, score: str, wrt: tuple[str, ...], chosen: dict[str, Any], follow: bool = False) -> Any:
        """Scores, outputs, gradients and values; a layer's gradient is that of a zero probe added to its output, so that nothing below is differentiated."""
        tape = self.tf.GradientTape(watch_accessed_variables=False)
        probes: dict[str, Any] = {}
        values: dict[str, Any] = {INPUT: x}

        def probe(name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
            def probed(*args: Any, **kwargs: Any) -> Any:
                output = call(*args, **kwargs)
                if name in probes:
                    raise UnsupportedError(f"layer '{name}' is used more than once; its gradient is not served yet.")
                values[name], probes[name] = output, self.tf.zeros_like(output)
                tape.watch(probes[name])
                return output + probes[name]

            return probed

        with tape, _keras.wrapped_calls(chosen, probe):
            if INPUT in wrt:
                tape.watch(x)
                probes[INPUT] = x
            scores, outputs = self._scores(x, weights, score, follow)
        gradients = tape.gradient(scores, [probes[name] for name in wrt], unconnected_gradients="zero")
        return scores, outputs, gradients, [values[name] for name in wrt]

    def _trace_path(self, score: str, stencil: tuple[float, ...], displace: bool) -> Callable[..., Any]:
        tf = self.tf
        rank = len(self.traits.input_shape or ())
        reach = len(stencil) - 1

        def step(starts: Any, ends: Any, weights: Any, path: Any, position: Any, weight: Any, square: Any, group: Any, low: Any, high: Any, tail: Any) -> Any:
            column = [-1] + [1] * rank
            start = tf.gather(starts, path)
            displacement = tf.gather(ends, path) - start
            points = start + tf.reshape(position, column) * displacement
            _, _, (found,), _ = self._score_and_gradients(points, tf.gather(weights, group), score, (INPUT,), {})
            found = found * displacement if displace else found
            chain = tf.concat([tail, found], axis=0)
            count = tf.shape(found)[0]
            mixed = sum(c * chain[reach - j : reach - j + count] for j, c in enumerate(stencil))
            sums = tf.math.segment_sum(tf.reshape(weight, column) * found, group - low)
            squares = tf.math.segment_sum(tf.reshape(square, column) * tf.square(mixed), group - low)
            return sums, squares, chain[count:]

        free, number = self._specs("input")[0], tf.TensorSpec((None,), "float32")
        index, scalar = tf.TensorSpec((None,), "int32"), tf.TensorSpec((), "int32")
        return self._trace(step, free, free, self._specs("weights")[0], index, number, number, number, index, scalar, scalar, free)

    def _trace_masked(self, score: str, shared: bool, few: bool, single: bool, rows: MaskRows) -> Callable[..., Any]:
        tf = self.tf
        grid = rows.labels.shape[1:]

        def step(inputs: Any, absent: Any, labels: Any, weights: Any, masks: Any, sample: Any, fill: Any) -> Any:
            masks = tf.concat([masks, tf.ones_like(masks[:, :1])], axis=1)
            if shared and few:  # a product with zeros and ones is exact, and faster than gathering columns
                keep = tf.matmul(masks, tf.one_hot(labels[0], tf.shape(masks)[1], axis=0))
            else:
                keep = tf.gather(masks, labels[0], axis=1) if shared else tf.gather(masks, tf.gather(labels, sample), axis=1, batch_dims=1)
            keep = tf.reshape(keep, (-1, *grid))
            hidden, present = (absent, inputs) if single else (tf.gather(absent, fill), tf.gather(inputs, sample))
            points = hidden + keep * (present - hidden)
            return self._scores(points, weights if single else tf.gather(weights, sample), score)[0]

        free, index = self._specs("input")[0], tf.TensorSpec((None,), "int32")
        table = tf.TensorSpec((None, None), "int32")
        return self._trace(step, free, free, table, self._specs("weights")[0], tf.TensorSpec((None, None), "float32"), index, index)

    def _recorded(self, verb: str, inputs: Array, layers: Sequence[str], record: Callable[..., Any]) -> dict[str, Array]:
        chosen = self._named(layers)

        def step(x: Any) -> Any:
            seen: dict[str, Any] = {}
            with _keras.wrapped_calls(chosen, functools.partial(record, seen)):
                self.network(x, training=False)
            return [seen[name] for name in layers]

        function = self._function((verb, tuple(layers)), lambda: self._trace(step, self._spec()))
        found = [function(self._tensor(inputs[part])) for part in batches(len(inputs), self.batch_size)]
        return {name: np.concatenate([part[i].numpy() for part in found]) for i, name in enumerate(layers)}

    # ---- small parts ------------------------------------------------------------------------------------------------

    def _named(self, names: Sequence[str]) -> dict[str, Any]:
        found = dict(_keras.walk(self.network))
        return {name: found[self.layer(name).name] for name in names}

    def _function(self, key: tuple[Any, ...], make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if key not in self._traced:
            self._traced[key] = make()
        return self._traced[key]

    def _trace(self, function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
        traced: Callable[..., Any] = self.tf.function(function, input_signature=signature, autograph=False)
        return traced

    def _spec(self) -> Any:
        return self._specs("input")[0]

    def _specs(self, *kinds: str) -> list[Any]:
        shapes = {"input": self.traits.input_shape or (), "weights": self.traits.output_shape or ()}
        return [self.tf.TensorSpec((None, *shapes[kind]), "float32") for kind in kinds]

    def _tensor(self, array: Array) -> Any:
        return self.tf.constant(np.asarray(array, dtype=np.float32))

    def _index(self, array: Array) -> Any:
        return self.tf.constant(np.asarray(array, dtype=np.int32))


class _Part(KerasTensorflow):
    """A piece of a network that a layer cuts in two; TensorFlow drops from a traced function what the piece does not need."""

    def __init__(self, whole: KerasTensorflow, layer: str, **traits: Any) -> None:
        self.__dict__ |= whole.__dict__
        self.cut = whole._named((layer,))
        self.traits = replace(whole.traits, **traits)
        self._traced = {}


class _Above(_Part):
    """The network from a layer's output on."""

    def __init__(self, whole: KerasTensorflow, layer: str, context: Array) -> None:
        super().__init__(whole, layer, input_shape=tuple(whole.activations(context, (layer,))[layer].shape[1:]), scales_input=True, tokens=False)
        if self.cut[layer] is whole._final:
            raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
        self.context = whole._tensor(context)

    def _outputs(self, x: Any, logits: bool) -> Any:
        uses = 0

        def put_in(name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
            def given(*args: Any, **kwargs: Any) -> Any:
                nonlocal uses
                uses += 1
                if uses > 1:
                    raise UnsupportedError(f"layer '{name}' is used more than once, so that nothing can be attributed to one output of it.")
                return x

            return given

        with _keras.wrapped_calls(self.cut, put_in):
            return super()._outputs(self.tf.repeat(self.context, self.tf.shape(x)[0], axis=0), logits)


class _Below(_Part):
    """The network up to a layer."""

    def __init__(self, whole: KerasTensorflow, layer: str) -> None:
        shape = whole.layer(layer).shape
        if shape is None or None in shape:
            raise UnsupportedError(f"layer '{layer}' has an output of shape {shape}; a unit of it needs a fixed one.")
        super().__init__(whole, layer, output_shape=shape, head=None)

    def _outputs(self, x: Any, logits: bool) -> Any:
        seen: dict[str, Any] = {}
        with _keras.wrapped_calls(self.cut, functools.partial(_record, seen)):
            self.network(x, training=False)
        (output,) = seen.values()
        return self.tf.cast(output, "float32")


def _record(seen: dict[str, Any], name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that notes its output; of a layer used several times, the last."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        seen[name] = call(*args, **kwargs)
        return seen[name]

    return recorded


def _record_states(seen: dict[str, Any], name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that notes the hidden state at every step, whatever the layer returns."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        with _keras.attribute(layer, "return_sequences", True):
            returned = call(*args, **kwargs)
        sequence, *rest = returned if isinstance(returned, (list, tuple)) else (returned,)
        seen[name] = sequence
        output = sequence if layer.return_sequences else sequence[:, -1]
        return [output, *rest] if rest else output

    return recorded


def _frameworks() -> tuple[Any, Any]:
    """Keras and TensorFlow, or what to do where they are not there or Keras runs on something else."""
    try:
        import keras
        import tensorflow
    except ImportError as error:
        raise MissingExtraError(f"Keras models need Keras and TensorFlow ({error}): pip install 'pellucid[tensorflow]'") from error
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise UnsupportedError(f"Keras runs on {backend} here; Keras on TensorFlow is served. Set KERAS_BACKEND=tensorflow before Keras is imported.")
    return keras, tensorflow
