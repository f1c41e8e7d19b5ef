"""Slow twins of the later path methods, one sample at a time in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': x the input, b the baseline, g the gradient, σ and α the blur, M the mask of chosen regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import twins
from scipy.ndimage import gaussian_filter

from pellucid.adapters.numpy_model import Dense

Array = np.ndarray
Function = Callable[[Array], Array]
"""Inputs (rows, *shape) → scores (rows,) or gradients (rows, *shape)."""


def idgi(score: Function, gradient: Function, x: Array, b: Array, steps: int) -> Array:
    """Σ_k g²/(g·g) (f(x_{k+1}) − f(x_k)) at the steps' beginnings (Yang et al. 2023, algorithm 1)."""
    total = np.zeros(x.shape)
    for k in range(steps):
        here, there = (b + t * (x - b) for t in (k / steps, (k + 1) / steps))
        g = gradient(here[None])[0]
        if np.any(g):
            total += g**2 / np.sum(g**2) * (score(there[None])[0] - score(here[None])[0])
    return total


def relu_idgi(stack: Sequence[Dense], x: Array, b: Array, output: int) -> Array:
    """Its limit for a ReLU network, exact: between two kinks the gradient is constant."""
    total = np.zeros(x.shape)
    for left, right in pairwise(twins._kinks(stack, x, b)):
        g = twins.relu_gradient(stack, b + (left + right) / 2 * (x - b), output)
        if np.any(g):
            total += g**2 / np.sum(g**2) * np.sum(g * (x - b)) * (right - left)
    return total


def blurred(x: Array, sigma: float) -> Array:
    """x (rows, columns, channels) or (time, channels) convolved with a Gaussian, zero beyond its border."""
    return gaussian_filter(x, [sigma] * (x.ndim - 1) + [0], mode="constant", truncate=10.0) if sigma > 0 else x


def blur_integrated_gradients(gradient: Function, x: Array, max_sigma: float, steps: int) -> Array:
    """Σ ∇f(x(σ_k)) (x(σ_k') − x(σ_k'')) over neighbouring widths (Xu et al. 2020, eq. 5), halfway between them; σ falls with the square of the step."""
    total, wide = np.zeros(x.shape), blurred(x, max_sigma)
    for k in range(steps):
        middle, narrow = (blurred(x, max_sigma * (1 - (k + half) / steps) ** 2) for half in (0.5, 1))
        total += gradient(middle[None])[0] * (narrow - wide)
        wide = narrow
    return total


def guided_integrated_gradients(gradient: Function, x: Array, b: Array, steps: int, fraction: float) -> Array:
    """Algorithm 1 of Kapishnikov et al. 2021, element by element."""
    now, total = [float(v) for v in b], [0.0] * len(x)
    whole = sum(abs(x - b))
    for t in range(1, steps + 1):
        g = gradient(np.array(now)[None])[0]
        y = [abs(v) for v in g]
        goal = whole * (1 - t / steps)
        gamma = np.inf
        while gamma > 1:
            for i in range(len(x)):
                if now[i] == x[i]:
                    y[i] = np.inf
            current = sum(abs(x[i] - now[i]) for i in range(len(x)))
            if current <= goal or current == 0:
                break
            threshold = sorted(y)[int(fraction * (len(x) - 1))]
            chosen = [i for i in range(len(x)) if y[i] <= threshold and y[i] < np.inf]
            can = sum(abs(x[i] - now[i]) for i in chosen)
            gamma = (current - goal) / can
            for i in chosen:
                step = x[i] - now[i] if gamma > 1 else gamma * (x[i] - now[i])
                total[i] += step * g[i]
                now[i] = x[i] if gamma > 1 else now[i] + step
    return np.array(total)


def xrai(attribution: Array, segments: Sequence[Array], least: int) -> Array:
    """Algorithm 1 of Kapishnikov et al. 2019: regions join the mask M in order of their gain density; the map holds the density of each as it joined."""
    chosen = np.zeros(attribution.shape, dtype=bool)
    out = np.full(attribution.shape, np.nan)
    left = list(segments)
    while True:
        left = [s for s in left if np.sum(s & ~chosen) >= least]
        if not left:
            break
        gains = [attribution[s & ~chosen].sum() / np.sum(s & ~chosen) for s in left]
        best = left.pop(int(np.argmax(gains)))
        out[best & ~chosen] = max(gains)
        chosen |= best
    if not chosen.all():
        out[~chosen] = attribution[~chosen].mean()
    return out
