"""What a Keras model takes: its inputs' names, shapes and types, and how they are handed to it, also where it is a class without a graph."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.adapters._arguments import specs_of
from pellucid.core.errors import ModelError
from pellucid.core.packing import InputSpec

UNBUILT = (
    "the Keras model has no weights yet, so that it does not show what it takes; run it once, model(x[:1]), or give it one: inputs = keras.Input(shape); "
    "model = keras.Model(inputs, model(inputs)). A class with several arguments that was loaded from a file has lost its weights, for Keras cannot build it: "
    "run it once, then model.load_weights('….keras')."
)


@dataclass(frozen=True)
class Taken:
    """The inputs of a model in the order of the packed array. `struct` is the list or mapping that it takes them in, a leaf for each; None where each is an
    argument of its own."""

    specs: tuple[InputSpec, ...]
    struct: Any = None

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """The shape of the one input that is needed; None where there are several."""
        needed = [spec for spec in self.specs if not spec.optional]
        return needed[0].shape if len(needed) == 1 else None


def taken(keras: Any, model: Any, layers: Sequence[Any]) -> Taken:
    """What a model with these layers takes, as its graph says, or its first call and its signature."""
    tensors = list(getattr(model, "inputs", None) or ())
    if not tensors:
        return _without_graph(keras, model, layers)
    struct = getattr(model, "_inputs_struct", tensors[0])
    specs = _declared(layers, tensors, struct) if len(tensors) > 1 else (InputSpec(tensors[0].name, tuple(tensors[0].shape[1:]), str(tensors[0].dtype)),)
    return Taken(specs, None if struct is tensors[0] else struct)


def _declared(layers: Sequence[Any], tensors: Sequence[Any], struct: Any) -> tuple[InputSpec, ...]:
    """Several inputs of a graph: a number that goes into an embedding is a whole one."""
    names = sorted(struct) if isinstance(struct, dict) else [tensor.name for tensor in tensors]
    embeddings = [layer for layer in layers if type(layer).__name__ == "Embedding"]
    reached = {id(tensor): layer for layer in embeddings for node in layer._inbound_nodes for tensor in node.input_tensors}
    hidden = any(all(reached.get(id(tensor)) is not layer for tensor in tensors) for layer in embeddings)
    kinds = ["int32" if id(tensor) in reached else "" if hidden and "float" in str(tensor.dtype) else str(tensor.dtype) for tensor in tensors]
    return tuple(InputSpec(name, tuple(tensor.shape[1:]), kind) for name, tensor, kind in zip(names, tensors, kinds, strict=True))


def _without_graph(keras: Any, model: Any, layers: Sequence[Any]) -> Taken:
    """The arguments of `call`; where only the first is needed, what it was called with first, one array or a list or mapping of them."""
    shapes = list((vars(model).get("_build_shapes_dict") or {}).values())
    if not shapes or (layers and not any(layer.built for layer in layers)):
        raise ModelError(UNBUILT)
    arguments = _arguments(model)
    if sum(not spec.optional for spec in arguments) > 1:
        return Taken(arguments)
    struct = keras.tree.map_shape_structure(lambda _: 0, shapes[0])
    if struct == 0:
        one = tuple(shapes[0][1:])
        return Taken((InputSpec(arguments[0].name, one), *arguments[1:]) if len(arguments) > 1 else (InputSpec("input", one),))
    flat = keras.tree.flatten(keras.tree.map_shape_structure(lambda shape: Leaf(tuple(shape[1:])), shapes[0]))
    names = sorted(struct) if isinstance(struct, dict) and len(struct) == len(flat) else [f"input_{i}" for i in range(len(flat))]
    return Taken(tuple(InputSpec(str(name), leaf.shape) for name, leaf in zip(names, flat, strict=True)), struct)


@dataclass(frozen=True)
class Leaf:
    """A shape that is not taken apart."""

    shape: tuple[int | None, ...]


def _arguments(model: Any) -> tuple[InputSpec, ...]:
    """The arguments of `call` that may be arrays: those without a default, and those that are None by default."""
    parameters = inspect.signature(model.call).parameters
    return tuple(spec for spec in specs_of(model.call) if spec.name != "training" and (not spec.optional or parameters[spec.name].default is None))
