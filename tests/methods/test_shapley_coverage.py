"""The errors that the Shapley estimators state, at the moment of stopping, against enumeration over hundreds of seeds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from test_coverage import Calibration, calibrate

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel

FEATURES = 14
ROWS = {"one fill": 1, "4 rows": 4, "40 rows": 40}

_generator = np.random.default_rng(11)
POINT = _generator.normal(size=(1, FEATURES)) + 0.5
BACKGROUND = _generator.normal(size=(40, FEATURES)) @ (np.eye(FEATURES) + 0.5 * _generator.normal(size=(FEATURES, FEATURES)) / np.sqrt(FEATURES))


def network(activation: str) -> NumpyModel:
    generator = np.random.default_rng(12)
    hidden = Dense(2 * generator.normal(size=(FEATURES, 12)) / np.sqrt(FEATURES), generator.normal(size=12) / 2, activation)
    second = Dense(1.5 * generator.normal(size=(12, 10)) / np.sqrt(12), generator.normal(size=10) / 2, activation)
    return NumpyModel([hidden, second, Dense(generator.normal(size=(10, 1)), np.zeros(1))], (FEATURES,), batch_size=8192)


def rows(name: str) -> np.ndarray:
    return BACKGROUND[: ROWS[name]]


@cache
def truth(activation: str, name: str) -> np.ndarray:
    return pellucid.explain(network(activation), POINT, "exact_shap", fill=rows(name), max_evaluations=10**7).values


def calibrated(method: str, activation: str, name: str, tolerance: float, seeds: int, **settings: object) -> tuple[Calibration, list[pellucid.Explanation]]:
    model = network(activation)
    runs = [pellucid.explain(model, POINT, method, fill=rows(name), tolerance=tolerance, seed=seed, max_evaluations=10**6, **settings) for seed in range(seeds)]
    return calibrate(runs, truth(activation, name)), runs


KERNEL = [
    ("relu", "one fill", 0.1, 300),
    pytest.param("tanh", "one fill", 0.05, 300, marks=pytest.mark.slow),
    pytest.param("relu", "one fill", 0.03, 200, marks=pytest.mark.slow),
    pytest.param("relu", "4 rows", 0.05, 200, marks=pytest.mark.slow),
    pytest.param("tanh", "40 rows", 0.05, 200, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("activation", "name", "tolerance", "seeds"), KERNEL)
def test_kernel_shap_states_its_error_rightly(activation: str, name: str, tolerance: float, seeds: int) -> None:
    found, runs = calibrated("kernel_shap", activation, name, tolerance, seeds)
    found.check(tolerance)
    assert {run.provenance["resolved"]["estimator"] for run in runs} == {"kernel regression"}


GRADIENTS = [
    pytest.param("tanh", "40 rows", 0.1, 200, marks=pytest.mark.slow),
    pytest.param("relu", "40 rows", 0.05, 200, marks=pytest.mark.slow),
    pytest.param("tanh", "40 rows", 0.05, 200, marks=pytest.mark.slow),
    pytest.param("tanh", "4 rows", 0.05, 200, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("activation", "name", "tolerance", "seeds"), GRADIENTS)
def test_gradients_as_a_control_leave_the_error_right(activation: str, name: str, tolerance: float, seeds: int) -> None:
    found, runs = calibrated("permutation_shap", activation, name, tolerance, seeds, control="gradients")
    found.check(tolerance)
    assert {run.provenance["resolved"]["estimator"] for run in runs} == {"permutations with gradients"}
    assert all(run.cost.gradients[0] > 0 for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "tolerance"), [("relu", 0.05), ("tanh", 0.1)])
def test_permutations_that_leave_rows_out_state_their_error_rightly(activation: str, tolerance: float) -> None:
    found, _ = calibrated("permutation_shap", activation, "40 rows", tolerance, 300, control="none")
    found.check(tolerance)


def test_errors_of_half_or_twice_the_size_would_be_seen() -> None:
    sound, runs = calibrated("kernel_shap", "relu", "one fill", 0.1, 100)
    sound.check(0.1)
    for factor in (0.5, 2.0):
        with pytest.raises(AssertionError):
            calibrate([replace(run, error=run.error * factor) for run in runs], truth("relu", "one fill")).check(0.1)
