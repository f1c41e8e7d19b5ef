"""Gradient flow: numbers by a slow twin, the same on every framework; planted faults by their names, healthy networks unflagged; streams, drawing, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, SeveralOutputsError, ShapeError, UnknownLayerError, UnsupportedError
from pellucid.core.loss import Loss, of_classes
from pellucid.core.view import View
from pellucid.store.file import from_bytes, to_bytes

Array = np.ndarray
LABELS = np.arange(40) % 3
X = np.random.default_rng(7).normal(size=(40, 6)).astype(np.float32)


def flow(model: Any, x: Any = X, labels: Any = LABELS, **settings: Any) -> View:
    return pellucid.visualize(model, x, "gradient_flow", labels=labels, progress=False, **settings)


def codes(view: View) -> list[tuple[str, str]]:
    return [(finding.code, finding.layer) for finding in view.findings]


def of_each(model: NumpyModel, loss: Loss) -> list[Array]:
    """The slow twin's data: each sample's own gradient of the first layer, in one line of numbers."""
    found = (model.weight_gradients(X[[i]], loss.unnamed(np.array([i])))["dense_0"] for i in range(len(X)))
    return [np.concatenate([array.ravel() for array in arrays]) for arrays in found]


def test_numbers_by_hand(oracle: NumpyModel) -> None:
    view = flow(oracle, batch=1, learning_rate=0.5)
    each = np.array(of_each(oracle, of_classes(LABELS, (3,), "cross_entropy", "softmax")))
    mean, weights = each.mean(axis=0), np.concatenate([array.ravel() for array in oracle.weights()["dense_0"]])
    found = {name: float(value) for name, value in view.details["dense_0"].items()}
    wanted = {
        "gradient_norm": np.linalg.norm(mean),
        "gradient_rms": np.sqrt(np.mean(mean**2)),
        "weight_norm": np.linalg.norm(weights),
        "weight_rms": np.sqrt(np.mean(weights**2)),
        "update_ratio": 0.5 * np.linalg.norm(mean) / np.linalg.norm(weights),
        "noise": np.sqrt(each.var(axis=0, ddof=1).sum() / len(X)),
        "share_without": np.mean(mean == 0),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
    kernel = oracle.weights()["dense_0"][0].size
    assert view.values["dense_0"] == pytest.approx([np.sqrt(np.mean(mean[:kernel] ** 2)), np.sqrt(np.mean(mean[kernel:] ** 2))])
    assert float(flow(oracle, batch=5).details["dense_0"]["noise"]) == pytest.approx(wanted["noise"], rel=0.5)  # of few batches: the same, less surely
    assert view.axes["dense_0"] == ("weight",)
    assert view.provenance["resolved"]["loss"] == "cross_entropy"


def test_the_gradient_with_respect_to_what_a_layer_gives_out(oracle: NumpyModel) -> None:
    loss = of_classes(LABELS, (3,), "cross_entropy", "softmax")
    step, outputs = 1e-6, oracle.activations(X, ["dense_0"])["dense_0"].astype(np.float64)
    above, slopes = oracle.above("dense_0", X[:1]), np.zeros_like(outputs)
    for unit in range(outputs.shape[1]):
        moved = np.zeros_like(outputs)
        moved[:, unit] = step
        slopes[:, unit] = (above.scores(outputs + moved, loss) - above.scores(outputs - moved, loss)) / (2 * step)
    found = flow(oracle, X[:20], LABELS[:20]).details["dense_0"]["activation_gradient_rms"]
    assert float(found) == pytest.approx(np.sqrt(np.mean(slopes[:20] ** 2)), rel=1e-5)


@pytest.mark.parametrize("name", ["keras_twin", "torch_mlp", "jax_mlp"])
def test_the_same_numbers_on_every_framework(name: str, oracle: NumpyModel, request: pytest.FixtureRequest) -> None:
    wanted, found = flow(oracle, samples=32, batch=8), flow(request.getfixturevalue(name), samples=32, batch=8)
    for want, have in zip(wanted.details.values(), found.details.values(), strict=True):  # torch has activations apart, JAX shows no layers
        quantities = [quantity for quantity in want if name == "keras_twin" or not quantity.startswith("activation")]
        np.testing.assert_allclose([float(have[one]) for one in quantities], [float(want[one]) for one in quantities], rtol=1e-4)
    assert found.provenance["resolved"]["loss of the first samples"] == pytest.approx(wanted.provenance["resolved"]["loss of the first samples"], rel=1e-5)


def test_a_stream_an_array_and_data_in_the_order_of_its_classes(oracle: NumpyModel) -> None:
    order = np.argsort(LABELS, kind="stable")
    whole = flow(oracle, X[order], LABELS[order], batch=8)
    streamed = flow(oracle, (part for part in np.split(X[order], 5)), LABELS[order], batch=8)
    for name in whole.values:
        assert np.array_equal(whole.values[name], streamed.values[name])
    mixed = flow(oracle, batch=8)
    noises = [float(view.details["dense_2"]["noise"]) for view in (whole, mixed)]
    assert noises[0] == pytest.approx(noises[1], rel=0.5)  # batches of one class each would give twice as much
    assert len(whole) == 0


def test_no_more_is_held_than_said(oracle: NumpyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.api import _data
    from pellucid.views import _truth

    monkeypatch.setattr(_truth, "MIXED", 10 * X[0].nbytes)
    monkeypatch.setattr(_data, "MOST_TOGETHER", 4)
    parts: list[int] = []

    def read() -> Iterator[Array]:
        for part in np.split(X, 10):
            parts.append(len(part))
            yield part

    seen: list[tuple[int, int]] = []
    own = oracle.weight_gradients

    def noted(inputs: Array, loss: Any) -> Any:
        seen.append((len(inputs), sum(parts)))
        return own(inputs, loss)

    monkeypatch.setattr(oracle, "weight_gradients", noted, raising=False)
    view = flow(oracle, read(), batch=8)
    assert sum(rows for rows, _ in seen) == 40
    assert max(read - done for done, (_, read) in zip(itertools.accumulate((rows for rows, _ in seen), initial=0), seen, strict=False)) <= 24
    assert {rows for rows, _ in seen[:-1]} == {8}
    monkeypatch.undo()
    np.testing.assert_allclose(view.values["dense_0"], flow(oracle, batch=8).values["dense_0"], rtol=1e-6)


def test_samples_are_drawn_by_the_seed(oracle: NumpyModel) -> None:
    first, again, other = (flow(oracle, samples=10, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.values["dense_0"], again.values["dense_0"])
    assert not np.array_equal(first.values["dense_0"], other.values["dense_0"])
    assert first.provenance["resolved"]["samples"] == 10


def test_regression_by_true_outputs_and_one_sigmoid() -> None:
    line = NumpyModel([Dense(np.array([[2.0], [0.0]]), np.zeros(1))], (2,))
    x, truth = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 3.0])
    view = flow(line, x, None, truth=truth)
    assert view.values["dense_0"] == pytest.approx([np.sqrt((1.0**2 + 3.0**2) / 2), 2.0])  # 2 (f − y) x / n = (1, −3); bias −2
    assert view.provenance["resolved"]["loss"] == "squared_error"
    assert view.provenance["settings"]["truth"] == "array of shape (2,)"
    with pytest.raises(ShapeError, match="truth has shape"):
        flow(line, x, None, truth=np.zeros((2, 3)))
    one = flow(NumpyModel([Dense(np.array([[2.0], [0.0]]), np.zeros(1))], (2,)), x, [0, 1])
    assert one.provenance["resolved"]["loss"] == "binary_cross_entropy"


@pytest.mark.once
def test_classes_at_every_place_and_one_of_several_outputs() -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Conv2d(1, 3, 3, padding=1)
    x = np.random.default_rng(0).normal(size=(4, 1, 5, 5)).astype(np.float32)
    truth = np.random.default_rng(1).integers(0, 3, (4, 5, 5))
    view = flow(module, x, None, truth=truth, loss="cross_entropy")
    total = torch.nn.functional.cross_entropy(module(torch.tensor(x)), torch.tensor(truth))
    wanted = [float(one.square().mean().sqrt()) for one in torch.autograd.grad(total, list(module.parameters()))]
    assert view.values["conv2d"] == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(ShapeError, match=r"truth=array \(samples, 3, 5, 5\)"):
        flow(module, x, [0, 1, 2, 0])

    class Two(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(6, 3), torch.nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            return {"one": self.first(x), "other": self.second(x)}

    with pytest.raises(SeveralOutputsError, match="output='one'"):
        flow(Two())
    read = flow(Two(), output="one")
    assert codes(read) == [("no gradient", "second")]


def test_chosen_layers_and_records(oracle: NumpyModel) -> None:
    view = flow(oracle, layers=["dense_1"], batch=8)
    assert list(view.values) == ["dense_1"]
    with pytest.raises(UnknownLayerError, match="dense_0"):
        flow(oracle, layers=["dense_9"])
    (back,) = from_bytes(to_bytes([view]))
    assert float(back.details["dense_1"]["noise"]) == float(view.details["dense_1"]["noise"])


def test_what_is_refused(oracle: NumpyModel) -> None:
    with pytest.raises(SettingError, match="needs the true classes"):
        flow(oracle, labels=None)
    with pytest.raises(UnsupportedError, match="black box does not show"):
        flow(adapt(lambda x: x[:, :3]))
    with pytest.raises(SettingError, match="above 0"):
        flow(oracle, batch=0)
    with pytest.raises(SettingError, match="holds 40 samples, and 39"):
        flow(oracle, (part for part in np.split(X, 2)), LABELS[:39])


# ---- planted --------------------------------------------------------------------------------------------------------


def torch_stack(activation: str, depth: int, scale: float = 1.0) -> Any:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts: list[Any] = []
        for i in range(depth):
            linear = torch.nn.Linear(6 if i == 0 else 32, 32)
            torch.nn.init.kaiming_normal_(linear.weight)
            parts += [linear, getattr(torch.nn, activation)()]
        module = torch.nn.Sequential(*parts, torch.nn.Linear(32, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= scale
    return module


@pytest.mark.once
def test_a_deep_sigmoid_network_vanishes_and_its_relu_twin_does_not() -> None:
    view = flow(torch_stack("Sigmoid", 8))
    assert codes(view) == [("vanishing gradient", "0")]
    assert view.findings[0].numbers["times"] > 1e3
    assert view.findings[0].numbers["each"] ** 8 == pytest.approx(view.findings[0].numbers["times"])
    assert "In 0 the gradient of a weight" in str(view.findings[0])
    for healthy in (torch_stack("ReLU", 8), torch_stack("Tanh", 8), torch_stack("Sigmoid", 1)):
        assert codes(flow(healthy)) == []


@pytest.mark.once
@pytest.mark.parametrize(("scale", "severity"), [(6.0, 1), (1e9, 2)])
def test_a_scaled_up_network_explodes(scale: float, severity: int) -> None:
    view = flow(torch_stack("ReLU", 6, scale))
    assert [code for code, _ in codes(view)] == ["exploding gradient"]
    assert view.findings[0].severity == severity


@pytest.mark.once
@pytest.mark.parametrize("separate", [True, False])
def test_a_dead_layer_by_its_name(separate: bool) -> None:
    if separate:
        module: Any = torch_stack("ReLU", 4)
        module[2].bias.data -= 1e3
        view = flow(module)
        dead, silent = "2", ["0", "2", "4"]
    else:
        stack = random_stack(1, (6, 8, 8, 8, 3))
        stack[1] = Dense(stack[1].weights, stack[1].bias - 1e3, "relu")
        view = flow(NumpyModel(stack, (6,), softmax=True))
        dead, silent = "dense_1", ["dense_0", "dense_1"]
    assert codes(view) == [("no gradient", dead)]
    assert "is dead" in str(view.findings[0])
    reached = [name for name, found in view.details.items() if float(found["gradient_norm"]) > 0]
    assert set(view.values) - set(reached) <= set(silent)
    assert dead not in reached


@pytest.mark.once
def test_a_layer_that_is_not_connected_and_an_output_that_is_saturated() -> None:
    torch = pytest.importorskip("torch")
    module = torch_stack("ReLU", 2)
    for name, parameter in module.named_parameters():
        parameter.data *= 0.0 if name == "2.weight" else 1.0
    assert codes(flow(module)) == [("no gradient", "0")]
    assert "what reads" in str(flow(module).findings[0]).lower()
    sure = torch.nn.Linear(6, 3)
    sure.bias.data = torch.tensor([1e4, 0.0, 0.0])
    view = flow(sure, labels=np.zeros(40, int))
    assert codes(view) == [("no gradient", "linear")]
    assert "saturated" in str(view.findings[0])


def test_weights_that_are_no_numbers() -> None:
    stack = random_stack(1, (6, 8, 3))
    stack[0].weights[0, :3] = np.nan
    view = flow(NumpyModel(stack, (6,), softmax=True))
    assert codes(view) == [("weights not finite", "dense_0")]
    assert "no number: 3" in str(view.findings[0])


@pytest.mark.slow
@pytest.mark.once
def test_networks_of_the_recipes_are_healthy() -> None:
    pytest.importorskip("tensorflow")
    from pellucid.recipes import NETWORKS

    generator = np.random.default_rng(0)
    tokens = generator.integers(1, 500, (32, 12)).astype(np.float32)
    cases: list[tuple[str, tuple[int, ...], Array, dict[str, Any]]] = [
        ("cnn", (28, 28, 1), generator.random((32, 28, 28, 1)), {}),
        ("resnet20", (32, 32, 3), generator.normal(size=(32, 32, 32, 3)), {}),
        ("transformer", (12,), tokens, {"vocabulary": 500, "blocks": 4}),
        ("bilstm", (12,), tokens, {"vocabulary": 500}),
        ("rnn", (28, 28), generator.random((32, 28, 28)), {}),
        ("mlp", (20,), generator.normal(size=(32, 20)), {}),
    ]
    for name, shape, x, more in cases:
        view = flow(NETWORKS.load(name)(shape, 3, **more), x.astype(np.float32), np.arange(32) % 3)
        assert codes(view) == [], name
