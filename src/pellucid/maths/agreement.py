"""Whether two lists of values put the same things first, and how far their errors leave that open."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from pellucid.maths.correlation import spearman

Array = np.ndarray
DRAWS, FEWER, MANY = 32, 8, 5_000
"""Draws for each share of noise; fewer of lists with more than so many values, whose correlation hardly differs from draw to draw."""
NOISE = (1.0, 3.0)
"""Noise that is added, in multiples of the variance that the values have already."""
MARGIN = 1.3
"""The line through three points is steeper or flatter than it should be; found by simulation, so that 95 % intervals cover at least that."""


def spearman_interval(a: Array, b: Array, error_a: Array, error_b: Array, generator: np.random.Generator, level: float = 0.95) -> tuple[float, float]:
    """Where the correlation of ranks of the values without their errors lies, all arrays (n,), errors being standard errors.

    Noise in values makes ranks agree less than they do, so that drawing around them once more and taking quantiles would give an interval below the truth.
    Here noise is added to both lists on purpose, once and three times the variance that they have; the correlation falls about linearly with the standard
    deviation of all noise, and the line is followed back to none (simulation extrapolation, Cook & Stefanski 1994, doi:10.1080/01621459.1994.10476871). The
    interval reaches from what was found to what the line gives, and at both ends further by the spread of the draws. Errors count as independent and normal.
    (NaN, NaN) where an error is not known.
    """
    observed = float(spearman(a, b))
    if not (np.isfinite(observed) and np.isfinite(error_a).all() and np.isfinite(error_b).all()):
        return float("nan"), float("nan")
    if not error_a.any() and not error_b.any():
        return observed, observed
    lists, draws = ((a, error_a), (b, error_b)), DRAWS if len(a) <= MANY else FEWER
    drawn = np.stack([spearman(*(one + np.sqrt(share) * error * generator.standard_normal((draws, len(one))) for one, error in lists)) for share in NOISE])
    at = np.sqrt(1 + np.array((0.0, *NOISE)))
    line = np.polyfit(at, [observed, *drawn.mean(axis=1)], 1)[1]
    reach = MARGIN * float(ndtri((1 + level) / 2)) * float(drawn[0].std(ddof=1))
    return max(min(observed, line) - reach, -1.0), min(max(observed, line) + reach, 1.0)


def overlap(a: Array, b: Array, count: int) -> float:
    """The share of the `count` largest in size that two lists (n,) have in common; of equals the first count.

    >>> overlap(np.array([5.0, -4.0, 1.0, 0.0]), np.array([0.0, 3.0, 2.0, 1.0]), 2)
    0.5
    """
    first, second = (set(np.argsort(-np.abs(values), kind="stable")[:count].tolist()) for values in (a, b))
    return len(first & second) / count


def unit_errors(values: Array, error: Array) -> tuple[Array, Array]:
    """Values (n,) divided by their L2 norm, and their standard errors to first order; as they are where the norm is 0.

    Of u = v / ‖v‖ the part of an error along u goes into the norm: du = (1 − u uᵀ) dv / ‖v‖. With independent errors σ the variance of u_i is
    ((1 − 2 u_i²) σ_i² + u_i² Σ_j u_j² σ_j²) / ‖v‖².

    >>> [round(float(one), 2) for one in unit_errors(np.array([3.0, 4.0]), np.array([0.5, 0.0]))[1]]
    [0.06, 0.05]
    """
    norm = float(np.linalg.norm(values))
    if not norm:
        return values, error
    unit, scaled = values / norm, error / norm
    along = float(np.square(unit * scaled).sum())
    return unit, np.sqrt(np.maximum((1 - 2 * unit**2) * scaled**2 + unit**2 * along, 0))
