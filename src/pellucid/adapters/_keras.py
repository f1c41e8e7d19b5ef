"""What is common to Keras models on every backend: their layers, their head, and the contexts that touch them and put them back."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pellucid.adapters import ADAPTERS, _keras_graph, _keras_inputs, _keras_outputs, _keras_start
from pellucid.adapters._arguments import Arguments, call_with
from pellucid.adapters._keras_recurrence import place_of, recurrence, state_gradients
from pellucid.adapters._numbers import wide
from pellucid.core.connections import with_inputs
from pellucid.core.errors import InputError, UnsupportedError, unknown
from pellucid.core.model import Call as Use
from pellucid.core.model import Layer, Model, Traits, checked_weights
from pellucid.core.packing import Packing
from pellucid.core.recurrence import Recurrence, StateGradients
from pellucid.core.target import HEADS, Target

Array = np.ndarray
Call = Callable[..., Any]
FOREIGN = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
"""Keras's own layers that run a function or network of the user's."""


class KerasModel(Model):
    """A Keras 3 model, whatever Keras runs on; each backend has a class of its own.

    The model is touched only while a function is traced or run, and put back at once; what it would change in itself while it runs (the state of a random
    layer or of a stateful one) is left alone.
    """

    suffixes: tuple[str, ...] = _keras_start.SUFFIXES
    rank = 10
    backend: ClassVar[str]
    title: ClassVar[str]
    arguments: Arguments
    ends_in_call: bool = False
    """Whether the head is a function that is called, and no layer's."""

    def introduce(self, network: Any, **versions: str) -> None:
        """Learn what a Keras model says of itself."""
        self.keras = _keras_start.start()
        self.network = network
        self.taken = _keras_inputs.taken(self.keras, network, [layer for _, layer in walk(network)])
        kinds = [type(layer).__name__ for _, layer in walk(network)]
        self._output = ""
        self.traits = Traits(
            framework=self.title,
            input_shape=self.taken.shape,
            gradients=True,
            scales_input=any(kind in ("Rescaling", "Normalization") for kind in kinds),
            tokens="Embedding" in kinds,
            channels=channels_of(network),
            fingerprint=fingerprint(network),
            versions={"keras": self.keras.__version__, **versions},
            inputs=self.taken.specs,
        )
        self._learn()

    def _learn(self) -> None:
        """Layers, output and head, those that only a run on zeros shows as far as the shapes of the inputs are known."""
        shown = _keras_outputs.Shown({}, {}, {})
        if self._by_run and self.traits.input_shape is not None:
            zeros = np.zeros((1, *(size or 1 for size in self.traits.input_shape)), np.float32)
            shown = _keras_outputs.run_on_zeros(self.keras, self.network, lambda: self.run(zeros), list(walk(self.network)), wrapped_calls)
        self._shown = shown
        self._graph = _keras_graph.by_graph(self.network, dict(walk(self.network)))
        self._table = with_inputs(layer_table(self.keras, self.network, shown.shapes), self._graph)
        self._find_output()
        self.size_batches()

    @property
    def _by_run(self) -> bool:
        """Whether the network, or its last part, is a class without a graph."""
        return not getattr(self.network, "outputs", None) or hasattr(final_operation(self.network), "layers")

    def size_batches(self) -> None:
        """Settle how many samples go through the network at a time."""
        raise NotImplementedError

    @property
    def bytes_of_one(self) -> float:
        """What one sample makes."""
        whole = self.traits.input_shape
        return activation_bytes(self.network, self._table, [spec.shape for spec in self.taken.specs] if whole is None else [whole])

    def _find_output(self) -> None:
        """The shape of the output that is read, what makes it, and the head: none of these where there are several and none is chosen yet."""
        outputs = _keras_outputs.graph_outputs(self.keras, self.network)
        known = {name: tuple(tensor.shape[1:]) for name, tensor in outputs.items()} or self._shown.outputs
        place = self._output or ("" if "" in known else None)
        symbolic = outputs.get(place) if place is not None else None
        final = None if symbolic is None else operation_of(symbolic)
        self._final = self._shown.makers.get(str(place)) if final is None or hasattr(final, "layers") else final
        several = {} if "" in known else known
        head, self.ends_in_call = None if place is None else head_of(self._final), False
        self.traits = replace(self.traits, output=self._output, output_shape=known.get(str(place)), outputs=several, head=head)
        if place is not None and head is None and self.traits.input_shape is not None and may_hide_head(self._final):
            with contextlib.suppress(*_keras_outputs.UNRUN):
                head = self.head_in_call(tuple(size or 1 for size in self.traits.input_shape))
        if head is not None:
            self.ends_in_call = self.traits.head is None
            self.traits = replace(self.traits, head=head)

    def head_in_call(self, shape: tuple[int, ...]) -> str | None:
        """ "softmax", "log_softmax" or "sigmoid" over the last axis, where a function that is no layer ends the network, as a run on inputs of this shape
        shows."""
        raise NotImplementedError

    def reading(self, output: str) -> Model:
        found = copy.copy(self)
        found._output = output
        found.__dict__ |= {name: {} for name in ("_traced", "_compiled", "_cuts") if name in self.__dict__}
        found._find_output()
        return found

    def one_output(self, returned: Any) -> Any:
        """The tensor that is read, of what the network returns."""
        return _keras_outputs.chosen(_keras_outputs.named(self.keras, self.network, returned), self._output)

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        keras = sys.modules.get("keras")
        return keras is not None and isinstance(candidate, keras.Model) and keras.config.backend() == cls.backend

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> Model:
        """A model as this backend serves it; a file as the backend does on which Keras then runs."""
        if not isinstance(candidate, Path):
            return cls(candidate)  # type: ignore[call-arg]
        network = _keras_start.open_file(candidate, allow_unsafe)
        served: Model = ADAPTERS.load(f"keras_{_keras_start.start().config.backend()}")(network)
        return served

    def packed(self, packing: Packing) -> Model:
        known = [spec.name for spec in self.traits.inputs]
        for name in packing.names:
            if name not in known:
                raise InputError(unknown("input", name, known))
        channels = channels_of(self.network)
        found = copy.copy(self)
        found.packing = replace(packing, channels=tuple(channels if len(shape) > 1 else "last" for shape in packing.shapes))
        found.traits = replace(self.traits, input_shape=(packing.total,), tokens=all(packing.whole), channels="last")
        found.__dict__ |= {name: {} for name in ("_traced", "_compiled", "_cuts") if name in self.__dict__}  # what was made for another kind of input
        if self.taken.struct is None:
            found.arguments = call_with(self.network.call, packing)
        found._learn()
        return found

    def run(self, x: Any) -> Any:
        """What the network returns for a batch, of several inputs each by itself: in its own list or mapping, or as arguments."""
        struct, tree = self.taken.struct, self.keras.tree
        if self.packing is None:
            return self.network(x if struct is None else tree.pack_sequence_as(struct, [x]), training=False)
        ops = self.keras.ops

        def whole(part: Any, kind: str) -> Any:
            return part > 0.5 if kind == "bool" else ops.cast(ops.round(part), "int32")

        arrays = self.packing.split(x, lambda x, places: ops.split(x, places, axis=1), ops.reshape, lambda part: part, whole)
        positional, keywords = self.arguments(arrays) if struct is None else ([tree.pack_sequence_as(struct, arrays)], {})
        return self.network(*positional, **keywords, training=False)

    def output_of(self, x: Any) -> Any:
        """The tensor that is read, of what the network returns for a batch."""
        return self.one_output(self.run(x))

    def layers(self) -> tuple[Layer, ...]:
        return self._table

    def connections(self) -> dict[str, tuple[str, ...]]:
        shape = self.traits.input_shape
        if self._graph or shape is None:
            return dict(self._graph)
        return _keras_graph.by_run(self.keras, self.run, [size or 1 for size in shape], dict(walk(self.network)), wrapped_calls)

    def calls(self) -> dict[str, Use]:
        return Model.calls(self)  # on torch, too, by Keras's layers and not by modules

    has_weights = True

    def weights(self) -> dict[str, tuple[Array, ...]]:
        return {name: tuple(wide(self._on_host(one)) for one in found) for name, found in self._trained().items()}

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> contextlib.AbstractContextManager[Model]:
        trained = self._trained()
        given = checked_weights({name: [tuple(one.shape) for one in found] for name, found in trained.items()}, weights)
        return self._replaced([pair for name, arrays in given.items() for pair in zip(trained[name], arrays, strict=True)])

    @contextlib.contextmanager
    def _replaced(self, changed: Sequence[tuple[Any, Array]]) -> Iterator[Model]:
        found = [(variable, self._on_host(variable), array) for variable, array in changed]
        other = [(variable, own, array) for variable, own, array in found if not np.array_equal(own, array)]  # to assign costs more than to compare
        try:
            for variable, _, array in other:
                variable.assign(array)
            yield self
        finally:
            for variable, own, _ in other:
                variable.assign(own)

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return {name: tuple(tuple(one.shape) for one in found) for name, found in self._trained().items()}

    def _trained(self) -> dict[str, list[Any]]:
        """Layer → the variables that training changes, those of the models themselves first, layers in the order they are called; each variable once."""
        layers = dict(walk(self.network))
        named = [(layer.name, trained(layers[layer.name])) for layer in self._table if layer.name in layers]
        within = {id(variable) for _, found in named for variable in found}
        models = [(part.name, [one for one in part._trainable_variables if id(one) not in within]) for part in self.network._flatten_layers()]
        found: dict[str, list[Any]] = {}
        seen: set[int] = set()
        for name, variables in [*models, *named]:
            own = [variable for variable in variables if id(variable) not in seen]
            seen |= {id(variable) for variable in own}
            if own:
                found[name] = found.get(name, []) + own
        return found

    def _on_host(self, variable: Any) -> Array:
        return np.array(self.keras.ops.convert_to_numpy(variable))

    def named(self, names: Sequence[str]) -> dict[str, Any]:
        """The layers of these names; an unknown one is an error that lists those there are."""
        found = dict(walk(self.network))
        return {name: found[self.layer(place_of(name)[0]).name] for name in names}

    def recurrent(self, names: Sequence[str]) -> dict[str, Any]:
        """The same, of recurrent layers."""
        for name in names:
            if not self.layer(name).sequential:
                raise UnsupportedError(f"layer '{name}' is a {self.layer(name).kind}, not a recurrent layer; it has no states over time.")
        return self.named(names)

    def recurrence(self, layer: str) -> Recurrence:
        return recurrence(layer, self.recurrent((layer,))[layer], self._on_host)

    def state_gradients(self, inputs: Array, target: Target, layers: Sequence[str]) -> dict[str, StateGradients]:
        return state_gradients(self, inputs, target, layers)

    def apart(self, logits: bool, values: Sequence[tuple[Any, Any]] = ()) -> contextlib.ExitStack:
        """The network as it is run here: no update of its own is kept, `values` stand for its variables, its softmax or sigmoid is left out where asked."""
        stack = contextlib.ExitStack()
        stack.enter_context(self.keras.StatelessScope(state_mapping=values, initialize_variables=False))
        if logits and self.traits.head and not self.ends_in_call:
            stack.enter_context(without_head(self._final))
        return stack

    def check_head(self, found: str | None) -> None:
        """Raise where a pass does not end in the call that the network was seen to end in."""
        if found != self.traits.head:
            raise UnsupportedError("the network's last softmax or sigmoid is not the same in every pass, so there is no logit; use score='probability'.")

    def check_gradient(self, found: Array) -> None:
        """Raise where a gradient with respect to tokens is wanted, of which frameworks say that it is zero."""
        if self.traits.tokens and not np.any(found):
            raise UnsupportedError("the network reads tokens, which have no gradient; name the embedding as the layer, or use a coalition method.")


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer that computes something, nested models opened, as (path name, layer)."""
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        if hasattr(layer, "layers") and layer.layers:
            yield from walk(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def _output_shape(layer: Any) -> tuple[int | None, ...] | None:
    nodes = getattr(layer, "_inbound_nodes", None)
    if not nodes:
        return None
    tensors = nodes[0].output_tensors
    return tuple(tensors[0].shape[1:]) if tensors else None


def layer_table(keras: Any, model: Any, shapes: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The layers as the contract shows them; one that says nothing of its channels has them where the one before had them. `shapes` are those a run showed,
    in its order."""
    table, axis, parts = [], -1, dict(walk(model))
    order = shapes if len(shapes) == len(parts) else parts
    for name in order:
        layer = parts[name]
        shape = _output_shape(layer) or shapes.get(name)
        axis = {"channels_first": 0, "channels_last": -1}.get(str(getattr(layer, "data_format", None)), axis)
        if shape is None or len(shape) < 3:
            axis = -1
        places = () if shape is None else shape[1:] if axis == 0 else shape[:-1]
        table.append(
            Layer(
                name,
                type(layer).__name__,
                shape,
                int(layer.count_params()) if layer.built else 0,
                getattr(getattr(layer, "activation", None), "__name__", ""),
                len(places) == 2 and places != (1, 1),
                isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional)),
                axis,
            )
        )
    return tuple(table)


