"""VarGrad, SquareGrad and Expected Gradients against brute force, and their errors at the moment of stopping."""

from __future__ import annotations

import numpy as np
import pytest
import twins
import twins_path
from test_coverage import COVERED, NOT_WASTEFUL, SIZE, WITHIN, calibrate
from test_smooth_grad import FIRST, READOUT, X, network

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import CombinationError, SettingError
from pellucid.methods.path import _sampling, _stratified

NOISE = 0.3
BACKGROUND = np.random.default_rng(3).normal(size=(12, 7))
BRUTE = 100_000
"""Draws of the twins: their own error is a fifth of the smallest tolerance tested."""


def gradient_of(activation: str):
    def gradient(points: np.ndarray) -> np.ndarray:
        entering = points @ FIRST.weights + FIRST.bias
        slope = entering > 0 if activation == "relu" else 1 - np.tanh(entering) ** 2
        return (slope * READOUT) @ FIRST.weights.T

    return gradient


@pytest.fixture(scope="module")
def truths() -> dict[tuple[str, str], np.ndarray]:
    found = {}
    for activation in ("relu", "tanh"):
        gradient = gradient_of(activation)
        moments = [twins_path.noisy_moments(gradient, x, NOISE * (x.max() - x.min()), BRUTE, 7) for x in X]
        found["square_grad", activation] = np.stack([square for square, _ in moments])
        found["var_grad", activation] = np.stack([variance for _, variance in moments])
        found["expected_gradients", activation] = np.stack([twins_path.expected_gradients(gradient, x, BACKGROUND, 2000) for x in X])
    return found


def run(method: str, activation: str, tolerance: float, seed: int) -> pellucid.Explanation:
    options = {"background": BACKGROUND} if method == "expected_gradients" else {"noise": NOISE}
    return pellucid.explain(network(activation), X, method, tolerance=tolerance, seed=seed, max_evaluations=10**6, **options)


CASES = [
    ("var_grad", "relu", 0.2, 40),
    ("square_grad", "tanh", 0.1, 40),
    ("expected_gradients", "relu", 0.1, 60),
    *(pytest.param(method, activation, 0.07, 200, marks=pytest.mark.slow) for method in ("var_grad", "square_grad") for activation in ("relu", "tanh")),
    *(pytest.param("expected_gradients", activation, 0.05, 200, marks=pytest.mark.slow) for activation in ("relu", "tanh")),
]


@pytest.mark.parametrize(("method", "activation", "tolerance", "seeds"), CASES)
def test_errors_are_stated_rightly_at_the_moment_of_stopping(truths, method: str, activation: str, tolerance: float, seeds: int) -> None:
    found = calibrate([run(method, activation, tolerance, seed) for seed in range(seeds)], truths[method, activation])
    found.check(tolerance)
    assert np.median(found.relative) >= NOT_WASTEFUL * tolerance


def test_the_square_is_the_mean_squared_plus_the_variance(truths) -> None:
    smooth = np.stack([twins.smooth_gradient_relu(FIRST.weights, FIRST.bias, READOUT, x, NOISE * (x.max() - x.min())) for x in X])
    total = np.square(smooth) + truths["var_grad", "relu"]
    off = np.linalg.norm(total - truths["square_grad", "relu"], axis=1) / np.linalg.norm(total, axis=1)
    assert (off < 0.02).all()


def test_a_quadratic_has_a_variance_in_closed_form() -> None:
    """∇f = Ax has Var = σ² Σ_j A_ij² under noise σ."""
    matrix = np.array([[2.0, 1.0], [1.0, -3.0]])
    model = twins.Closed(lambda x: np.einsum("ni,ij,nj->n", x, matrix, x) / 2, lambda x: x @ matrix, (2,))
    found = pellucid.explain(model, np.array([[1.0, 2.0]]), "var_grad", noise=0.5, tolerance=0.02, max_evaluations=10**6)
    np.testing.assert_allclose(found.values, 0.5**2 * np.square(matrix).sum(axis=1)[None], rtol=0.04)


