"""Slow twins of the sampling methods of the path family, in float64, written from the papers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import twins

Array = np.ndarray
Function = Callable[[Array], Array]


def noisy_moments(gradient: Function, x: Array, sigma: float, draws: int, seed: int) -> tuple[Array, Array]:
    """E g² and Var g of g = ∇f(x + σε) by plain Monte Carlo, no pairs and no chains (Hooker et al. 2019; Adebayo et al. 2018)."""
    found = gradient(x + sigma * np.random.default_rng(seed).standard_normal((draws, *x.shape)))
    return np.square(found).mean(axis=0), found.var(axis=0)


def expected_gradients(gradient: Function, x: Array, background: Array, steps: int = 4000) -> Array:
    """Integrated Gradients from every background row, averaged (Erion et al. 2019, eq. 5 with all rows)."""
    return np.mean([twins.integrated_gradients(gradient, x, row, steps) for row in background], axis=0)
