"""Ridge regression whose penalty is chosen by the data."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

PENALTIES = np.logspace(-8, 3, 23)
"""Tried penalties, in units of the mean eigenvalue of the Gram matrix."""


def cross_validated_ridge(gram: Array, moment: Array, square: float, rows: int) -> Array:
    """Coefficients of a linear fit without intercept, from Σ xxᵀ (n, n), Σ xy (n,) and Σ y² over `rows` rows; the penalty is that with the least generalised
    cross-validation error, rows · RSS / (rows − trace of the hat matrix)² (Golub, Heath, Wahba 1979, doi:10.1080/00401706.1979.10489751).

    >>> x = np.eye(2)
    >>> cross_validated_ridge(100 * x, np.array([100.0, 200.0]), 500.0, 200).round(3)
    array([1., 2.])
    """
    values, vectors = np.linalg.eigh(gram)
    values, along = np.maximum(values, 0), vectors.T @ moment
    scale = float(values.mean())
    if scale <= 0:
        return np.zeros(len(moment))
    best, chosen = np.inf, PENALTIES[-1] * scale
    for penalty in PENALTIES * scale:
        shrunk = along / (values + penalty)
        left = square - 2 * float(shrunk @ along) + float(np.square(shrunk) @ values)
        free = rows - float((values / (values + penalty)).sum())
        error = max(left, 0.0) / free**2 if free > 1 else np.inf
        if error < best * (1 - 1e-9):
            best, chosen = error, penalty
    return np.asarray(vectors @ (along / (values + chosen)))
