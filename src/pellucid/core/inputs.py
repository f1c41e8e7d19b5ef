"""What is checked of every array a user gives, before any work is done."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.errors import DtypeError, EmptyError, NonFiniteError, ShapeError

Array = np.ndarray


def _words(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(["samples", *("any" if size is None else str(size) for size in shape)]) + ")"


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def _variable(name: str) -> str:
    """What to call the array in a line of Python: its name, or `array` where that is a file's."""
    return name if name.isidentifier() else "array"


def _with(name: str, axes: str) -> str:
    return f"use {name}{axes}" if name.isidentifier() else f"write the file again with array{axes}"


def check_shape(array: Array, expected: tuple[int | None, ...], name: str = "x") -> None:
    """Raise unless the array is (samples, *expected); says so where only the batch or the channel axis is missing."""
    if _fits(array.shape[1:], expected):
        return
    problem = f"{name} has shape {array.shape}, the model takes {_words(expected)}."
    if _fits(array.shape, expected):
        raise ShapeError(f"{problem} The batch axis is missing: {_with(name, '[None]')}.")
    if _fits((*array.shape[1:], 1), expected):
        raise ShapeError(f"{problem} The channel axis is missing: {_with(name, '[..., None]')}.")
    if _fits((*array.shape, 1), expected):
        raise ShapeError(f"{problem} The batch and channel axes are missing: {_with(name, '[None, ..., None]')}.")
    raise ShapeError(f"{problem} Reshape or resize it to that.")


def check_numbers(array: Array, name: str = "x") -> None:
    """Raise unless the array holds numbers; says of sentences and of rows with words in them what makes numbers of them."""
    if array.dtype.kind in "fiub":
        return
    raw = "text" if array.dtype.kind in "US" else f"rows of {len(array.dtype.names)} columns by name" if array.dtype.names else ""
    if raw:
        raise DtypeError(
            f"{name} holds {raw}, expected numbers: a network takes what a preprocessing makes of it. Give the one it was trained with, preprocessing=… or "
            f"--preprocessing FILE, or the numbers themselves, preprocessing.inputs({_variable(name)})."
        )
    raise DtypeError(f"{name} holds {array.dtype}, expected numbers; convert it, e.g. {_variable(name)}.astype('float32').")


def on_host(x: Any) -> Any:
    """A framework's tensor as a NumPy array; anything else as it is."""
    if isinstance(x, (np.ndarray, np.generic)):
        return x
    if callable(getattr(x, "detach", None)) and callable(getattr(x, "cpu", None)):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x) if hasattr(x, "__array__") else x


def check_inputs(x: Any, expected: tuple[int | None, ...] | None, name: str = "x", *, finite: bool = True) -> Array:
    """`x` as an array of numbers that the model can take: (samples, *expected), finite, at least one sample.

    Everything but float64 becomes float32; adapters of networks compute in their own precision. NaN and infinity pass where `finite` is False.
    """
    try:
        array = np.asarray(on_host(x))
    except ValueError as error:
        raise ShapeError(f"{name} is not one array but has rows of different lengths ({error}); give samples of one shape.") from error
    check_numbers(array, name)
    if array.ndim == 0:
        raise ShapeError(f"{name} is a single number, expected an array of samples.")
    if array.size == 0:
        raise EmptyError(f"{name} has shape {array.shape}: there is no sample to explain. Give at least one.")
    if expected is not None:
        check_shape(array, expected, name)
    if finite and not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))[0]
        raise NonFiniteError(f"{name} holds NaN or infinity, first at {tuple(int(i) for i in bad)}; replace it, e.g. np.nan_to_num({_variable(name)}).")
    return np.ascontiguousarray(array, dtype=array.dtype if array.dtype == np.float64 else np.float32)
