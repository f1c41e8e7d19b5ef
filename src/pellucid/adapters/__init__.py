"""Makes a `Model` of what the user has: one file a framework, the only way by which a framework reaches an algorithm.

Each file holds an `Adapter`: whether it recognises an object, and how it opens it. No framework is imported before an object of it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pellucid.adapters._pages import keep_freed_pages
from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import DataNotFoundError, ModelError, SettingError, SeveralOutputsError, UnsafeModelError
from pellucid.core.model import Model

ADAPTERS = Catalogue("framework", "pellucid.adapters", Path(__file__).parent)
SAVED_MODEL = "saved_model.pb"
"""What a folder holds that is a model."""
PICKLES = (".joblib", ".pkl", ".pickle", ".sav")
_WEIGHTS = "Weights of a PyTorch module, in Python: pellucid.adapt(file, module=MyNet())."
ADVICE = {
    ".safetensors": f"{_WEIGHTS} Records of Pellucid: pellucid report FILE --out FILE.html.",
    ".ckpt": _WEIGHTS,
    ".bin": _WEIGHTS,
    ".tflite": "Convert it to ONNX: python -m tf2onnx.convert --tflite model.tflite --output model.onnx.",
}


class Adapter(Protocol):
    """What each file of this room holds: a `Model` class with these three besides the contract's verbs."""

    suffixes: tuple[str, ...]
    rank: int
    """Lower ranks are asked first; the black box, which takes any callable, comes last."""

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        """Whether this object (never a path) is of this framework; must not import the framework."""

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> Model:
        """The model of an object or a file."""


def adapt(model: Any, *, allow_unsafe: bool = False, input_shape: Sequence[int] | None = None, module: Any = None) -> Model:
    """A `Model` of a Keras model, a PyTorch module, a scikit-learn estimator, a model file, a SavedModel's folder, a callable or a `Model`.

    A plain JAX function comes with its parameters: `pellucid.JaxFunction(function, parameters)`.

    `allow_unsafe` lets a model file run code that it holds (a Lambda layer, or whatever a .pt2 or TorchScript file brings): only for files whose origin you
    trust. `input_shape`, without the axis of samples, tells a PyTorch module what it will meet, so that its layers have shapes before there is data.
    `module` is a PyTorch module of yours for a file that holds weights alone, a state dict in .pt, .pth, .bin, .ckpt or .safetensors: a copy of it is given
    them, names and shapes being the same.

    >>> import numpy as np
    >>> adapt(lambda x: x @ np.ones((3, 2))).traits.framework
    'a black box'
    """
    found = _adapted(model if module is None else _with_weights(model, module), allow_unsafe)
    if input_shape is not None:
        try:
            found.meet(np.zeros((1, *input_shape), np.float32))
        except SeveralOutputsError as several:  # a target will say which one
            found.traits = replace(found.traits, outputs=several.shapes)
    return found


def _with_weights(file: Any, module: Any) -> Any:
    if not isinstance(file, (str, Path)):
        raise SettingError(f"module= goes with a file of weights, and a {type(file).__name__} was given; give the path, or the network alone.")
    if not ADAPTERS.load("torch_module").recognises(module):
        given = f"the class {module.__name__}" if isinstance(module, type) else f"a {type(module).__name__}"
        raise SettingError(f"module= is {given}; expected a torch.nn.Module with the shapes of the weights, as MyNet() gives.")
    from pellucid.adapters import _torch_files

    return _torch_files.with_weights(Path(file), module)


def _adapted(model: Any, allow_unsafe: bool) -> Model:
    if isinstance(model, Model):
        return model
    keep_freed_pages()
    known: list[Any] = sorted((ADAPTERS.load(name) for name in ADAPTERS), key=lambda adapter: adapter.rank)
    if isinstance(model, (str, Path)):
        return _open_file(Path(model), known, allow_unsafe)
    for adapter in known:
        if adapter.recognises(model):
            found: Model = adapter.open(model, allow_unsafe=allow_unsafe)
            return found
    raise ModelError(
        f"cannot explain a {type(model).__name__}; give a Keras model, a PyTorch module, an estimator, a model file, or a callable from arrays to scores."
    )


def _open_file(path: Path, known: list[Any], allow_unsafe: bool) -> Model:
    path = path / SAVED_MODEL if path.is_dir() else path
    suffixes = list(dict.fromkeys(suffix for adapter in known for suffix in adapter.suffixes))
    if path.suffix.lower() in PICKLES:
        raise UnsafeModelError(
            f"'{path}' is a pickle, which runs code as it is opened, so that it is not opened here. If you trust its origin, open it yourself: "
            "pellucid.explain(joblib.load(file), x, …); or export it to ONNX (skl2onnx)."
        )
    if path.suffix.lower() not in suffixes:
        advice = ADVICE.get(path.suffix.lower(), "Save the model as .keras.")
        raise ModelError(f"'{path}' is not a model file that can be opened; known: {', '.join(suffixes)}. {advice}")
    if not path.is_file():
        what = f"no {SAVED_MODEL} in the folder '{path.parent}'" if path.name == SAVED_MODEL and path.parent.is_dir() else f"no model file '{path}'"
        raise DataNotFoundError(f"there is {what}; check the path, or train one: pellucid train cnn mnist --out cnn.keras")
    adapter = next(adapter for adapter in known if path.suffix.lower() in adapter.suffixes)
    found: Model = adapter.open(path, allow_unsafe=allow_unsafe)
    return found


def start_keras() -> Any:
    """Keras, imported: on the backend that the process runs, else as `KERAS_BACKEND` says, else on TensorFlow, JAX or torch, whichever is installed."""
    from pellucid.adapters import _keras_start

    return _keras_start.start()


def training_watch(recorder: Any) -> Any:
    """A Keras callback that tells a recorder of a training."""
    from pellucid.adapters import _keras_record

    return _keras_record.callback(recorder)


def network_fingerprint(network: Any) -> str:
    """The fingerprint of a network as it is now, also in the middle of a training."""
    if hasattr(network, "jax_state_sync"):  # Keras on JAX keeps the weights elsewhere while an epoch lasts
        network.jax_state_sync()
    return adapt(network).traits.fingerprint


def gradient_meter(model: Model, optimizer: Any = None) -> Any:
    """What reads the gradients of a PyTorch module while it is trained; None for a model of another framework."""
    if model.traits.framework != "PyTorch":
        return None
    from pellucid.adapters import _torch_record

    return _torch_record.GradientMeter(model, optimizer)
