"""Slow twins of the mask methods, in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': x the input, M a mask, λ a place, p the probability of keeping, S_T total-order Sobol indices, k and l kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

Array = np.ndarray
Function = Callable[[Array], Array]
"""Inputs (rows, *shape) → scores (rows,)."""


def without(x: Array, hidden: Array, rows: Array) -> Array:
    """x with the hidden elements taken from each fill row, (rows, *shape)."""
    return np.where(hidden, rows, x)


def feature_ablation(score: Function, x: Array, labels: Array, rows: Array) -> Array:
    """f(x) − mean_r f(x without feature j), one feature after another; `labels` has the shape of x."""
    full = float(score(x[None])[0])
    return np.array([full - float(np.mean(score(without(x, labels == j, rows)))) for j in range(labels.max() + 1)])


def windows(shape: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Every place of the window: it moves by the stride until it has reached the end of each axis, and is cut at the edge."""
    starts = []
    for size, reach, step in zip(shape, window, stride, strict=True):
        along = [0]
        while along[-1] + reach < size:
            along.append(along[-1] + step)
        starts.append(along)
    for corner in product(*starts):
        yield tuple(slice(at, at + reach) for at, reach in zip(corner, window, strict=True))


def occlusion(score: Function, x: Array, rows: Array, window: Sequence[int], stride: Sequence[int]) -> Array:
    """The mean loss of the windows that hold an element (Zeiler & Fergus 2014), by two nested loops; shape of x."""
    full, total, times = float(score(x[None])[0]), np.zeros(x.shape), np.zeros(x.shape)
    for place in windows(x.shape, window, stride):
        hidden = np.zeros(x.shape, bool)
        hidden[place] = True
        total[place] += full - float(np.mean(score(without(x, hidden, rows))))
        times[place] += 1
    return total / times
