"""Scores that a user's own function makes of a network's outputs, and their derivatives, without any framework."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core.errors import NonFiniteError, SettingError
from pellucid.core.inputs import on_host

Array = np.ndarray
STEP, MOST_OUTPUTS = 6e-6, 4096
"""Central differences in float64: the cube root of its precision; and up to how many outputs a sample they are taken."""


def name_of(function: Callable[[Array], Any]) -> str:
    """What to call a function that is a target."""
    return str(getattr(function, "__name__", type(function).__name__))


def digest_of(function: Callable[[Array], Any]) -> str:
    """What tells two functions apart: where one was written and a digest of its code, not of what it closes over."""
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name}:{hashlib.sha256(_code(code)).hexdigest()[:12]}"


def _code(code: types.CodeType) -> bytes:
    constants = [_code(item) if isinstance(item, types.CodeType) else repr(item).encode() for item in code.co_consts]
    return b"|".join([code.co_code, *(name.encode() for name in code.co_names), *constants])


def checked_scores(function: Callable[[Array], Any], outputs: Array) -> Array:
    """What a function makes of outputs: one finite number a sample."""
    name = name_of(function)
    try:
        returned = np.asarray(on_host(function(outputs.copy())))
    except Exception as error:
        raise SettingError(
            f"the target {name} failed on outputs of shape {outputs.shape} ({type(error).__name__}: {error}); "
            "it is given a NumPy array (samples, *output) and must return (samples,)."
        ) from error
    if returned.shape != (len(outputs),) or returned.dtype.kind not in "fiub":
        raise SettingError(f"the target {name} returned {returned.dtype} of shape {returned.shape} for {len(outputs)} samples; it must return one number each.")
    if not np.isfinite(returned).all():
        raise NonFiniteError(f"the target {name} returned NaN or infinity; explanations need finite scores.")
    return returned.astype(np.float64)


def slopes(function: Callable[[Array], Any], outputs: Array) -> Array:
    """The derivative with respect to each output, by central differences, shape of `outputs`: a cotangent for the network's own backward pass."""
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    count = flat.shape[1]
    if count > MOST_OUTPUTS:
        raise SettingError(
            f"the derivative of the target {name_of(function)} is taken at up to {MOST_OUTPUTS} outputs, here are {count}; give a mask and a class."
        )
    step = STEP * np.maximum(np.abs(flat), 1.0)
    found = np.empty_like(flat)
    for j in range(count):
        both = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[:, j] += sign * step[:, j]
            both.append(checked_scores(function, moved.reshape(outputs.shape)))
        found[:, j] = (both[0] - both[1]) / (2 * step[:, j])
    return found.reshape(outputs.shape)
