"""A thousand explanations in a row of one small network on real digits, as one process makes them: `KERAS_BACKEND=jax python thousand_explanations.py keras`
prints, as JSON, what memory they took on the way and what of the network or of the framework was not afterwards what it was before.

Memory is a process's, so that each kind of network has a process of its own. The networks begin in a state that nothing would come back to by chance: in
training, with a part that is not, with a frozen weight, a gradient, hooks of the user's own, seeded random generators.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import gc
import hashlib
import importlib
import itertools
import json
import logging
import os
import pickle
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
State = dict[str, dict[str, Any]]
"""Aspect → what is looked at → what it is, in a form that can be compared."""
CALLS, EVERY, KEPT = 1000, 50, 20
"""Explanations in a row; memory is read after each fifty of them; at the end so many records are kept."""
BUDGET = {"features": "patches:7", "tolerance": 0.0, "max_evaluations": 80}
COALITIONS: list[tuple[str, dict[str, Any]]] = [("lime", BUDGET), ("shap", BUDGET), ("occlusion", {"window": 7, "stride": 7})]
GRADIENTS: list[tuple[str, dict[str, Any]]] = [("saliency", {}), ("integrated_gradients", {"rule": "midpoint", "steps": 8})]
SHAPE = (28, 28, 1)


@dataclass(frozen=True)
class Case:
    """`given` is what the user has, `held` what is adapted of it once. Most calls are of `held`, by `calls` in turn; after each `anew` calls, one hands in
    `given` itself, which is learnt and compiled anew: that takes a tenth of a second on TensorFlow and more on JAX. `layered` are calls at layers, made in
    turn where `given` is."""

    given: Any
    held: Any
    calls: list[tuple[str, dict[str, Any]]]
    state: Callable[[], State]
    shape: tuple[int, ...] = SHAPE
    anew: int = 4
    layered: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def digits() -> Array:
    from pellucid.data.datasets.mnist5000 import mnist5000

    return mnist5000("test").inputs[:100].astype(np.float32)


def digest(value: Any) -> str:
    content = np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else pickle.dumps(value)
    return hashlib.sha256(content).hexdigest()[:12]


def drawn(*sizes: int) -> Array:
    """A weight, the same in every case of a shape."""
    return (np.random.default_rng(len(sizes)).normal(size=sizes) / np.sqrt(np.prod(sizes[:-1]))).astype(np.float32)


WEIGHTS = {"k0": (5, 5, 1, 8), "b0": (8,), "k1": (3, 3, 8, 8), "b1": (8,), "w": (200, 10), "b": (10,)}
"""Two convolutions of stride 2 and a dense layer: (28, 28, 1) → (12, 12, 8) → (5, 5, 8) → 10."""


# ---- what is looked at ---------------------------------------------------------------------------------------------------


def common_state() -> State:
    """What is everyone's: random generators, NumPy's and Python's settings, and those of the frameworks that the process has."""
    for module in ("scipy.special", "scipy.sparse"):  # which add a filter for warnings of their own
        importlib.import_module(module)
    state: State = {
        "random": {"python": digest(random.getstate()), "numpy": digest(np.random.get_state())},
        "settings": {
            "environment": digest(sorted(os.environ.items())),
            "numpy errors": np.geterr(),
            "warnings": [repr(one) for one in warnings.filters],
            "folder": os.getcwd(),
            "logging": logging.getLogger().level,
        },
    }
    for name, look in (("keras", keras_globals), ("tensorflow", tensorflow_globals), ("torch", torch_globals), ("jax", jax_globals)):
        if name in sys.modules:
            add(state, look())
    return state


def add(state: State, more: State) -> State:
    for aspect, found in more.items():
        state.setdefault(aspect, {}).update(found)
    return state


def keras_globals() -> State:
    import keras
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import global_seed_generator

    config = keras.config
    inner = {name: repr(getattr(global_state.GLOBAL_STATE_TRACKER, name, None)) for name in ("stateless_scope", "symbolic_scope", "call_context")}
    return {
        "random": {"keras": digest(keras.ops.convert_to_numpy(global_seed_generator().state))},
        "settings": {
            "keras": [config.backend(), config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy().name],
            "keras inner": inner,
        },
    }


