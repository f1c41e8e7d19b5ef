"""What an ONNX graph says of itself: its input, its output and head, its nodes as layers, and copies of it that show more or begin further on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, inliner, shape_inference

from pellucid.adapters import _onnx_graph
from pellucid.core.errors import DamagedModelError, ModelError, SettingError, UnsafeModelError, UnsupportedError, unknown
from pellucid.core.model import Layer
from pellucid.core.packing import InputSpec

Shape = tuple[int | None, ...]
Names = tuple[str, ...]
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
OPERATORS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")
"""Domains whose operators onnxruntime has itself; any other needs a library, which is code."""
RECURRENT = ("LSTM", "GRU", "RNN")
CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "LRN")
CHANNELS_LAST = ("Gemm", "MatMul", "LayerNorm", "Gather", "Attention", "Einsum", *RECURRENT)
"""How the kinds of nodes begin that have their channels there; one of another kind has them where the node before had them."""
PASSES_ON = ("Identity", "Cast", "Dropout")
"""Kinds that are no layer, and that a head is looked for behind."""


@dataclass(frozen=True)
class Place:
    """Where a layer's values are: the tensor, and for a recurrent one what its axes are, "TDNH", "NTDH", "DNH" or "NDH"; "" is samples first."""

    tensor: str
    axes: str = ""


@dataclass(frozen=True)
class Given:
    """An input: the kind of its numbers, its shape without the axis of samples, and the batch size it is fixed to, None where that is free."""

    name: str
    elements: int
    shape: Shape | None
    samples: int | None

    @property
    def spec(self) -> InputSpec:
        return InputSpec(self.name, self.shape, onnx.helper.tensor_dtype_to_np_dtype(self.elements).name)


@dataclass(frozen=True)
class Graph:
    """A model that has been read. `held` are the inputs that are given fixed values. `logits` is the tensor before the head."""

    proto: Any
    folder: Path | None
    inputs: tuple[Given, ...]
    held: tuple[Given, ...]
    output: str
    head: str | None
    logits: str
    class_names: Names
    fingerprint: str

    @property
    def samples(self) -> int | None:
        """The batch size that it is fixed to."""
        return next((one.samples for one in self.inputs if one.samples is not None), None)


