"""The outputs of a Keras model: their names, the one that is read, and, where a model is a class without a graph, what a run of it on zeros shows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.errors import PellucidError, SettingError, unknown
from pellucid.core.target import several_outputs

Shape = tuple[int | None, ...]
UNRUN = (PellucidError, ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError)
"""What a network may raise that cannot be run on zeros, or traced."""


@dataclass(frozen=True)
class Shown:
    """What a run showed: each layer's shape, in the order of their last calls, the layers whose output is one of the network's, and those shapes by name."""

    shapes: Mapping[str, Shape]
    makers: Mapping[str, Any]
    outputs: Mapping[str, Shape]


def named(keras: Any, model: Any, returned: Any) -> dict[str, Any]:
    """What a model returns, by name; one tensor by an empty one."""
    flat = keras.tree.flatten(returned)
    if len(flat) == 1:
        return {"": flat[0]}
    if isinstance(returned, dict) and len(returned) == len(flat):
        return {str(key): returned[key] for key in returned}
    names = [str(name) for name in getattr(model, "output_names", None) or ()]
    return dict(zip(names if len(set(names)) == len(flat) else map(str, range(len(flat))), flat, strict=True))


def chosen(found: Mapping[str, Any], wanted: str) -> Any:
    """The output of a name; without one, the only one."""
    if wanted:
        if wanted not in found:
            raise SettingError(unknown("output", wanted, found) if "" not in found else f"the network has one output, so that there is no '{wanted}'.")
        return found[wanted]
    if "" in found:
        return found[""]
    raise several_outputs({name: tuple(output.shape[1:]) for name, output in found.items()})


def graph_outputs(keras: Any, model: Any) -> dict[str, Any]:
    """The symbolic outputs of a model by name; empty for one without a graph."""
    struct = getattr(model, "_outputs_struct", None)
    outputs = getattr(model, "outputs", None)
    return {} if not outputs else named(keras, model, outputs if struct is None else struct)


def run_on_zeros(keras: Any, model: Any, run: Callable[[], Any], layers: Sequence[tuple[str, Any]], wrapped: Any) -> Shown:
    """What a model shows where `run` runs it on one sample of zeros; nothing where it cannot be run so. `wrapped` is `_keras.wrapped_calls`."""
    seen: dict[str, Any] = {}

    def record(name: str, layer: Any, call: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            seen.pop(name, None)
            seen[name] = output[0] if isinstance(output, (list, tuple)) else output
            return output

        return recorded

    with contextlib.suppress(*UNRUN):
        with keras.StatelessScope(initialize_variables=False), wrapped(dict(layers), record):
            found = named(keras, model, run())
        parts = dict(layers)
        makers = {output: parts[name] for output, value in found.items() for name, one in seen.items() if one is value}
        return Shown({name: tuple(value.shape[1:]) for name, value in seen.items()}, makers, {name: tuple(value.shape[1:]) for name, value in found.items()})
    return Shown({}, {}, {})
