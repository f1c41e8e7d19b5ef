"""What the sampling methods of the path family must keep on any network: dummies, implementation invariance, linearity, completeness, signs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel

SAMPLING = ("smooth_grad", "var_grad", "square_grad", "expected_gradients")
ROUNDING = 1e-6
"""Relative; draws under noise are float32."""
DUMMY = 4
SIX_DEVIATIONS = 6.0
"""Over some hundred examples a gap of more standard deviations would not be chance."""
FACTORS = st.floats(-3, 3).filter(lambda factor: abs(factor) > 0.1)
EXAMPLES = settings(max_examples=25, deadline=None)


def stack(generator: np.random.Generator, activation: str) -> tuple[Dense, Dense]:
    """Six inputs, of which one does nothing, nine units, two outputs."""
    weights = generator.normal(size=(6, 9))
    weights[DUMMY] = 0
    return Dense(weights, generator.normal(size=9), activation), Dense(generator.normal(size=(9, 2)), generator.normal(size=2))


def explained(model: NumpyModel, x: np.ndarray, method: str, seed: int) -> pellucid.Explanation:
    """A fixed amount of work, whose draws do not depend on the model."""
    options = {"background": np.random.default_rng(seed).normal(size=(5, 6))} if method == "expected_gradients" else {}
    return pellucid.explain(model, x, method, target=1, tolerance=0.0, max_evaluations=128, seed=seed, **options)


@pytest.mark.parametrize("method", SAMPLING)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
@EXAMPLES
def test_networks_that_compute_the_same_are_explained_the_same_and_dummies_get_nothing(method: str, seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    first, last = stack(generator, "relu")
    order = generator.permutation(9)
    other = [Dense(scale * first.weights[:, order], scale * first.bias[order], "relu"), Dense(last.weights[order] / scale, last.bias)]
    x = generator.normal(size=(2, 6))
    one, same = (explained(NumpyModel(layers, (6,)), x, method, seed) for layers in ([first, last], other))
    largest = max(float(np.abs(one.values).max()), 1e-9)
    np.testing.assert_allclose(same.values, one.values, atol=ROUNDING * largest)
    assert not one.values[:, DUMMY].any()
    assert not one.error[:, DUMMY].any()


@pytest.mark.parametrize("method", ["smooth_grad", "expected_gradients"])
@given(seed=st.integers(0, 10_000), a=FACTORS, b=FACTORS)
@EXAMPLES
def test_means_of_gradients_are_linear_in_the_model(method: str, seed: int, a: float, b: float) -> None:
    generator = np.random.default_rng(seed)
    (first, of_first), (second, of_second) = stack(generator, "tanh"), stack(generator, "relu")
    both = [
        Dense(np.vstack([first.weights, second.weights]).reshape(2, 6, 9).transpose(1, 0, 2).reshape(6, 18), np.hstack([first.bias, second.bias]), "relu"),
        Dense(np.vstack([a * of_first.weights, b * of_second.weights]), np.zeros(2)),
    ]
    plain = NumpyModel([Dense(first.weights, first.bias, "relu"), of_first], (6,))
    x = generator.normal(size=(2, 6))
    found = [explained(model, x, method, seed) for model in (plain, NumpyModel([second, of_second], (6,)), NumpyModel(both, (6,)))]
    assume(all((one.cost.evaluations == found[0].cost.evaluations).all() for one in found))  # one that is linear around a sample is exact at once, and stops
    f, g, mixed = (one.values for one in found)
    np.testing.assert_allclose(mixed, a * f + b * g, atol=ROUNDING * max(np.abs(f).max() * abs(a), np.abs(g).max() * abs(b), 1e-9))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@given(seed=st.integers(0, 10_000))
@EXAMPLES
def test_expected_gradients_add_up_within_their_error(activation: str, seed: int) -> None:
    """Errors of elements that share their jumps add up at most like the sum of their deviations."""
    generator = np.random.default_rng(seed)
    found = explained(NumpyModel([*stack(generator, activation)], (6,)), generator.normal(size=(3, 6)), "expected_gradients", seed)
    gap = found.values.sum(axis=1) - (found.score - found.baseline_score)
    np.testing.assert_allclose(found.statistics["completeness_gap"], gap, atol=1e-9)
    assert (np.abs(gap) <= SIX_DEVIATIONS * found.error.sum(axis=1) + 1e-9).all()


@given(seed=st.integers(0, 10_000))
@EXAMPLES
def test_squares_are_not_below_variances(seed: int) -> None:
    """E g² = Var g + (E g)², each within its error."""
    generator = np.random.default_rng(seed)
    model, x = NumpyModel([*stack(generator, "relu")], (6,)), generator.normal(size=(2, 6))
    square, variance = (explained(model, x, method, seed) for method in ("square_grad", "var_grad"))
    assert (square.values >= 0).all()
    assert (variance.values >= 0).all()
    assert (variance.values - square.values <= SIX_DEVIATIONS * np.hypot(square.error, variance.error) + 1e-9).all()
