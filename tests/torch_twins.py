"""The networks of `conftest.py` again as PyTorch modules with the same weights."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pellucid.adapters.numpy_model import NumpyModel

Array = np.ndarray


def filled(layer: Any, *weights: Array) -> Any:
    """A layer whose parameters, in their own order, are set to these arrays."""
    import torch

    with torch.no_grad():
        for parameter, array in zip(layer.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(np.ascontiguousarray(array)))
    return layer


def mlp(oracle: NumpyModel, *, double: bool = False) -> Any:
    """The oracle: dense layers named as its own, a softmax at the end."""
    from torch import nn

    layers: dict[str, Any] = {}
    for i, dense in enumerate(oracle.stack):
        linear = nn.Linear(*dense.weights.shape)
        layers[f"dense_{i}"] = filled(linear.double() if double else linear, dense.weights.T, dense.bias)
        if dense.activation == "relu":
            layers[f"relu_{i}"] = nn.ReLU()
    return nn.Sequential(OrderedDict(layers, softmax=nn.Softmax(dim=-1)))


def cnn(keras_model: Any, *, inplace: bool = False) -> Any:
    """The Keras `small_cnn` on (1, 12, 12): kernels turned, and the dense one in torch's order of a flattened map."""
    from torch import nn

    weights = {layer.name: layer.get_weights() for layer in keras_model.layers}
    first, second = ((array[0].transpose(3, 2, 0, 1), array[1]) for array in (weights["conv_a"], weights["conv_b"]))
    kernel, bias = weights["out"]
    flat = kernel.reshape(3, 3, 6, -1).transpose(3, 2, 0, 1).reshape(kernel.shape[1], -1)
    layers = {
        "conv_a": filled(nn.Conv2d(1, 4, 3), *first),
        "relu_a": nn.ReLU(inplace),
        "pool": nn.MaxPool2d(2),
        "conv_b": filled(nn.Conv2d(4, 6, 3), *second),
        "relu_b": nn.ReLU(inplace),
        "flat": nn.Flatten(),
        "out": filled(nn.Linear(54, 4), flat, bias),
        "softmax": nn.Softmax(dim=1),
    }
    return nn.Sequential(OrderedDict(layers))


def rnn(keras_model: Any) -> Any:
    """The Keras `small_rnn`: an LSTM over (12, 5) whose last state is read."""
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        """The last state of an LSTM through a dense layer, with a functional softmax."""

        def __init__(self) -> None:
            super().__init__()
            kernel, recurrent, bias = keras_model.layers[0].get_weights()
            self.lstm = filled(nn.LSTM(5, 7, batch_first=True), kernel.T, recurrent.T, bias, np.zeros_like(bias))
            weights, offset = keras_model.layers[1].get_weights()
            self.out = filled(nn.Linear(7, 3), weights.T, offset)

        def forward(self, x: Any) -> Any:
            steps, _ = self.lstm(x)
            return torch.softmax(self.out(steps[:, -1]), dim=-1)

    return Recurrent()
