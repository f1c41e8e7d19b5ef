"""Keras 3 on JAX: compiled functions of the weights and a batch, with points on paths and masked inputs made, and their sums taken, on the device."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters import _jax, _keras, _layer_inputs, _losses
from pellucid.adapters._keras_start import missing
from pellucid.adapters._numbers import joined
from pellucid.core.errors import ModelError
from pellucid.core.loss import LOSSES
from pellucid.core.model import INPUT, Gradients, MaskRows, Model, PathRows, power_of_two_batch
from pellucid.core.target import TINY, Reading, Target

Array = np.ndarray
BATCH_BUDGET, LARGEST_OUTPUT = 16e6, 1.5e6
"""Bytes of activations a batch in all, and of one layer. Backward passes over more are up to twice as slow a row on a processor, whose cache they leave."""
ACCELERATED = 1e9
"""The same in all where there is no such cache; not measured."""
FORWARD = 8
"""So many batches go forward at a time, in one compiled loop; backward passes are slower in a loop."""


class KerasJax(_keras.KerasModel):
    """A Keras 3 model while Keras runs on JAX.

    Functions of the weights and a batch are compiled once for each of a few batch sizes; a last batch that is smaller is filled up. The model is touched only
    while one is traced, and put back at once. Reads weights as they are at the time of a call. Does not serve layers that JAX cannot trace.
    """

    backend = "jax"
    title = "Keras on JAX"

    def __init__(self, keras_model: Any) -> None:
        self.jax, self._help = _imported()
        self.introduce(keras_model, jax=self.jax.__version__)
        self._variables = _keras.variables(self.keras, keras_model)
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._cuts: dict[tuple[Any, ...], dict[tuple[Any, ...], Callable[..., Any]]] = {}

    def size_batches(self) -> None:
        row = self.bytes_of_one
        largest = 4 * max((float(np.prod([size or 1 for size in layer.shape])) for layer in self._table if layer.shape), default=1.0)
        cached = power_of_two_batch(max(row, largest * BATCH_BUDGET / LARGEST_OUTPUT), BATCH_BUDGET)
        own = cached if self.jax.default_backend() == "cpu" else power_of_two_batch(row, ACCELERATED)
        self.batch_size = _keras.fixed_batch(self.network) or own

    def head_in_call(self, shape: tuple[int, ...]) -> str | None:
        like = self.jax.ShapeDtypeStruct((_keras.fixed_batch(self.network) or 2, *shape), np.float32)
        with self.apart(False):
            cut = self._help.before_head(self.jax.make_jaxpr(self.output_of)(like))
        return cut[0] if cut else None

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        def outputs(params: Sequence[Any], x: Any) -> tuple[Any]:
            return (self._outputs(params, x, logits),)

        function = self._function(("predict", logits, self.batch_size), _jax.by_parts(outputs, self.batch_size))
        return np.concatenate([rows for (rows,) in self._batched(function, inputs, most=self.rows_at_once(inputs))])

    def rows_at_once(self, inputs: Array) -> int:
        return FORWARD * self.batch_size

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._recorded("activations", inputs, self.named(layers), _keras.record)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._recorded("states", inputs, self.recurrent(layers), _keras.record_states)

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        chosen, record = self.named(layers), functools.partial(_layer_inputs.record_inputs, self.keras)

        def step(params: Sequence[Any], x: Any) -> Any:
            given = self._seen(params, x, chosen, record)
            return {name: [one if one.dtype == bool else self._plain(one) for one in given[name]] for name in chosen}

        function = self._function(("layer_inputs", *chosen), step)
        sent = ((part, size, function(_jax.filled(inputs[part], size))) for part, size in _jax.pieces(len(inputs), self.batch_size))
        return _layer_inputs.joined(
            (part.stop - part.start, {name: [one[: part.stop - part.start] if len(one) == size else one for one in given[name]] for name in chosen})
            for part, size, given in _jax.late(sent)
        )

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        found = zip(*self._batched(self._gradient(target, wrt), inputs, target.effective_weights), strict=True)
        scores, outputs, *rest = (parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in found)
        gradients, values = dict(zip(wrt, rest, strict=False)), dict(zip([name for name in wrt if name != INPUT], rest[len(wrt) :], strict=True))
        if INPUT in wrt:
            values[INPUT] = np.asarray(inputs, np.float32)
            self.check_gradient(gradients[INPUT])
        return Gradients(scores.astype(np.float64), outputs, gradients, values)

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros((rows.groups, rows.starts[:1].size)), np.zeros((rows.groups, rows.starts[:1].size))
        for low, high, sums, squares in _jax.late(self._path_batches(rows, target)):
            first[low:high] += np.asarray(sums)[: high - low]
            second[low:high] += np.asarray(squares)[: high - low]
        if len(rows):
            self.check_gradient(first)
        return first.reshape(shape), second.reshape(shape)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        found = np.empty(len(rows))
        for part, scores in _jax.late(self._masked_batches(rows, target)):
            found[part] = np.asarray(scores)[: part.stop - part.start]
        return found

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        how, follow = target.reading, target.follows_prediction

        def step(params: Any, x: Any, weights: Any, counts: Any) -> list[Any]:
            chosen, whole = self._differentiated(params)
            total = lambda chosen: (self._scores(whole(chosen), x, weights, how, follow)[0] * counts).sum()  # noqa: E731
            return [self._plain(one) for one in self.jax.grad(total)(chosen)]

        function, weights = self._function(("weights", how, follow), step), target.effective_weights

        def sent() -> Iterator[list[Any]]:
            for part, size in _jax.pieces(len(inputs), self.batch_size):
                rows = part.stop - part.start
                yield function(_jax.filled(inputs[part], size), _jax.filled(weights[part], size), _jax.lengthened(np.ones(rows), size))

        return _losses.named(self._trained(), _losses.summed([np.array(one) for one in part] for part in _jax.late(sent())))

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        return _Below(self, layer)

    # ---- batches, composed and reduced on the device ----------------------------------------------------------------

    def _batched(self, function: Callable[..., Any], *arrays: Array, most: int | None = None) -> Iterator[list[Array]]:
        """What a function gives for each batch, without the rows that only filled it up."""

        def sent() -> Iterator[tuple[int, Any]]:
            for part, size in _jax.pieces(len(arrays[0]), most or self.batch_size):
                yield part.stop - part.start, function(*(_jax.filled(array[part], size) for array in arrays))

        for rows, results in _jax.late(sent()):
            yield [np.asarray(result)[:rows] for result in results]

    def _path_batches(self, rows: PathRows, target: Target) -> Iterator[tuple[int, int, Any, Any]]:
        gradient, weights = self._gradient(target, (INPUT,)), target.effective_weights
        tail: Any = np.zeros((len(rows.stencil) - 1, rows.starts[:1].size), np.float32)
        for part, size in _jax.pieces(len(rows), self.batch_size):
            named, place, length = _jax.table(rows.path[part], size)
            ends = (_jax.filled(array[named], length) for array in (rows.starts, rows.ends))
            points, displacement = _jax.on_paths()(*ends, place, _jax.filled(rows.position[part], size))
            group = rows.group[part]
            low, high = int(group[0]), int(group[-1]) + 1
            found = gradient(points, _jax.filled(weights[group], size))[2]
            numbers = (_jax.lengthened(array[part], size) for array in (rows.weight, rows.square))
            member = _jax.filled(group - low, size, np.int32)
            groups = size if high - low > 1 else 1
            sums, squares, tail = _jax.group_sums()(found, displacement, *numbers, member, tail, stencil=rows.stencil, displace=rows.displace, groups=groups)
            yield low, high, sums, squares

    def _masked_batches(self, rows: MaskRows, target: Target) -> Iterator[tuple[slice, Any]]:
        how, weights = target.reading, target.effective_weights

        def scores(params: Sequence[Any], x: Any, rows_weights: Any) -> Any:
            return self._scores(params, x, rows_weights, how)[0]

        function = self._function(("scores", how, self.batch_size), _jax.by_parts(scores, self.batch_size))
        fills = rows.fills.reshape(-1, *rows.fills.shape[2:])
        absent = self.jax.numpy.asarray(_jax.filled(fills, 1 << (len(fills) - 1).bit_length()))
        of_sample = rows.fills.shape[1] if len(rows.fills) > 1 else 0
        labels = np.where(rows.labels < 0, rows.masks.shape[1], rows.labels)
        for part, size in _jax.pieces(len(rows), self.rows_at_once(rows.inputs)):
            sample = rows.sample[part]
            named, place, length = _jax.table(sample, size)
            shown = labels if len(labels) == 1 else labels[named]
            points = _jax.composed()(
                _jax.filled(rows.inputs[named], length),
                absent,
                _jax.filled(shown, 1 if len(shown) == 1 else length, np.int32),
                _jax.filled(rows.masks[part], size),
                place,
                _jax.filled(sample * of_sample + rows.fill[part], size, np.int32),
            )
            yield part, function(points, _jax.filled(weights[sample], size))

    # ---- inside what is compiled ------------------------------------------------------------------------------------

    def _outputs(self, params: Sequence[Any], x: Any, logits: bool) -> Any:
        with self.apart(logits, list(zip(self._variables, params, strict=True))):
            output = self._before_call(x) if logits and self.ends_in_call else self.output_of(x)
            return self.jax.numpy.asarray(output, np.float32)

    def _before_call(self, x: Any) -> Any:
        """What the softmax or sigmoid is given that ends the network in a call."""
        cut = self._help.before_head(self.jax.make_jaxpr(self.output_of)(x))
        self.check_head(cut and cut[0])
        return cut[1](x)

    def _scores(self, params: Sequence[Any], x: Any, weights: Any, how: Reading, follow: bool = False) -> tuple[Any, Any]:
        """Scores and outputs; the weights follow the prediction where asked."""
        jax = self.jax
        outputs = read = self._outputs(params, x, how.logits)
        if how.scale in LOSSES:
            return _losses.in_jax(jax, how.scale, read, weights, self.traits.class_axis), read
        if follow:
            weights = jax.nn.one_hot(read.argmax(axis=-1), read.shape[-1])
            weights = weights - 1 / read.shape[-1] if how.centred else weights
        if how.scale in ("sigmoid", "log_sigmoid"):
            function = jax.nn.sigmoid if how.scale == "sigmoid" else jax.nn.log_sigmoid
            outputs, weights = function(read * jax.numpy.sign(weights)), jax.numpy.abs(weights)
        elif how.scale:
            outputs = jax.numpy.exp(read) if how.scale == "exp" else jax.numpy.log(jax.numpy.maximum(read, TINY))
        return (outputs * weights).reshape(len(x), -1).sum(axis=1), read

    def _gradient(self, target: Target, wrt: Sequence[str]) -> Callable[..., Any]:
        """A function to scores, outputs, then gradients in the order of `wrt` and then values of the layers among them."""
        chosen = self.named([name for name in wrt if name != INPUT])
        how, follow, names = target.reading, target.follows_prediction, tuple(wrt)

        def step(params: Sequence[Any], x: Any, weights: Any) -> Any:
            def total(leaves: Mapping[str, Any]) -> Any:
                values: dict[str, Any] = {}

                def add(name: str, output: Any) -> Any:
                    values[name] = output
                    return output + leaves[name]

                with _keras.wrapped_calls(chosen, _keras.probe_with(add)):
                    scores, outputs = self._scores(params, leaves.get(INPUT, x), weights, how, follow)
                if chosen and how.logits and self.ends_in_call:  # those above are of a trace that has ended
                    values.update(self._seen(params, x, chosen, _keras.record))
                return scores.sum(), (scores, outputs, values)

            made = self.jax.eval_shape(lambda: self._seen(params, x, chosen, _keras.record)) if chosen else {}
            probes = {name: self.jax.numpy.zeros(like.shape, like.dtype) for name, like in made.items()}
            leaves = probes | ({INPUT: x} if INPUT in names else {})
            gradients, (scores, outputs, values) = self.jax.grad(total, has_aux=True)(leaves)
            return scores, outputs, *(self._plain(gradients[name]) for name in names), *(self._plain(values[name]) for name in chosen)

        return self._function(("gradients", how, names, follow), step)

    def _seen(self, params: Sequence[Any], x: Any, chosen: dict[str, Any], record: Callable[..., Any]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        with _keras.wrapped_calls(chosen, functools.partial(record, seen)):
            self._outputs(params, x, logits=False)
        return seen

    def _recorded(self, verb: str, inputs: Array, chosen: dict[str, Any], record: Callable[..., Any]) -> dict[str, Array]:
        def step(params: Sequence[Any], x: Any) -> Any:
            seen = self._seen(params, x, chosen, record)
            return [self._plain(seen[name]) for name in chosen]

        found = list(self._batched(self._function((verb, *chosen), step), inputs))
        return {name: joined([part[i] for part in found]) for i, name in enumerate(chosen)}

    # ---- small parts ------------------------------------------------------------------------------------------------

    def _plain(self, value: Any) -> Any:
        """In float32, also where the network computes in less."""
        return value.astype(np.float32)

    def _function(self, key: tuple[Any, ...], step: Callable[..., Any]) -> Callable[..., Any]:
        """A step compiled, given the weights as they are now."""
        if key not in self._compiled:
            self._compiled[key] = self.jax.jit(step)
        compiled = self._compiled[key]
        params = self._values()

        def called(*arrays: Any) -> Any:
            try:
                return compiled(params, *arrays)
            except Exception as error:
                reason = _jax.tracing_error(error)
                if reason is None:
                    raise
                raise ModelError(f"JAX cannot trace the Keras model ({reason}); build it of keras.ops.") from error

        return called

    def _differentiated(self, params: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
        """The weights that training changes, among all that a compiled step is given, and what puts others in their place."""
        places = {id(variable): place for place, variable in enumerate(self._variables)}
        chosen = [places[id(variable)] for found in self._trained().values() for variable in found]

        def whole(weights: Sequence[Any]) -> list[Any]:
            merged = list(params)
            for place, weight in zip(chosen, weights, strict=True):
                merged[place] = weight
            return merged

        return [params[place] for place in chosen], whole

    def _values(self) -> list[Any]:
        """What a compiled step is given besides its arrays: the weights as they are now."""
        return [variable.value for variable in self._variables]


class _Part(KerasJax):
    """A piece of a network that a layer cuts in two; the compiler drops what the piece does not need."""

    def __init__(self, whole: KerasJax, cut: dict[str, Any], **traits: Any) -> None:
        self.__dict__ |= whole.__dict__
        self.cut = cut
        self.traits = replace(whole.traits, **traits)
        self._compiled, self._cuts = {}, {}


class _Above(_Part):
    """The network from a layer's output on. The context of what goes round the layer is given with the weights, so that what is compiled serves all contexts
    of a shape."""

    def __init__(self, whole: KerasJax, layer: str, context: Array) -> None:
        value = whole.activations(context, (layer,))[layer]
        super().__init__(whole, _keras.check_cut(whole, layer), **_keras.above_traits(whole, layer, value))
        self.context = np.asarray(context, np.float32)
        self._compiled = whole._cuts.setdefault((layer, context.shape), {})

    def _values(self) -> list[Any]:
        return [*super()._values(), self.context]

    def _outputs(self, params: Sequence[Any], x: Any, logits: bool) -> Any:
        *weights, context = params
        with _keras.wrapped_calls(self.cut, _keras.put_in(x)):
            return super()._outputs(weights, self.jax.numpy.repeat(context, len(x), axis=0), logits)


class _Below(_Part):
    """The network up to a layer."""

    def __init__(self, whole: KerasJax, layer: str) -> None:
        super().__init__(whole, whole.named((layer,)), output_shape=_keras.below_shape(whole.layer(layer)), head=None)

    def _outputs(self, params: Sequence[Any], x: Any, logits: bool) -> Any:
        seen: dict[str, Any] = {}
        with _keras.wrapped_calls(self.cut, functools.partial(_keras.record, seen)):
            super()._outputs(params, x, logits=False)
        (output,) = seen.values()
        return self._plain(output)


def _imported() -> tuple[Any, types.ModuleType]:
    """JAX and what finds the end of a function of it, or what to do where it is not there."""
    try:
        import jax
    except ImportError as error:
        raise missing("jax", error) from error
    from pellucid.adapters import _jax_head

    return jax, _jax_head
