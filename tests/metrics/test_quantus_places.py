"""Quantus beside: the same definition in, the same number out; where it defines something else, what and why.

Where they part:

- `PointingGame` counts a hit if any of several equal maxima lies in the mask, so that a constant map always hits; here it is the share of them that do. With
  `weighted=True` Quantus raises, or rounds the weight to a boolean, since it writes shares into an array of booleans.
- `RelevanceMassAccuracy` divides signed sums where `abs=False`: with negative values it leaves [0, 1]. Arras et al. pool to positive relevance first, as
  `AttributionLocalisation` does and Pellucid too.
- `EffectiveComplexity` counts importances above a threshold, which is not the paper's definition; that number is `above=` here. Its normalisation divides by
  the largest value of the whole batch, so that a sample's count depends on its company; here it is the sample's own.
- `Completeness` says whether the sum is the change of the score to the last bit, which float32 never gives; here it is by how much it is not.
- `Sparseness` adds 1e-7 to every value before it sorts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import claims, inside

import pellucid
from pellucid.core.records import Explanation

quantus = pytest.importorskip("quantus")
torch = pytest.importorskip("torch")
SIDE = 8
PLACES = [(0, 0, 3, 4), (2, 2, 5, 6), (4, 1, 8, 3), (5, 5, 8, 8), (0, 6, 8, 8)]
MASKS = inside(PLACES, SIDE)[:, None]
DRAW = np.random.default_rng(0)
X = DRAW.random((5, 1, SIDE, SIDE)).astype(np.float32)
SIGNED = DRAW.normal(size=X.shape)
POSITIVE = np.abs(SIGNED)


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(108, 3)).eval()


def theirs(metric: Any, net: Any, values: np.ndarray, **more: Any) -> np.ndarray:
    with torch.no_grad():
        classes = net(torch.tensor(X)).argmax(dim=1).numpy()
    return np.array(metric(model=net, x_batch=X, y_batch=classes, a_batch=values.copy(), channel_first=True, **more), dtype=float)


def ours(net: Any, values: np.ndarray, metric: str, settings: dict[str, Any] | None = None) -> np.ndarray:
    record: Explanation = claims(net, X, values)
    return pellucid.evaluate(net, record, {metric: settings or {}}, truth=PLACES, draws=0)[metric].values


PLAIN = {"normalise": False, "disable_warnings": True}


def test_sparseness(net: Any) -> None:
    them = theirs(quantus.Sparseness(abs=True, **PLAIN), net, SIGNED)
    np.testing.assert_allclose(ours(net, SIGNED, "sparseness"), them, atol=1e-6)


def test_effective_complexity_above_a_threshold(net: Any) -> None:
    own = SIGNED / np.abs(SIGNED).max(axis=(1, 2, 3), keepdims=True)
    them = theirs(quantus.EffectiveComplexity(eps=0.2, abs=True, **PLAIN), net, own)
    np.testing.assert_array_equal(ours(net, SIGNED, "effective_complexity", {"above": 0.2}), them)
    assert (theirs(quantus.EffectiveComplexity(eps=0.2, abs=True, normalise=True, disable_warnings=True), net, SIGNED) != them).any()


def test_the_pointing_game(net: Any) -> None:
    them = theirs(quantus.PointingGame(abs=False, **PLAIN), net, SIGNED, s_batch=MASKS)
    np.testing.assert_array_equal(ours(net, SIGNED, "pointing_game"), them)
    assert 0 < them.mean() < 1
    tied = np.where(np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 2, 0.5, SIGNED.min(axis=(1, 2, 3), keepdims=True))
    assert (theirs(quantus.PointingGame(abs=False, **PLAIN), net, tied, s_batch=MASKS) == 1).all()
    np.testing.assert_allclose(ours(net, tied, "pointing_game"), (MASKS * (tied == 0.5)).sum(axis=(1, 2, 3)) / 32)


def test_relevance_mass(net: Any) -> None:
    them = theirs(quantus.RelevanceMassAccuracy(abs=False, **PLAIN), net, POSITIVE, s_batch=MASKS)
    np.testing.assert_allclose(ours(net, POSITIVE, "relevance_mass"), them, rtol=1e-6)
    positive_part = theirs(quantus.AttributionLocalisation(abs=False, positive_attributions=True, **PLAIN), net, SIGNED, s_batch=MASKS)
    np.testing.assert_allclose(ours(net, SIGNED, "relevance_mass"), positive_part, rtol=1e-6)
    signed = theirs(quantus.RelevanceMassAccuracy(abs=False, **PLAIN), net, SIGNED, s_batch=MASKS)
    assert ((signed < 0) | (signed > 1)).any()


def test_completeness(net: Any) -> None:
    made = pellucid.explain(net, X, "integrated_gradients", tolerance=0.001)
    settings = {"abs": False, **PLAIN, "perturb_baseline": "black"}
    assert not theirs(quantus.Completeness(**settings), net, made.values).all()
    change = pellucid.evaluate(net, made, "completeness")["completeness"].curves["change"]
    exact = made.values / made.values.reshape(5, -1).sum(axis=1).reshape(-1, 1, 1, 1)

    def nearly(difference: np.ndarray) -> np.ndarray:
        """Quantus asks for equality; through its output function it is shown what it would have to be."""
        np.testing.assert_allclose(difference, change, rtol=1e-4)
        return exact.reshape(5, -1).sum(axis=1)

    assert theirs(quantus.Completeness(output_func=nearly, **settings), net, exact).all()
    assert (pellucid.evaluate(net, made, "completeness")["completeness"].values < 0.02).all()
