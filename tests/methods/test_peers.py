"""The same numbers as the packages people know, where those packages compute the same thing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pellucid
from pellucid.maths.coalitions import random_pairs
from pellucid.maths.regression import lime_kernel, weighted_regression

SAME_FIT = 1e-8
"""Two solvers of one regression, in float64."""
SAME_SHARES = 1e-6
"""shap's exact explainer sums in another order."""
KERNEL_SOLVER = 1e-4
"""shap's KernelExplainer solves its enumerated regression with a large finite weight for the ends."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(shap|lime|numba|sklearn|skimage|tqdm|slicer|IPython)"),
    pytest.mark.filterwarnings("ignore::FutureWarning:(shap|sklearn)"),
    pytest.mark.filterwarnings("ignore::Warning:tqdm"),
]


def bumpy(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x[:, 0] + x[:, 1] * x[:, 2]) + np.maximum(x[:, 3] * x[:, 4], 0) * x[:, 5] + np.sin(x[:, 6]) * x[:, 7]


@pytest.fixture(scope="module")
def shap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("shap")


@pytest.fixture(scope="module")
def lime_base():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("lime.lime_base")


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    """As the lime package draws them: the first one is full."""
    return np.concatenate([np.ones((1, 9), np.uint8), random_pairs(np.random.default_rng(0), 150, 9)[1:]])


def test_the_regression_gives_limes_weights_for_limes_masks(lime_base, masks: np.ndarray) -> None:
    pairwise_distances = pytest.importorskip("sklearn.metrics").pairwise_distances
    scores = np.random.default_rng(1).normal(size=len(masks)) + masks @ np.linspace(-2, 2, 9)
    distances = pairwise_distances(masks, masks[:1], metric="cosine").ravel()
    base = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), random_state=0)
    intercept, weights, r_squared, _ = base.explain_instance_with_data(masks, scores[:, None], distances, 0, 9, feature_selection="none")
    fit = weighted_regression(masks.astype(float), scores, lime_kernel(masks, 0.25), ridge=1.0)
    np.testing.assert_allclose(fit.coefficients, [dict(weights)[j] for j in range(9)], atol=SAME_FIT)
    assert fit.intercept == pytest.approx(intercept, abs=SAME_FIT)
    assert fit.r_squared == pytest.approx(r_squared, abs=SAME_FIT)


def test_the_kernel_is_that_of_limes_cosine_distance(masks: np.ndarray) -> None:
    from sklearn.metrics import pairwise_distances

    for width in (0.1, 0.25, 2.0):
        distances = pairwise_distances(masks, np.ones((1, 9)), metric="cosine").ravel()
        np.testing.assert_allclose(lime_kernel(masks, width), np.sqrt(np.exp(-(distances**2) / width**2)), atol=SAME_FIT)


def test_the_method_gives_limes_weights_for_the_masks_it_drew_itself(lime_base) -> None:
    """The whole method without its controls, its masks drawn again: the lime package fed with them gives the same weights."""
    from sklearn.metrics import pairwise_distances

    x = np.random.default_rng(2).normal(size=(1, 8)) + 2
    found = pellucid.explain(bumpy, x, "lime", target=0, fill=0, seed=4, ridge=1.0, tolerance=1.0, adjusted=False)
    drawn = random_pairs(np.random.default_rng((4, 0)), 128, 8)[: 2 * int(found.state["pairs"][0])]
    distances = pairwise_distances(drawn, np.ones((1, 8)), metric="cosine").ravel()
    base = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), random_state=0)
    _, weights, r_squared, _ = base.explain_instance_with_data(drawn, bumpy(drawn * x)[:, None], distances, 0, 8, feature_selection="none")
    np.testing.assert_allclose(found.values[0], [dict(weights)[j] for j in range(8)], atol=SAME_FIT)
    assert found.statistics["r_squared"][0] == pytest.approx(r_squared, abs=SAME_FIT)


@pytest.mark.parametrize("rows", [1, 6])
def test_exact_shares_are_those_of_shaps_exact_explainer(shap, rows: int) -> None:
    generator = np.random.default_rng(3)
    x, background = generator.normal(size=(3, 8)), generator.normal(size=(rows, 8))
    explainer = shap.ExactExplainer(bumpy, shap.maskers.Independent(background, max_samples=100))
    theirs = explainer(x)
    ours = pellucid.explain(bumpy, x, "exact_shap", target=0, background=background)
    np.testing.assert_allclose(ours.values, theirs.values, atol=SAME_SHARES)
    np.testing.assert_allclose(ours.baseline_score, theirs.base_values, atol=SAME_SHARES)


def test_exact_shares_are_those_of_shaps_kernel_explainer_over_all_coalitions(shap) -> None:
    generator = np.random.default_rng(4)
    x, background = generator.normal(size=(2, 8)), generator.normal(size=(5, 8))
    theirs = shap.KernelExplainer(bumpy, background).shap_values(x, nsamples=2**8, l1_reg=False, silent=True)
    ours = pellucid.explain(bumpy, x, "exact_shap", target=0, background=background)
    np.testing.assert_allclose(ours.values, theirs, atol=KERNEL_SOLVER)
