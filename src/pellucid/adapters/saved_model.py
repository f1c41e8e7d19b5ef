"""TensorFlow SavedModels: a signature of the folder, frozen and cut where it is read, with the same functions as Keras on TensorFlow has."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters.keras_tensorflow import BATCH_BUDGET, KerasTensorflow
from pellucid.core.errors import MissingExtraError, SettingError, UnsupportedError, unknown
from pellucid.core.model import INPUT, Model, Traits, power_of_two_batch
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.target import Reading, several_outputs

Array = np.ndarray


class SavedModel(KerasTensorflow):
    """A TensorFlow SavedModel, samples first: a folder, or what `tf.saved_model.load` gives.

    `signature` and `output` name which, where there are several. The signature is frozen: weights are those of the file, kept a second time as constants.
    Each operation that computes numbers from the input is a layer; gradients go through the graph where TensorFlow has them. A batch size that the signature
    fixes is kept. A folder whose graph could read or write files, or call Python, is refused without `allow_unsafe`. Does not show the steps of recurrent
    layers, which are loops in the graph.
    """

    suffixes = (".pb",)
    rank = 12

    def __init__(self, loaded: Any, *, signature: str | None = None, output: str | None = None, allow_unsafe: bool = False) -> None:
        self.tf, self._help = _tensorflow()
        self.loaded = self._load(Path(loaded), allow_unsafe) if isinstance(loaded, (str, Path)) else loaded
        function = self._help.signature_of(self.loaded, signature)
        self._frozen = self._help.frozen(function)
        self._inputs = self._numeric_inputs()
        self._signature, outputs = signature, self._output_shapes(function)
        self._unsaid = output is None and bool(outputs)
        self._end = self._one_output(function, output)
        head, self._logits = self._help.head_of(self._end)
        specs = tuple(self._spec_of(tensor) for tensor in self._inputs)
        self._samples = next((tensor.shape[0] for tensor in self._inputs if tensor.shape.rank), None)
        self._table, self._tensors = self._help.layers_of(self._inputs)
        first = next((operation for operation in self._help.from_inputs(self._inputs) if operation.type.startswith(("Conv", "Depthwise"))), None)
        self.traits = Traits(
            framework="a TensorFlow SavedModel",
            input_shape=specs[0].shape if len(specs) == 1 else None,
            output_shape=None if self._end.shape.rank is None else tuple(self._end.shape[1:]) or (1,),
            head=None if self._unsaid else head,
            gradients=any(tensor.dtype.is_floating for tensor in self._inputs),
            tokens=not any(tensor.dtype.is_floating for tensor in self._inputs),
            channels="first" if first is not None and self._help.channels_first(first) else "last",
            fingerprint=self._help.fingerprint(self._frozen.graph),
            versions={"tensorflow": self.tf.__version__},
            inputs=specs,
            outputs=outputs,
        )
        self._traced: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._pieces: dict[tuple[str, ...], Any] = {}
        self._given: Mapping[str, Any] = {}
        shapes = [layer.shape for layer in self._table] + [spec.shape for spec in specs]
        row = 4.0 * sum(float(np.prod([size or 1 for size in shape])) for shape in shapes if shape)
        self.batch_size = power_of_two_batch(row, BATCH_BUDGET)
        self._try_gradient()

    def reading(self, output: str) -> Model:
        found = SavedModel(self.loaded, signature=self._signature, output=output)
        found.traits = replace(found.traits, output=output)
        return found

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        return "tensorflow" in sys.modules and isinstance(getattr(candidate, "signatures", None), Mapping) and hasattr(candidate, "tensorflow_version")

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> SavedModel:
        return cls(candidate.parent if isinstance(candidate, Path) else candidate, allow_unsafe=allow_unsafe)

    def packed(self, packing: Packing) -> Model:
        found = copy.copy(self)
        channels = self.traits.channels
        found.packing = replace(packing, channels=tuple(channels if len(shape) > 1 else "last" for shape in packing.shapes))
        found.traits = replace(self.traits, input_shape=(packing.total,), tokens=all(packing.whole), channels="last")
        found._traced = {}
        found._try_gradient()
        return found

    def meet(self, inputs: Array) -> None:
        """Learn the shapes that the signature leaves free altogether."""
        if self._unsaid:
            raise several_outputs(self.traits.outputs)
        if self.traits.input_shape is None:
            self.traits = replace(self.traits, input_shape=tuple(inputs.shape[1:]))
        shape = self.traits.output_shape
        if shape is None or None in shape:
            given = self._outputs(self._tensor(inputs[:1]), logits=False).shape[1:]
            self.traits = replace(self.traits, output_shape=tuple(given))

    def named(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self._tensors[self.layer(name).name] for name in names}

    has_weights = False

    def connections(self) -> dict[str, tuple[str, ...]]:
        return Model.connections(self)

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return Model.kernel_shapes(self)

    def weights(self) -> dict[str, tuple[Array, ...]]:
        return Model.weights(self)

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> AbstractContextManager[Model]:
        return Model.replaced_weights(self, weights)

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        return _Below(self, layer)

    # ---- inside the graph -------------------------------------------------------------------------------------------

    def _outputs(self, x: Any, logits: bool) -> Any:
        found = self.tf.cast(self._read(x, self._logits if logits else self._end), "float32")
        return found if found.shape.rank != 1 else found[:, None]

    def _read(self, x: Any, tensor: Any) -> Any:
        """A tensor of the graph for a batch, those in `_given` not being computed; where the signature fixes a batch size, in pieces of it."""
        taken = [*self._fed(x), *self._given.values()]
        piece = self._piece(tensor)
        if self._samples is None:
            return self._one(piece(*taken))
        rows, size = self.tf.shape(x)[0], self._samples
        blocks = [self._blocks(value, rows, size) for value in taken]
        whole = self.tf.map_fn(lambda block: self._one(piece(*block)), blocks, fn_output_signature=self.tf.TensorSpec(tensor.shape, tensor.dtype))
        return self.tf.reshape(whole, self.tf.concat([[-1], self.tf.shape(whole)[2:]], axis=0))[:rows]

    def _fed(self, x: Any) -> list[Any]:
        """A batch as the graph's inputs take it."""
        if self.packing is None:
            return [self.tf.cast(self.tf.round(x) if self.traits.tokens else x, self._inputs[0].dtype)]
        parts = self.packing.split(x, self._columns, self.tf.reshape, lambda part: part, lambda part, kind: self.tf.round(part))
        return [self.tf.cast(part, tensor.dtype) for part, tensor in zip(parts, self._inputs, strict=True)]

    def _columns(self, x: Any, places: list[int]) -> Any:
        return self.tf.split(x, np.diff([0, *places, int(x.shape[1])]).tolist(), axis=1)

    def _one(self, found: Any) -> Any:
        return found[0] if isinstance(found, (list, tuple)) else found

    def _blocks(self, value: Any, rows: Any, size: int) -> Any:
        """Rows in pieces of `size`, the last one filled up with the last row."""
        filled = self.tf.concat([value, self.tf.repeat(value[-1:], -rows % size, axis=0)], axis=0)
        return self.tf.reshape(filled, self.tf.concat([[-1, size], self.tf.shape(value)[1:]], axis=0))

    def _piece(self, tensor: Any) -> Any:
        """The part of the graph that a tensor needs, as a function."""
        key = (tensor.name, *self._given)
        if key not in self._pieces:
            feeds = [*self._inputs, *(self._frozen.graph.get_tensor_by_name(name) for name in self._given)]
            self._pieces[key] = self._frozen.prune(feeds, [tensor])
        return self._pieces[key]

    def _score_and_gradients(self, x: Any, weights: Any, how: Reading, wrt: tuple[str, ...], chosen: dict[str, Any], follow: bool = False) -> Any:
        """Scores, outputs, gradients and values; at a layer, of the graph from it on, so that nothing below is differentiated."""
        values, gradients = [], []
        scores = outputs = None
        for name in wrt:
            value = x if name == INPUT else self._read(x, chosen[name])
            with self.tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(value)
                inner = self._put_in(chosen[name], value) if name != INPUT else self
                scores, outputs = inner._scores(value if name == INPUT else x, weights, how, follow)
            gradients.append(tape.gradient(scores, value, unconnected_gradients="zero"))
            values.append(value)
        return scores, outputs, gradients, values

    def _put_in(self, tensor: Any, value: Any) -> SavedModel:
        """The same graph with a tensor given instead of computed."""
        found = object.__new__(SavedModel)
        found.__dict__ |= self.__dict__
        found._given = {**self._given, tensor.name: value}
        return found

    def _recorded(self, verb: str, inputs: Array, chosen: dict[str, Any], record: Callable[..., Any]) -> dict[str, Array]:
        function = self._function((verb, *chosen), lambda: self._trace(lambda x: [self._read(x, tensor) for tensor in chosen.values()], self._spec()))
        size = self.batch_size
        found = [function(self._tensor(inputs[start : start + size])) for start in range(0, len(inputs), size)]
        return {name: np.concatenate([part[i].numpy().astype(np.float32) for part in found]) for i, name in enumerate(chosen)}

    def _try_gradient(self) -> None:
        """Learn whether the graph can be differentiated: its gradient is built for one input, and not run."""
        shape = self.traits.input_shape
        if not self.traits.gradients or shape is None:
            return

        def step(x: Any) -> Any:
            with self.tf.GradientTape() as tape:
                tape.watch(x)
                found = self._outputs(x, logits=False)
            return tape.gradient(found, x)

        try:
            gradient = self.tf.function(step, autograph=False).get_concrete_function(self.tf.TensorSpec((None, *shape), "float32")).structured_outputs
        except (LookupError, ValueError, NotImplementedError):  # an operation without a gradient
            gradient = None
        self.traits = replace(self.traits, gradients=gradient is not None)

    # ---- opening ----------------------------------------------------------------------------------------------------

    def _load(self, folder: Path, allow_unsafe: bool) -> Any:
        file = folder / "saved_model.pb"
        if not allow_unsafe:
            self._help.check_harmless(file)
        try:
            return self.tf.saved_model.load(str(folder))
        except Exception as error:
            raise self._help.damaged(file, error) from error

    def _numeric_inputs(self) -> tuple[Any, ...]:
        for tensor in self._frozen.inputs:
            if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
                raise UnsupportedError(f"the signature takes {tensor.dtype.name}, not numbers; save one that takes what comes after decoding.")
        return tuple(self._frozen.inputs)

    def _spec_of(self, tensor: Any) -> InputSpec:
        shape = None if tensor.shape.rank is None else tuple(tensor.shape[1:])
        return InputSpec(tensor.name.partition(":")[0], shape, tensor.dtype.name)

    def _output_shapes(self, function: Any) -> dict[str, tuple[int | None, ...] | None]:
        """The shapes of several outputs by name; empty where there is one."""
        shapes = [None if tensor.shape.rank is None else tuple(tensor.shape[1:]) for tensor in self._frozen.outputs]
        return dict(zip(sorted(function.structured_outputs), shapes, strict=True)) if len(shapes) > 1 else {}

    def _one_output(self, function: Any, output: str | None) -> Any:
        names = sorted(function.structured_outputs)
        if output is not None and output not in names:
            raise SettingError(unknown("output", output, names))
        return self._frozen.outputs[names.index(output or names[0])]


