"""Quantus beside: the same networks, inputs and maps in, the same number out; where it defines something else, what and why.

Where they part:

- `MPRT` with `return_average_correlation` means over the unchanged network too, whose similarity is 1: of L layers it gives (1 + L · ours) / (L + 1).
- Its random networks are those of `reset_parameters`, every layer from the same seed; layers are counted as they were registered, not as they are called.
- `EfficientMPRT` counts bins by a rule over the whole batch, and takes for n the number of axes of a map and not of its values. With `n_bins` given the two
  agree.
- `MaxSensitivity` and `LocalLipschitzEstimate` agree given the same inputs; the latter's own inputs have normal noise of .1, and a small number stands in its
  denominator. Theirs count inputs whose prediction changes, as `same_prediction=False` does.
- `RelativeInputStability` gives NaN once any input changes the prediction, here such inputs do not count; its inputs are moved by amounts from .02 to .2, never
  down. It norms over channels last, which is the same number.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.metrics._draws import key_of
from pellucid.metrics.sanity._weights import random_weights

quantus = pytest.importorskip("quantus")
torch = pytest.importorskip("torch")
Array = np.ndarray
SIDE, SEED = 10, 3
X = np.random.default_rng(0).random((4, 1, SIDE, SIDE)).astype(np.float32)
PLAIN = {"normalise": False, "disable_warnings": True}
FLOAT32 = 1e-4


@pytest.fixture(scope="module")
def net() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = torch.nn.Conv2d(1, 3, 3), torch.nn.Softplus(), torch.nn.Flatten(), torch.nn.Linear(192, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
        return torch.nn.Sequential(*layers).eval()


def classes(net: Any) -> Array:
    with torch.no_grad():
        return net(torch.tensor(X)).argmax(dim=1).numpy()


def gradient(model: Any, inputs: Array, targets: Array, **_: Any) -> Array:
    x = torch.tensor(np.asarray(inputs, dtype=np.float32).reshape(-1, 1, SIDE, SIDE), requires_grad=True)
    model(x)[torch.arange(len(x)), torch.tensor(targets)].sum().backward()
    return x.grad.numpy()


def theirs(metric: Any, net: Any, **more: Any) -> Any:
    y = classes(net)
    found = metric(model=net, x_batch=X.copy(), y_batch=y, a_batch=gradient(net, X, y), channel_first=True, explain_func=gradient, **more)
    return found if isinstance(found, dict) else np.asarray(found, dtype=float)


def ours(net: Any, metric: str, **settings: Any) -> Any:
    explanation = pellucid.explain(net, X, "saliency", absolute=False)
    return pellucid.evaluate(net, explanation, {metric: settings}, seed=SEED)[metric]


@pytest.fixture
def same_networks(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantus is given the random networks that Pellucid draws, from the output down."""
    weights = pellucid.adapt(net, input_shape=(1, SIDE, SIDE)).weights()
    noise = random_weights(weights, "normal", SEED, 0)

    def generator(self: Any, order: str = "top_down", seed: int = 42) -> Iterator[tuple[str, Any]]:
        other = copy.deepcopy(net)
        for name in list(weights) if order == "bottom_up" else list(weights)[::-1]:
            with torch.no_grad():
                for parameter, array in zip(other.get_submodule(name).parameters(), noise[name], strict=True):
                    parameter.copy_(torch.tensor(array))
            yield name, other

    monkeypatch.setattr(quantus.helpers.model.pytorch_model.PyTorchModel, "get_random_layer_generator", generator)


@pytest.mark.usefixtures("same_networks")
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(("similarity", "function"), [("spearman", "correlation_spearman"), ("pearson", "correlation_pearson")])
def test_weight_randomisation(net: Any, absolute: bool, similarity: str, function: str) -> None:
    compare = getattr(quantus.similarity_func, function)
    for order, name in (("cascading", "top_down"), ("bottom_up", "bottom_up")):
        them = theirs(quantus.MPRT(similarity_func=compare, layer_order=name, abs=absolute, **PLAIN), net)
        us = ours(net, "weight_randomisation", order=order, similarity=similarity, absolute=absolute, draws=1)
        layers = us.settings["layers"]
        assert list(them) == ["original", *layers]
        np.testing.assert_allclose(us.curves["similarity"], np.array([them[layer] for layer in layers]).T, atol=FLOAT32)
        mean = theirs(quantus.MPRT(similarity_func=compare, layer_order=name, abs=absolute, return_average_correlation=True, **PLAIN), net)
        np.testing.assert_allclose(mean, (1 + len(layers) * us.values) / (len(layers) + 1), atol=FLOAT32)


@pytest.mark.usefixtures("same_networks")
@pytest.mark.parametrize("absolute", [True, False])
def test_efficient_randomisation(net: Any, absolute: bool) -> None:
    metric = quantus.EfficientMPRT(complexity_func=quantus.complexity_func.discrete_entropy, complexity_func_kwargs={"n_bins": 30}, abs=absolute, **PLAIN)
    them = theirs(metric, net)
    us = ours(net, "efficient_randomisation", bins=30, absolute=absolute, draws=1)
    np.testing.assert_allclose(us.values, them, atol=5e-3)  # a value at the edge of a bin may fall on either side in float32
    assert np.abs(us.values).min() > 0.02


def moved(draws: int, radius: float) -> Array:
    """The inputs that Pellucid draws, (draws, samples, pixels)."""

    class Trial:
        inputs, seed = X, SEED

    keys = [key_of(Trial(), i) for i in range(len(X))]  # type: ignore[arg-type]
    noise = [[np.random.default_rng((*key, k)).uniform(-1, 1, X.shape[1:]) for key in keys] for k in range(draws)]
    amounts = radius * np.ptp(X, axis=(1, 2, 3), keepdims=True)
    return (X + amounts * np.array(noise)).astype(np.float32).reshape(draws, len(X), -1)


def replay(draws: int, radius: float) -> Any:
    """Those inputs one draw after the other, in the place of Quantus's own."""
    waiting = iter(moved(draws, radius))
    return lambda arr, **_: next(waiting).copy()


@pytest.mark.parametrize(("metric", "peer"), [("max_sensitivity", "MaxSensitivity"), ("local_lipschitz", "LocalLipschitzEstimate")])
def test_largest_changes(net: Any, metric: str, peer: str) -> None:
    more = {"norm_numerator": quantus.similarity_func.distance_euclidean} if peer == "LocalLipschitzEstimate" else {}
    them = theirs(getattr(quantus, peer)(nr_samples=5, abs=False, perturb_func=replay(5, 0.1), **more, **PLAIN), net)
    us = ours(net, metric, draws=5, radius=0.1, same_prediction=False)
    np.testing.assert_allclose(us.values, them, rtol=1e-3)


def test_relative_input_stability(net: Any) -> None:
    them = theirs(quantus.RelativeInputStability(nr_samples=5, perturb_func=replay(5, 0.02), **PLAIN), net)
    us = ours(net, "relative_input_stability", draws=5, radius=0.02)
    kept = np.isfinite(them)
    assert kept.any()
    np.testing.assert_allclose(us.values[kept], them[kept], rtol=1e-3)