def tensorflow_globals() -> State:
    import tensorflow as tf
    from tensorflow.python.eager import context

    threads = tf.config.threading
    return {
        "random": {"tensorflow": repr(tf.random.get_global_generator().state.numpy()), "tensorflow seed": context.global_seed()},
        "settings": {
            "tensorflow": [tf.config.functions_run_eagerly(), threads.get_inter_op_parallelism_threads(), threads.get_intra_op_parallelism_threads()],
            "tensorflow logging": tf.get_logger().level,
        },
    }


def torch_globals() -> State:
    import torch

    everywhere = {name: len(hooks) for name, hooks in vars(torch.nn.modules.module).items() if name.startswith("_global_") and name.endswith("hooks")}
    return {
        "random": {"torch": digest(torch.get_rng_state().numpy())},
        "hooks": {"torch": everywhere, "torch modes": torch._C._len_torch_function_stack()},
        "settings": {
            "torch": [
                torch.is_grad_enabled(),
                torch.is_inference_mode_enabled(),
                torch.get_num_threads(),
                str(torch.get_default_dtype()),
                str(torch.get_default_device()),
                torch.are_deterministic_algorithms_enabled(),
                torch.backends.cudnn.enabled,
                torch.backends.cudnn.benchmark,
                torch.backends.cudnn.deterministic,
            ]
        },
    }


def jax_globals() -> State:
    import jax

    return {"settings": {"jax": {name: repr(value) for name, value in jax.config.values.items()}}}


def module_state(module: Any) -> State:
    """A PyTorch module's, hooks of every kind counted by their ids."""
    import torch

    parts, parameters = dict(module.named_modules()), dict(module.named_parameters())
    return {
        "weights": {
            name: [digest(tensor.detach().numpy()), tensor.stride()] for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)
        },
        "mode": {name: part.training for name, part in parts.items()},
        "hooks": {name: hooks_of(part) for name, part in parts.items()} | {name: hooks_of(tensor) for name, tensor in parameters.items()},
        "gradients": {name: [one.requires_grad, None if one.grad is None else digest(one.grad.numpy())] for name, one in parameters.items()},
    }


def hooks_of(thing: Any) -> dict[str, list[str]]:
    names = [name for name in dir(thing) if "hooks" in name and not callable(getattr(type(thing), name, None))]
    return {name: [str(key) for key in getattr(thing, name) or ()] for name in names}


def keras_state(network: Any) -> State:
    """A Keras model's: its variables and its optimizer's, what may be trained, and what hangs on its layers: a call or an activation in another's place is
    what a hook is in PyTorch."""
    import keras

    layers = {"network": network} | {layer.name: layer for layer in network.layers}
    variables = {"network": network.variables, "optimizer": network.optimizer.variables}
    hanging = {name: {key: id(value) if callable(value) else "" for key, value in vars(layer).items()} for name, layer in layers.items()}
    state: State = {
        "weights": {f"{of} {i}": digest(keras.ops.convert_to_numpy(one)) for of, known in variables.items() for i, one in enumerate(known)},
        "mode": {name: [layer.trainable, layer.dtype_policy.name] for name, layer in layers.items()} | {"network as a whole": digest(network.to_json())},
        "hooks": hanging,
        "gradients": {one.path: one.trainable for one in network.variables},
    }
    if keras.config.backend() == "torch":
        add(state, {aspect: {f"torch {name}": one for name, one in found.items()} for aspect, found in module_state(network).items()})
    return state


# ---- the networks --------------------------------------------------------------------------------------------------------


def keras_case() -> Case:
    """Trained a moment, with a state of its own that training changes and a layer that is frozen."""
    import keras

    import pellucid

    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(8, 5, strides=2, activation="relu", name="conv_a"),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(8, 3, strides=2, activation="relu", name="conv_b"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.3, name="drop"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )
    network.get_layer("conv_a").trainable = False
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    network.fit(digits(), np.arange(100) % 10, batch_size=50, verbose=0)
    anew = {"jax": 40, "tensorflow": 10}.get(keras.config.backend(), 4)
    layered = [("grad_cam", {}), ("integrated_gradients", {"rule": "midpoint", "steps": 8, "layer": "conv_b"}), ("saliency", {"layer": "out[3]"})]
    calls = [*GRADIENTS, ("grad_cam", {}), *COALITIONS]
    return Case(network, pellucid.adapt(network), calls, lambda: keras_state(network), anew=anew, layered=layered)