def channels_of(model: Any) -> str:
    """Where the channels of an image lie: as the first layer that says so reads them."""
    said = (getattr(layer, "data_format", None) for _, layer in walk(model))
    return "first" if next(filter(None, said), "channels_last") == "channels_first" else "last"


def variables(keras: Any, model: Any) -> list[Any]:
    """Everything a network reads beside its input: weights, states of random layers, and those of stateful recurrent layers, which Keras does not count."""
    stateful = [layer.states for _, layer in walk(model) if getattr(layer, "stateful", False) and getattr(layer, "states", None)]
    return [*model.variables, *keras.tree.flatten(stateful)]


def trained(layer: Any) -> list[Any]:
    """The variables of a layer that training changes, also while it is frozen; statistics and states of random layers are none of them."""
    changed = {id(variable) for part in layer._flatten_layers() for variable in part._trainable_variables}
    return [variable for variable in layer.weights if id(variable) in changed]


def fixed_batch(model: Any) -> int | None:
    """How many samples a network takes at a time, where it takes no other number."""
    sizes = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or ()} - {None}
    return min(sizes) if sizes else None


def activation_bytes(model: Any, table: tuple[Layer, ...], inputs: Sequence[tuple[int | None, ...] | None]) -> float:
    """Bytes of all layers' float32 outputs for one sample, and of its inputs of these shapes; a recurrent layer counts its gates at every step."""
    shapes = [shape for shape in (*(layer.shape for layer in table), *inputs) if shape]
    total = float(sum(np.prod([size or 1 for size in shape]) for shape in shapes))
    for _, layer in walk(model):
        if hasattr(layer, "cell") and hasattr(layer, "units"):
            steps = layer._inbound_nodes[0].input_tensors[0].shape[1] if getattr(layer, "_inbound_nodes", None) else 1
            total += 8.0 * layer.units * (steps or 1)
    return 4 * total


