"""Samples of a file as a model takes them: what can be told for sure from shapes alone is put right, nothing else."""

from __future__ import annotations

import numpy as np

from pellucid.core.inputs import check_numbers
from pellucid.core.layout import from_last
from pellucid.core.model import Traits

Array = np.ndarray


def laid_out(inputs: Array, traits: Traits) -> Array:
    """Images without the axis of their one channel are given it, and channels go first where the model has them there; a view of `inputs`.
    `DtypeError` where they are no numbers.

    >>> laid_out(np.zeros((5, 8, 8)), Traits("any", (8, 8, 1))).shape, laid_out(np.zeros((5, 8, 8, 3)), Traits("any", (3, 8, 8), channels="first")).shape
    ((5, 8, 8, 1), (5, 3, 8, 8))
    """
    check_numbers(inputs, "the data")
    expected, channels = traits.input_shape, traits.channels
    if expected is None or _fits(inputs.shape[1:], expected):
        return inputs
    images = (*expected[1:], expected[0]) if channels == "first" and len(expected) > 1 else expected
    if images[-1:] == (1,) and _fits(inputs.shape[1:], images[:-1]):
        inputs = inputs[..., None]
    return from_last(inputs, channels) if _fits(inputs.shape[1:], images) else inputs


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))