def torch_case() -> Case:
    """In training but for one part, one bias frozen, one gradient left by the last step, and hooks of the user's own."""
    import torch
    from torch import nn

    torch.manual_seed(1)
    conv_a, conv_b, out = nn.Conv2d(1, 8, 5, stride=2), nn.Conv2d(8, 8, 3, stride=2), nn.Linear(200, 10)
    module = nn.Sequential(conv_a, nn.ReLU(), nn.BatchNorm2d(8), conv_b, nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), out, nn.Softmax(dim=-1))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for part in torch.tensor(digits().transpose(0, 3, 1, 2)).split(50):
        optimizer.zero_grad()
        nn.functional.nll_loss(module(part).log(), torch.arange(50) % 10).backward()
        optimizer.step()
    optimizer.zero_grad()
    conv_b.weight.grad = torch.ones_like(conv_b.weight)
    module[2].eval()
    out.bias.requires_grad_(False)
    conv_a.register_forward_hook(lambda *_: None)
    conv_b.register_full_backward_pre_hook(lambda *_: None)
    module.register_forward_pre_hook(lambda *_: None)
    torch.use_deterministic_algorithms(True)
    import pellucid

    layered = [("grad_cam", {}), ("integrated_gradients", {"rule": "midpoint", "steps": 8, "layer": "3"}), ("saliency", {"layer": "7[3]"})]
    calls = [*GRADIENTS, ("grad_cam", {}), *COALITIONS]
    return Case(module, pellucid.adapt(module), calls, lambda: module_state(module), (1, 28, 28), layered=layered)


def jax_case() -> Case:
    import jax

    import pellucid

    def convolved(x: Any, kernel: Any, bias: Any) -> Any:
        return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias)

    def function(p: Mapping[str, Any], x: Any) -> Any:
        x = convolved(convolved(x, p["k0"], p["b0"]), p["k1"], p["b1"])
        return jax.nn.softmax(x.reshape(len(x), -1) @ p["w"] + p["b"])

    parameters = {name: jax.numpy.asarray(drawn(*shape)) for name, shape in WEIGHTS.items()}

    def state() -> State:
        return {"weights": {name: digest(np.asarray(array)) for name, array in parameters.items()}}

    return Case(jax.jit(lambda x: function(parameters, x)), pellucid.JaxFunction(function, parameters), [*GRADIENTS, *COALITIONS], state, anew=40)


def onnx_case() -> Case:
    import onnx

    import pellucid
    from onnx_graphs import model, node

    weights = {name: drawn(*shape) for name, shape in WEIGHTS.items()}
    weights |= {name: weights[name].transpose(3, 2, 0, 1) for name in ("k0", "k1")}
    nodes = [
        node("Conv", "x k0 b0", "z0", "conv_a", strides=[2, 2]),
        node("Relu", "z0", "a0"),
        node("Conv", "a0 k1 b1", "z1", "conv_b", strides=[2, 2]),
        node("Relu", "z1", "a1"),
        node("Flatten", "a1", "f"),
        node("Gemm", "f w b", "z", "out"),
        node("Softmax", "z", "y", "head"),
    ]
    path = Path(tempfile.mkdtemp()) / "cnn.onnx"
    onnx.save(model(nodes, {"x": ("N", 1, 28, 28)}, {"y": ("N", 10)}, weights), path)
    return Case(path, pellucid.adapt(path), COALITIONS, lambda: of_files(path.parent), (1, 28, 28))


def saved_case() -> Case:
    import tensorflow as tf

    import pellucid

    class Network(tf.Module):
        """The same network without Keras."""

        def __init__(self) -> None:
            super().__init__()
            self.weights = {name: tf.Variable(drawn(*shape)) for name, shape in WEIGHTS.items()}

        @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32)])
        def __call__(self, x: Any) -> Any:
            w = self.weights
            for kernel, bias in (("k0", "b0"), ("k1", "b1")):
                x = tf.nn.relu(tf.nn.conv2d(x, w[kernel], 2, "VALID") + w[bias])
            return tf.nn.softmax(tf.reshape(x, (-1, 200)) @ w["w"] + w["b"])

    folder = Path(tempfile.mkdtemp()) / "cnn"
    tf.saved_model.save(Network(), str(folder))
    held = pellucid.adapt(folder)
    layer = next(layer.name for layer in held.layers() if layer.spatial)
    layered = [("integrated_gradients", {"rule": "midpoint", "steps": 8, "layer": layer})]
    return Case(folder, held, [*GRADIENTS, *COALITIONS], lambda: of_files(folder), anew=40, layered=layered)