def fingerprint(model: Any) -> str:
    """SHA-256 over the configuration and every weight."""
    digest = hashlib.sha256()
    with contextlib.suppress(NotImplementedError, TypeError, ValueError):
        digest.update(json.dumps(model.get_config(), sort_keys=True, default=str).encode())
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def final_operation(model: Any) -> Any:
    """The layer or operation that makes the output; None for a subclassed model, which has no graph."""
    outputs = getattr(model, "outputs", None)
    return operation_of(outputs[0]) if outputs else None


def operation_of(tensor: Any) -> Any:
    """The layer or operation that makes a symbolic tensor, looked for inside nested models."""
    history = getattr(tensor, "_keras_history", None)
    operation = history.operation if history is not None else None
    nested = getattr(operation, "outputs", None) if hasattr(operation, "layers") else None
    return operation_of(nested[history.tensor_index]) if nested and history is not None else operation


def head_of(operation: Any) -> str | None:
    """ "softmax", "log_softmax" or "sigmoid" over the last axis where the last operation ends in it; an activation that a recurrent layer uses inside does not
    count."""
    activation = vars(operation).get("activation") if operation is not None else None
    name = str(getattr(activation, "__name__", None) or type(operation).__name__.lower()).replace("logsoftmax", "log_softmax")
    return name if name in HEADS and getattr(operation, "axis", -1) == -1 else None


