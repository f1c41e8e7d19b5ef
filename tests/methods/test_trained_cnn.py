"""The proof on a trained network: the reference CNN and real held-out digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

pytestmark = pytest.mark.slow
AXES = (1, 2, 3)
DIGITS = slice(None, None, 20)
"""Fifty of the thousand held-out digits."""


@pytest.fixture(scope="module")
def truth(trained_cnn: tuple[Path, Any]) -> tuple[Any, np.ndarray, np.ndarray]:
    """The model, fifty digits and their attribution by 3000 nodes."""
    path, held_out = trained_cnn
    model, digits = pellucid.adapt(path), held_out.inputs[DIGITS]
    assert len(digits) == 50
    return model, digits, pellucid.explain(model, digits, "integrated_gradients", rule="midpoint", steps=3000, max_evaluations=3000).values


@pytest.mark.parametrize("tolerance", [0.05, 0.02, 0.01])
def test_integrated_gradients_keeps_its_tolerance(truth: tuple[Any, np.ndarray, np.ndarray], tolerance: float) -> None:
    """True relative L1 error within tolerance for 95 % of digits; not wasteful; intervals that cover."""
    model, digits, values = truth
    found = pellucid.explain(model, digits, "integrated_gradients", tolerance=tolerance)
    errors = np.abs(found.values - values)
    relative = errors.sum(AXES) / np.abs(values).sum(AXES)
    assert set(found.outcome.codes) == {"converged"}
    assert (relative <= tolerance).mean() >= 0.95
    assert np.median(relative) >= tolerance / 5
    if tolerance == 0.02:
        assert found.cost.gradients.mean() <= 24
    low, high = found.interval(0.95)
    told = values != 0
    covered = ((values >= low) & (values <= high))[told].mean()
    assert 0.92 <= covered <= 0.98
    ratio = np.median(np.sqrt(np.square(found.error).sum(AXES)) / np.sqrt(np.square(errors).sum(AXES)))
    assert 0.7 <= ratio <= 1.4


def test_a_digit_explained_alone_is_explained_the_same(truth: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, digits, _ = truth
    for method, settings in (("integrated_gradients", {}), ("smooth_grad", {}), ("lime", {}), ("shap", {"features": "patches:7"})):
        together = pellucid.explain(model, digits[:3], method, **settings)[1]
        alone = pellucid.explain(model, digits[1:2], method, **settings)
        np.testing.assert_allclose(alone.values, together.values, rtol=1e-3, atol=1e-4 * np.abs(alone.values).max(), err_msg=method)
        assert alone.cost.evaluations == together.cost.evaluations


def test_same_seed_same_bytes(truth: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, digits, _ = truth
    for method in ("integrated_gradients", "smooth_grad", "lime", "shap", "grad_cam"):
        first, again = (pellucid.explain(model, digits[:2], method, seed=3) for _ in range(2))
        assert first.values.tobytes() == again.values.tobytes(), method
        assert first.error.tobytes() == again.error.tobytes(), method
    other = pellucid.explain(model, digits[:2], "shap", seed=4)
    assert other.values.tobytes() != pellucid.explain(model, digits[:2], "shap", seed=3).values.tobytes()


def test_shap_keeps_its_tolerance_on_digits(truth: tuple[Any, np.ndarray, np.ndarray]) -> None:
    """Eight digits in ten patches or so: sampling against enumeration."""
    model, digits, _ = truth
    exact = pellucid.explain(model, digits[:8], "exact_shap", features="patches:7", max_evaluations=70_000)
    drawn = pellucid.explain(model, digits[:8], "permutation_shap", features="patches:7", tolerance=0.05)
    relative = np.linalg.norm(drawn.values - exact.values, axis=1) / np.linalg.norm(exact.values, axis=1)
    assert (relative <= 0.05).mean() >= 7 / 8
    gaps = drawn.values.sum(axis=1) - (drawn.score - drawn.baseline_score)
    assert np.abs(gaps).max() <= 1e-9 * np.abs(drawn.score).max()
    assert exact.error_kind == "exact"


def test_grad_cam_takes_the_last_convolution(trained_cnn: tuple[Path, Any]) -> None:
    path, held_out = trained_cnn
    found = pellucid.explain(path, held_out.inputs[:4], "grad_cam")
    assert found.provenance["resolved"] == {"layer": "conv2d_2"}
    named = pellucid.explain(path, held_out.inputs[:4], "grad_cam", layer="conv2d_1")
    assert named.values.shape == (4, 11, 11)


def test_the_reference_cnn_is_good_enough(trained_cnn: tuple[Path, Any]) -> None:
    path, held_out = trained_cnn
    accuracy = (pellucid.adapt(path).predict(held_out.inputs).argmax(axis=1) == held_out.labels).mean()
    assert accuracy >= 0.97
