"""What `torch.save` writes: told apart without running code from it, and weights read into a module of the user's."""

from __future__ import annotations

import copy
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pellucid.adapters._torch_script import words
from pellucid.core.errors import DamagedModelError, DataNotFoundError, ModelError, UnsafeModelError

Weights = Mapping[str, Any]
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""Of files that hold weights."""
WITHIN = ("state_dict", "model_state_dict", "model", "module")
"""Under which of these a checkpoint keeps them."""
WRAPPED = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before each name."""
SHOWN = 4
"""How many names an error lists."""
EXPORT = "torch.export.save(torch.export.export(module, (x,)), 'model.pt2')"


def check_script(path: Path) -> None:
    """Raise unless a file is one of TorchScript; the error says what it is and what to do."""
    names = _members(path)
    if any("/code/" in name for name in names):
        return
    if any(name.endswith(("/archive_format", "serialized_exported_program.json")) for name in names):
        raise ModelError(f"'{path}' is a file of torch.export; give it a name that ends in .pt2.")
    found = _read(path)
    weights = _weights(found)
    if weights is None:
        raise ModelError(f"'{path}' holds a {type(found).__name__}, which is no network; give a module, or save it: {EXPORT}.")
    raise ModelError(
        f"'{path}' holds weights ({len(weights)} tensors by name, a state dict) and no network; give the network that they belong to, in Python: "
        f"pellucid.explain(pellucid.adapt('{path.name}', module=MyNet()), x, …). For a file that holds both: {EXPORT}."
    )


def with_weights(path: Path, module: Any) -> Any:
    """A copy of a module with the weights of a file: a state dict, or a checkpoint that keeps one."""
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"'{path}' is not a file of weights; known: {', '.join(SUFFIXES)}. A file that holds a whole network is given without module=.")
    if not path.is_file():
        raise DataNotFoundError(f"there is no file of weights '{path}'; check the path.")
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise ModelError("the module has no memory for weights, being on the device 'meta'; build it outside of torch.device('meta').")
    if any("/code/" in name for name in _members(path)):
        raise ModelError(f"'{path}' is a TorchScript file, which holds the network with its weights; give it without module=, with allow_unsafe=True.")
    found = _read(path)
    weights = _weights(found)
    if weights is None:
        kind = f"a {type(found).__name__}" + (f" with {_listed(map(str, found))}" if isinstance(found, Mapping) else "")
        raise ModelError(f"'{path}' holds {kind}, no weights by name; give torch.save(module.state_dict(), file), or a mapping with it as 'state_dict'.")
    filled = copy.deepcopy(module)
    _fill(path, filled, weights)
    return filled


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """The weights of a file by name, as NumPy arrays: a state dict, or a checkpoint that keeps one."""
    weights = _weights(_read(path))
    if weights is None:
        raise ModelError(f"'{path}' holds no weights by name; give torch.save(module.state_dict(), file).")
    return {name: tensor.numpy() for name, tensor in weights.items()}


def _members(path: Path) -> list[str]:
    """What an archive holds; nothing where the file is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []


def _read(path: Path) -> Any:
    """What a file holds, tensors on the host; a file that would run code is refused."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise DamagedModelError(f"'{path}' cannot be read as safetensors ({words(error)}); save it again.") from error
    except Exception as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused is None:
            raise DamagedModelError(f"'{path}' cannot be read as a file of torch.save ({words(error)}); save it again.") from error
        raise UnsafeModelError(
            f"'{path}' is a pickle that holds a {refused[1]}, which runs code as it is opened, so that it is not opened here. If you trust its origin, open it "
            f"yourself: torch.load('{path.name}', weights_only=False) gives what was saved; explain that where it is a module. To keep a network in a file: "
            f"{EXPORT}; weights alone: torch.save(module.state_dict(), file)."
        ) from error


def _weights(found: Any) -> Weights | None:
    """The state dict that a file holds, by itself or in a checkpoint."""
    if not isinstance(found, Mapping):
        return None
    for name in WITHIN:
        if isinstance(found.get(name), Mapping):
            return _weights(found[name])
    tensors = [isinstance(value, torch.Tensor) for name, value in found.items() if not str(name).endswith("_extra_state")]
    return found if tensors and all(tensors) else None


def _fill(path: Path, module: Any, weights: Weights) -> None:
    """Put weights into a module, whose names and shapes they must have."""
    own = module.state_dict()
    for before in WRAPPED:
        if all(name.startswith(before) for name in weights) and not all(name.startswith(before) for name in own):
            weights = {name.removeprefix(before): value for name, value in weights.items()}
    tensors = {name: value for name, value in own.items() if isinstance(value, torch.Tensor) and not nn.parameter.is_lazy(value)}
    given = {value.data_ptr() for name, value in tensors.items() if name in weights}
    missing = [name for name in own if name not in weights and not (name in tensors and tensors[name].data_ptr() in given)]  # one tensor may have two names
    unexpected = [name for name in weights if name not in own]
    shapes = [
        f"{name} {tuple(weights[name].shape)} for {tuple(value.shape)}"
        for name, value in tensors.items()
        if name in weights and weights[name].shape != value.shape
    ]
    told = {"missing": missing, "not in the module": unexpected, "of another shape": shapes}
    if any(told.values()):
        wrong = "; ".join(f"{what}: {_listed(names)}" for what, names in told.items() if names)
        raise ModelError(
            f"the weights of '{path}' are not those of the module {type(module).__name__}: {wrong}. Build the module as it was when they were saved."
        )
    module.load_state_dict(weights, strict=False)


def _listed(names: Any) -> str:
    """The first few names, and how many there are."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
