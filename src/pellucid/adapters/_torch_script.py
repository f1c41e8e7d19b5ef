"""What the adapter of TorchScript modules does with torch: read a signature, find the head in the graph and cut it off, watch what runs inside.

TorchScript runs outside Python: neither hooks nor what overrides torch's functions reach into it, but its graph can be read, and its operations be watched.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pellucid.core.errors import DamagedModelError

Shape = tuple[int, ...]
HEADS = {
    "aten::softmax": "softmax",
    "aten::special_softmax": "softmax",
    "aten::log_softmax": "log_softmax",
    "aten::special_log_softmax": "log_softmax",
    "aten::sigmoid": "sigmoid",
    "aten::sigmoid_": "sigmoid",
    "aten::special_expit": "sigmoid",
}
CONVOLUTIONS = {"aten::conv1d": (1, 6), "aten::conv2d": (2, 6), "aten::conv3d": (3, 6), "aten::_convolution": (0, 8)}
"""Axes of places, 0 where the weights tell, and which argument counts groups."""
KEEP_PLACES = ("aten::sub", "aten::add", "aten::mul", "aten::div", "aten::to", "aten::contiguous")
"""What may come before the first convolution without moving an axis."""
CHANNELS_FIRST = ("convolution", "_convolution", "native_batch_norm", "cudnn_batch_norm", "native_group_norm", "upsample", "max_pool", "avg_pool", "adaptive")
CHANNELS_LAST = ("addmm", "mm", "bmm", "linear", "native_layer_norm", "embedding")
"""How the names of operations begin whose results have their channels there."""
_MANGLED, _PLACE = re.compile(r"\.?___torch_mangle_\d+"), re.compile(r" # .*$", re.MULTILINE)


def is_scripted(part: Any) -> bool:
    return isinstance(part, torch.jit.ScriptModule)


def scripted(module: Any) -> Iterator[Any]:
    """The TorchScript modules that a module holds, or is; not the parts of one."""
    if is_scripted(module):
        yield module
    else:
        for part in module.children():
            yield from scripted(part)


def holds_script(module: Any) -> bool:
    return any(True for _ in scripted(module))


def load(path: Path) -> Any:
    """The module of a TorchScript file, on the host and in evaluation mode; may run code from the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, about TorchScript
            module = torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise DamagedModelError(f"'{path}' cannot be read as a TorchScript file ({words(error)}); save it again.") from error
    for part in module.modules():
        if getattr(part, "training", False):
            part.training = False
    return module


def words(error: BaseException) -> str:
    """What an error says in its first line, after what TorchScript tells of where it was."""
    text = str(error)
    if "TorchScript interpreter" in text:
        text = re.split(r"^\w*Error:", text, flags=re.MULTILINE)[-1]
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def forward_of(module: Any) -> Callable[..., Any]:
    """What a module is called by, with a signature where TorchScript's schema tells it."""
    forward: Callable[..., Any] = module.forward
    if not is_scripted(module):
        return forward

    def called(*arguments: Any, **keywords: Any) -> Any:
        return forward(*arguments, **keywords)

    given = forward.schema.arguments[1:]  # type: ignore[attr-defined]
    empty, kind = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = [inspect.Parameter(one.name, kind, default=one.default_value if one.has_default_value() else empty) for one in given]
    called.__signature__ = inspect.Signature(found)  # type: ignore[attr-defined]
    called.__qualname__ = getattr(module, "original_name", "forward")
    return called


