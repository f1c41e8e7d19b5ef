"""Weighted least squares with standard errors that respect clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

NUMBERS_AT_ONCE = 500_000
"""Numbers of one block of rows."""
ROUNDING = 1e-12
"""Scores that differ by less than this share of their size are one score: nothing is left to explain."""


@dataclass(frozen=True)
class Fit:
    """A weighted linear fit with intercept: coefficients (features,), their covariance, intercept, weighted R², degrees of freedom."""

    coefficients: Array
    covariance: Array
    intercept: float
    r_squared: float
    degrees: float


def weighted_regression(rows: Array, scores: Array, weights: Array, cluster: int = 1, ridge: float = 0.0) -> Fit:
    """Minimise Σ w (y − a − xᵀb)² + ridge ‖b‖²; the intercept is not penalised.

    The covariance is the sandwich A⁻¹ (Σ_c s_c s_cᵀ) A⁻¹ with s_c the weighted residual sums of clusters of `cluster` consecutive rows
    (2 for antithetic pairs), times c/(c − p), p being the number of coefficients (Liang & Zeger 1986). `rows` (n, features) of any number type, `scores`
    and `weights` (n,). Rows are taken in blocks, so that no copy of all of them is made.
    """
    features = rows.shape[1]
    blocks = _blocks(len(rows), max(cluster, NUMBERS_AT_ONCE // features // cluster * cluster))
    centre = np.sum([weights[block] @ rows[block] for block in blocks], axis=0) / weights.sum()
    level = weights @ scores / weights.sum()
    target = scores - level
    information, moment = ridge * np.eye(features), np.zeros(features)
    for block in blocks:
        centred = rows[block] - centre
        weighted = centred * weights[block, None]
        information += centred.T @ weighted
        moment += weighted.T @ target[block]
    inverse = np.linalg.pinv(information, hermitian=True)
    coefficients = inverse @ moment
    residuals, meat = target.astype(float), np.zeros((features, features))
    for block in blocks:
        centred = rows[block] - centre
        residuals[block] -= centred @ coefficients
        pieces = (centred * (weights[block] * residuals[block])[:, None]).reshape(-1, cluster, features).sum(axis=1)
        meat += pieces.T @ pieces
    clusters = len(rows) // cluster
    degrees = max(clusters - features - 1, 1)
    covariance = inverse @ meat @ inverse * (clusters / degrees)
    total = float(weights @ np.square(target))
    varies = total > ROUNDING**2 * float(weights @ np.square(scores))
    fitted = 1 - float(weights @ np.square(residuals)) / total if varies else 1.0
    return Fit(coefficients, covariance, float(level - centre @ coefficients), fitted, degrees)


def _blocks(rows: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, rows, size)]


def lime_kernel(coalitions: Array, width: float) -> Array:
    """LIME's weight of a coalition: √exp(−d²/width²), d the cosine distance to the full coalition. Shape (n,)."""
    kept = coalitions.sum(axis=1) / coalitions.shape[1]
    distance = 1 - np.sqrt(kept)
    return np.sqrt(np.exp(-np.square(distance) / width**2))