def may_hide_head(final: Any) -> bool:
    """Whether what makes the output may end in a softmax that Keras has no word for: there is no such layer, it is the user's own, or its activation is."""
    activation = None if final is None else vars(final).get("activation")
    own = [type(final).__module__, *([] if activation is None else [getattr(activation, "__module__", None) or ""])]
    return final is None or type(final).__name__ in FOREIGN or not all(module.startswith("keras.") for module in own)


@contextlib.contextmanager
def attribute(thing: Any, name: str, value: Any) -> Iterator[None]:
    """An instance attribute set for a while, past the framework's own trackers, and put back exactly as it was."""
    missing = object()
    before = thing.__dict__.get(name, missing)
    thing.__dict__[name] = value
    try:
        yield
    finally:
        if before is missing:
            del thing.__dict__[name]
        else:
            thing.__dict__[name] = before


@contextlib.contextmanager
def without_head(operation: Any) -> Iterator[None]:
    """The network without its final softmax or sigmoid while a function is traced; refused where that layer also works further inside."""
    uses = 0

    def passed_on(values: Any, *_: Any, **__: Any) -> Any:
        nonlocal uses
        uses += 1
        if uses > 1:
            raise UnsupportedError(f"layer '{operation.name}' ends the network and is used inside it too, so there is no logit; use score='probability'.")
        return values

    with attribute(operation, "activation" if "activation" in vars(operation) else "call", passed_on):
        yield


