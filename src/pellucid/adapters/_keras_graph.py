"""What each layer of a Keras model is fed by: as the graph of a functional model says, or as a run of a class shows whose inputs change with whose outputs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.adapters._keras_outputs import UNRUN
from pellucid.core.connections import joined
from pellucid.core.model import INPUT

Names = tuple[str, ...]
TOGETHER = 15
"""Layers whose outputs are changed in one run, each in a row of its own."""


def by_graph(model: Any, parts: Mapping[str, Any]) -> dict[str, Names]:
    """The sources of every part by name, those of a functional model's operations that join several tensors too; empty where some part of the model is a class
    without a graph."""
    names = {id(layer): name for name, layer in reversed(list(parts.items()))}
    found: dict[str, Names] = {}
    nodes = _nodes(model)
    if not nodes or _through(model, [(INPUT,) for _ in model.inputs], names, found) is None:
        return {}
    return found


def _nodes(model: Any) -> list[Any]:
    """The calls of a model's operations, each after those that it reads."""
    by_depth = getattr(getattr(model, "_functional", None) or model, "_nodes_by_depth", None) or {}
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def _through(model: Any, given: Sequence[Names], names: Mapping[int, str], found: dict[str, Names]) -> list[Names] | None:
    """What the outputs of a model come from where its inputs come from `given`; None where it has no graph."""
    nodes = _nodes(model)
    if not nodes:
        return None
    sources: dict[int, Names] = {id(tensor): source for tensor, source in zip(model.inputs, given, strict=True)}
    for node in nodes:
        operation, apart = node.operation, [sources[id(tensor)] for tensor in node.input_tensors]
        together = tuple(dict.fromkeys(itertools.chain(*apart)))
        if id(operation) in names:
            made: list[Names] = [(names[id(operation)],)] * len(node.output_tensors)
            joined(found, names[id(operation)], together)
        elif getattr(operation, "layers", None):
            inside = _through(operation, apart, names, found)
            if inside is None:
                return None
            made = inside
        elif len(together) > 1:
            made = [(operation.name,)] * len(node.output_tensors)
            joined(found, operation.name, together)
        else:
            made = [together] * len(node.output_tensors)
        sources |= {id(tensor): one for tensor, one in zip(node.output_tensors, made, strict=True)}
    return [sources[id(tensor)] for tensor in model.outputs]


def by_run(keras: Any, run: Callable[[Any], Any], shape: Sequence[int], parts: Mapping[str, Any], wrapped: Any) -> dict[str, Names]:
    """The sources of every part that a run on inputs of this shape calls. Every part's output is given instead of computed, and changed part by part, each in
    a sample of its own: a part is fed by those whose change it is shown. `wrapped` is `_keras.wrapped_calls`; empty where the model cannot be run so."""
    found: dict[str, Names] = {}
    with contextlib.suppress(*UNRUN), keras.StatelessScope(initialize_variables=False):
        seen = _outputs(keras, lambda: run(np.zeros((1, *shape), np.float32)), parts, wrapped)
        generator = np.random.default_rng(0)
        names = [INPUT, *seen]
        for start in range(0, len(names), TOGETHER):
            changed = names[start : start + TOGETHER]
            rows = {name: row for row, name in enumerate(changed, start=1)}
            made = {name: [_changed(generator, one, len(changed), rows.get(name)) for one in flat] for name, (_, flat) in seen.items()}
            x = np.zeros((len(changed) + 1, *shape), np.float32)
            x[rows.get(INPUT, 0)] = 1.0 if INPUT in rows else 0.0
            with wrapped(dict(parts), _given(keras, seen, made, changed, found)):
                run(x)
        return found
    return {}


def _outputs(keras: Any, run: Callable[[], Any], parts: Mapping[str, Any], wrapped: Any) -> dict[str, tuple[Any, list[Any]]]:
    """What each part gives, as its structure and its flat arrays."""
    seen: dict[str, tuple[Any, list[Any]]] = {}

    def record(name: str, layer: Any, call: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            seen[name] = output, [np.asarray(keras.ops.convert_to_numpy(one)) for one in keras.tree.flatten(output)]
            return output

        return recorded

    with wrapped(dict(parts), record):
        run()
    return seen


def _changed(generator: np.random.Generator, like: Any, rows: int, row: int | None) -> Any:
    """Values like an output of one sample, the same in every row but one."""
    found = np.repeat(generator.uniform(0.1, 0.9, (1, *like.shape[1:])), rows + 1, axis=0)
    if row is not None:
        found[row] = generator.uniform(1.1, 1.9, like.shape[1:])
    return found.astype(like.dtype)


def _given(keras: Any, seen: Mapping[str, Any], made: Mapping[str, Any], changed: Sequence[str], found: dict[str, Names]) -> Any:
    """A wrap by which each part gives what was made for it, and notes whose change it is shown."""

    def wrap(name: str, layer: Any, call: Any) -> Any:
        def given(*args: Any, **kwargs: Any) -> Any:
            joined(found, name, _told(keras, keras.tree.flatten((args, kwargs)), changed))
            return keras.tree.pack_sequence_as(seen[name][0], [keras.ops.convert_to_tensor(one) for one in made[name]])

        return given

    return wrap


def _told(keras: Any, arguments: Iterable[Any], changed: Sequence[str]) -> list[str]:
    """Those of the changed sources whose rows differ from the first in one of the arguments."""
    rows = [np.asarray(keras.ops.convert_to_numpy(one)) for one in arguments if hasattr(one, "shape") and one.shape]
    rows = [one for one in rows if len(one) == len(changed) + 1]
    return [name for row, name in enumerate(changed, start=1) if any(not np.array_equal(one[row], one[0], equal_nan=one.dtype.kind == "f") for one in rows)]
