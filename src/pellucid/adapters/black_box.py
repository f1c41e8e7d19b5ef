"""Any callable from arrays to scores: what it returns is what is explained; it gives no gradients and shows no layers."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import ModelError, NonFiniteError
from pellucid.core.inputs import on_host
from pellucid.core.model import Model, Traits, batches, power_of_two_batch

Array = np.ndarray
BATCH_BUDGET = 1e6
"""Bytes of inputs a call: what a callable computes of them is not known, but is some multiple of it."""
LEAST = 16
"""Inputs a call, however large they are."""


class BlackBox(Model):
    """A callable f(inputs (samples, *shape)) → scores (samples, classes), or (samples,) for one score.

    It is called with at most `batch_size` inputs at a time, fewer where they are large. Does not give gradients: coalition methods serve it.

    >>> import numpy as np
    >>> BlackBox(lambda x: x.sum(axis=1)).predict(np.ones((2, 3), np.float32)).shape
    (2, 1)
    """

    suffixes: tuple[str, ...] = ()
    rank = 100

    def __init__(self, function: Callable[[Array], Any], batch_size: int = 1024) -> None:
        self.function = function
        self.batch_size = batch_size
        self.traits = Traits("a black box", fingerprint=name_of(function), tokens=True)

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        return callable(candidate)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> BlackBox:
        if isinstance(candidate, Path):
            raise ModelError("a black box is a callable, not a file.")
        return cls(candidate)

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        found = [self._call(inputs[part]) for part in batches(len(inputs), self.rows_at_once(inputs))]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def rows_at_once(self, inputs: Array) -> int:
        row = max(inputs[:1].nbytes, 1)
        return min(self.batch_size, max(LEAST, power_of_two_batch(row, BATCH_BUDGET, self.batch_size)))

    def _call(self, inputs: Array) -> Array:
        returned = np.asarray(on_host(self.function(inputs.copy())))  # a copy: what a callable does to its argument must not reach the user's samples
        if returned.ndim == 0 or len(returned) != len(inputs) or returned.dtype.kind not in "fiub":
            raise ModelError(
                f"the callable returned {returned.dtype} of shape {returned.shape} for {len(inputs)} inputs; "
                f"it must return numbers of shape ({len(inputs)}, classes)."
            )
        if not np.isfinite(returned).all():
            raise NonFiniteError("the callable returned NaN or infinity; explanations need finite scores.")
        return returned[:, None] if returned.ndim == 1 else returned


def name_of(function: Callable[[Array], Any]) -> str:
    """Where a callable was written and, for a Python function, a digest of its code, which tells two lambdas apart; not of what it closes over."""
    name = f"callable:{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name}:{hashlib.sha256(_code(code)).hexdigest()[:12]}"


def _code(code: types.CodeType) -> bytes:
    constants = [_code(item) if isinstance(item, types.CodeType) else repr(item).encode() for item in code.co_consts]
    return b"|".join([code.co_code, *(name.encode() for name in code.co_names), *constants])