@contextlib.contextmanager
def wrapped_calls(layers: Mapping[str, Any], wrap: Callable[[str, Any, Call], Call]) -> Iterator[None]:
    """Each layer's `call` replaced by `wrap(name, layer, call)` while a function is traced or run."""
    with contextlib.ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(attribute(layer, "call", wrap(name, layer, layer.call)))
        yield


def first(output: Any, place: int = 0) -> Any:
    """The tensor that a layer is read by: its output, or the first of several; another one where its place is given."""
    return output[place] if isinstance(output, (list, tuple)) else output


def record(seen: dict[str, Any], name: str, layer: Any, call: Call) -> Call:
    """A call that notes its output; of a layer used several times, the last."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        seen[name] = first(output, place_of(name)[1])
        return output

    return recorded


def record_states(seen: dict[str, Any], name: str, layer: Any, call: Call) -> Call:
    """A call that notes the hidden state at every step, whatever the layer returns."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for part in (layer, *(getattr(layer, side) for side in ("forward_layer", "backward_layer") if hasattr(layer, side))):
                stack.enter_context(attribute(part, "return_sequences", True))
            seen[name] = first(call(*args, **kwargs))
        return call(*args, **kwargs)

    return recorded


def probe_with(add: Callable[[str, Any], Any]) -> Callable[[str, Any, Call], Call]:
    """A wrap for `wrapped_calls` by which `add(name, output)` stands for each layer's output; a layer that is used more than once is refused."""
    used: set[str] = set()

    def wrap(name: str, layer: Any, call: Call) -> Call:
        def probed(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            if name in used:
                raise _plain(f"layer '{name}' is used more than once; its gradient is not served yet.")
            used.add(name)
            place = place_of(name)[1]
            changed = add(name, first(output, place))
            return type(output)([*output[:place], changed, *output[place + 1 :]]) if isinstance(output, (list, tuple)) else changed

        return probed

    return wrap


def _plain(text: str) -> UnsupportedError:
    """An error from within a layer's call, around which Keras does not write the layer's arguments."""
    error = UnsupportedError(text)
    vars(error)["_keras_call_info_injected"] = True
    return error


def put_in(value: Any) -> Callable[[str, Any, Call], Call]:
    """A wrap for `wrapped_calls` by which a value stands for a layer's output."""
    used: set[str] = set()

    def wrap(name: str, layer: Any, call: Call) -> Call:
        def given(*args: Any, **kwargs: Any) -> Any:
            if name in used:
                raise _plain(f"layer '{name}' is used more than once, so that nothing can be attributed to one output of it.")
            used.add(name)
            return value

        return given

    return wrap


def below_shape(layer: Layer) -> tuple[int, ...]:
    """The shape of what a network up to this layer gives."""
    if layer.shape is None or None in layer.shape:
        raise UnsupportedError(f"layer '{layer.name}' has an output of shape {layer.shape}; a unit of it needs a fixed one.")
    return tuple(size for size in layer.shape if size is not None)


def check_cut(model: KerasModel, layer: str) -> dict[str, Any]:
    """The layer that a network is cut at; the last one is refused."""
    cut = model.named((layer,))
    if cut[layer] is model._final:
        raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
    return cut


def above_traits(model: Model, layer: str, value: Array) -> dict[str, Any]:
    """What is other in a network above a layer whose output is like `value`."""
    channels = "first" if model.layer(layer).channel_axis == 0 else "last"
    return {"input_shape": tuple(value.shape[1:]), "scales_input": True, "tokens": False, "channels": channels}
