"""What layers are given, of every framework: arrays in the order of the arguments, samples first."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.adapters._numbers import wide
from pellucid.core.errors import UnsupportedError

Array = np.ndarray
Call = Callable[..., Any]


def in_order(call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names, in the order in which its signature has them, whether they were given by place or by name."""
    try:
        return dict(inspect.signature(call).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # a call without a signature, or one that takes what it does not say
        return {**{str(place): value for place, value in enumerate(args)}, **kwargs}


def record_inputs(keras: Any, seen: dict[str, Any], name: str, layer: Any, call: Call) -> Call:
    """A Keras layer's call that notes the tensors it is given, masks among them; of a layer used several times, those of the last call."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        given = keras.tree.flatten(list(in_order(call, args, kwargs).values()))
        seen[name] = [value for value in given if (keras.ops.is_tensor(value) or isinstance(value, np.ndarray)) and len(value.shape)]
        return call(*args, **kwargs)

    return recorded


def joined(parts: Iterable[tuple[int, Mapping[str, Sequence[Any]]]]) -> dict[str, tuple[Array, ...]]:
    """Layer → its arrays over all batches, of which each comes with its number of samples."""
    found: dict[str, list[list[Array]]] = {}
    for samples, given in parts:
        for name, arrays in given.items():
            found.setdefault(name, []).append([samples_first(name, np.asarray(array), samples) for array in arrays])
    return {name: tuple(one_after_another(name, pieces) for pieces in zip(*batches, strict=True)) for name, batches in found.items()}


def one_after_another(layer: str, pieces: Sequence[Array]) -> Array:
    """What a layer gives, or is given, for all batches."""
    check_alike(layer, pieces)
    return np.concatenate(pieces)


def check_alike(layer: str, pieces: Sequence[Array]) -> None:
    """Raise where batches differ in more than their number of samples."""
    shapes = list(dict.fromkeys(piece.shape[1:] for piece in pieces))
    if len(shapes) > 1:
        raise UnsupportedError(
            f"layer '{layer}' meets {shapes[0]} in one batch and {shapes[1]} in another: the network cuts its input to the longest of each batch, so that "
            "these have no common shape. Leave this layer out, or let the network keep the input's length."
        )


def samples_first(layer: str, array: Array, samples: int) -> Array:
    """An array with an entry for each sample: one entry for all stands for each of them. Masks stay boolean, all else is in the precision that is shown."""
    array = array if array.dtype == np.bool_ else wide(array)
    if len(array) == samples:
        return array
    if len(array) != 1:
        raise UnsupportedError(f"layer '{layer}' is given {array.shape} for {samples} samples; only what counts samples by its first axis can be shown.")
    return np.broadcast_to(array, (samples, *array.shape[1:]))
