"""The path family beside Captum on one torch network: the same limits, within what each side's sampling allows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")
FLOAT32 = 1e-5
"""Of gradients and their sums in float32, relative to the largest."""
OFF = 1.5
"""Peer and package are each off their common limit; of the sum of two standard errors along many elements, the norm stays below this."""
SAMPLES = 4000

pytestmark = pytest.mark.filterwarnings("ignore::Warning:captum")


@pytest.fixture(scope="module")
def captum() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("captum.attr")


@pytest.fixture(scope="module")
def network() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(12, 24), torch.nn.ReLU(), torch.nn.Linear(24, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)).eval()


X = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
BACKGROUND = np.random.default_rng(1).normal(size=(9, 12)).astype(np.float32)


def off(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(values - other, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.parametrize("steps", [8, 50])
def test_gauss_legendre_integrated_gradients_are_captums(captum: Any, network: Any, steps: int) -> None:
    theirs = captum.IntegratedGradients(network).attribute(torch.from_numpy(X), target=1, n_steps=steps, method="gausslegendre").detach().numpy()
    ours = pellucid.explain(network, X, "integrated_gradients", target=1, rule="gauss_legendre", steps=steps)
    np.testing.assert_allclose(ours.values, theirs, atol=FLOAT32 * np.abs(theirs).max())


def test_nested_integrated_gradients_tend_to_captums_with_many_nodes(captum: Any, network: Any) -> None:
    theirs = captum.IntegratedGradients(network).attribute(torch.from_numpy(X), target=1, n_steps=2000, method="riemann_middle").detach().numpy()
    for tolerance in (0.05, 0.005):
        ours = pellucid.explain(network, X, "integrated_gradients", target=1, tolerance=tolerance)
        assert (np.abs(ours.values - theirs).sum(axis=1) <= tolerance * np.abs(theirs).sum(axis=1)).all()


@pytest.mark.parametrize(
    ("method", "kind", "tolerance"), [("smooth_grad", "smoothgrad", 0.02), ("square_grad", "smoothgrad_sq", 0.03), ("var_grad", "vargrad", 0.04)]
)
def test_gradients_under_noise_are_those_of_captums_noise_tunnel(captum: Any, network: Any, method: str, kind: str, tolerance: float) -> None:
    """Captum takes one σ for all samples; here it is a share of each sample's range, so that samples of one range are compared."""
    x = X / (X.max(axis=1, keepdims=True) - X.min(axis=1, keepdims=True))
    ours = pellucid.explain(network, x, method, target=1, noise=0.3, tolerance=tolerance, max_evaluations=10**6)
    assert set(ours.outcome.codes) == {"converged"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tunnel = captum.NoiseTunnel(captum.Saliency(network))
        found = tunnel.attribute(torch.from_numpy(x), nt_type=kind, nt_samples=SAMPLES, nt_samples_batch_size=500, stdevs=0.3, target=1, abs=False)
    theirs = found.detach().numpy()
    assert (off(ours.values, theirs) <= OFF * 2 * tolerance).all()
    other = {"smooth_grad": "square_grad", "square_grad": "var_grad", "var_grad": "square_grad"}[method]
    apart = pellucid.explain(network, x, other, target=1, noise=0.3, tolerance=0.1, max_evaluations=10**6).values
    assert (off(apart, theirs) > OFF * 2 * tolerance).any(), "the test could not fail"


def test_expected_gradients_are_captums_gradient_shap(captum: Any, network: Any) -> None:
    """Captum draws rows and places at random: its error with 20,000 draws is what the tolerance has to hold."""
    before = np.random.get_state()
    np.random.seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = captum.GradientShap(network).attribute(torch.from_numpy(X), torch.from_numpy(BACKGROUND), n_samples=20_000, stdevs=0.0, target=1)
    np.random.set_state(before)
    ours = pellucid.explain(network, X, "expected_gradients", target=1, background=BACKGROUND, tolerance=0.01, max_evaluations=10**6)
    rows = pellucid.explain(network, X, "integrated_gradients", target=1, baseline=BACKGROUND[0], tolerance=0.01)
    assert (off(ours.values, theirs.detach().numpy()) <= 0.05).all()
    assert (off(rows.values, theirs.detach().numpy()) > 0.05).all(), "the test could not fail"
