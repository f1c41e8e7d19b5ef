"""Networks whose reason is known, and explanations that hold whatever a test wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.evaluation import Score
from pellucid.core.records import Explanation

Array = np.ndarray


def linear(shape: tuple[int, ...], seed: int = 0) -> NumpyModel:
    """One score, the sum of all elements times weights."""
    weights = np.random.default_rng(seed).normal(size=(int(np.prod(shape)), 1))
    return NumpyModel([Dense(weights, np.zeros(1))], shape)


def claims(model: Any, x: Array, values: Array, method: str = "saliency", **options: Any) -> Explanation:
    """An explanation of `x` by a method, with other values in place of its own."""
    made = pellucid.explain(model, x, method, **options)
    return replace(made, values=np.asarray(values, dtype=float).reshape(made.values.shape), error=np.zeros(made.values.shape))


def score(metric: str, values: Array, *, model: Any = None, x: Array | None = None, settings: dict[str, Any] | None = None, **options: Any) -> Score:
    """What a metric gives these values, (samples, *shape)."""
    x = np.random.default_rng(1).normal(size=np.shape(values)) if x is None else x
    model = linear(np.shape(values)[1:]) if model is None else model
    return pellucid.evaluate(model, claims(model, x, values), {metric: settings or {}}, **options)[metric]


def boxes(count: int, side: int, seed: int = 0) -> list[tuple[int, int, int, int]]:
    """Boxes of 2 to 4 pixels a side in images of `side` × `side`."""
    draw, found = np.random.default_rng(seed), []
    for _ in range(count):
        rows, columns = draw.integers(2, 5, 2)
        top, left = draw.integers(0, side - rows + 1), draw.integers(0, side - columns + 1)
        found.append((int(top), int(left), int(top + rows), int(left + columns)))
    return found


def inside(of: list[tuple[int, int, int, int]], side: int) -> Array:
    """The boxes as masks, (samples, side, side)."""
    masks = np.zeros((len(of), side, side))
    for mask, (top, left, bottom, right) in zip(masks, of, strict=True):
        mask[top:bottom, left:right] = 1
    return masks
