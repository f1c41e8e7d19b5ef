"""The precision in which networks' numbers are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray


def wide(array: Any) -> Array:
    """In float32, or float64 where it is: also what NumPy has no type for. Copied only where it has to be.

    >>> wide(np.ones(1, np.float16)).dtype, wide(np.ones(1)).dtype
    (dtype('float32'), dtype('float64'))
    """
    return np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32)


def joined(parts: Sequence[Any]) -> Array:
    """Batches one below the other; a single one as it is, not copied where the framework holds it in memory that NumPy can read.

    >>> joined([np.ones((2, 3)), np.zeros((1, 3))]).shape
    (3, 3)
    """
    return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate([np.asarray(part) for part in parts])
