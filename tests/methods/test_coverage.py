"""The errors that sampling methods state, at the moment of stopping, against the truth over hundreds of seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import twins
from test_smooth_grad import X, exact, network

import pellucid

FEATURES = 10
COVERED = (0.92, 0.98)
"""DESIGN: 95 % intervals cover 92 to 98 % of (seed × feature)."""
SIZE = (0.7, 1.4)
"""DESIGN: the median of ‖stated error‖/‖true error‖."""
WITHIN = 0.93
"""Runs whose true relative error is within the tolerance: 95 % less the noise of 200 seeds (1.5 %)."""
NOT_WASTEFUL = 0.25
"""The median true error is at least this share of the tolerance (where the least number of draws does not already give more)."""

_generator = np.random.default_rng(3)
_weights, _bias, _readout = _generator.normal(size=(FEATURES, 8)) * 2 / np.sqrt(FEATURES), _generator.normal(size=8) / 2, _generator.normal(size=8)
POINT = _generator.normal(size=(1, FEATURES))
BACKGROUNDS = {"one fill": np.zeros((1, FEATURES)), "6 rows": _generator.normal(size=(6, FEATURES)), "40 rows": _generator.normal(size=(40, FEATURES))}


def bumpy(x: np.ndarray) -> np.ndarray:
    """Saturation, a product of three, a kink and a wave."""
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x @ _weights + _bias) @ _readout + 1.5 * np.maximum(x[:, 0] * x[:, 1] * x[:, 2], 0) + np.sin(2 * x[:, 3]) * x[:, 4]


@dataclass(frozen=True)
class Calibration:
    """What many runs said and what was true: share of intervals that cover, median ‖stated‖/‖true‖, relative errors, stops."""

    covered: float
    size: float
    relative: np.ndarray
    codes: set[str]

    def check(self, tolerance: float) -> None:
        assert self.codes == {"converged"}
        assert COVERED[0] <= self.covered <= COVERED[1], f"intervals cover {self.covered:.3f}"
        assert SIZE[0] <= self.size <= SIZE[1], f"stated / true error {self.size:.2f}"
        assert (self.relative <= tolerance).mean() >= WITHIN, f"{(self.relative <= tolerance).mean():.3f} within the tolerance"


def calibrate(runs: list[pellucid.Explanation], truth: np.ndarray) -> Calibration:
    """`truth` is (samples, features)."""
    inside, sizes, relative = [], [], []
    for run in runs:
        low, high = run.interval(0.95)
        inside.append((low <= truth) & (truth <= high))
        off = np.linalg.norm(run.values - truth, axis=1)
        sizes.append(np.linalg.norm(run.error, axis=1) / off)
        relative.append(off / np.linalg.norm(truth, axis=1))
    stops = {outcome.stop.code for run in runs for outcome in run.outcome}
    return Calibration(float(np.mean(inside)), float(np.median(sizes)), np.concatenate(relative), stops)


@pytest.fixture(scope="module")
def games() -> dict[str, object]:
    return {name: twins.marginal_game(bumpy, POINT[0], rows) for name, rows in BACKGROUNDS.items()}


@pytest.fixture(scope="module")
def shares(games) -> dict[str, np.ndarray]:
    return {name: twins.shapley_by_coalitions(v, FEATURES)[None] for name, v in games.items()}


@pytest.fixture(scope="module")
def surrogates(games) -> dict[str, np.ndarray]:
    return {name: twins.lime_limit(v, FEATURES, 0.25)[0][None] for name, v in games.items()}


def runs(method: str, rows: np.ndarray, tolerance: float, seeds: int, score=bumpy) -> list[pellucid.Explanation]:
    return [pellucid.explain(score, POINT, method, target=0, fill=rows, tolerance=tolerance, seed=seed, max_evaluations=10**6) for seed in range(seeds)]


SHAP_CASES = [
    ("one fill", 0.02, 300),
    ("6 rows", 0.1, 300),
    pytest.param("6 rows", 0.02, 200, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.05, 300, marks=pytest.mark.slow),
    pytest.param("40 rows", 0.05, 300, marks=pytest.mark.slow),
    pytest.param("40 rows", 0.1, 300, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "tolerance", "seeds"), SHAP_CASES)
def test_permutation_shap_states_its_error_rightly(shares, name: str, tolerance: float, seeds: int) -> None:
    found = calibrate(runs("permutation_shap", BACKGROUNDS[name], tolerance, seeds), shares[name])
    found.check(tolerance)
    assert np.median(found.relative) >= NOT_WASTEFUL * tolerance


def test_the_least_number_of_draws_is_kept_where_the_tolerance_is_loose(shares) -> None:
    found = calibrate(runs("permutation_shap", BACKGROUNDS["one fill"], 0.5, 300), shares["one fill"])
    found.check(0.5)


LIME_CASES = [
    ("one fill", 0.1, 300),
    ("one fill", 0.05, 300),
    pytest.param("6 rows", 0.15, 200, marks=pytest.mark.slow),
    pytest.param("40 rows", 0.15, 200, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "tolerance", "seeds"), LIME_CASES)
def test_lime_states_its_error_rightly(surrogates, name: str, tolerance: float, seeds: int) -> None:
    found = calibrate(runs("lime", BACKGROUNDS[name], tolerance, seeds), surrogates[name])
    found.check(tolerance)
    assert np.median(found.relative) >= NOT_WASTEFUL * tolerance


@pytest.mark.parametrize(
    ("activation", "tolerance", "seeds"),
    [("tanh", 0.2, 100), ("relu", 0.1, 200), pytest.param("relu", 0.05, 300, marks=pytest.mark.slow), pytest.param("tanh", 0.05, 100, marks=pytest.mark.slow)],
)
def test_smooth_grad_states_its_error_rightly(activation: str, tolerance: float, seeds: int) -> None:
    model, truth = network(activation), exact(activation, X, 0.3)
    found = calibrate(
        [pellucid.explain(model, X, "smooth_grad", noise=0.3, tolerance=tolerance, seed=seed, max_evaluations=10**6) for seed in range(seeds)], truth
    )
    found.check(tolerance)


def test_a_stated_error_that_is_half_or_twice_the_true_one_would_be_seen(shares) -> None:
    """The planted fault: the same runs with their errors halved and doubled fail the check."""
    from dataclasses import replace

    sound = runs("permutation_shap", BACKGROUNDS["one fill"], 0.02, 100)
    for factor in (0.5, 2.0):
        wrong = calibrate([replace(run, error=run.error * factor) for run in sound], shares["one fill"])
        with pytest.raises(AssertionError):
            wrong.check(0.02)