def test_a_large_gradient_with_a_small_variance_loses_no_digits() -> None:
    model = twins.Closed(lambda x: 1e4 * x[:, 0] + 0.5 * x[:, 0] ** 2, lambda x: np.stack([1e4 + x[:, 0], 0 * x[:, 1]], axis=1), (2,))
    found = pellucid.explain(model, np.array([[1.0, 2.0]]), "var_grad", noise=0.1, tolerance=0.05, max_evaluations=10**6)
    np.testing.assert_allclose(found.values, [[0.01, 0.0]], rtol=0.1)


def test_expected_gradients_add_up_and_say_their_mean_score() -> None:
    found = run("expected_gradients", "tanh", 0.02, 0)
    np.testing.assert_allclose(found.baseline_score, network("tanh").predict(BACKGROUND).mean(), rtol=1e-9)
    gap = np.abs(found.values.sum(axis=1) - (found.score - found.baseline_score))
    assert (gap <= 0.05 * np.abs(found.values).sum(axis=1)).all()


def test_a_linear_model_needs_one_round_and_is_exact() -> None:
    model = NumpyModel([Dense(np.array([[2.0], [-1.0]]), np.zeros(1))], (2,))
    background = np.random.default_rng(0).normal(size=(40, 2))
    found = pellucid.explain(model, np.array([[1.0, 1.0]]), "expected_gradients", background=background)
    np.testing.assert_allclose(found.values[0], np.array([2.0, -1.0]) * (1 - background.mean(axis=0)), rtol=1e-9)
    assert found.cost.gradients.tolist() == [80]


@pytest.mark.parametrize("method", ["smooth_grad", "var_grad", "square_grad", "expected_gradients"])
def test_work_in_small_pieces_gives_the_same_values(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(method, "relu", 0.2, 1)
    monkeypatch.setattr(_sampling, "FLOATS_AT_ONCE", 3 * 7 * 8)
    monkeypatch.setattr(_stratified, "FLOATS_AT_ONCE", 5 * 7)
    pieces = run(method, "relu", 0.2, 1)
    np.testing.assert_allclose(pieces.values, whole.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pieces.error, whole.error, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pieces.statistics["relative_error"], whole.statistics["relative_error"], rtol=1e-9)
    np.testing.assert_array_equal(pieces.cost.gradients, whole.cost.gradients)


@pytest.mark.parametrize("method", ["smooth_grad", "var_grad", "square_grad"])
def test_refined_is_to_the_last_digit_what_one_go_gives(method: str) -> None:
    fine = run(method, "relu", 0.3, 2).refine(tolerance=0.1, max_evaluations=10**6)
    whole = run(method, "relu", 0.1, 2)
    np.testing.assert_allclose(fine.values, whole.values, rtol=1e-12)
    np.testing.assert_array_equal(fine.cost.gradients, whole.cost.gradients)


class Counting(NumpyModel):
    taken = 0

    def gradients(self, inputs, target, wrt=("input",)):
        self.taken += len(inputs)
        return super().gradients(inputs, target, wrt)


def test_expected_gradients_go_on_without_a_gradient_twice_and_keep_the_finer_tolerance(truths) -> None:
    """The plan of rounds follows the tolerance, so that going on is another plan than one go."""
    plain, off = network("relu"), []
    for seed in range(30):
        model = Counting(plain.stack, (7,))
        coarse = pellucid.explain(model, X, "expected_gradients", background=BACKGROUND, tolerance=0.2, seed=seed)
        fine = coarse.refine(tolerance=0.05)
        assert model.taken == fine.cost.gradients.sum() > coarse.cost.gradients.sum()
        off.append(np.linalg.norm(fine.values - truths["expected_gradients", "relu"], axis=1))
    assert (off / np.linalg.norm(truths["expected_gradients", "relu"], axis=1) <= 0.05).mean() >= WITHIN


def test_the_same_rounds_in_two_goes_are_the_same_to_the_last_digit() -> None:
    """No tolerance, so that the plan follows the budget alone: 36 cells first, then as many as make all three times as fine."""
    short = pellucid.explain(network("relu"), X, "expected_gradients", background=BACKGROUND, tolerance=0.0, max_evaluations=72)
    long = pellucid.explain(network("relu"), X, "expected_gradients", background=BACKGROUND, tolerance=0.0, max_evaluations=300)
    assert (short.cost.gradients.max(), long.cost.gradients.min()) == (72, 288)
    gone_on = short.refine(tolerance=0.0, max_evaluations=300)
    np.testing.assert_allclose(gone_on.values, long.values, rtol=1e-12)
    np.testing.assert_allclose(gone_on.error, long.error, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 6, 40])
