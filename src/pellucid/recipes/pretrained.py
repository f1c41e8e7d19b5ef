"""Networks that were trained elsewhere, as Keras models with the preprocessing that belongs to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataNotFoundError, MissingExtraError, ModelError
from pellucid.data.preprocessings.image import Image
from pellucid.recipes.networks.resnet20 import resnet20

Array = np.ndarray
FOLDER = "PELLUCID_DATA"
FILE = "resnet20_cifar10_state_dict.pt"
CLASSES = 10
IMAGE = Image((32, 32), channels=3, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
"""What the weights were trained on."""
PARTS = {"Conv2D": ("weight",), "BatchNormalization": ("weight", "bias", "running_mean", "running_var"), "Dense": ("weight", "bias")}
"""Kind of layer → its arrays in PyTorch's names, in the order that Keras keeps them."""


def resnet20_cifar10(path: str | os.PathLike[str] | None = None) -> tuple[Any, Image]:
    """ResNet-20 with weights trained on CIFAR-10, and its preprocessing; `path` is a PyTorch state dict with the shapes of He et al. 2016, by default
    `resnet20_cifar10_state_dict.pt` in the folder that PELLUCID_DATA names.

    The arrays are put into a Keras model, which is explained, saved and opened without PyTorch from then on. Nothing in the file is run.
    Errors: `DataNotFoundError` (no file), `MissingExtraError` (no PyTorch to read it with), `ModelError` (weights of another network).
    """
    file = Path(path) if path is not None else _in_folder()
    if not file.is_file():
        raise DataNotFoundError(f"there are no weights of ResNet-20 at {file}; put {FILE} there.")
    try:
        from pellucid.adapters._torch_files import arrays_of
    except ImportError as error:
        raise MissingExtraError(f"reading {file.name} needs PyTorch, which cannot be imported ({error}); run: pip install 'pellucid[torch]'") from error
    model = resnet20((*IMAGE.size, IMAGE.channels), CLASSES)
    fill(model, arrays_of(file), str(file))
    return model, IMAGE


def fill(model: Any, arrays: dict[str, Array], where: str = "the state dict") -> None:
    """Put the arrays of a PyTorch state dict into a Keras model whose layers bear the modules' names, "_" in the place of "."; `ModelError` unless every
    array has its place and its shape. Kernels are turned from (out, in, height, width) to (height, width, in, out)."""
    left = {name.removeprefix("module."): array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
    modules = {name.rpartition(".")[0].replace(".", "_"): name.rpartition(".")[0] for name in left}
    for layer in model.layers:
        parts = PARTS.get(type(layer).__name__, ())
        names = [f"{modules.get(layer.name, layer.name)}.{part}" for part in parts]
        missing = [name for name in names if name not in left]
        if missing:
            raise ModelError(f"{where} has no {missing[0]}, which layer '{layer.name}' needs; it holds the weights of another network.")
        given = [_turned(left.pop(name)) for name in names]
        own = [tuple(weight.shape) for weight in layer.weights]
        if [array.shape for array in given] != own:
            raise ModelError(f"{where} has {names[0]} of shape {given[0].shape} for layer '{layer.name}' of {own[0]}; it holds the weights of another network.")
        if given:
            layer.set_weights(given)
    if left:
        raise ModelError(f"{where} holds {next(iter(left))}, for which network '{model.name}' has no place.")


def _turned(array: Array) -> Array:
    """PyTorch's kernel as Keras keeps it."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _in_folder() -> Path:
    folder = os.environ.get(FOLDER)
    if not folder:
        raise DataNotFoundError(f"the weights of ResNet-20 were not found: set {FOLDER} to a folder that holds {FILE}.")
    return Path(folder).expanduser() / FILE
