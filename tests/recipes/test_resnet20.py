"""ResNet-20: the network of the paper, and PyTorch's weights in it, which must answer as PyTorch does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import DataNotFoundError, MissingExtraError, ModelError, ShapeError
from pellucid.recipes import NETWORKS
from pellucid.recipes.networks.resnet20 import resnet20
from pellucid.recipes.pretrained import IMAGE, fill, resnet20_cifar10
from pellucid.recipes.save import save

EQUAL = 1e-4


def torch_twin() -> Any:
    """Written from He et al. 2016, section 4.2, option A; names as in published state dicts."""
    torch = pytest.importorskip("torch")
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, came: int, width: int) -> None:
            super().__init__()
            self.step, self.grown = (2 if came != width else 1), width - came
            self.conv1, self.bn1 = nn.Conv2d(came, width, 3, self.step, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)

        def forward(self, x: Any) -> Any:
            past = F.pad(x[:, :, :: self.step, :: self.step], (0, 0, 0, 0, self.grown // 2, self.grown - self.grown // 2))
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + past)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
            self.layer2 = nn.Sequential(Block(16, 32), Block(32, 32), Block(32, 32))
            self.layer3 = nn.Sequential(Block(32, 64), Block(64, 64), Block(64, 64))
            self.linear = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
            return self.linear(x.mean(dim=(2, 3)))

    generator = torch.Generator().manual_seed(5)
    net = Net().eval()
    with torch.no_grad():
        for name, array in net.state_dict().items():
            if array.dtype == torch.float32:
                drawn = torch.randn(array.shape, generator=generator) * 0.1
                array.copy_(drawn.abs() + 0.01 if name.endswith("running_var") else drawn)
    return net


def as_arrays(net: Any) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(4, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict in a file of torch.save."""
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("weights") / "resnet20_cifar10_state_dict.pt"
    torch.save(torch_twin().state_dict(), path)
    return path


def test_it_is_the_network_of_the_paper() -> None:
    pytest.importorskip("keras")
    model = resnet20((32, 32, 3), 10)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("Conv2D") + kinds.count("Dense"), kinds.count("Add")) == (20, 9)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 269_722  # .27 million in table 6 of the paper
    assert [layer.output.shape for layer in model.layers if layer.name.endswith("2_relu2")] == [(None, 32, 32, 16), (None, 16, 16, 32), (None, 8, 8, 64)]
    other = resnet20((32, 32, 3), 10, seed=1)
    pairs = list(zip(model.trainable_weights, resnet20((32, 32, 3), 10).trainable_weights, other.trainable_weights, strict=True))
    assert all(np.array_equal(a, b) for a, b, _ in pairs)
    assert not np.array_equal(pairs[0][0], pairs[0][2])
    with pytest.raises(ShapeError, match=r"\(32,\)"):
        NETWORKS.load("resnet20")((32,), 10)


def test_torch_weights_give_torch_answers(images: np.ndarray, written: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("keras")
    model, image = resnet20_cifar10(written)
    with torch.no_grad():
        logits = torch_twin()(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    spread = float((logits.max(dim=1).values - logits.min(dim=1).values).min())
    assert spread > 0.1  # else equal answers would say nothing
    assert np.abs(pellucid.adapt(model).predict(images) - torch.softmax(logits, dim=1).numpy()).max() < EQUAL
    assert image == IMAGE


def test_it_is_saved_and_opened_with_its_answers(images: np.ndarray, written: Path, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    model, image = resnet20_cifar10(written)
    path = save(model, tmp_path / "resnet20.keras")
    pellucid.save_preprocessing(image, path)
    assert np.abs(pellucid.adapt(path).predict(images) - pellucid.adapt(model).predict(images)).max() < EQUAL
    assert pellucid.load_preprocessing(path) == IMAGE
    found = pellucid.explain(str(path), np.clip(images, 0, 1), "grad_cam", target=3, preprocessing=pellucid.load_preprocessing(path))
    assert found.values.shape == (4, 8, 8)


def test_weights_of_another_network_are_named() -> None:
    pytest.importorskip("keras")
    model, arrays = resnet20((32, 32, 3), 10), as_arrays(torch_twin())
    with pytest.raises(ModelError, match=r"no linear\.bias"):
        fill(model, {name: array for name, array in arrays.items() if name != "linear.bias"})
    with pytest.raises(ModelError, match=r"linear\.weight of shape \(64, 7\)"):
        fill(model, arrays | {"linear.weight": np.zeros((7, 64), np.float32), "linear.bias": np.zeros(7, np.float32)})
    with pytest.raises(ModelError, match=r"layer4\.weight"):
        fill(model, arrays | {"layer4.weight": np.zeros(3, np.float32)})
    fill(model, {f"module.{name}": array for name, array in arrays.items()})  # as DataParallel names them


def test_what_is_missing_is_said(tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    with pytest.raises(DataNotFoundError, match="PELLUCID_DATA"):
        resnet20_cifar10()
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError, match=r"state_dict\.pt there"):
        resnet20_cifar10()
    monkeypatch.setitem(sys.modules, "pellucid.adapters._torch_files", None)
    with pytest.raises(MissingExtraError, match=r"pellucid\[torch\]"):
        resnet20_cifar10(written)
