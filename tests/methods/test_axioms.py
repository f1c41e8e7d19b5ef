"""What every method must keep: dummy, symmetry, linearity, independence of company, and seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import twins

import pellucid
from choices import needed, serves
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.methods import METHODS

ROUNDING = 1e-7
"""Relative; draws of SmoothGrad are float32, batches of other sizes differ in last bits."""
NO_DUMMY = ("lime", "rise", "occlusion")
"""Methods whose own definition gives a dummy something: what others do together is shared out by the fit, masks are smooth, windows cover neighbours."""
NOT_LINEAR = ("saliency", "square_grad", "var_grad", "sobol", "hsic", "idgi", "guided_integrated_gradients")
"""Methods that square the score, take its size, or choose by it."""
FIXED_WORK = {
    "integrated_gradients": {"rule": "midpoint", "steps": 16},
    "lime": {"tolerance": 0.0, "max_evaluations": 400},
    "permutation_shap": {"tolerance": 0.0, "max_evaluations": 3000},
    "shap": {"tolerance": 0.0, "max_evaluations": 3000},
    "smooth_grad": {"tolerance": 0.0, "max_evaluations": 256},
    "expected_gradients": {"tolerance": 0.0, "max_evaluations": 1000},
}
"""Settings under which the draws do not depend on the model, so that linearity holds to rounding."""

TABLE = serves("table")
_generator = np.random.default_rng(0)
X = _generator.normal(size=(5, 6))
BACKGROUND = np.random.default_rng(1).normal(size=(8, 6))[:, [0, 0, 2, 3, 4, 5]]
"""Inputs 0 and 1 are alike here too."""


def explained(model: object, x: np.ndarray, method: str, **options: object) -> pellucid.Explanation:
    """With the options that the method cannot do without."""
    return pellucid.explain(model, x, method, **needed(method, BACKGROUND), **options)


def networks() -> tuple[NumpyModel, NumpyModel, NumpyModel]:
    """f, g and 2f − 3g, of tanh units."""
    first, second = (Dense(_generator.normal(size=(6, 8)), _generator.normal(size=8), "tanh") for _ in range(2))
    of_first, of_second = (_generator.normal(size=(8, 1)) for _ in range(2))
    both = Dense(np.hstack([first.weights, second.weights]), np.hstack([first.bias, second.bias]), "tanh")
    plain = np.zeros(1)
    return (
        NumpyModel([first, Dense(of_first, plain)], (6,)),
        NumpyModel([second, Dense(of_second, plain)], (6,)),
        NumpyModel([both, Dense(np.vstack([2 * of_first, -3 * of_second]), plain)], (6,)),
    )


F, G, MIXED = networks()


def symmetric(x: np.ndarray) -> np.ndarray:
    return np.tanh(x[:, 0] + x[:, 1]) + x[:, 0] * x[:, 1] + np.sin(x[:, 2]) * x[:, 3]


def symmetric_gradient(x: np.ndarray) -> np.ndarray:
    slope = 1 - np.tanh(x[:, 0] + x[:, 1]) ** 2
    return np.stack([slope + x[:, 1], slope + x[:, 0], np.cos(x[:, 2]) * x[:, 3], np.sin(x[:, 2]), 0 * slope, 0 * slope], axis=1)


SYMMETRIC = twins.Closed(symmetric, symmetric_gradient, (6,))
"""Inputs 0 and 1 are alike, inputs 4 and 5 do nothing."""
ALIKE = np.array([[0.7, 0.7, 1.0, -1.0, 2.0, 0.3], [-1.2, -1.2, 0.4, 0.5, 1.0, 1.0]])


def test_the_symmetric_model_has_the_gradient_it_says() -> None:
    np.testing.assert_allclose(twins.difference_gradient(symmetric, ALIKE[0]), symmetric_gradient(ALIKE[:1])[0], atol=1e-8)


@pytest.mark.parametrize("method", [name for name in TABLE if name not in (*NO_DUMMY, "shapley_interactions")])
def test_dummies_get_nothing_and_twins_get_the_same_within_the_error(method: str) -> None:
    found = explained(SYMMETRIC, ALIKE, method)
    reach = 4 * np.nan_to_num(found.error) + ROUNDING * np.abs(found.values).max()
    assert (np.abs(found.values[:, 4:]) <= reach[:, 4:]).all()
    assert (np.abs(found.values[:, 0] - found.values[:, 1]) <= reach[:, 0] + reach[:, 1]).all()
    assert (np.abs(found.values[:, :4]).max(axis=1) > 10 * reach.max(axis=1) / 4).any(), "the test could not fail"


@pytest.mark.parametrize("method", [name for name in TABLE if name not in (*NO_DUMMY, "permutation_shap", "kernel_shap", "shapley_interactions")])
def test_dummies_of_share_and_gradient_methods_get_exactly_nothing(method: str) -> None:
    values = explained(SYMMETRIC, ALIKE, method).values[:, 4:]
    assert np.abs(values).max() <= 1e-12


@pytest.mark.parametrize("method", [name for name in TABLE if name not in NOT_LINEAR])
def test_methods_are_linear_in_the_model(method: str) -> None:
    work = FIXED_WORK.get(method, {})
    f, g, mixed = (explained(model, X, method, target=0, **work).values for model in (F, G, MIXED))
    np.testing.assert_allclose(mixed, 2 * f - 3 * g, atol=ROUNDING * np.abs(f).max())


@pytest.mark.parametrize("method", TABLE)
def test_a_sample_is_explained_the_same_in_any_company_and_order(method: str) -> None:
    together = explained(F, X, method)
    backwards = explained(F, X[::-1], method)[::-1]
    alone = explained(F, X[3:4], method)
    for other, rows in ((backwards, slice(None)), (alone, slice(3, 4))):
        np.testing.assert_allclose(other.values, together.values[rows], rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(other.error, together.error[rows], rtol=1e-4, atol=ROUNDING)
        np.testing.assert_array_equal(other.cost.evaluations, together.cost.evaluations[rows])


@pytest.mark.parametrize("method", TABLE)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others_where_there_are_draws(method: str) -> None:
    first, again, other = (explained(F, X, method, seed=seed) for seed in (3, 3, 4))
    assert first.values.tobytes() == again.values.tobytes()
    assert first.error.tobytes() == again.error.tobytes()
    assert (first.values.tobytes() != other.values.tobytes()) == (first.error_kind == "standard_error")


@pytest.mark.parametrize("method", TABLE)
def test_no_method_touches_the_global_random_state(method: str) -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].tobytes()
    explained(F, X, method)
    assert np.random.get_state()[1].tobytes() == before


@pytest.mark.parametrize("method", TABLE)
def test_records_have_the_shapes_and_kinds_that_the_method_declares(method: str) -> None:
    found = explained(F, X, method)
    assert found.values.shape == found.error.shape == ((5, 6, 6) if found.of_pairs else (5, 6))
    assert np.isfinite(found.values).all()
    assert (np.isnan(found.error) if found.error_kind == "none" else found.error >= 0).all()
    declared = METHODS.load(method).error_kind
    assert found.error_kind in (declared, "exact")
    assert (found.error_kind == "exact") == (not found.error.any())
    assert (found.cost.gradients <= found.cost.evaluations).all()
    assert (found.cost.gradients > 0).all() == ("gradients" in METHODS.load(method).needs)


@pytest.mark.parametrize("method", ["shap", "exact_shap", "permutation_shap", "partition_shap", "integrated_gradients", "idgi", "guided_integrated_gradients"])
def test_shares_add_up_to_the_difference_of_scores(method: str) -> None:
    found = explained(F, X, method)
    gap = np.abs(found.values.sum(axis=1) - (found.score - found.baseline_score))
    allowed: Callable[[np.ndarray], np.ndarray] = (lambda size: 0.02 * size) if method.endswith("integrated_gradients") else (lambda size: 1e-10 + 0 * size)
    assert (gap <= allowed(np.abs(found.values).sum(axis=1))).all()
