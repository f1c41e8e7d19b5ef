"""What every metric keeps, on every kind of network and explanation: it measures or refuses with a reason, tells the same again, gives a sample alone what it
gets in company, and leaves the user's network as it was."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import pellucid
import two_inputs
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import PellucidError, UnsupportedError
from pellucid.core.evaluation import Evaluation
from pellucid.core.metric import GROUPS
from pellucid.core.records import Explanation
from pellucid.metrics import METRICS

Array = np.ndarray
ROUNDING = 2e-4
"""Of float32 networks whose batches are composed in another way, relative to the largest number."""
NEEDS = {"gradients", "weights", "truth", "again"}


@dataclass(frozen=True)
class Case:
    """A network by the fixture that makes it, or by itself; two samples; how they are explained; where the reason lies."""

    network: str | Callable[[], Any]
    x: Any
    method: str
    truth: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    frameworks: tuple[str, ...] = ()


DRAW = np.random.default_rng(0)
TABLE = DRAW.normal(size=(2, 6)).astype(np.float32)
IMAGES = DRAW.random((2, 12, 12, 1)).astype(np.float32)
FIRST = np.moveaxis(IMAGES, -1, 1).copy()
SERIES = DRAW.normal(size=(2, 12, 5)).astype(np.float32)
BOTH = two_inputs.samples(2)
WORDS = two_inputs.texts(2)
PADDED = np.stack([np.arange(144).reshape(12, 12) // 24, np.arange(144).reshape(12, 12) // 48])
"""Six features of the first image and three of the second."""
MIX = DRAW.normal(size=(6, 3))
BOX = (2, 3, 7, 9)
CASES = {
    "black box": Case(lambda: _black_box, TABLE, "shap", {0, 2}, {"background": DRAW.normal(size=(4, 6)).astype(np.float32)}),
    "black box, probabilities of one class": Case(lambda: _one_output, TABLE, "lime", {1}, {"features": "columns"}),
    "table": Case(lambda: NumpyModel(random_stack(0, (6, 8, 5, 3)), (6,), softmax=True), TABLE, "integrated_gradients", [True, False] * 3),
    "table, contrast": Case(lambda: NumpyModel(random_stack(0, (6, 8, 3)), (6,), softmax=True), TABLE, "exact_shap", {0}, {"target": ("0", "2")}),
    "images, NumPy": Case(lambda: NumpyModel(random_stack(1, (144, 8, 3)), (12, 12, 1), softmax=True), IMAGES, "smooth_grad", BOX, {"tolerance": 0.5}),
    "images, channels first": Case("torch_cnn", FIRST, "saliency", BOX, frameworks=("torch", "keras")),
    "images, Keras": Case("small_cnn", IMAGES, "integrated_gradients", BOX, {"tolerance": 0.2}, ("keras",)),
    "patches": Case("torch_cnn", FIRST, "feature_ablation", BOX, {"features": "patches:4"}, ("torch", "keras")),
    "features of each image": Case("torch_cnn", FIRST, "shap", BOX, {"features": PADDED[:, None], "tolerance": 0.5}, ("torch", "keras")),
    "Grad-CAM": Case("torch_cnn", FIRST, "grad_cam", BOX, frameworks=("torch", "keras")),
    "Grad-CAM, Keras": Case("small_cnn", IMAGES, "grad_cam", BOX, frameworks=("keras",)),
    "several inputs": Case(lambda: two_inputs.in_numpy, BOTH, "feature_ablation", {"image": (0, 0, 3, 3), "meta": {1}}, {"target": 0}),
    "several inputs, torch": Case(two_inputs.in_torch, two_inputs.first(BOTH), "integrated_gradients", {"meta": {1}}, {"tolerance": 0.2}, ("torch",)),
    "series": Case("torch_rnn", SERIES, "gradient_x_input", {3, 4}, frameworks=("torch", "keras")),
    "series, patches": Case("torch_rnn", SERIES, "lime", {3, 4}, {"features": "patches:3", "tolerance": 0.5}, ("torch", "keras")),
    "tokens": Case(lambda: EmbeddingModel.drawn(1, 6, 4, 8, "tanh"), WORDS["ids"] % 30, "integrated_gradients", {0, 5}, {"tolerance": 0.2}),
    "words and their mask": Case(two_inputs.words_in_torch, WORDS, "permutation_shap", {"ids": {0}}, {"tolerance": 0.5}, ("torch",)),
    "interactions": Case(lambda: _black_box, TABLE, "shapley_interactions", {0, 2}),
}


def _black_box(x: Array) -> Array:
    return np.tanh(x @ MIX)


def _one_output(x: Array) -> Array:
    return 1 / (1 + np.exp(-(x @ MIX[:, :1])))


@pytest.fixture(scope="module")
def explained() -> dict[str, tuple[Any, Explanation]]:
    """What has been explained so far."""
    return {}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, explained: dict[str, tuple[Any, Explanation]]) -> tuple[str, Any, Explanation]:
    name, one = request.param, CASES[request.param]
    for framework in one.frameworks:
        pytest.importorskip(framework)
    if name not in explained:
        network = request.getfixturevalue(one.network) if isinstance(one.network, str) else one.network()
        explained[name] = network, pellucid.explain(network, one.x, one.method, **{"seed": 1} | one.options)
    return name, *explained[name]


def state_of(network: Any) -> bytes:
    """The weights, the mode and the hooks of a network, and the states of all random generators."""
    parts = [np.random.get_state()[1].tobytes()]
    if hasattr(network, "state_dict"):
        torch = pytest.importorskip("torch")
        parts += [torch.get_rng_state().numpy().tobytes(), str(network.training).encode(), str(torch.is_grad_enabled()).encode()]
        parts += [tensor.detach().numpy().tobytes() + str(tensor.grad).encode() for tensor in network.parameters()]
        parts += [str(sum(len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules())).encode()]
    elif hasattr(network, "get_weights"):
        parts += [array.tobytes() for array in network.get_weights()] + [str([layer.trainable for layer in network.layers]).encode()]
    elif isinstance(network, NumpyModel):
        parts += [dense.weights.tobytes() + dense.bias.tobytes() for dense in network.stack]
    return b"".join(parts)


def measured(network: Any, explanation: Explanation, metric: str, truth: Any) -> Evaluation | str:
    """The evaluation, or why there is none."""
    try:
        return pellucid.evaluate(network, explanation, metric, truth=truth, draws=2, seed=3, progress=False)
    except UnsupportedError as error:
        return str(error)


@pytest.mark.parametrize("metric", METRICS.names())
def test_every_metric_measures_or_refuses(metric: str, case: tuple[str, Any, Explanation]) -> None:
    name, network, explanation = case
    before = state_of(network)
    whole = measured(network, explanation, metric, CASES[name].truth)
    assert state_of(network) == before, "the network, or a random state, is not as it was"
    if isinstance(whole, str):
        assert re.match(rf"metric '{metric}' cannot measure this explanation: it [a-z].*[^.]\.$", whole), whole
        return
    _check_shapes(whole, metric, len(explanation))
    alone, again = (measured(network, explanation[1:], metric, CASES[name].truth) for _ in range(2))
    assert isinstance(alone, Evaluation)
    assert isinstance(again, Evaluation)
    for part in ("values", "error", "chance"):
        one, other, together = (getattr(found[metric], part) for found in (alone, again, whole))
        assert one.tobytes() == other.tobytes(), f"{part} are not the same twice"
        reach = ROUNDING * max(np.nanmax(np.abs(together), initial=0.0, where=np.isfinite(together)), 0.1)
        np.testing.assert_allclose(one, together[1:], rtol=ROUNDING, atol=reach, err_msg=f"{part} of a sample alone")


def _check_shapes(found: Evaluation, metric: str, samples: int) -> None:
    score = found[metric]
    assert score.values.shape == score.error.shape == (samples,)
    assert score.values.dtype.kind == "f"
    assert score.chance.shape in ((samples, 2), (samples, 0))
    assert score.chance.shape[1] == 0 or METRICS.load(metric).by_chance
    assert (np.isnan(score.error) | (score.error >= 0)).all()
    assert (np.isfinite(score.values) | np.isnan(score.values)).all()
    assert score.evaluations.shape == score.gradients.shape == (samples,)
    assert (score.evaluations >= 0).all()
    assert (score.gradients <= score.evaluations).all()
    assert all(len(curve) == samples for curve in score.curves.values())
    assert repr(found)
    assert metric in found._repr_html_()


@pytest.mark.parametrize("metric", METRICS.names())
def test_what_every_metric_says_of_itself(metric: str) -> None:
    part = METRICS.load(metric)
    assert part.group in GROUPS
    assert METRICS.modules[metric] == f"pellucid.metrics.{part.group}.{metric}", "the folder is the group"
    assert part.better in ("", "lower", "higher")
    assert part.limits in ("", "similarity", "change")
    assert part.needs <= NEEDS
    assert part.title
    assert part.asks.endswith("?")
    assert re.search(r"(19|20)\d\d, (arXiv \d{4}\.\d{4,5}|doi:10\.)", part.citation), part.citation
    assert ">>> " in (inspect.getdoc(part) or ""), "no example"
    assert dataclasses.is_dataclass(part)
    assert part.__dataclass_params__.frozen
    assert part() == part()
    for setting in dataclasses.fields(part):
        assert isinstance(getattr(part(), setting.name), (int, float, str, bool, tuple, type(None))), setting.name
        assert setting.name in (inspect.getdoc(part) or ""), f"the docstring does not speak of {setting.name}"


@pytest.mark.parametrize("metric", METRICS.names())
def test_a_wrong_setting_is_an_error_of_our_own(metric: str) -> None:
    model = lambda x: x @ MIX  # noqa: E731
    explanation = pellucid.explain(model, TABLE, "feature_ablation")
    with pytest.raises(PellucidError, match=f"metric '{metric}'"):
        pellucid.evaluate(model, explanation, {metric: {"no_such_setting": 1}})


def test_every_case_is_measured_by_some_metric_and_every_metric_measures_some_case() -> None:
    """The grid could otherwise be all refusals."""
    tries = {name: one for name, one in CASES.items() if not one.frameworks}
    served: dict[str, int] = dict.fromkeys(METRICS, 0)
    for name, one in tries.items():
        network = one.network() if callable(one.network) else None
        explanation = pellucid.explain(network, one.x, one.method, **{"seed": 1} | one.options)
        found = [metric for metric in METRICS if not METRICS.load(metric)().refuses(pellucid.adapt(network), explanation)]
        assert len(found) > len(METRICS.names()) / 3, name
        for metric in found:
            served[metric] += 1
    assert [metric for metric, count in served.items() if not count] == ["random_label"], "which measures nothing without another network"
