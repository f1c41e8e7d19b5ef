"""Any callable from arrays to scores: what it returns is what is explained; it gives no gradients and shows no layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters._arguments import Arguments, call_with, specs_of
from pellucid.core.errors import ModelError, NonFiniteError
from pellucid.core.inputs import on_host
from pellucid.core.model import Model, Traits, batches, power_of_two_batch
from pellucid.core.packing import Packing
from pellucid.core.scoring import digest_of

Array = np.ndarray
BATCH_BUDGET = 1e6
"""Bytes of inputs a call: what a callable computes of them is not known, but is some multiple of it."""
LEAST = 16
"""Inputs a call, however large they are."""


class BlackBox(Model):
    """A callable f(inputs (samples, *shape)) → scores (samples, classes), or (samples,) for one score.

    It is called with at most `batch_size` inputs at a time, fewer where they are large; several inputs come as its signature takes them: one after the other,
    by keywords, or in one mapping or list. Does not give gradients: coalition methods serve it.

    >>> import numpy as np
    >>> BlackBox(lambda x: x.sum(axis=1)).predict(np.ones((2, 3), np.float32)).shape
    (2, 1)
    """

    suffixes: tuple[str, ...] = ()
    rank = 100
    arguments: Arguments

    def __init__(self, function: Callable[[Array], Any], batch_size: int = 1024) -> None:
        self.function = function
        self.batch_size = batch_size
        self.traits = Traits("a black box", fingerprint=name_of(function), tokens=True, inputs=specs_of(function))

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        return callable(candidate)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> BlackBox:
        if isinstance(candidate, Path):
            raise ModelError("a black box is a callable, not a file.")
        return cls(candidate)

    def packed(self, packing: Packing) -> Model:
        found = copy.copy(self)
        found.packing, found.arguments = packing, call_with(self.function, packing)
        found.traits = replace(self.traits, input_shape=(packing.total,))
        return found

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        found = [self._call(inputs[part]) for part in batches(len(inputs), self.rows_at_once(inputs))]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def rows_at_once(self, inputs: Array) -> int:
        row = max(inputs[:1].nbytes, 1)
        return min(self.batch_size, max(LEAST, power_of_two_batch(row, BATCH_BUDGET, self.batch_size)))

    def _call(self, inputs: Array) -> Array:
        rows = inputs.copy()  # what a callable does to its argument must not reach the user's samples
        returned = np.asarray(on_host(self.function(rows) if self.packing is None else self._apart(rows, self.packing)))
        if returned.ndim == 0 or len(returned) != len(inputs) or returned.dtype.kind not in "fiub":
            raise ModelError(
                f"the callable returned {returned.dtype} of shape {returned.shape} for {len(inputs)} inputs; "
                f"it must return numbers of shape ({len(inputs)}, classes)."
            )
        if not np.isfinite(returned).all():
            raise NonFiniteError("the callable returned NaN or infinity; explanations need finite scores.")
        return returned[:, None] if returned.ndim == 1 else returned

    def _apart(self, rows: Array, packing: Packing) -> Any:
        """What the callable returns for several inputs."""
        arrays = packing.split(
            rows,
            lambda x, places: np.split(x, places, axis=1),
            np.reshape,
            lambda part: part,
            lambda part, kind: part > 0.5 if kind == "bool" else np.rint(part).astype(kind),
        )
        positional, keywords = self.arguments([np.ascontiguousarray(array) for array in arrays])
        return self.function(*positional, **keywords)


def name_of(function: Callable[[Array], Any]) -> str:
    """Where a callable was written and, for a Python function, a digest of its code, which tells two lambdas apart; not of what it closes over."""
    return f"callable:{digest_of(function)}"
