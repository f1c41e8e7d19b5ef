"""Nothing at all: absent words are left out, and the rest moves together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import Fill

Array = np.ndarray


@dataclass(frozen=True)
class Deletion(Fill):
    """Absent tokens are left out, those that remain move together, and `padding` fills up behind, as if the words had never been written.

    Use it for text, (samples, tokens) in whole numbers, where a token in a word's place (padding, unknown, mask) would be read as something. `rows` holds the
    number that fills up, (1, 1, tokens). What stands beside the tokens, such as their mask, moves with them.
    Does not serve methods that blend or that need a baseline (integrated_gradients): a word is there or it is not.

    >>> Deletion().rows(np.array([[4.0, 7.0, 2.0]])).tolist()
    [[[0.0, 0.0, 0.0]]]
    """

    padding: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.padding, bool) or not isinstance(self.padding, (int, float)) or not float(self.padding).is_integer():
            raise SettingError(f"fill 'deletion': padding is {self.padding!r}, expected the whole number of the padding token, e.g. deletion:0.")

    def rows(self, inputs: Array) -> Array:
        """One row for all samples; `CombinationError` where inputs are no tokens."""
        if inputs.ndim != 2 or not np.array_equal(inputs, np.rint(inputs)):
            what = f"inputs of shape {inputs.shape}" if inputs.ndim != 2 else "numbers that are not whole"
            raise CombinationError(f"fill 'deletion' got {what}, expected tokens (samples, length); use fill='blur:3' for images, background= for tables.")
        return np.full((1, 1, *inputs.shape[1:]), self.padding, dtype=np.float32)


def deletes(fill: Any) -> bool:
    """Whether a fill as it is written, or that of one of several inputs, leaves out what is absent.

    >>> deletes("deletion:0"), deletes({"ids": Deletion(), "image": 0.0}), deletes("mean")
    (True, True, False)
    """
    if isinstance(fill, Mapping):
        return any(deletes(one) for one in fill.values())
    return isinstance(fill, Deletion) or (isinstance(fill, str) and fill.partition(":")[0] == "deletion")