def code_of(module: Any) -> bytes:
    """A digest of what a TorchScript module computes and of the constants in it, whatever else the process has loaded."""
    digest = hashlib.sha256(_PLACE.sub("", _MANGLED.sub("", str(module.inlined_graph))).encode())
    for constant in constants_of(module):
        digest.update(constant.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.digest()


def constants_of(module: Any) -> Iterator[Any]:
    """The tensors that a TorchScript module holds in its code, as one does that `torch.jit.freeze` made."""
    constants = module.code_with_constants[1].const_mapping
    yield from (constants[name] for name in sorted(constants) if isinstance(constants[name], torch.Tensor))


def graph_of(module: Any) -> Any:
    """A graph of its own of all that a module does, with its constants settled."""
    graph = module.inlined_graph
    torch._C._jit_pass_constant_propagation(graph)
    return graph


def before_head(module: Any, wanted: str) -> tuple[str, int, Callable[..., Any]] | None:
    """The softmax, logarithm of one, or sigmoid that makes an output: which, over which axis, and what gives its input for the same arguments."""
    graph = graph_of(module)
    value = _output(graph, wanted)
    node = None if value is None else value.node()
    if node is None or node.kind() not in HEADS:
        return None
    kind, inputs = HEADS[node.kind()], list(node.inputs())
    axis = -1 if kind == "sigmoid" else inputs[1].toIValue()
    if not isinstance(axis, int):
        return None
    graph.eraseOutput(0)
    graph.registerOutput(inputs[0])
    function, signature = torch._C._create_function_from_graph("before_head", graph), inspect.signature(forward_of(module))

    def logits(*arguments: Any, **keywords: Any) -> Any:
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        return function(module._c, *bound.args)

    return kind, axis, logits


def _output(graph: Any, wanted: str) -> Any:
    """The value that a graph returns under this name, or None."""
    value = next(graph.outputs())
    for key in filter(None, wanted.split(".")):
        kind, inputs = value.node().kind(), list(value.node().inputs())
        if kind in ("prim::TupleConstruct", "prim::ListConstruct"):
            named = {str(place): one for place, one in enumerate(inputs)}
        elif kind == "prim::DictConstruct":
            named = {str(key.toIValue()): one for key, one in zip(inputs[::2], inputs[1::2], strict=True)}
        else:
            return None
        if key not in named:
            return None
        value = named[key]
    return value


def input_shape(module: Any) -> tuple[int | None, ...] | None:
    """(channels, None, …) where the first convolution reads a module's only input as it is, or scaled; None elsewhere."""
    graph = graph_of(module)
    given = [value.debugName() for value in graph.inputs()][1:]
    node = next((node for node in graph.nodes() if node.kind() in CONVOLUTIONS), None)
    if node is None or len(given) != 1:
        return None
    inputs = list(node.inputs())
    read, weight = inputs[0], _tensor_of(module, inputs[1])
    while read.node().kind() in KEEP_PLACES:
        read = next(read.node().inputs())
    axes, place = CONVOLUTIONS[node.kind()]
    groups = inputs[place].toIValue()
    if read.debugName() != given[0] or weight is None or not isinstance(groups, int):
        return None
    return (weight.shape[1] * groups, *(None,) * (axes or weight.ndim - 2))


def _tensor_of(module: Any, value: Any) -> Any:
    """The weight that a value of a graph stands for, or None."""
    names: list[str] = []
    while value.node().kind() == "prim::GetAttr":
        names.insert(0, value.node().s("name"))
        value = next(value.node().inputs())
    found = module if names else value.toIValue()
    for name in names:
        found = getattr(found, name, None)
    return found if isinstance(found, torch.Tensor) else None


class Inside(TorchDispatchMode):  # type: ignore[misc]
    """Notes what the operations of a forward pass do, those within TorchScript too: inputs of convolutions, the bytes that are made and those of the largest
    tensor, the shape and the axis of channels of the last result that has one, whether statistics of the batch are used, and the error, whose words TorchScript
    drops."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions: list[Shape] = []
        self.bytes = self.largest = 0.0
        self.last: tuple[Shape, int] | None = None
        self.by_batch = False
        self.error: Exception | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            with torch._C.DisableTorchFunction():  # or else what watches functions would take this for one more call
                result = func(*args, **(kwargs or {}))
        except Exception as error:
            self.error = error
            raise
        name = func._schema.name.rpartition("::")[2]
        if name in ("convolution", "_convolution"):
            self.convolutions.append(tuple(args[0].shape))
        if name in ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm") and args[5]:
            self.by_batch = True
        tensors = [one for one in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(one, torch.Tensor)]
        for axis, begins in ((0, CHANNELS_FIRST), (-1, CHANNELS_LAST)):
            if name.startswith(begins) and tensors:
                self.last = tuple(tensors[0].shape), axis
        given = {one.data_ptr() for one in args if isinstance(one, torch.Tensor)}
        made = [float(one.nbytes) for one in tensors if one.data_ptr() not in given]
        self.bytes += sum(made)
        self.largest = max(self.largest, *made, 0.0)
        return result
