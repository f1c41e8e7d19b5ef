"""SmoothGrad against expectations in closed form and brute Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
import twins

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError
from pellucid.methods.path import _sampling

ROUNDING = 1e-6
"""Draws are float32."""

_generator = np.random.default_rng(0)
FIRST = Dense(_generator.normal(size=(7, 15)), _generator.normal(size=15), "relu")
READOUT = _generator.normal(size=15)
X = _generator.normal(size=(8, 7))


def network(activation: str) -> NumpyModel:
    return NumpyModel([Dense(FIRST.weights, FIRST.bias, activation), Dense(READOUT[:, None], np.zeros(1))], (7,))


def exact(activation: str, x: np.ndarray, noise: float) -> np.ndarray:
    twin = {"relu": twins.smooth_gradient_relu, "tanh": twins.smooth_gradient_tanh}[activation]
    return np.stack([twin(FIRST.weights, FIRST.bias, READOUT, one, noise * (one.max() - one.min())) for one in x])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_closed_forms_agree_with_brute_monte_carlo(activation: str) -> None:
    def gradient(points: np.ndarray) -> np.ndarray:
        entering = points @ FIRST.weights + FIRST.bias
        slope = entering > 0 if activation == "relu" else 1 - np.tanh(entering) ** 2
        return (slope * READOUT) @ FIRST.weights.T

    sigma = 0.3 * (X[0].max() - X[0].min())
    drawn = twins.smooth_gradient(gradient, X[0], sigma, 400_000, 1)
    np.testing.assert_allclose(drawn, exact(activation, X[:1], 0.3)[0], atol=0.03)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("tolerance", [0.1, 0.02])
def test_values_are_within_their_tolerance_of_the_closed_form(activation: str, tolerance: float) -> None:
    found = pellucid.explain(network(activation), X, "smooth_grad", tolerance=tolerance, max_evaluations=1_000_000)
    expected = exact(activation, X, 0.15)
    assert set(found.outcome.codes) == {"converged"}
    off = np.linalg.norm(found.values - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert (off <= 1.5 * tolerance).all()
    assert off.max() > tolerance / 20, "not exact: it was drawn"


def test_a_quadratic_is_exact_since_pairs_cancel() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, -3.0]])
    model = twins.Closed(lambda x: np.einsum("ni,ij,nj->n", x, matrix, x) / 2, lambda x: x @ matrix, (2,))
    found = pellucid.explain(model, np.array([[1.0, 2.0]]), "smooth_grad", tolerance=1e-3)
    np.testing.assert_allclose(found.values, [[4.0, -5.0]], rtol=ROUNDING)


def test_absolute_gives_the_size_of_the_same_mean() -> None:
    signed, size = (pellucid.explain(network("tanh"), X, "smooth_grad", absolute=absolute) for absolute in (False, True))
    np.testing.assert_array_equal(np.abs(signed.values), size.values)


def test_noise_is_a_share_of_the_range() -> None:
    expected = exact("tanh", X, 0.5)
    found = pellucid.explain(network("tanh"), X, "smooth_grad", noise=0.5, tolerance=0.02, max_evaluations=1_000_000)
    other = exact("tanh", X, 0.15)
    assert (np.linalg.norm(found.values - expected, axis=1) < np.linalg.norm(found.values - other, axis=1)).all()


def test_small_chunks_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pellucid.explain(network("tanh"), X, "smooth_grad")
    monkeypatch.setattr(_sampling, "FLOATS_AT_ONCE", 250)
    chunks = pellucid.explain(network("tanh"), X, "smooth_grad")
    np.testing.assert_allclose(chunks.values, whole.values, rtol=1e-9)
    np.testing.assert_array_equal(chunks.cost.gradients, whole.cost.gradients)


def test_a_constant_sample_still_gets_noise() -> None:
    found = pellucid.explain(network("relu"), np.zeros((1, 7)), "smooth_grad", tolerance=0.02, max_evaluations=1_000_000)
    expected = twins.smooth_gradient_relu(FIRST.weights, FIRST.bias, READOUT, np.zeros(7), 0.15)
    assert np.linalg.norm(found.values[0] - expected) <= 1.5 * 0.02 * np.linalg.norm(expected)


def test_noise_must_be_positive() -> None:
    with pytest.raises(SettingError, match="noise must be above 0"):
        pellucid.explain(network("relu"), X, "smooth_grad", noise=0)
