"""Layers of a PyTorch module are read without copies, and still as they were when the layer gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt

torch = pytest.importorskip("torch")
nn = torch.nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


class Twice(nn.Module):
    """Gives twice its input, as a tensor of its own."""

    def forward(self, x: Any) -> Any:
        return 2 * x


class Uses(nn.Module):
    """A layer, then what is done with its output."""

    def __init__(self, then: Callable[[Any], Any], layer: Any = None) -> None:
        super().__init__()
        self.layer, self.then = layer or Twice(), then

    def forward(self, x: Any) -> Any:
        return self.then(self.layer(x))


def read(module: Any, x: np.ndarray = X, name: str = "layer", batch: int | None = None) -> np.ndarray:
    model = adapt(module.eval())
    if batch is not None:
        model.meet(x)
        model._own_batch_size = batch
    return model.activations(x, [name, "end"] if hasattr(module, "end") else [name])[name]


def then_more(change: Callable[[Any], Any]) -> Any:
    """A module that changes the layer's output in place, and is read further on too, so that it does not stop before."""
    module = Uses(lambda y: module.end(change(y)))
    module.end = nn.Identity()
    return module


CHANGES: dict[str, Callable[[Any], Any]] = {
    "activation": nn.ReLU(inplace=True),
    "sum": lambda y: y.add_(1),
    "part": lambda y: y[:, :1].mul_(0).sum() + y,
    "of a view": lambda y: y.flatten().zero_().reshape(y.shape),
    "of many samples alone": lambda y: y.zero_() if len(y) > 2 else y,
    "by one sample alone": lambda y: y.zero_() if len(y) == 1 else y,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("batch", [None, 2])
def test_what_is_written_over_later_is_read_as_it_was(name: str, batch: int | None) -> None:
    np.testing.assert_array_equal(read(then_more(CHANGES[name]), batch=batch), 2 * X)
    np.testing.assert_array_equal(read(then_more(CHANGES[name]), X[:1], batch=batch), 2 * X[:1])


def test_a_second_reading_does_not_try_again_and_is_the_same() -> None:
    module, calls = then_more(CHANGES["sum"]), []
    model = adapt(module)
    model.activations(X, ["layer", "end"])
    module.register_forward_pre_hook(lambda *_: calls.append(1))
    found = model.activations(X, ["layer", "end"])
    assert len(calls) == 1
    np.testing.assert_array_equal(found["layer"], 2 * X)
    np.testing.assert_array_equal(found["end"], 2 * X + 1)


class Remembers(nn.Module):
    """Adds up in place what it is given, and gives the sum itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = torch.zeros(1)

    def forward(self, x: Any) -> Any:
        self.sum = self.sum if self.sum.shape == x.shape else torch.zeros_like(x)
        return self.sum.add_(x)


def test_a_tensor_that_a_later_call_writes_over_is_a_copy() -> None:
    module = Uses(nn.Identity(), Remembers())
    model = adapt(module)
    first = model.activations(X, ["layer"])["layer"]
    before = first.copy()
    model.activations(X, ["layer"])
    module(torch.tensor(X))
    np.testing.assert_array_equal(first, before)


class GivesWeights(nn.Module):
    """Gives its weights, one row a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.ones(5, 3))

    def forward(self, x: Any) -> Any:
        return self.rows[: len(x)]


def test_weights_that_a_layer_gives_are_copied() -> None:
    module = Uses(lambda y: y + 0, GivesWeights())
    found = read(module)
    with torch.no_grad():
        module.layer.rows.zero_()
    assert (found == 1).all()


def test_batches_are_joined_as_one_batch_gives_them() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3))
    x = np.random.default_rng(1).normal(size=(7, 2, 9, 9)).astype(np.float32)
    whole, parts = (adapt(module) for _ in range(2))
    parts.meet(x)
    parts._own_batch_size = 2
    ours, theirs = (model.activations(x, ["0", "1", "2"]) for model in (whole, parts))
    for name, values in ours.items():
        np.testing.assert_allclose(theirs[name], values, atol=1e-6)
    plain = torch.nn.functional.conv2d(torch.tensor(x), module[0].weight, module[0].bias).detach().numpy()
    np.testing.assert_allclose(ours["0"], plain, atol=1e-5)
    assert (ours["0"] < 0).any()


def test_where_most_is_kept_all_samples_go_together_and_else_in_batches() -> None:
    module = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 2))
    model, x = adapt(module), np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    model.meet(x)
    model._own_batch_size = 4
    sizes: list[int] = []
    handle = module[0].register_forward_hook(lambda _part, _given, output: sizes.append(len(output)))
    every = model.activations(x, ["0", "1", "2"])
    assert sizes[-1] == 40
    sizes.clear()
    few = model.activations(x, ["2"])
    handle.remove()
    assert max(sizes) <= 8
    np.testing.assert_allclose(few["2"], every["2"], atol=1e-6)


def test_nothing_above_the_layers_that_are_read_runs() -> None:
    run: list[str] = []
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model = adapt(module)
    model.meet(X)
    handles = [module[i].register_forward_pre_hook(lambda *_, name=name: run.append(name)) for i, name in enumerate(("low", "middle", "top"))]
    model.activations(X, ["0", "1"])
    for handle in handles:
        handle.remove()
    assert "middle" in run
    assert "top" not in run
