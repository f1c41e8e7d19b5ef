"""The precision in which networks' numbers are given."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def wide(array: Any) -> Array:
    """In float32, or float64 where it is: also what NumPy has no type for. Copied only where it has to be.

    >>> wide(np.ones(1, np.float16)).dtype, wide(np.ones(1)).dtype
    (dtype('float32'), dtype('float64'))
    """
    return np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32)