class _Above(SavedModel):
    """The graph from a layer's output on; what goes round the layer is computed from one input."""

    def __init__(self, whole: SavedModel, layer: str, context: Array) -> None:
        self.__dict__ |= whole.__dict__
        (self._cut,) = whole.named((layer,)).values()
        if self._cut.op in (whole._end.op, whole._logits.op) and whole.layers()[-1].name == whole.layer(layer).name:
            raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
        value, axis = whole.activations(context, (layer,))[layer], whole.layer(layer).channel_axis
        self.traits = replace(
            whole.traits, input_shape=value.shape[1:], scales_input=True, tokens=False, gradients=True, channels="first" if axis == 0 else "last"
        )
        self._whole, self._traced, self.context = whole, {}, whole._tensor(context)

    def _outputs(self, x: Any, logits: bool) -> Any:
        context = self.tf.repeat(self.context, self.tf.shape(x)[0], axis=0)
        return self._whole._put_in(self._cut, self.tf.cast(x, self._cut.dtype))._outputs(context, logits)


class _Below(SavedModel):
    """The graph up to a layer."""

    def __init__(self, whole: SavedModel, layer: str) -> None:
        shape = whole.layer(layer).shape
        if shape is None or None in shape:
            raise UnsupportedError(f"layer '{layer}' has an output of shape {shape}; a unit of it needs a fixed one.")
        self.__dict__ |= whole.__dict__
        (self._end,) = whole.named((layer,)).values()
        self.traits, self._traced = replace(whole.traits, output_shape=shape, head=None), {}


def _tensorflow() -> tuple[Any, types.ModuleType]:
    """TensorFlow and what this adapter does with it, or what to do where it is not there."""
    try:
        import tensorflow
    except ImportError as error:
        raise MissingExtraError(f"SavedModels need TensorFlow ({error}): pip install 'pellucid[tensorflow]'") from error
    from pellucid.adapters import _saved_model

    return tensorflow, _saved_model
