"""Integrated Gradients against exact piecewise integrals, a plain Riemann sum and answers known by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import twins
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError
from pellucid.core.method import Task
from pellucid.core.target import resolve_target
from pellucid.methods.path import _nested
from pellucid.methods.path.integrated_gradients import IntegratedGradients

ROUNDING = 1e-10
RIEMANN = 2e-6
"""Relative L1 error of the Riemann twin itself on networks of tanh."""
KEPT = 0.93
"""Share of samples whose true error must lie within the tolerance: 95 % less the noise of a few hundred samples."""
KEPT_AT_FIFTEEN_NODES = 0.7
"""Share of true errors within the stated quantile where the budget ends early: .73 to .74 was measured, since one large jump may carry the whole error."""
COVERED = (0.91, 0.98)
"""Share of values within their 95 % intervals, at the moment of stopping. DESIGN asks for .92, .92 to .95 was measured; at 7 nodes several jumps of a network
of 40 units share a cell and partly cancel, which their differences do not show."""
MEDIAN_RATIO = (0.7, 1.4)
"""Of stated to true error over samples."""


def relu_network(seed: int, sizes: tuple[int, ...] = (8, 24, 16, 3)) -> NumpyModel:
    generator = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    stack = [
        Dense(generator.normal(size=pair) * np.sqrt(2 / pair[0]), 0.3 * generator.normal(size=pair[1]), "relu" if i < len(pairs) - 1 else "linear")
        for i, pair in enumerate(pairs)
    ]
    return NumpyModel(stack, (sizes[0],))


def tanh_network(seed: int = 0) -> NumpyModel:
    generator = np.random.default_rng(seed)
    return NumpyModel([Dense(generator.normal(size=(6, 12)), generator.normal(size=12), "tanh"), Dense(generator.normal(size=(12, 2)), np.zeros(2))], (6,))


def relative(values: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return np.abs(values - exact).sum(axis=1) / np.abs(exact).sum(axis=1)


@pytest.fixture(scope="module")
def relu() -> tuple[NumpyModel, np.ndarray, np.ndarray, np.ndarray]:
    """A two-hidden-layer network, 150 inputs, a baseline that is not zero, the exact attributions of output 1."""
    model = relu_network(0)
    generator = np.random.default_rng(1)
    x, baseline = 2 * generator.normal(size=(150, 8)), generator.normal(size=8)
    return model, x, baseline, np.stack([twins.relu_integrated_gradients(model.stack, one, baseline, 1) for one in x])


def test_the_exact_twin_is_complete_and_agrees_with_the_riemann_twin(relu) -> None:
    model, x, baseline, exact = relu
    np.testing.assert_allclose(exact.sum(axis=1), model.predict(x)[:, 1] - model.predict(baseline[None])[0, 1], atol=ROUNDING)

    def gradient(points: np.ndarray) -> np.ndarray:
        return np.stack([twins.relu_gradient(model.stack, point, 1) for point in points])

    np.testing.assert_allclose(twins.integrated_gradients(gradient, x[0], baseline, 4000), exact[0], atol=4e-3)


@pytest.fixture(scope="module")
def pool() -> list[tuple[NumpyModel, np.ndarray, np.ndarray, np.ndarray]]:
    """Eight networks, each with 40 inputs, a baseline and the exact attributions of output 1."""
    found = []
    for seed in range(8):
        model, generator = relu_network(seed), np.random.default_rng(seed + 1)
        x, baseline = 2 * generator.normal(size=(40, 8)), generator.normal(size=8)
        found.append((model, x, baseline, np.stack([twins.relu_integrated_gradients(model.stack, one, baseline, 1) for one in x])))
    return found


@pytest.mark.parametrize("tolerance", [0.1, 0.05, 0.02, 0.005])
def test_the_true_error_is_within_the_tolerance_for_95_of_100(pool, tolerance: float) -> None:
    errors, inside = [], []
    for model, x, baseline, exact in pool:
        found = pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baseline, tolerance=tolerance, max_evaluations=4095)
        assert set(found.outcome.codes) == {"converged"}
        low, high = found.interval(0.95)
        inside.append((low <= exact) & (exact <= high))
        errors.append(relative(found.values, exact))
    assert (np.concatenate(errors) <= tolerance).mean() >= KEPT
    assert np.median(errors) >= tolerance / 5, "wasteful"
    assert COVERED[0] <= np.mean(inside) <= COVERED[1], f"intervals cover {np.mean(inside):.3f}"


def test_the_stated_error_has_the_size_of_the_true_one(relu) -> None:
    model, x, baseline, exact = relu
    found = pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baseline, tolerance=0.02)
    stated, true = np.linalg.norm(found.error, axis=1), np.linalg.norm(found.values - exact, axis=1)
    assert MEDIAN_RATIO[0] <= np.median(stated / true) <= MEDIAN_RATIO[1]
    assert found.error_kind == "bound"


@pytest.mark.parametrize("rule", ["midpoint", "trapezoid", "gauss_legendre", "cosine"])
def test_fixed_rules_tend_to_the_exact_values(relu, rule: str) -> None:
    model, x, baseline, exact = relu
    few, many = (pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baseline, rule=rule, steps=steps) for steps in (16, 512))
    assert np.median(relative(many.values, exact)) < 0.005
    assert np.median(relative(few.values, exact)) > 10 * np.median(relative(many.values, exact))
    assert (few.cost.gradients == 16).all()
    assert set(few.outcome.codes) == {"fixed"}


def test_a_smooth_network_agrees_with_the_riemann_twin() -> None:
    model = tanh_network()
    x, baseline = np.random.default_rng(2).normal(size=(12, 6)), np.full(6, 0.2)
    first, second = model.stack

    def gradient(points: np.ndarray) -> np.ndarray:
        return ((1 - np.tanh(points @ first.weights + first.bias) ** 2) * second.weights[:, 0]) @ first.weights.T

    exact = np.stack([twins.integrated_gradients(gradient, one, baseline) for one in x])
    for tolerance in (0.05, 0.01, 0.001):
        found = pellucid.explain(model, x, "integrated_gradients", target=0, baseline=baseline, tolerance=tolerance)
        assert (relative(found.values, exact) <= tolerance + RIEMANN).mean() >= KEPT


def test_a_linear_model_is_exact_at_once() -> None:
    model = NumpyModel([Dense(np.array([[2.0], [-3.0], [0.0]]), np.array([5.0]))], (3,))
    found = pellucid.explain(model, np.array([[1.0, 2.0, 3.0]]), "integrated_gradients", baseline=np.array([0.5, 0.5, 0.5]), tolerance=1e-4)
    np.testing.assert_allclose(found.values, [[1.0, -4.5, 0.0]], atol=ROUNDING)
    assert found.cost.gradients.tolist() == [8]


def test_a_product_is_shared_in_halves() -> None:
    model = twins.Closed(lambda x: x[:, 0] * x[:, 1], lambda x: x[:, ::-1], (2,))
    found = pellucid.explain(model, np.array([[3.0, 5.0], [-2.0, 4.0]]), "integrated_gradients", tolerance=1e-3)
    np.testing.assert_allclose(found.values, [[7.5, 7.5], [-4.0, -4.0]], rtol=1e-3)


def test_a_maximum_goes_to_the_larger_input() -> None:
    model = twins.Closed(lambda x: x.max(axis=1), lambda x: np.eye(2)[x.argmax(axis=1)], (2,))
    found = pellucid.explain(model, np.array([[2.0, 1.0], [0.5, 3.0]]), "integrated_gradients")
    np.testing.assert_allclose(found.values, [[2.0, 0.0], [0.0, 3.0]], atol=ROUNDING)


def test_values_add_up_to_the_difference_of_scores_within_the_tolerance(relu) -> None:
    model, x, baseline, _ = relu
    found = pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baseline, tolerance=0.01)
    gap = found.values.sum(axis=1) - (found.score - found.baseline_score)
    assert (np.abs(gap) <= 0.01 * np.abs(found.values).sum(axis=1)).all()
    np.testing.assert_allclose(found.statistics["completeness_gap"], gap, atol=ROUNDING)
    np.testing.assert_allclose(found.baseline_score, np.full(150, model.predict(baseline[None])[0, 1]))


def test_a_baseline_per_sample_is_used_for_its_sample(relu) -> None:
    model, x, _, _ = relu
    baselines = np.random.default_rng(3).normal(size=x.shape)
    together = pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baselines)
    alone = pellucid.explain(model, x[7:8], "integrated_gradients", target=1, baseline=baselines[7])
    np.testing.assert_allclose(together.values[7], alone.values[0], rtol=1e-9)


def test_cost_counts_the_gradients_that_were_taken(relu) -> None:
    model, x, baseline, _ = relu
    taken = []
    plain = model.gradients

    class Counting(NumpyModel):
        def gradients(self, inputs, target, wrt=("input",)):
            taken.append(len(inputs))
            return plain(inputs, target, wrt)

    found = pellucid.explain(Counting(model.stack, (8,)), x, "integrated_gradients", target=1, baseline=baseline, tolerance=0.02)
    assert sum(taken) == found.cost.gradients.sum()


def test_a_short_budget_is_said_and_its_error_still_stated(relu) -> None:
    model, x, baseline, exact = relu
    found = pellucid.explain(model, x, "integrated_gradients", target=1, baseline=baseline, tolerance=1e-5, max_evaluations=15)
    assert set(found.outcome.codes) == {"budget_exhausted"}
    assert (found.cost.gradients <= 15).all()
    stated, true = found.statistics["relative_error"], relative(found.values, exact)
    assert 1 <= np.median(stated / true) <= 2, "a 95 % quantile lies above the median error, not far above"
    assert (true <= stated).mean() >= KEPT_AT_FIFTEEN_NODES


@pytest.mark.parametrize("settings", [{"rule": "simpson"}, {"steps": 8}, {"rule": "midpoint"}, {"rule": "midpoint", "steps": 1}])
def test_settings_that_do_not_fit_are_refused(settings: dict) -> None:
    with pytest.raises(SettingError):
        pellucid.explain(tanh_network(), np.zeros((1, 6)), "integrated_gradients", **settings)


def test_an_input_that_equals_its_baseline_has_nothing_to_explain(oracle: NumpyModel) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6))
    found = pellucid.explain(oracle, x, "integrated_gradients", baseline=np.stack([x[0], np.zeros(6)]))
    assert found.outcome.codes == ("nothing_to_explain", "converged")
    assert not found.values[0].any()


class Counting(NumpyModel):
    """Counts the inputs that it takes gradients at."""

    taken = 0

    def gradients(self, inputs, target, wrt=("input",)):
        self.taken += len(inputs)
        return super().gradients(inputs, target, wrt)


def task_of(model: NumpyModel, x: np.ndarray, baseline: np.ndarray, tolerance: float, state: dict | None = None) -> Task:
    target = resolve_target(1, "output", model.predict(x))
    return Task(model, x, target, model.scores(x, target), tolerance, 4095, 0, baseline=baseline[None], state=state or {})


@pytest.mark.parametrize(("loose", "tight"), [(0.05, 0.01), (0.1, 0.02), (0.5, 0.005)])
def test_going_on_is_going_through_and_takes_only_the_rest(relu, loose: float, tight: float) -> None:
    model, x, baseline, exact = relu
    counting = Counting(model.stack, (8,))
    first = IntegratedGradients().explain(task_of(counting, x, baseline, loose))
    already = counting.taken
    assert already == first.gradients.sum()
    going = IntegratedGradients().explain(task_of(counting, x, baseline, tight, dict(first.state)))
    assert counting.taken == going.gradients.sum(), "the earlier gradients are counted and were not taken again"
    assert counting.taken > already
    through = IntegratedGradients().explain(task_of(model, x, baseline, tight))
    same = going.gradients == through.gradients
    assert same.mean() > 0.25, "the test could not fail"
    np.testing.assert_allclose(going.values[same], through.values[same], rtol=1e-12, atol=1e-12)
    assert (relative(going.values, exact) <= tight).mean() >= KEPT


def test_going_on_to_a_tolerance_that_is_met_takes_nothing(relu) -> None:
    model, x, baseline, _ = relu
    counting = Counting(model.stack, (8,))
    first = IntegratedGradients().explain(task_of(counting, x, baseline, 0.02))
    already = counting.taken
    again = IntegratedGradients().explain(task_of(counting, x, baseline, 0.02, dict(first.state)))
    assert counting.taken == already
    assert again.values.tobytes() == first.values.tobytes()
    assert again.error.tobytes() == first.error.tobytes()


@pytest.mark.parametrize("smooth", [False, True])
def test_the_same_plan_in_two_goes_gives_the_same_bytes(relu, smooth: bool) -> None:
    model, x, baseline, _ = relu
    if smooth:
        model, x, baseline = tanh_network(), x[:, :6], baseline[:6]
    first = IntegratedGradients().explain(replace(task_of(model, x, baseline, 0.0), max_evaluations=16))
    state = {name: array.copy() for name, array in first.state.items()}
    going = IntegratedGradients().explain(replace(task_of(model, x, baseline, 0.0, state), max_evaluations=32))
    through = IntegratedGradients().explain(replace(task_of(model, x, baseline, 0.0), max_evaluations=32))
    for name in ("values", "error", "gradients", "degrees"):
        assert getattr(going, name).tobytes() == getattr(through, name).tobytes(), name
    for name, array in first.state.items():
        np.testing.assert_array_equal(array, state[name], err_msg=f"the state that was given is not written over: {name}")


def test_state_has_a_row_a_sample_and_can_be_stored(relu) -> None:
    model, x, baseline, _ = relu
    state = IntegratedGradients().explain(task_of(model, x, baseline, 0.02)).state
    assert all(len(array) == len(x) and array.dtype in (np.float64, np.int64) for array in state.values())
    assert not IntegratedGradients("midpoint", 16).explain(task_of(model, x, baseline, 0.02)).state


def test_small_chunks_give_the_same_values(relu, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, baseline, _ = relu
    whole = IntegratedGradients().explain(task_of(model, x, baseline, 0.02))
    monkeypatch.setattr(_nested, "FLOATS_AT_ONCE", 60)
    parts = IntegratedGradients().explain(task_of(model, x, baseline, 0.02))
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(parts.gradients, whole.gradients)


def test_a_smooth_network_is_not_charged_for_jumps_that_it_has_not() -> None:
    """Sixty inputs, so that what a change says is no chance: a sum of tanh units needs far fewer nodes than jumps of the same differences would."""
    generator = np.random.default_rng(5)
    stack = [Dense(generator.normal(size=(60, 40)) / 4, generator.normal(size=40), "tanh"), Dense(generator.normal(size=(40, 2)), np.zeros(2))]
    x, model = generator.normal(size=(40, 60)), NumpyModel(stack, (60,))
    exact = IntegratedGradients("gauss_legendre", 60).explain(task_of(model, x, np.zeros(60), 0.02)).values
    for tolerance, gradients in ((0.01, 15), (0.003, 40)):
        found = IntegratedGradients().explain(task_of(model, x, np.zeros(60), tolerance))
        assert (relative(found.values, exact) <= tolerance).mean() >= KEPT
        assert found.gradients.mean() <= gradients, "by differences alone it took 34 and 93"


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_completeness_dummies_and_implementation_invariance(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    model = relu_network(seed, (6, 10, 3))
    first, last = model.stack
    weights = first.weights.copy()
    weights[4] = 0
    order = generator.permutation(10)
    plain = NumpyModel([Dense(weights, first.bias, "relu"), last], (6,))
    other = NumpyModel([Dense(scale * weights[:, order], scale * first.bias[order], "relu"), Dense(last.weights[order] / scale, last.bias)], (6,))
    x, baseline = generator.normal(size=(2, 6)), generator.normal(size=6)
    one, same = (pellucid.explain(network, x, "integrated_gradients", target=1, baseline=baseline) for network in (plain, other))
    np.testing.assert_allclose(same.values, one.values, rtol=1e-8, atol=1e-10)
    assert not one.values[:, 4].any()
    gap = np.abs(one.values.sum(axis=1) - (one.score - one.baseline_score))
    assert (gap <= 0.02 * np.abs(one.values).sum(axis=1) + ROUNDING).all()