@pytest.mark.parametrize("activation", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_expected_gradients_state_their_error_with_few_and_many_rows(activation: str, rows: int) -> None:
    background = BACKGROUND[:rows] if rows <= 6 else np.random.default_rng(4).normal(size=(rows, 7))
    truth = np.stack([twins_path.expected_gradients(gradient_of(activation), x, background, 2000) for x in X])
    found = calibrate(
        [pellucid.explain(network(activation), X, "expected_gradients", background=background, tolerance=0.1, seed=seed) for seed in range(40)], truth
    )
    assert found.covered >= COVERED[0]
    assert SIZE[0] <= found.size <= (SIZE[1] if rows > 1 else 1.7), "a single smooth path is integrated better than told"
    assert (found.relative <= 0.1).mean() >= WITHIN


@pytest.mark.parametrize(("together", "low", "high"), [(True, 1.85, 2.3), (False, 1.0, 1.65)])
def test_the_quantile_knows_how_many_directions_the_error_has(together: bool, low: float, high: float) -> None:
    """The 95 % quantile of the norm of a normal error over its root mean square is 1.96 along one direction, near 1 along thirty."""
    slopes = np.linspace(1, 2, 30)
    if together:
        model = NumpyModel([Dense(slopes[:, None], np.zeros(1), "tanh"), Dense(np.ones((1, 1)), np.zeros(1))], (30,))
    else:
        model = NumpyModel([Dense(np.diag(slopes), np.linspace(-1, 1, 30), "tanh"), Dense(np.ones((30, 1)), np.zeros(1))], (30,))
    generator = np.random.default_rng(0)
    x, background = generator.normal(size=(6, 30)), generator.normal(size=(1 if together else 40, 30))
    found = pellucid.explain(model, x, "expected_gradients", background=background, tolerance=0.0, max_evaluations=3000)
    told = found.statistics["relative_error"] * np.linalg.norm(found.values, axis=1) / np.linalg.norm(found.error, axis=1)
    assert low <= np.median(told) <= high
    cosines = np.median(found.state["shares"] / found.state["seen"])
    assert cosines > 0.99 if together else cosines < 0.12


def test_expected_gradients_cost_what_integrals_cost_not_what_draws_do(truths) -> None:
    """Independent pairs on each path took 2,900 gradients a sample here."""
    assert run("expected_gradients", "relu", 0.02, 0).cost.gradients.mean() < 700


def test_large_inputs_keep_no_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sampling, "MOST_STATE", 10)
    found = run("smooth_grad", "relu", 0.3, 2)
    assert not found.state
    np.testing.assert_array_equal(found.refine(tolerance=0.1, max_evaluations=10**6).values, run("smooth_grad", "relu", 0.1, 2).values)


def test_mistakes() -> None:
    with pytest.raises(CombinationError, match="needs a background"):
        pellucid.explain(network("relu"), X, "expected_gradients")
    for method in ("var_grad", "square_grad"):
        with pytest.raises(SettingError, match="noise must be above 0"):
            pellucid.explain(network("relu"), X, method, noise=0.0)
    with pytest.raises(SettingError, match="too few"):
        pellucid.explain(network("relu"), X, "expected_gradients", background=BACKGROUND, max_evaluations=20)