def read(path: Path) -> Any:
    """The model of a file, its large weights left where they are."""
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        raise DamagedModelError(f"'{path}' is not a readable ONNX file (damaged or cut short); export the model again.") from error
    if strange := _strange(proto):
        raise _needs_code(strange)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        raise DamagedModelError(f"'{path}' cannot be read as an ONNX model ({first_line(error)}); export it again.") from error
    return proto


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def understood(proto: Any, folder: Path | None, output: str | None, held: Sequence[str]) -> Graph:
    """What a model takes and gives; refused where it needs code, or weights that are not there."""
    if strange := _strange(proto):
        raise _needs_code(strange)
    if folder is None and (files := sorted(set(outside(proto)))):
        raise ModelError(f"the graph's weights lie in another file ({', '.join(files)}); give the model's file, or what onnx.load(file) gives.")
    proto = _plain(proto)
    graph = proto.graph
    weights = {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = {value.name: _given(value) for value in graph.input if value.name not in weights}
    for name in held:
        if name not in inputs:
            raise SettingError(unknown("input", name, inputs))
    free = tuple(one for one in inputs.values() if one.name not in held)
    if not free:
        raise UnsupportedError("the graph has no input that is not held, so that there is nothing to explain.")
    made = {name: node for node in graph.node for name in node.output}
    chosen, class_names = _output(graph, made, output)
    head, logits = _head(graph, made, chosen, proto)
    return Graph(proto, folder, free, tuple(inputs[name] for name in held), chosen, head, logits, class_names, _fingerprint(proto, folder))


def _given(value: Any) -> Given:
    kind = value.type.tensor_type
    sizes = _sizes(kind)
    return Given(value.name, kind.elem_type, None if sizes is None else sizes[1:], sizes[0] if sizes else None)


def _plain(proto: Any) -> Any:
    """A copy of our own, functions of the file's own written out, whose recurrent nodes all show every step."""
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    else:
        mine = onnx.ModelProto()
        mine.CopyFrom(proto)
        proto = mine
    for number, node in enumerate(proto.graph.node):
        if node.op_type in RECURRENT and node.output and not node.output[0]:
            node.output[0] = f"every step of {node.name or number}"
    return proto


def _strange(proto: Any) -> set[str]:
    """Domains of operators that are neither onnxruntime's nor defined in the file."""
    own = {(function.domain, function.name) for function in proto.functions}
    bodies = [proto.graph.node, *(function.node for function in proto.functions)]
    used = {(node.domain, node.op_type) for body in bodies for node in _every(body)}
    return {domain for domain, _ in {one for one in used if one[0] not in OPERATORS} - own}


def _needs_code(domains: set[str]) -> UnsafeModelError:
    return UnsafeModelError(
        f"the ONNX file needs operators of a library ({', '.join(sorted(domains))}), which is code and is not loaded. "
        "If you trust it, register it yourself and give a callable: lambda x: session.run(None, {'input': x})[0]."
    )


def _every(nodes: Any) -> Iterator[Any]:
    """Nodes, and those inside their branches and loops."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _every(inner.node)


def _reads(node: Any) -> set[str]:
    """Every tensor that a node reads, in its branches too."""
    return {name for one in _every([node]) for name in one.input if name}


def _sizes(kind: Any) -> Shape | None:
    """The sizes of a tensor, None for a free one; None as a whole where even their number is unknown."""
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim)


def score_outputs(proto: Any) -> dict[str, str]:
    """The outputs of a model that hold numbers, or, where a ZipMap tells them, classes and their chances; for each the tensor with the numbers."""
    made = {name: node for node in proto.graph.node for name in node.output}
    mapped = {value.name: made[value.name].input[0] for value in proto.graph.output if _maps(value, made)}
    return {
        value.name: mapped.get(value.name, value.name) for value in proto.graph.output if value.type.tensor_type.elem_type in FLOATS or value.name in mapped
    }


def _output(graph: Any, made: Mapping[str, Any], wanted: str | None) -> tuple[str, Names]:
    """The tensor that is explained, and the names of its classes where a ZipMap tells them."""
    known = {value.name: value for value in graph.output}
    if wanted is not None:
        if wanted not in known and wanted not in made:
            raise SettingError(unknown("output", wanted, known))
        return wanted, ()
    scores = [name for name, value in known.items() if value.type.tensor_type.elem_type in FLOATS or _maps(value, made)]
    if not scores:
        raise UnsupportedError(f"the graph has no output of scores ({', '.join(known)}); name the tensor to explain: OnnxModel(file, output='name').")
    node = made.get(scores[0])
    if node is None or node.op_type != "ZipMap":
        return scores[0], ()
    values = [value for attribute in node.attribute for value in (*attribute.strings, *attribute.ints)]
    return node.input[0], tuple(value.decode() if isinstance(value, bytes) else str(value) for value in values)


def _maps(value: Any, made: Mapping[str, Any]) -> bool:
    node = made.get(value.name)
    return node is not None and node.op_type == "ZipMap"


def _head(graph: Any, made: Mapping[str, Any], output: str, proto: Any) -> tuple[str | None, str]:
    """ "softmax", "log_softmax" or "sigmoid" over the last axis where the output is made by one, and the tensor that it reads."""
    node = made.get(output)
    while node is not None and node.op_type in PASSES_ON:
        node = made.get(node.input[0])
    if node is not None and node.op_type == "Sigmoid":
        return "sigmoid", node.input[0]
    if node is None or node.op_type not in ("Softmax", "LogSoftmax"):
        return None, output
    version = next((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), 13)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1 if version >= 13 else 1)
    rank = next((len(sizes) for value in graph.output if value.name == output and (sizes := _sizes(value.type.tensor_type)) is not None), None)
    last = axis == -1 or (rank is not None and axis == rank - 1)
    return (("softmax" if node.op_type == "Softmax" else "log_softmax"), node.input[0]) if last else (None, output)


def _fingerprint(proto: Any, folder: Path | None) -> str:
    """SHA-256 over the model and, where its weights lie beside it, over those files."""
    digest = hashlib.sha256(proto.SerializeToString(deterministic=True))
    for name in sorted(set(outside(proto))):
        with ((folder or Path()) / name).open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()[:16]


def outside(proto: Any) -> Iterator[str]:
    """Names of the files that hold weights outside the model."""
    for tensor in proto.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def with_outputs(graph: Graph, tensors: Sequence[str], put_in: str | None = None, elements: int = TensorProto.FLOAT) -> bytes:
    """The model again with these tensors as its outputs; where `put_in` is given, that tensor is an input of its own and no longer computed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph.proto)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    if put_in is not None:
        for node in copy.graph.node:
            for place, name in enumerate(node.output):
                if name == put_in:
                    node.output[place] = f"{put_in} as computed"
        kept = [value for value in copy.graph.value_info if value.name != put_in]
        del copy.graph.value_info[:]
        copy.graph.value_info.extend(kept)
        copy.graph.input.append(onnx.helper.make_tensor_value_info(put_in, elements, None))
    whole: bytes = copy.SerializeToString()
    return whole


