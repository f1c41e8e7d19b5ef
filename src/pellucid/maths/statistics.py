"""How far averages may lie from their limits."""

from __future__ import annotations

import numpy as np
from scipy import special

Array = np.ndarray


def norm_quantile(trace: float, trace_of_square: float, degrees: float, level: float = 0.95) -> float:
    """The `level` quantile of the Euclidean norm of an error with covariance Σ.

    ‖e‖² is a weighted sum of χ² variables; Satterthwaite's one with the same two moments is tr(Σ) χ²_ν/ν, ν = tr(Σ)²/tr(Σ²). Because Σ itself is
    estimated with `degrees` degrees of freedom, χ²_ν/ν becomes F(ν, degrees). `trace` is tr(Σ), `trace_of_square` tr(Σ²).

    >>> round(norm_quantile(1.0, 1.0, 1e9), 2)
    1.96
    """
    if trace <= 0:
        return 0.0
    shape = trace**2 / trace_of_square if trace_of_square > 0 else 1.0
    return float(np.sqrt(trace * special.fdtri(max(shape, 1.0), max(degrees, 1.0), level)))


def covariance_quantile(covariance: Array, degrees: float, level: float = 0.95) -> float:
    """`norm_quantile` of a covariance matrix (features, features)."""
    return norm_quantile(float(np.trace(covariance)), float(np.square(covariance).sum()), degrees, level)


def unbiased_square(estimate: float, trace: float) -> float:
    """‖limit‖² from ‖estimate‖², which is too large by tr(Σ) on average; never below half of it."""
    return max(estimate - trace, estimate / 2)


def welch_degrees(first: Array, second: Array, degrees: Array, others: Array) -> Array:
    """The degrees of freedom of a sum of two estimated variances that have `degrees` and `others` of them (Welch and Satterthwaite); all arrays broadcast.
    Infinite where nothing was estimated.

    >>> welch_degrees(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array(9.0), np.array(9.0))
    array([18., inf])
    """
    total, share = np.square(first + second), np.square(first) / degrees + np.square(second) / others
    return np.divide(total, share, out=np.full(np.shape(total), np.inf), where=share > 0)
