"""What is common to Keras models on every backend: their layers, their head, and the contexts that touch them and put them back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DamagedModelError, ModelError, UnsafeModelError, UnsupportedError
from pellucid.core.model import Layer

SUFFIXES = (".keras", ".h5", ".hdf5")


def open_file(keras: Any, path: Path, allow_unsafe: bool) -> Any:
    """A Keras model from a file; nothing in it runs as code unless `allow_unsafe`."""
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise DamagedModelError(f"'{path}' is not a readable .keras file (damaged or cut short); save the model again.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=not allow_unsafe)
    except Exception as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if not allow_unsafe and ("unsafe" in str(error).lower() or "safe_mode" in str(error)):
            raise UnsafeModelError(
                f"'{path}' holds code of its own (a Lambda layer), which is not run. If you trust its origin: allow_unsafe=True, or --allow-unsafe."
            ) from error
        if "Could not locate class" in str(error) or "Unknown layer" in str(error):
            raise ModelError(f"'{path}' holds a class that is not known here ({text}); load it yourself with custom_objects and pass the model.") from error
        raise DamagedModelError(f"'{path}' cannot be read as a Keras model ({text}); save it again.") from error


def input_shape(model: Any) -> tuple[int | None, ...]:
    """The input's shape without the batch axis."""
    try:
        shape = model.input_shape
    except (AttributeError, ValueError) as error:
        raise ModelError(
            "the Keras model shows no input shape (it is not built, or a subclass of keras.Model); "
            "give it one: inputs = keras.Input(shape); model = keras.Model(inputs, model(inputs))."
        ) from error
    if isinstance(shape, (list, dict)) or (shape and isinstance(shape[0], (tuple, list))):
        raise UnsupportedError("networks with several inputs are not served yet; wrap the model so that it takes one array.")
    return tuple(shape[1:])


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


def layer_table(keras: Any, model: Any) -> tuple[Layer, ...]:
    """The layers as the contract shows them."""
    table = []
    for name, layer in walk(model):
        shape = _output_shape(layer)
        grid = shape is not None and len(shape) == 3 and keras.config.image_data_format() == "channels_last" and shape[:2] != (1, 1)
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        table.append(
            Layer(name, type(layer).__name__, shape, int(layer.count_params()) if layer.built else 0, activation, grid, isinstance(layer, keras.layers.RNN))
        )
    return tuple(table)


def activation_bytes(model: Any, table: tuple[Layer, ...]) -> float:
    """Bytes of all layers' float32 outputs for one input; a recurrent layer counts its gates at every step."""
    shapes = [layer.shape for layer in table if layer.shape] + [tuple(model.input_shape[1:])]
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
    if not outputs:
        return None
    history = getattr(outputs[0], "_keras_history", None)
    operation = history.operation if history is not None else None
    return final_operation(operation) if getattr(operation, "outputs", None) and hasattr(operation, "layers") else operation


def head_of(operation: Any) -> str | None:
    """ "softmax" or "sigmoid" over the last axis where the last operation ends in it; an activation that a recurrent layer uses inside does not count."""
    activation = vars(operation).get("activation") if operation is not None else None
    name = getattr(activation, "__name__", None) or type(operation).__name__.lower()
    return name if name in ("softmax", "sigmoid") and getattr(operation, "axis", -1) == -1 else None


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
def wrapped_calls(layers: dict[str, Any], wrap: Callable[[str, Any, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Each layer's `call` replaced by `wrap(name, layer, call)` while a function is traced."""
    with contextlib.ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(attribute(layer, "call", wrap(name, layer, layer.call)))
        yield
