"""Every architecture on every framework that can express it: the contract held, and what cannot be served named by one error."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_grid import mask_rows, path_rows

import pellucid
from architectures import CASES, Case
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT, Layer, Model
from pellucid.core.target import Target, resolve_target

FLOAT32 = 2e-5
"""Relative difference that float32 and another order of additions explain."""
FRAMEWORKS = {"torch": "architectures_torch", "keras": "architectures_keras"}


@dataclass
class Net:
    """A network of the grid, bare and adapted, with the module that knows how to run it without Pellucid."""

    name: str
    framework: str
    case: Case
    own: Any
    network: Any
    model: Model
    inputs: np.ndarray

    @property
    def close(self) -> float:
        return self.case.loose or FLOAT32

    def alike(self, found: Any, wanted: Any, factor: float = 1.0) -> None:
        """Equal within what the network's own precision explains, as a part of the largest number."""
        wanted = np.asarray(wanted)
        assert np.shape(found) == wanted.shape
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, wanted, rtol=factor * self.close, atol=factor * self.close * max(float(np.abs(wanted).max()), 1e-6))

    def target(self, score: str | None = None) -> Target:
        traits = self.model.traits
        score = score or ("logit" if traits.head else "output")
        outputs = self.model.predict(self.inputs, logits=score == "logit")
        return resolve_target(self.case.named(self.framework), score, outputs, head=traits.head, class_axis=traits.class_axis)

    def words(self, check: str) -> str:
        """How the error begins by which a check is refused; empty where it is served."""
        return self.case.refused.get(f"{self.framework}: {check}", self.case.refused.get(check, ""))

    @property
    def asked(self) -> Any:
        target = self.case.named(self.framework)
        return {self.case.output: target} if self.case.output else target


QUICK = ("functional", "several outputs", "embedding")
"""Keras's graphs take seconds to be traced; the fast run holds these few, `make test` all."""


def expressed(framework: str, name: str) -> bool:
    """Whether the framework has this architecture: the file that builds them is read, not run."""
    return f'"{name}":' in (Path(__file__).parent.parent / f"{FRAMEWORKS[framework]}.py").read_text(encoding="utf-8")


NAMES = [
    pytest.param((framework, name), id=f"{framework}-{name}", marks=[pytest.mark.slow] if framework == "keras" and name not in QUICK else [])
    for framework in FRAMEWORKS
    for name in CASES
    if expressed(framework, name)
]


def test_the_grid_holds_every_architecture_that_is_built() -> None:
    for framework, home in FRAMEWORKS.items():
        pytest.importorskip(framework)
        assert set(importlib.import_module(home).NETWORKS) == {name for name in CASES if expressed(framework, name)}


@pytest.fixture(scope="module", params=NAMES)
def net(request: pytest.FixtureRequest) -> Net:
    framework, name = request.param
    pytest.importorskip(framework)
    own = importlib.import_module(FRAMEWORKS[framework])
    case = CASES[name]
    network = own.build(name)
    inputs = case.inputs(framework)
    model = adapt(network)
    model = model.reading(case.output) if case.output else model
    model.meet(inputs)
    return Net(name, framework, case, own, network, model, inputs)


def groups(inputs: np.ndarray) -> np.ndarray:
    """Five features, each spread over the whole input."""
    return np.arange(int(np.prod(inputs.shape[1:]))).reshape(inputs.shape[1:]) % 5


def refused(net: Net, check: str, run: Callable[[], Any]) -> bool:
    """Whether the grid says that this check is refused; it is then held to the error's words."""
    words = net.words(check)
    if not words:
        return False
    with pytest.raises(errors.PellucidError, match=words):
        run()
    return True


def test_predictions_are_the_networks_own(net: Net) -> None:
    net.alike(net.model.predict(net.inputs), net.own.bare(net.network, net.inputs, net.case.output))
    traits = net.model.traits
    if traits.head:
        z = net.model.predict(net.inputs, logits=True).astype(np.float64)
        axis = traits.class_axis + (traits.class_axis >= 0)
        soft = np.exp(z - z.max(axis, keepdims=True)) / np.exp(z - z.max(axis, keepdims=True)).sum(axis, keepdims=True)
        again = {"softmax": soft, "log_softmax": np.log(soft), "sigmoid": 1 / (1 + np.exp(-z))}[traits.head]
        net.alike(again, net.model.predict(net.inputs))


def test_gradients_are_the_networks_own(net: Net) -> None:
    if net.model.traits.tokens:
        with pytest.raises(errors.UnsupportedError, match="tokens, which have no gradient"):
            net.model.gradients(net.inputs, net.target())
        return
    weights = np.random.default_rng(0).normal(size=net.model.predict(net.inputs).shape).astype(np.float32)
    found = net.model.gradients(net.inputs, Target(weights, "output", ("",) * len(net.inputs)))
    net.alike(found.gradients[INPUT], net.own.slopes(net.network, net.inputs, weights, net.case.output), 2)
    net.alike(found.values[INPUT], net.inputs)
    assert np.abs(found.gradients[INPUT]).max() > 0


def test_gradients_at_the_logit_are_differences(net: Net) -> None:
    """Along random directions, of the scores on the host."""
    if net.model.traits.tokens or net.case.loose:
        return
    target, generator = net.target(), np.random.default_rng(1)
    found = net.model.gradients(net.inputs, target)
    net.alike(found.scores, net.model.scores(net.inputs, target))
    for _ in range(3):
        way = generator.normal(size=net.inputs.shape).astype(np.float32)
        step = 3e-4
        both = [net.model.scores(net.inputs + sign * step * way, target) for sign in (1, -1)]
        slope = (found.gradients[INPUT] * way).reshape(len(way), -1).sum(axis=1)
        np.testing.assert_allclose((both[0] - both[1]) / (2 * step), slope, rtol=2e-2, atol=5e-2 * max(np.abs(slope).max(), 1e-2))