def inferred(graph: Graph, shapes: Mapping[str, Shape | None]) -> dict[str, tuple[int, Shape | None]]:
    """Kind of number and sizes of every tensor, as far as shape inference tells, for inputs of these shapes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph.proto)
    known = {one.name: one for one in graph.inputs}
    for value in copy.graph.input:
        shape = shapes.get(value.name)
        if value.name in known and shape is not None:
            one = known[value.name]
            value.CopyFrom(onnx.helper.make_tensor_value_info(one.name, one.elements, [one.samples or "samples", *shape]))
    try:
        copy = shape_inference.infer_shapes(copy, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError):  # sizes written in the file contradict these
        copy = shape_inference.infer_shapes(graph.proto)
    values = [*copy.graph.input, *copy.graph.value_info, *copy.graph.output]
    return {value.name: (value.type.tensor_type.elem_type, _sizes(value.type.tensor_type)) for value in values}


def layers_of(graph: Graph, known: Mapping[str, tuple[int, Shape | None]], channels: Mapping[str, str]) -> tuple[tuple[Layer, ...], dict[str, Place]]:
    """The nodes that compute numbers from the inputs, whose channels lie there, as the contract shows them, and where each is read."""
    weights = {tensor.name: tensor for tensor in graph.proto.graph.initializer}
    axes = {name: 0 if where == "first" else -1 for name, where in channels.items()}
    layers: list[Layer] = []
    places: dict[str, Place] = {}
    for number, node in enumerate(graph.proto.graph.node):
        sources = [name for name in node.input if name in axes]
        if not sources and not _reads(node) & set(axes):
            continue
        axis = _channel_axis(node, axes[sources[0]] if sources else -1)
        axes |= dict.fromkeys((name for name in node.output if name), axis)
        place = _place(node)
        elements, sizes = known.get(place.tensor, (0, None))
        if node.op_type in PASSES_ON or elements not in FLOATS:
            continue
        name = _unique(node.name or f"{node.op_type.lower()}_{number}", places)
        places[name] = place
        count = sum(int(np.prod(weights[one].dims)) for one in node.input if one in weights and weights[one].data_type in FLOATS and weights[one].dims)
        layers.append(_layer(name, node, _shape(sizes, place.axes), count, axis))
    return tuple(layers), places


def connections(inputs: Sequence[str], graph: Graph, places: Mapping[str, Place]) -> dict[str, Names]:
    """Layer → the layers whose output reaches it through nodes that are none; "input" for these inputs."""
    return _onnx_graph.connections(graph.proto.graph.node, inputs, {name: place.tensor for name, place in places.items()}, _reads)


def kernel_shapes(graph: Graph, places: Mapping[str, Place]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Layer → the shapes of the weights that it reads."""
    weights = {tensor.name: tensor for tensor in graph.proto.graph.initializer}
    return _onnx_graph.kernel_shapes(graph.proto.graph.node, weights, {name: place.tensor for name, place in places.items()}, FLOATS)


def _layer(name: str, node: Any, shape: Shape | None, count: int, axis: int) -> Layer:
    grid = () if shape is None else shape[1:] if axis == 0 else shape[:-1]
    return Layer(name, node.op_type, shape, count, "", len(grid) == 2 and grid != (1, 1), node.op_type in RECURRENT, axis if grid else -1)


def _unique(name: str, taken: Mapping[str, Any]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _channel_axis(node: Any, before: int) -> int:
    """Where channels are in what a node gives, not counting the axis of samples."""
    if node.op_type == "Transpose":
        turned = next((tuple(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), ())
        if turned and turned[0] == 0 and len(turned) > 2:
            was = 1 if before == 0 else len(turned) - 1
            return 0 if turned.index(was) == 1 else -1
        return before
    if node.op_type.startswith(CHANNELS_FIRST) or node.op_type.endswith("Pool"):
        return 0
    return -1 if node.op_type.startswith(CHANNELS_LAST) else before


def _place(node: Any) -> Place:
    if node.op_type not in RECURRENT:
        return Place(next((name for name in node.output if name), ""))
    batch_first = any(attribute.name == "layout" and attribute.i for attribute in node.attribute)
    return Place(node.output[0], "NTDH" if batch_first else "TDNH")


def _shape(sizes: Shape | None, axes: str) -> Shape | None:
    """The sizes without the axis of samples; of a recurrent layer (time, directions × units)."""
    if sizes is None or not sizes:
        return None
    if not axes:
        return sizes[1:]
    time, ways, units = (sizes[axes.index(letter)] for letter in "TDH")
    return time, None if ways is None or units is None else ways * units


def samples_first(values: Any, axes: str) -> Any:
    """Values with samples first; of a recurrent layer (samples, time, directions × units), and what it is given (samples, time or directions, …)."""
    if not axes:
        return values
    turned = values.transpose([axes.index(letter) for letter in "NTDH" if letter in axes])
    return turned.reshape(*turned.shape[:2], -1)


def channels_of(graph: Graph, name: str, shape: Shape) -> str:
    """Where the channels of an input lie: as the first convolution reads it, else as ONNX's images do; series and tables have them last."""
    weights = {tensor.name: tensor for tensor in graph.proto.graph.initializer}
    node = _first_convolution(graph, name)
    if node is not None and node.input[1] in weights:
        sizes = weights[node.input[1]].dims
        group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        if len(sizes) == len(shape) + 1:
            return "last" if shape[0] != sizes[1] * group and shape[-1] == sizes[1] * group else "first"
    if len(shape) < 3:
        return "last"
    return "last" if shape[-1] in (1, 3, 4) and shape[0] not in (1, 3, 4) else "first"


def _first_convolution(graph: Graph, name: str) -> Any:
    """The first one that an input reaches."""
    reached = {name}
    for node in graph.proto.graph.node:
        if reached & _reads(node):
            if node.op_type.startswith(("Conv", "QLinearConv")) and len(node.input) > 1:
                return node
            reached |= set(node.output)
    return None