def callable_case() -> Case:
    import pellucid

    weights = {name: drawn(*shape) for name, shape in WEIGHTS.items()}

    def convolved(x: Array, kernel: Array, bias: Array) -> Array:
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::2, ::2]
        return np.maximum(np.einsum("nijcuv,uvcd->nijd", windows, kernel, optimize=True) + bias, 0)

    def network(x: Array) -> Array:
        x = convolved(convolved(x, weights["k0"], weights["b0"]), weights["k1"], weights["b1"])
        return x.reshape(len(x), -1) @ weights["w"] + weights["b"]

    return Case(network, pellucid.adapt(network), COALITIONS, lambda: {"weights": {name: digest(array) for name, array in weights.items()}})


def of_files(folder: Path) -> State:
    return {"weights": {str(path.relative_to(folder)): digest(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()}}


CASES = {"keras": keras_case, "torch": torch_case, "jax": jax_case, "onnx": onnx_case, "saved": saved_case, "callable": callable_case}


# ---- what memory is taken ------------------------------------------------------------------------------------------------


class _Heap(ctypes.Structure):
    """What `mallinfo2` of glibc gives; `hblkhd` is what lies in blocks of its own, `uordblks` what is used of the rest."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keep")]


def heap_bytes() -> int | None:
    """Bytes that the process has asked its heap for and not given back; None where the C library does not say."""
    with contextlib.suppress(OSError, AttributeError):
        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = _Heap
        found = ask()
        return int(found.uordblks + found.hblkhd)
    return None


def memory() -> dict[str, int | None]:
    """Once garbage is collected: the memory that the process has made for itself, its heap, the objects that Python counts, open files and threads.

    Pages of files do not count, the code of the frameworks first of all: the system takes them away and brings them back as it likes. What the heap holds
    free is given back first: reading the digits leaves 50 MB so, which would take in 20 KB a call unseen.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {words[0]: int(words[1]) for words in lines if words[0] in ("RssAnon:", "VmSwap:")}
    return {
        "made": 1024 * sum(kilobytes.values()),
        "heap": heap_bytes(),
        "objects": len(gc.get_objects()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


# ---- a thousand in a row -------------------------------------------------------------------------------------------------


def explained(case: Case, x: Array) -> Iterator[Any]:
    """A thousand explanations, each of one digit."""
    import pellucid

    calls, layered = itertools.cycle(case.calls), itertools.cycle(case.layered or case.calls)
    for i in range(CALLS):
        sample = x[i % len(x)][None]
        own = i % case.anew == 0
        method, settings = next(layered) if own else next(calls)
        yield pellucid.explain(case.given if own else case.held, sample, method, **settings)


def kept(case: Case, x: Array) -> list[int]:
    """Memory with ever more records kept, each of `given` itself."""
    import pellucid

    method, settings = case.calls[0]
    records, found = [], []
    for i in range(KEPT):
        records.append(pellucid.explain(case.given, x[i][None], method, **settings))
        now = memory()
        found.append(now["heap"] or now["made"] or 0)
    return found


def run(name: str) -> dict[str, Any]:
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of functions that are traced anew
    random.seed(7)
    np.random.seed(5)
    case = CASES[name]()
    x = digits().transpose(0, 3, 1, 2) if case.shape[0] == 1 else digits()
    x = np.ascontiguousarray(x).reshape(-1, *case.shape)

    def state() -> State:
        return add(add(common_state(), case.state()), {"samples": {"x": digest(x)}})

    state()  # what is only made when it is asked for
    before, marks = copy.deepcopy(state()), [memory()]
    for done, explanation in enumerate(explained(case, x), 1):
        assert np.isfinite(explanation.values).all(), explanation
        del explanation
        if done % EVERY == 0:
            marks.append(memory())
    after = state()
    changed = [f"{aspect}: {what}" for aspect, found in after.items() for what in found if found[what] != before[aspect].get(what)]
    changed += [f"{aspect}: {what} is gone" for aspect, found in before.items() for what in found if what not in after[aspect]]
    seen = {aspect: list(found) for aspect, found in before.items()}
    return {"marks": marks, "changed": changed, "seen": seen, "kept": kept(case, x)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1])) + "\n")
