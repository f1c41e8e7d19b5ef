"""A recorder around a loop of one's own: hooks come off, gradients are those of the steps, and the training stays the same to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import OutputError, SettingError

torch = pytest.importorskip("torch")
Array = np.ndarray
ROWS, BATCH = 64, 16


def module() -> Any:
    """Dropout and batch normalisation would show it if a recorder ran in the mode of training, or drew numbers."""
    torch.manual_seed(0)
    nn = torch.nn
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Dropout(0.3), nn.Linear(108, 4)]
    return nn.Sequential(*layers)


def data() -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    labels = np.arange(ROWS) % 4
    inputs = 0.3 * draw.random((ROWS, 1, 10, 10))
    for row, label in enumerate(labels):
        inputs[row, 0, 2 * label : 2 * label + 3, 3:7] += 1
    return torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels)


class Run:
    """A training, step by step, that keeps what it saw itself."""

    def __init__(self, rate: float = 0.01) -> None:
        self.module, (self.inputs, self.labels) = module(), data()
        self.optimizer = torch.optim.Adam(self.module.parameters(), rate)
        self.losses: list[list[float]] = []
        self.norms: list[list[float]] = []
        torch.manual_seed(1)

    def epoch(self, recorder: Any = None, *, told: bool = True) -> None:
        self.losses.append([])
        self.norms.append([])
        for start in range(0, ROWS, BATCH):
            self.optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.module(self.inputs[start : start + BATCH]), self.labels[start : start + BATCH])
            loss.backward()
            self.optimizer.step()
            if recorder is not None and told:
                recorder.step(loss)
            self.losses[-1].append(loss.item())
            self.norms[-1].append(float(torch.cat([one.grad.ravel() for one in self.module[0].parameters()]).norm()))
        if recorder is not None:
            recorder.epoch(val_loss=1.0, accuracy=0.5)

    @property
    def state(self) -> list[bytes]:
        return [tensor.numpy().tobytes() for tensor in self.module.state_dict().values()]


@pytest.fixture(scope="module")
def bare() -> list[bytes]:
    run = Run()
    for _ in range(3):
        run.epoch()
    return run.state


@pytest.mark.parametrize(("with_optimizer", "every"), [(True, None), (False, None), (True, 3)])
def test_training_is_the_same_to_the_byte_and_gradients_are_those_of_the_steps(bare: list[bytes], with_optimizer: bool, every: int | None) -> None:
    run = Run()
    with pellucid.Recorder(run.module, run.inputs[:12], optimizer=run.optimizer if with_optimizer else None, every=every) as recorder:
        for _ in range(3):
            run.epoch(recorder)
    assert run.state == bare
    curves, first = recorder.view.details["network"], recorder.view.details["0"]
    whole = np.isin(curves["epoch"], range(4))
    assert curves["loss"][whole][1:] == pytest.approx([np.mean(one) for one in run.losses], rel=1e-5)
    assert curves["val_loss"][whole].tolist()[1:] == [1, 1, 1]
    if every is None:
        assert first["gradient_norm"][1:] == pytest.approx([np.mean(one) for one in run.norms], rel=1e-4)
    else:
        assert curves["epoch"].tolist() == [0, 0.75, 1, 1.5, 2, 2.25, 3]
        assert first["gradient_norm"][1:3] == pytest.approx([np.mean(run.norms[0][:3]), run.norms[0][3]], rel=1e-4)
    assert ("learning_rate" in curves) == with_optimizer
    assert first["maps"].shape == (len(curves["epoch"]), 2, 8, 8, 4)
    assert np.array_equal(first["filters"][-1], run.module[0].weight.detach().numpy().transpose(2, 3, 1, 0))


def hooks(run: Run) -> int:
    return len(run.optimizer._optimizer_step_post_hooks) + sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in run.module.modules())


def test_hooks_come_off_also_after_an_error_and_what_there_is_is_kept(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "training.safetensors"
    recorder = pellucid.Recorder(run.module, run.inputs[:12], optimizer=run.optimizer, file=file)

    def broken_off() -> None:
        with recorder:
            run.epoch(recorder)
            assert hooks(run) == 1
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        broken_off()
    assert hooks(run) == 0
    assert run.module.training
    assert all(parameter.requires_grad for parameter in run.module.parameters())
    (saved,) = pellucid.load(file)
    assert saved.details["network"]["epoch"].tolist() == [0, 1]
    with recorder:  # going on is the same record
        run.epoch(recorder)
    assert hooks(run) == 0
    assert recorder.view.details["0"]["gradient_norm"][2] == pytest.approx(np.mean(run.norms[1]), rel=1e-4)


def test_the_same_training_gives_the_same_record(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run = Run()
        with pellucid.Recorder(run.module, run.inputs[:12], optimizer=run.optimizer, snapshots=True) as recorder:
            run.epoch(recorder)
        recorder.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_rate_far_too_high_is_told_of() -> None:
    run = Run()
    run.optimizer = torch.optim.SGD(run.module.parameters(), 100.0)
    with pellucid.Recorder(run.module, run.inputs[:12], optimizer=run.optimizer) as recorder:
        for _ in range(3):
            run.epoch(recorder)
    codes = {finding.code for finding in recorder.view.findings}
    assert codes & {"exploding updates", "loss not finite"}
    assert recorder.view.worst is not None
    assert recorder.view.worst.severity == 2


def fitted(labels: Any, *, epochs: int, rate: float, decay: float = 0.0) -> Any:
    """Forty samples of noise in fifty dimensions, as many held out, and a network wide enough to know them by heart."""
    torch.manual_seed(0)
    inputs = torch.randn(80, 50)
    truth = labels(inputs)
    network = torch.nn.Sequential(torch.nn.Linear(50, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimizer, loss_of = torch.optim.Adam(network.parameters(), rate, weight_decay=decay), torch.nn.functional.cross_entropy
    with pellucid.Recorder(network, inputs[40:], optimizer=optimizer, maps=()) as recorder:
        for _ in range(epochs):
            for start in range(0, 40, 8):
                optimizer.zero_grad()
                loss = loss_of(network(inputs[start : start + 8]), truth[start : start + 8])
                loss.backward()
                optimizer.step()
                recorder.step(loss)
            with torch.no_grad():
                recorder.epoch(val_loss=loss_of(network(inputs[40:]), truth[40:]))
    return recorder.view


def test_labels_at_random_are_overfitted() -> None:
    view = fitted(lambda inputs: torch.randint(0, 2, (len(inputs),)), epochs=25, rate=0.01)
    (finding,) = [finding for finding in view.findings if finding.code == "overfitting"]
    assert finding.numbers["high"] > finding.numbers["low"]
    assert finding.numbers["epoch"] <= 6
    assert "Overfitting since epoch" in str(finding)


def test_a_training_that_learns_what_holds_is_not_flagged() -> None:
    view = fitted(lambda inputs: (inputs[:, 0] > 0).long(), epochs=15, rate=0.002, decay=0.01)
    loss = view.details["network"]["loss"]
    assert loss[-1] < 0.6 * loss[1]
    assert view.findings == ()


def test_a_loop_of_its_own_needs_no_framework() -> None:
    weights, bias = np.eye(3), np.zeros(3)
    with pellucid.Recorder(NumpyModel([Dense(weights, bias, "relu")], (3,)), np.ones((4, 3)), maps=["dense_0"]) as recorder:
        for _ in range(2):
            weights *= 2
            recorder.epoch(loss=1.0)
    view = recorder.view
    assert view.values["dense_0"].tolist()[1:] == [1, 1]
    assert view.details["dense_0"]["mean"].tolist() == [1, 2, 4]
    assert view.details["dense_0"]["units"].shape == (3, 4, 3)


def test_what_cannot_be_recorded_is_said_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs a network and a probe"):
        pellucid.Recorder(module()).begin()
    with pytest.raises(SettingError, match="every is 0"):
        pellucid.Recorder(module(), every=0)
    with pytest.raises(SettingError, match="nothing was recorded"):
        _ = pellucid.Recorder(module(), data()[0][:4]).view
    with pytest.raises(SettingError, match="should end in"):
        pellucid.Recorder(file=tmp_path / "a.html")
    with pytest.raises(OutputError, match="cannot write"):
        pellucid.Recorder(file=tmp_path / "missing" / "a.safetensors")
    with pytest.raises(SettingError, match="channels 0 to 3"):
        pellucid.Recorder(module(), data()[0][:4], maps={"0": [4]}).begin()
    with pytest.raises(SettingError, match="lists of names"):
        pellucid.Recorder(maps="0")
    with pytest.raises(SettingError, match="is a str, expected a"):
        pellucid.Recorder(module(), data()[0][:4], optimizer="adam").begin()


def test_a_disk_that_is_full_is_warned_of_and_the_training_goes_on(tmp_path: Path) -> None:
    run = Run()
    folder = tmp_path / "gone"
    folder.mkdir()
    recorder = pellucid.Recorder(run.module, run.inputs[:12], file=folder / "a.safetensors")
    folder.rmdir()
    with pytest.warns(UserWarning, match="could not be written, and the training goes on"), recorder:
        run.epoch(recorder)
    assert len(recorder.view.details["network"]["epoch"]) == 2


def test_sparse_gradients_and_several_outputs_are_served() -> None:
    class Two(torch.nn.Module):
        """Two outputs of one embedding whose gradients are sparse."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.kind, self.size = torch.nn.Embedding(9, 4, sparse=True), torch.nn.Linear(4, 3), torch.nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            mean = self.words(x).mean(dim=1)
            return {"kind": self.kind(mean), "size": self.size(mean)}

    torch.manual_seed(0)
    network, tokens = Two(), torch.randint(0, 9, (12, 5))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with pellucid.Recorder(network, tokens, optimizer=optimizer) as recorder:
        optimizer.zero_grad()
        loss = network(tokens)["kind"].square().sum()
        loss.backward()
        expected = float(network.words.weight.grad.to_dense().norm())
        optimizer.step()
        recorder.step(loss)
        recorder.epoch()
    assert recorder.view.details["words"]["gradient_norm"][1] == pytest.approx(expected, rel=1e-5)
    assert recorder.view.details["size"]["gradient_norm"][1] == 0
