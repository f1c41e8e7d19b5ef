"""The cross-validated ridge against leave-one-out written as a loop."""

from __future__ import annotations

import numpy as np

from pellucid.maths.ridge import PENALTIES, cross_validated_ridge


def generalised_error(x: np.ndarray, y: np.ndarray, penalty: float) -> float:
    hat = x @ np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
    return float(np.square(y - hat @ y).sum() / (len(x) - np.trace(hat)) ** 2)


def test_the_penalty_is_that_of_least_generalised_error() -> None:
    generator = np.random.default_rng(0)
    for noise in (0.01, 1.0, 30.0):
        x = generator.normal(size=(40, 12)) * np.linspace(0.2, 2, 12)
        y = x @ generator.normal(size=12) + noise * generator.normal(size=40)
        scale = np.linalg.eigvalsh(x.T @ x).mean()
        best = min(PENALTIES * scale, key=lambda penalty: generalised_error(x, y, penalty))
        want = np.linalg.solve(x.T @ x + best * np.eye(12), x.T @ y)
        np.testing.assert_allclose(cross_validated_ridge(x.T @ x, x.T @ y, float(y @ y), 40), want, rtol=1e-6)


def test_fewer_rows_than_coefficients_and_no_rows_at_all() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(8, 20))
    y = x @ np.ones(20)
    fit = cross_validated_ridge(x.T @ x, x.T @ y, float(y @ y), 8)
    assert np.isfinite(fit).all()
    assert fit @ np.ones(20) > 0
    assert not cross_validated_ridge(np.zeros((3, 3)), np.zeros(3), 0.0, 5).any()
