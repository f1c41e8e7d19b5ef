"""Keras 3 on TensorFlow: graph mode, with the path sums and the masked inputs made inside the graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters import _keras, _layer_inputs, _losses
from pellucid.adapters._keras_start import missing
from pellucid.adapters._numbers import joined, wide
from pellucid.adapters._saved_model import head_of
from pellucid.core.loss import LOSSES
from pellucid.core.model import INPUT, Gradients, MaskRows, Model, PathRows, batches, power_of_two_batch, rows_to_keep
from pellucid.core.target import TINY, Reading, Target

Array = np.ndarray
BATCH_BUDGET, LARGE_BUDGET, FEW = 16e6, 64e6, 16
"""Bytes of activations a batch, which a processor's cache holds in part; of large samples up to so many, so that a batch has a few rows
(`docs/theory/batch-size.md`)."""
FEW_FEATURES = 256
"""Up to so many features masks are spread over an input by a matrix product."""
LOOP = 8
"""So many batches go forward by one call, in a loop inside the graph, which saves what it costs to call it."""


class KerasTensorflow(_keras.KerasModel):
    """A Keras 3 model while Keras runs on TensorFlow.

    Functions are traced once each and kept; the model is touched only while one is traced, and put back at once. Reads weights as they
    are at the time of a call. Does not serve Keras on another backend.
    """

    backend = "tensorflow"
    title = "Keras on TensorFlow"

    def __init__(self, keras_model: Any) -> None:
        self.tf = _tensorflow()
        self._fixed = _keras.fixed_batch(keras_model)
        self.introduce(keras_model, tensorflow=self.tf.__version__)
        self._traced: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._cuts: dict[tuple[Any, ...], Any] = {}

    def size_batches(self) -> None:
        row = self.bytes_of_one
        self._made = row
        self.batch_size = self._usual = self._fixed or max(power_of_two_batch(row, BATCH_BUDGET), min(power_of_two_batch(row, LARGE_BUDGET), FEW))

    def head_in_call(self, shape: tuple[int, ...]) -> str | None:
        with self.apart(False):
            traced = self._trace(lambda x: self.output_of(self._counted(x)), self._spec()).get_concrete_function()
        return head_of(traced.outputs[0])[0]

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        def outputs(x: Any, size: Any) -> Any:
            parts = self.tf.reshape(x, self.tf.concat([[-1, size], self.tf.shape(x)[1:]], axis=0))
            found = self.tf.map_fn(lambda part: self._outputs(part, logits), parts, fn_output_signature="float32", parallel_iterations=1)
            return self.tf.reshape(found, self.tf.concat([[-1], self.tf.shape(found)[2:]], axis=0))

        scalar = self.tf.TensorSpec((), "int32")
        function = self._function(("predict", logits), lambda: self._trace(outputs, self._spec(), scalar))
        found = [function(self._tensor(inputs[part]), size).numpy() for part, size in self._looped(len(inputs))]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def rows_at_once(self, inputs: Array) -> int:
        return LOOP * self.batch_size

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._recorded("activations", inputs, self.named(layers), _keras.record)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._recorded("states", inputs, self.recurrent(layers), _keras.record_states)

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        chosen, record = self.named(layers), functools.partial(_layer_inputs.record_inputs, self.keras)
        parts = zip(batches(len(inputs), self.batch_size), self._seen("layer_inputs", inputs, chosen, record, self.batch_size), strict=True)
        return _layer_inputs.joined((part.stop - part.start, dict(zip(chosen, found, strict=True))) for part, found in parts)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        chosen = self.named([name for name in wrt if name != INPUT])
        function = self._function(
            ("gradients", target.reading, tuple(wrt), target.follows_prediction),
            lambda: self._trace(
                lambda x, w: self._score_and_gradients(x, w, target.reading, tuple(wrt), chosen, target.follows_prediction), *self._specs("input", "weights")
            ),
        )
        weights = target.effective_weights
        found = [function(self._tensor(inputs[part]), self._tensor(weights[part])) for part in batches(len(inputs), self.batch_size)]
        gradients = {name: np.concatenate([gradients[i].numpy() for _, _, gradients, _ in found]) for i, name in enumerate(wrt)}
        if INPUT in wrt:
            self.check_gradient(gradients[INPUT])
        return Gradients(
            np.concatenate([scores.numpy() for scores, *_ in found]).astype(np.float64),
            np.concatenate([outputs.numpy() for _, outputs, _, _ in found]),
            gradients,
            {name: np.concatenate([values[i].numpy() for *_, values in found]) for i, name in enumerate(wrt)},
        )

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        if not len(rows):
            return first, second
        function = self._function(("path", target.reading, rows.stencil, rows.displace), lambda: self._trace_path(target.reading, rows.stencil, rows.displace))
        starts, ends, weights = self._tensor(rows.starts), self._tensor(rows.ends), self._tensor(target.effective_weights)
        tail = self.tf.zeros((len(rows.stencil) - 1, *shape[1:]))
        for part in batches(len(rows), self.batch_size):
            group = rows.group[part]
            low, high = int(group[0]), int(group[-1]) + 1
            numbers = [self._tensor(array[part]) for array in (rows.position, rows.weight, rows.square)]
            sums, squares, tail = function(starts, ends, weights, self._index(rows.path[part]), *numbers, self._index(group), low, high, tail)
            first[low:high] += sums.numpy()
            second[low:high] += squares.numpy()
        self.check_gradient(first)
        return first, second

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        shared, few = len(rows.labels) == 1, rows.masks.shape[1] <= FEW_FEATURES
        single = len(rows.inputs) == 1 and rows.fills.shape[:2] == (1, 1)
        kind = ("masked", target.reading, shared, few, single, rows.labels.shape[1:])
        function = self._function(kind, lambda: self._trace_masked(target.reading, shared, few, single, rows))
        inputs, weights = self._tensor(rows.inputs), self._tensor(target.effective_weights)
        absent = self._tensor(rows.fills.reshape(-1, *rows.fills.shape[2:]))
        of_sample = rows.fills.shape[1] if len(rows.fills) > 1 else 0
        labels = self._index(np.where(rows.labels < 0, rows.masks.shape[1], rows.labels).reshape(len(rows.labels), -1))
        found = []
        for part, size in self._looped(len(rows)):
            sample, masks = rows.sample[part], self._tensor(rows.masks[part])
            scores = function(inputs, absent, labels, weights, masks, self._index(sample), self._index(sample * of_sample + rows.fill[part]), size)
            found.append(scores.numpy())
        return np.concatenate(found).astype(np.float64) if found else np.zeros(0)

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        trained = self._trained()
        how, follow, weights = target.reading, target.follows_prediction, target.effective_weights
        function = self._function(("weights", how, follow), lambda: self._trace_weights(how, follow, trained))
        parts = (function(self._tensor(inputs[part]), self._tensor(weights[part])) for part in batches(len(inputs), self.batch_size))
        return _losses.named(trained, _losses.summed([wide(one.numpy()) for one in part] for part in parts))

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        return _Below(self, layer)

    # ---- inside the graph -------------------------------------------------------------------------------------------

    def _outputs(self, x: Any, logits: bool) -> Any:
        with self.apart(logits):
            output = self.output_of(self._counted(x))
        if logits and self.ends_in_call:
            found, output = head_of(output)
            self.check_head(found)
        return self.tf.cast(output, "float32")

    def _scores(self, x: Any, weights: Any, how: Reading, follow: bool = False) -> tuple[Any, Any]:
        """Scores and outputs; the weights follow the prediction where asked."""
        outputs = read = self._outputs(x, how.logits)
        if how.scale in LOSSES:
            return _losses.in_tensorflow(self.tf, how.scale, read, weights, self.traits.class_axis), read
        if follow:
            weights = self.tf.one_hot(self.tf.argmax(read, axis=-1), read.shape[-1])
            weights = weights - 1 / read.shape[-1] if how.centred else weights
        if how.scale in ("sigmoid", "log_sigmoid"):
            function = self.tf.sigmoid if how.scale == "sigmoid" else self.tf.math.log_sigmoid
            outputs, weights = function(read * self.tf.sign(weights)), self.tf.abs(weights)
        elif how.scale:
            outputs = self.tf.exp(read) if how.scale == "exp" else self.tf.math.log(self.tf.maximum(read, TINY))
        return self.tf.reduce_sum(self.tf.reshape(outputs * weights, (self.tf.shape(x)[0], -1)), axis=1), read

    def _score_and_gradients(self, x: Any, weights: Any, how: Reading, wrt: tuple[str, ...], chosen: dict[str, Any], follow: bool = False) -> Any:
        """Scores, outputs, gradients and values; a layer's gradient is that of a zero probe added to its output, so that nothing below is differentiated."""
        tape = self.tf.GradientTape(watch_accessed_variables=False)
        probes: dict[str, Any] = {}
        values: dict[str, Any] = {INPUT: x}

        def add(name: str, output: Any) -> Any:
            values[name], probes[name] = output, self.tf.zeros_like(output)
            tape.watch(probes[name])
            return output + probes[name]

        with tape, _keras.wrapped_calls(chosen, _keras.probe_with(add)):
            if INPUT in wrt:
                tape.watch(x)
                probes[INPUT] = x
            scores, outputs = self._scores(x, weights, how, follow)
        gradients = tape.gradient(scores, [probes[name] for name in wrt], unconnected_gradients="zero")
        return scores, outputs, gradients, [values[name] for name in wrt]

    def _trace_weights(self, how: Reading, follow: bool, trained: dict[str, list[Any]]) -> Callable[..., Any]:
        variables = [variable.value for found in trained.values() for variable in found]

        def step(x: Any, weights: Any) -> Any:
            with self.tf.GradientTape(watch_accessed_variables=False) as tape:
                for variable in variables:
                    tape.watch(variable)
                total = self.tf.reduce_sum(self._scores(x, weights, how, follow)[0])
            found = tape.gradient(total, variables, unconnected_gradients="zero")
            return [self.tf.convert_to_tensor(one) for one in found]  # an embedding's comes by rows

        return self._trace(step, *self._specs("input", "weights"))

    def _trace_path(self, how: Reading, stencil: tuple[float, ...], displace: bool) -> Callable[..., Any]:
        tf = self.tf
        rank = len(self.traits.input_shape or ())
        reach = len(stencil) - 1

        def step(starts: Any, ends: Any, weights: Any, path: Any, position: Any, weight: Any, square: Any, group: Any, low: Any, high: Any, tail: Any) -> Any:
            column = [-1] + [1] * rank
            start = tf.gather(starts, path)
            displacement = tf.gather(ends, path) - start
            points = start + tf.reshape(position, column) * displacement
            _, _, (found,), _ = self._score_and_gradients(points, tf.gather(weights, group), how, (INPUT,), {})
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

    def _trace_masked(self, how: Reading, shared: bool, few: bool, single: bool, rows: MaskRows) -> Callable[..., Any]:
        tf = self.tf
        grid = rows.labels.shape[1:]

        def step(inputs: Any, absent: Any, labels: Any, weights: Any, masks: Any, sample: Any, fill: Any, size: Any) -> Any:
            masks = tf.concat([masks, tf.ones_like(masks[:, :1])], axis=1)
            places = tf.one_hot(labels[0], tf.shape(masks)[1], axis=0) if shared and few else None

            def scores(part: tuple[Any, Any, Any]) -> Any:
                masks, sample, fill = part
                if places is not None:  # a product with zeros and ones is exact, and faster than gathering columns
                    keep = tf.matmul(masks, places)
                else:
                    keep = tf.gather(masks, labels[0], axis=1) if shared else tf.gather(masks, tf.gather(labels, sample), axis=1, batch_dims=1)
                keep = tf.reshape(keep, (-1, *grid))
                hidden, present = (absent, inputs) if single else (tf.gather(absent, fill), tf.gather(inputs, sample))
                points = hidden + keep * (present - hidden)
                return self._scores(points, weights if single else tf.gather(weights, sample), how)[0]

            parts = tuple(tf.reshape(array, tf.concat([[-1, size], tf.shape(array)[1:]], axis=0)) for array in (masks, sample, fill))
            return tf.reshape(tf.map_fn(scores, parts, fn_output_signature="float32", parallel_iterations=1), (-1,))

        free, index, scalar = self._specs("input")[0], tf.TensorSpec((None,), "int32"), tf.TensorSpec((), "int32")
        table = tf.TensorSpec((None, None), "int32")
        return self._trace(step, free, free, table, self._specs("weights")[0], tf.TensorSpec((None, None), "float32"), index, index, scalar)

    def _recorded(self, verb: str, inputs: Array, chosen: dict[str, Any], record: Callable[..., Any]) -> dict[str, Array]:
        size = self.batch_size
        if size == self._usual and not self._fixed:
            size = rows_to_keep((self.layer(name).shape for name in chosen), self._made, len(inputs), size)
        found = list(self._seen(verb, inputs, chosen, record, size))
        return {name: joined([part[i] for part in found]) for i, name in enumerate(chosen)}

    def _seen(self, verb: str, inputs: Array, chosen: dict[str, Any], record: Callable[..., Any], size: int) -> Iterator[list[Any]]:
        """What is noted of each chosen layer, so many rows at a time."""

        def step(x: Any) -> Any:
            seen: dict[str, Any] = {}
            with _keras.wrapped_calls(chosen, functools.partial(record, seen)):
                self._outputs(x, logits=False)
            return [seen[name] for name in chosen]

        function = self._function((verb, *chosen), lambda: self._trace(step, self._spec()))
        return (function(self._tensor(inputs[part])) for part in batches(len(inputs), size))

    def _looped(self, rows: int) -> list[tuple[slice, int]]:
        """Which rows go forward by one call, and how many of them at a time: whole batches together, the rest by itself."""
        whole = rows - rows % self.batch_size
        parts = [(part, self.batch_size) for part in batches(whole, LOOP * self.batch_size)]
        return parts if whole == rows else [*parts, (slice(whole, rows), rows - whole)]

    # ---- small parts ------------------------------------------------------------------------------------------------

    def _function(self, key: tuple[Any, ...], make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if key not in self._traced:
            self._traced[key] = make()
        return self._traced[key]

    def _trace(self, function: Callable[..., Any], *signature: Any) -> Any:
        traced: Any = self.tf.function(function, input_signature=signature, autograph=False)
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

    def _counted(self, x: Any) -> Any:
        """A batch whose number of rows is known where the network takes no other."""
        return x if self._fixed is None else self.tf.ensure_shape(x, (self._fixed, *x.shape[1:]))


class _Part(KerasTensorflow):
    """A piece of a network that a layer cuts in two; TensorFlow drops from a traced function what the piece does not need."""

    def __init__(self, whole: KerasTensorflow, cut: dict[str, Any], **traits: Any) -> None:
        self.__dict__ |= whole.__dict__
        self.cut = cut
        self.traits = replace(whole.traits, **traits)
        self._traced, self._cuts = {}, {}


class _Above(_Part):
    """The network from a layer's output on. What goes round the layer is computed from a variable that holds the context while a function runs, so that one
    trace serves all contexts of a shape."""

    def __init__(self, whole: KerasTensorflow, layer: str, context: Array) -> None:
        value = whole.activations(context, (layer,))[layer]
        super().__init__(whole, _keras.check_cut(whole, layer), **_keras.above_traits(whole, layer, value))
        self._own = whole._tensor(context)
        key = (layer, context.shape)
        if key not in whole._cuts:
            whole._cuts[key] = self.tf.Variable(self._own, trainable=False), {}
        self.context, self._traced = whole._cuts[key]

    def _function(self, key: tuple[Any, ...], make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        traced = super()._function(key, make)

        def given_context(*arrays: Any) -> Any:
            self.context.assign(self._own)
            return traced(*arrays)

        return given_context

    def _outputs(self, x: Any, logits: bool) -> Any:
        with _keras.wrapped_calls(self.cut, _keras.put_in(self._counted(x))):
            return super()._outputs(self.tf.repeat(self.context, self.tf.shape(x)[0], axis=0), logits)


class _Below(_Part):
    """The network up to a layer."""

    def __init__(self, whole: KerasTensorflow, layer: str) -> None:
        super().__init__(whole, whole.named((layer,)), output_shape=_keras.below_shape(whole.layer(layer)), head=None)

    def _outputs(self, x: Any, logits: bool) -> Any:
        seen: dict[str, Any] = {}
        with _keras.wrapped_calls(self.cut, functools.partial(_keras.record, seen)):
            super()._outputs(x, logits=False)
        (output,) = seen.values()
        return self.tf.cast(output, "float32")


def _tensorflow() -> Any:
    """TensorFlow, or what to do where it is not there."""
    try:
        import tensorflow
    except ImportError as error:
        raise missing("tensorflow", error) from error
    return tensorflow
