"""Which weights of a PyTorch module are shown, and that nothing else of it changes while they are replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt
from pellucid.core.model import Model

torch = pytest.importorskip("torch")
nn = torch.nn

from test_torch_module import seeded  # noqa: E402 - it needs torch


def met(module: Any, *shape: int) -> tuple[Model, np.ndarray]:
    model, x = adapt(module), np.random.default_rng(3).random((3, *shape)).astype(np.float32)
    model.meet(x)
    return model, x


def shapes(model: Model) -> dict[str, list[tuple[int, ...]]]:
    return {name: [array.shape for array in arrays] for name, arrays in model.weights().items()}


def test_batch_normalisation_shows_what_training_changes_and_no_statistics() -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 3)))
    model, _ = met(module, 1, 8, 8)
    assert shapes(model) == {"0": [(2, 1, 3, 3), (2,)], "1": [(2,), (2,)], "4": [(3, 72), (3,)]}
    before = module[1].running_var.clone()
    with model.replaced_weights({"1": [np.zeros(2), np.zeros(2)]}):
        assert module[1].weight.tolist() == [0, 0]
    assert torch.equal(module[1].running_var, before)
    assert module[1].weight.tolist() == [1, 1]


def test_frozen_parameters_gradients_mode_and_optimizer_stay() -> None:
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)))
    module[0].weight.requires_grad_(False)
    optimizer = torch.optim.Adam([one for one in module.parameters() if one.requires_grad])
    module.train()
    module(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    model, x = met(module, 4)

    def all_of() -> list[Any]:
        kept = [moment.clone() for state in optimizer.state.values() for moment in state.values()]
        return [*kept, *(one.detach().clone() for one in module.parameters()), *(one.grad.clone() for one in module.parameters() if one.grad is not None)]

    before, places = all_of(), [one.data_ptr() for one in module.parameters()]
    assert shapes(model) == {"0": [(5, 4), (5,)], "2": [(2, 5), (2,)]}
    with model.replaced_weights({"0": [np.zeros((5, 4)), np.zeros(5)]}) as other:
        assert np.ptp(other.predict(x), axis=0).max() == 0.0
        assert [one.requires_grad for one in module.parameters()] == [False, True, True, True]
        assert module.training
    assert all(torch.equal(now, then) for now, then in zip(all_of(), before, strict=True))
    assert [one.data_ptr() for one in module.parameters()] == places
    assert [one.requires_grad for one in module.parameters()] == [False, True, True, True]


def test_a_backward_pass_that_is_still_to_come_is_not_disturbed() -> None:
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)))
    model, x = met(module, 4)
    data = torch.tensor(x)
    module(data).sum().backward()
    wanted = [one.grad.clone() for one in module.parameters()]
    module.zero_grad()
    loss = module(data).sum()
    with model.replaced_weights({"2": [np.zeros((2, 5)), np.zeros(2)]}) as other:
        other.predict(x)
    loss.backward()
    assert all(torch.equal(one.grad, want) for one, want in zip(module.parameters(), wanted, strict=True))


class Tied(nn.Module):  # type: ignore[misc]
    """A parameter of its own, one that two layers share, one behind a normalisation, and a recurrent layer; called in another order than written."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4, bias=False)
        self.first = nn.Linear(4, 4, bias=False)
        self.last.weight = self.first.weight
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.recurrent = nn.GRU(4, 4, batch_first=True, bidirectional=True)
        self.token = nn.Parameter(torch.ones(4))
        self.register_buffer("table", torch.ones(4))
        self.out = nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        x = self.normed(torch.tanh(self.first(x + self.token))) * self.table
        return self.out(self.recurrent(self.last(x))[0][:, -1])


def test_own_shared_normalised_and_recurrent_parameters() -> None:
    module = seeded(Tied)
    model, x = met(module, 3, 4)
    found = shapes(model)
    assert list(found) == ["tied", "first", "normed", "recurrent", "out"]
    assert found["tied"] == [(4,)]
    assert found["first"] == [(4, 4)]
    assert sorted(found["normed"]) == [(4,), (4, 1), (4, 4)]
    assert len(found["recurrent"]) == 8
    assert sum(len(arrays) for arrays in found.values()) == len(list(module.parameters()))
    before, state = model.predict(x), {name: value.clone() for name, value in module.state_dict().items()}
    for name, own in found.items():
        with model.replaced_weights({name: [np.full(shape, 0.3) for shape in own]}) as other:
            assert np.abs(other.predict(x) - before).max() > 1e-4, name
        assert np.array_equal(model.predict(x), before)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_nested_layers_by_their_path_before_and_after_data_is_met() -> None:
    module = seeded(lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Linear(3, 2)))
    model = adapt(module)
    assert list(model.weights()) == ["0.0", "1"]
    model.meet(np.zeros((1, 4), np.float32))
    assert list(model.weights()) == ["0.0", "1"]
    assert shapes(adapt(nn.Linear(4, 2))) == {"linear": [(2, 4), (2,)]}


def test_numbers_of_another_width_come_back_as_they_were() -> None:
    for dtype, shown in ((torch.bfloat16, np.float32), (torch.float64, np.float64)):
        module = seeded(lambda dtype=dtype: nn.Linear(4, 2).to(dtype))
        model, _ = met(module, 4)
        before = module.weight.detach().clone()
        assert model.weights()["linear"][0].dtype == shown
        with model.replaced_weights({"linear": [np.full((2, 4), 1.001), np.zeros(2)]}):
            assert module.weight.dtype == dtype
            assert not torch.equal(module.weight, before)
        assert torch.equal(module.weight, before)


def test_parts_of_torchscript_have_weights_too(tmp_path: Any) -> None:
    traced = torch.jit.trace(seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))).eval(), torch.ones(2, 4))
    model, x = met(traced, 4)
    before = model.predict(x)
    assert shapes(model) == {"0": [(3, 4), (3,)], "2": [(2, 3), (2,)]}
    with model.replaced_weights({"2": [np.zeros((2, 3)), np.ones(2)]}) as other:
        assert np.array_equal(other.predict(x), np.ones((3, 2), np.float32))
    assert np.array_equal(model.predict(x), before)
