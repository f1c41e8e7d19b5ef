"""A recorder in the loops that people write: several optimizers, gradients cleared too early, steps nobody tells of, what is no probe and no callback."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import SettingError

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.once

SAMPLES, BATCH = 48, 12


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def data() -> Any:
    torch.manual_seed(1)
    return torch.randn(SAMPLES, 6), torch.arange(SAMPLES) % 3


def losses(module: Any) -> Any:
    x, y = data()
    for start in range(0, SAMPLES, BATCH):
        yield nn.functional.cross_entropy(module(x[start : start + BATCH]), y[start : start + BATCH])


def test_several_optimizers_tell_each_of_the_weights_they_move() -> None:
    module = network()
    often, seldom = torch.optim.SGD(module[0].parameters(), 0.1), torch.optim.SGD(module[2].parameters(), 0.01)
    norms: dict[str, list[float]] = {"0": [], "2": []}
    with pellucid.Recorder(module, data()[0][:8], optimizer=[often, seldom]) as recorder:
        for step, loss in enumerate(losses(module)):
            loss.backward()
            for name, optimizer in (("0", often), ("2", seldom))[: 1 if step % 2 else 2]:
                norms[name].append(float(torch.cat([one.grad.ravel() for one in module[int(name)].parameters()]).norm()))
                optimizer.step()
            module.zero_grad()
        recorder.epoch()
    for name, wanted in norms.items():
        assert recorder.view.details[name]["gradient_norm"][1] == pytest.approx(np.mean(wanted), rel=1e-5)
    curves = recorder.view.details["network"]
    assert curves["learning_rate"][1] == pytest.approx(0.1)
    assert curves["step"].tolist() == [0, 4]  # nobody called step(); the optimizers tell
    assert not often._optimizer_step_post_hooks
    assert not seldom._optimizer_step_post_hooks


def test_steps_that_an_optimizer_told_of_are_kept_when_the_epoch_is_told_after_the_block() -> None:
    module = network()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    recorder = pellucid.Recorder(module, data()[0][:8], optimizer=optimizer)
    for _ in range(2):
        with recorder:
            for loss in losses(module):
                loss.backward()
                optimizer.step()
        recorder.epoch()
    assert recorder.view.details["network"]["step"].tolist() == [0, 4, 8]


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_were_cleared_too_early_are_warned_of_once(to_none: bool) -> None:
    module = network()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    with warnings.catch_warnings(record=True) as caught, pellucid.Recorder(module, data()[0][:8]) as recorder:
        warnings.simplefilter("always")
        for _ in range(2):
            for loss in losses(module):
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=to_none)
                recorder.step(loss)
            recorder.epoch()
    assert ["before gradients are cleared" in str(one.message) for one in caught] == [True]


def test_an_optimizer_that_makes_no_step_is_warned_of() -> None:
    module = network()
    optimizer, other = torch.optim.SGD(module.parameters(), 0.1), torch.optim.SGD(module.parameters(), 0.1)
    with pellucid.Recorder(module, data()[0][:8], optimizer=other) as recorder:
        for loss in losses(module):
            loss.backward()
            optimizer.step()
            recorder.step(loss)
        with pytest.warns(UserWarning, match="has made no step"):
            recorder.epoch()


def test_accumulated_gradients_and_losses_with_a_graph_are_taken_without_a_warning() -> None:
    module = network()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    with pellucid.Recorder(module, data()[0][:8], optimizer=optimizer, every=1) as recorder:  # warnings are errors here
        for step, loss in enumerate(losses(module)):
            (loss / 2).backward()
            if step % 2:
                wanted = float(torch.cat([one.grad.ravel() for one in module[0].parameters()]).norm())
                optimizer.step()
                optimizer.zero_grad()
            recorder.step(loss)
        recorder.epoch(loss=loss, val_loss=loss)
    found = recorder.view.details
    assert found["0"]["gradient_norm"][-1] == pytest.approx(wanted, rel=1e-5)
    assert found["network"]["val_loss"][-1] == found["network"]["loss"][-1] == pytest.approx(loss.item())


def test_a_loader_is_no_probe_and_a_recorder_no_callback() -> None:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=8)
    with pytest.raises(SettingError, match=r"the probe is a DataLoader.*the first batch"):
        pellucid.Recorder(network(), loader).begin()
    with pytest.raises(AttributeError, match=r"callbacks=\[recorder\.callback\(\)\]"):
        _ = pellucid.Recorder(network(), data()[0][:8]).set_model
    with pytest.raises(AttributeError, match="has no 'wiew'"):
        _ = pellucid.Recorder(network(), data()[0][:8]).wiew


def test_units_are_not_told_of_once_weights_are_no_numbers() -> None:
    module = network()
    with pellucid.Recorder(module, data()[0][:8]) as recorder:
        with torch.no_grad():
            module[0].weight.fill_(float("nan"))
            module[0].bias[0] = -1e9
        recorder.epoch(loss=float("nan"))
    assert {finding.code for finding in recorder.view.findings} == {"loss not finite", "weights not finite"}