def test_fused_masked_scores_are_the_plain_loop(net: Net) -> None:
    rows = mask_rows(net.inputs, per_sample=True, fills_per_sample=True, first=net.framework == "torch")
    if net.case.tokens:
        object.__setattr__(rows, "masks", (rows.masks > 0.5).astype(np.uint8))
        object.__setattr__(rows, "fills", np.round(rows.fills * (net.case.tokens - 1)))
    target = net.target()
    fused, plain = net.model.masked_scores(rows, target), Model.masked_scores(net.model, rows, target)
    net.alike(fused, plain)
    assert len(np.unique(plain)) > 3
    outputs = net.own.bare(net.network, rows.compose(slice(0, 4)), net.case.output)
    net.alike(net.model.predict(rows.compose(slice(0, 4))), outputs)


def test_fused_path_gradients_are_the_plain_loop(net: Net) -> None:
    if net.model.traits.tokens:
        with pytest.raises(errors.UnsupportedError, match="tokens, which have no gradient"):
            net.model.path_gradients(path_rows(net.inputs), net.target())
        return
    rows, target = path_rows(net.inputs), net.target()
    for fused, plain in zip(net.model.path_gradients(rows, target), Model.path_gradients(net.model, rows, target), strict=True):
        net.alike(fused, plain, 5)
        assert np.abs(plain).max() > 0


def test_every_layer_can_be_read(net: Net) -> None:
    layers = net.model.layers()
    assert layers
    assert len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        if refused(net, f"read {layer.name}", lambda layer=layer: net.model.activations(net.inputs, [layer.name])):
            continue
        values = net.model.activations(net.inputs, [layer.name])[layer.name]
        assert len(values) == len(net.inputs)
        assert layer.shape is None or values.shape[1:] == layer.shape
        assert np.isfinite(values).all()
    together = [layer.name for layer in layers if not net.words(f"read {layer.name}")]
    assert net.model.activations(net.inputs, together).keys() == set(together)


def some(net: Net) -> list[Layer]:
    """All layers but the last; of Keras, whose backends compile for each, the first, one in the middle, and what is refused."""
    known = list(net.model.layers()[:-1])
    if net.framework != "keras":
        return known
    return [layer for i, layer in enumerate(known) if i in (0, len(known) // 2) or net.words(f"layer {layer.name}")]


def test_gradients_at_layers_are_those_of_the_network_above(net: Net) -> None:
    """Of the put-in output of the layer, by differences."""
    target, served = net.target(), 0
    for layer in some(net):
        if refused(net, f"layer {layer.name}", lambda layer=layer: net.model.gradients(net.inputs, target, (layer.name,))):
            continue
        found = net.model.gradients(net.inputs[:1], target.take(np.array([0])), (layer.name,))
        value, gradient = found.values[layer.name], found.gradients[layer.name]
        assert value.shape == gradient.shape
        try:
            above = net.model.above(layer.name, net.inputs[:1])
        except errors.UnsupportedError as error:
            assert re.search(net.words(f"above {layer.name}") or "is the last one", str(error))  # noqa: PT017
            continue
        served += 1
        if net.case.loose:
            continue
        way = np.random.default_rng(2).normal(size=value.shape).astype(np.float32)
        step = 3e-4
        both = [above.scores(value + sign * step * way, target.take(np.array([0]))) for sign in (1, -1)]
        slope = float((gradient * way).sum())
        np.testing.assert_allclose((both[0] - both[1]) / (2 * step), slope, rtol=2e-2, atol=2e-2 * max(abs(slope), 1e-2))
    assert served or any("layer " in check for check in net.case.refused)


def test_integrated_gradients_add_up(net: Net) -> None:
    if refused(net, "gradients", lambda: pellucid.explain(net.network, net.inputs, "integrated_gradients", target=net.asked)):
        return
    found = pellucid.explain(net.network, net.inputs, "integrated_gradients", target=net.asked, tolerance=max(0.02, net.case.loose))
    shape = net.inputs.shape
    assert found.values.shape == found.to_input().shape == shape
    gap = found.values.reshape(shape[0], -1).sum(axis=1) - (found.score - found.baseline_score)
    sizes = np.abs(found.values).reshape(shape[0], -1).sum(axis=1)
    if net.case.jumps:  # not continuous where the path begins
        assert not any(outcome.ok for outcome in found.outcome)
        return
    assert (np.abs(gap) <= max(0.05, net.case.loose) * sizes + 1e-5).all()
    assert sizes.min() > 0


def test_shapley_values_add_up(net: Net) -> None:
    found = pellucid.explain(net.network, net.inputs, "exact_shap", target=net.asked, features=groups(net.inputs), fill=1 if net.case.tokens else 0)
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-5 + net.case.loose * np.abs(found.values).max())


def test_the_network_is_left_as_it_was(net: Net) -> None:
    before, features = net.own.snapshot(net.network), groups(net.inputs)
    masked = {"max_evaluations": 100, "features": features, "fill": 1}
    for method, options in (("lime", masked),) if "gradients" in net.case.refused else (("saliency", {}), ("lime", masked)):
        pellucid.explain(net.network, net.inputs[:2], method, target=net.asked, **options)
    pellucid.visualize(net.network, net.inputs[:2], "activation_map") if not net.case.output else None
    assert net.own.unchanged(before, net.own.snapshot(net.network))
