"""Slow twins of the ways to estimate Shapley values, in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': v the game, S a coalition, z its mask, π the kernel's weight, φ Shapley values, π also an order where it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import comb

import numpy as np

Array = np.ndarray
Game = Callable[[Sequence[int]], float]


def kernel_weight(n: int, size: int) -> float:
    """(n − 1) / (C(n, s) s (n − s)), Lundberg & Lee 2017, theorem 2."""
    return (n - 1) / (comb(n, size) * size * (n - size))


def shapley_by_regression(v: Game, n: int) -> Array:
    """The minimiser of Σ π(z) (v(z) − v(0) − zᵀφ)² over all masks but the two ends, held to Σ φ = v(1) − v(0), by Lagrange's condition."""
    masks = np.array([z for z in product((0, 1), repeat=n) if 0 < sum(z) < n], dtype=float)
    weights = np.array([kernel_weight(n, int(z.sum())) for z in masks])
    left = np.array([v([j for j in range(n) if z[j]]) - v([]) for z in masks])
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = masks.T @ (weights[:, None] * masks)
    system[:n, n] = system[n, :n] = 1
    right = np.append(masks.T @ (weights * left), v(range(n)) - v([]))
    return np.linalg.solve(system, right)[:n]


def antithetic_order(v: Game, order: Sequence[int]) -> Array:
    """What each feature adds along an order and along its reverse, averaged (Mitchell et al. 2022)."""
    phi = np.zeros(len(order))
    for way in (list(order), list(order)[::-1]):
        for place, j in enumerate(way):
            phi[j] += (v(way[: place + 1]) - v(way[:place])) / 2
    return phi


def slope_control(gradient: Callable[[Array], Array], x: Array, b: Array, order: Sequence[int], even: float) -> Array:
    """The control along one order with one row b: (1 − t) g_j(before j joins) + t g_j(after), with g = gradient × (x − b) and
    t = even/2 + (1 − even)(place + 1)/(n + 1)."""
    n, found = len(x), np.zeros(len(x))
    z = b.astype(float).copy()
    for place, j in enumerate(order):
        before = gradient(z)[j] * (x[j] - b[j])
        z[j] = x[j]
        after = gradient(z)[j] * (x[j] - b[j])
        t = even / 2 + (1 - even) * (place + 1) / (n + 1)
        found[j] = (1 - t) * before + t * after
    return found


def slope_control_mean(gradient: Callable[[Array], Array], x: Array, b: Array, even: float) -> Array:
    """The mean of that control over all orders: every subset that can stand before or after a feature, with its probability."""
    n, mean = len(x), np.zeros(len(x))
    for z in product((0, 1), repeat=n):
        size, mask = sum(z), np.array(z, bool)
        slopes = gradient(np.where(mask, x, b).astype(float)) * (x - b)
        for j in range(n):
            t = lambda place: even / 2 + (1 - even) * (place + 1) / (n + 1)  # noqa: E731
            if mask[j]:
                mean[j] += slopes[j] * t(size - 1) / (n * comb(n - 1, size - 1))
            else:
                mean[j] += slopes[j] * (1 - t(size)) / (n * comb(n - 1, size))
    return mean
