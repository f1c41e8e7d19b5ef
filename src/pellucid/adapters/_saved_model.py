"""What the adapter of SavedModels does with TensorFlow: see that nothing in a file reads or writes files, freeze its signature, and read the graph."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DamagedModelError, UnsafeModelError, UnsupportedError
from pellucid.core.model import INPUT, Layer

STATEFUL = re.compile(
    r"VarHandleOp|ReadVariableOp|AssignVariableOp|VarIsInitializedOp|VariableShape|Variable(V2)?|DestroyResourceOp|DisableCopyOnRead|ResourceGather(Nd)?"
    r"|StatefulPartitionedCall|If|While|Case|Assert|CheckNumerics(V2)?|Empty|DeviceIndex|Random.*|TruncatedNormal|Multinomial|Stateful.*|RngReadAndSkip|RngSkip"
    r"|StatelessRandomGetAlg|TensorArray.*|Stack.*|(Mutable)?HashTable(V2)?|LookupTable.*|InitializeTableV2|XlaCallModule"
)
"""Operations with a state that stays within the process; any other that has one is refused."""
STATELESS = re.compile(r"ReadFile|MatchingFiles|PyFunc.*|InitializeTableFromTextFile|GenerateVocabRemapping|Snapshot.*|Reader.*|Debug.*|ShardedFilespec")
"""Operations that TensorFlow calls stateless though they reach beyond the process."""
SAVER = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}
"""What the functions that save and restore the weights need; they are not run, or only by TensorFlow itself."""
SILENT = ("Identity", "IdentityN", "Cast", "Placeholder", "NoOp", "Const", "StopGradient", "PreventGradient", "EnsureShape", "Fill", "ZerosLike", "OnesLike")
"""Operations that are no layer."""
CALL = re.compile(r"^((Stateful)?PartitionedCall(_\d+)?/)+")


def check_harmless(file: Path) -> None:
    """Raise where a SavedModel could read or write files, or call Python; nothing of it is run."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise damaged(file, error) from error
    if not model.meta_graphs:
        raise damaged(file, ValueError("it holds no graph"))
    found = set().union(*(_reaching_out(graph) for graph in model.meta_graphs))
    if found:
        raise UnsafeModelError(
            f"'{file.parent}' holds operations that can reach beyond the model ({', '.join(sorted(found))}), which are not run. "
            "If you trust its origin: allow_unsafe=True, or --allow-unsafe."
        )


def damaged(file: Path, error: BaseException) -> DamagedModelError:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return DamagedModelError(f"'{file.parent}' cannot be read as a TensorFlow SavedModel ({text}); save it again.")


def _reaching_out(graph: Any) -> set[str]:
    """The kinds of operation in a graph and its functions that may reach beyond the process, the saver's apart."""
    bodies = {function.signature.name: list(function.node_def) for function in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    saving = _upstream(nodes, [saver.save_tensor_name, saver.restore_op_name])
    started = [tensor.name for signature in graph.signature_def.values() for tensor in signature.outputs.values()]
    called = set(graph.object_graph_def.concrete_functions) | _functions((nodes[name] for name in set(nodes) - saving), bodies)
    called |= _functions((nodes[name] for name in _upstream(nodes, started)), bodies)
    for name in list(called):
        called |= _functions(bodies.get(name, []), bodies)
    saved = _functions((nodes[name] for name in saving), bodies) - called
    other = [node for name, body in bodies.items() if name not in saved for node in body] + [nodes[name] for name in set(nodes) - saving]
    inside = [node for name in saved for node in bodies.get(name, [])] + [nodes[name] for name in saving]
    return {node.op for node in other if _reaches(node.op, bodies)} | {node.op for node in inside if _reaches(node.op, bodies) and node.op not in SAVER}


def _upstream(nodes: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """The nodes that these depend on, and themselves."""
    todo, seen = [_node_name(name) for name in names], set()
    while todo:
        name = todo.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            todo += [_node_name(one) for one in nodes[name].input]
    return seen


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _functions(nodes: Iterable[Any], bodies: Mapping[str, list[Any]]) -> set[str]:
    """The functions that nodes call, directly and through others."""
    todo, seen = list(nodes), set()
    while todo:
        node = todo.pop()
        for attribute in node.attr.values():
            for name in (attribute.func.name, *(one.name for one in attribute.list.func)):
                if name and name not in seen:
                    seen.add(name)
                    todo += bodies.get(name, [])
    return seen


def _reaches(kind: str, bodies: Mapping[str, Any]) -> bool:
    """Whether an operation may reach beyond the process; one that TensorFlow does not know needs a library of its own."""
    from tensorflow.python.framework import op_def_registry

    if kind in bodies:
        return False
    known = op_def_registry.get(kind)
    return known is None or (STATEFUL.fullmatch(kind) is None if known.is_stateful else STATELESS.fullmatch(kind) is not None)


def signature_of(loaded: Any, name: str | None) -> Any:
    """The function of a loaded SavedModel that is explained."""
    known = dict(loaded.signatures)
    chosen = name or ("serving_default" if "serving_default" in known else next(iter(known)) if len(known) == 1 else None)
    if chosen not in known:
        raise UnsupportedError(
            f"the SavedModel has the signatures {', '.join(known) or '(none)'}; name one: SavedModel(folder, signature='…')."
            + ("" if known else " Save it with one: keras_model.export(folder), or tf.saved_model.save(module, folder, signatures=function).")
        )
    return known[chosen]


def frozen(function: Any) -> Any:
    """A function with its weights as constants and its calls written out, which can be cut; its loops are left, so that they can be differentiated."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def from_inputs(tensors: Sequence[Any]) -> list[Any]:
    """The operations that depend on one of these tensors, in an order in which they can be run."""
    order = [tensor.op for tensor in tensors]
    reached = set(order)
    for operation in _in_order(tensors[0].graph):
        if operation not in reached and any(source.op in reached for source in operation.inputs):
            reached.add(operation)
            order.append(operation)
    return order


def _in_order(graph: Any) -> Iterator[Any]:
    """A graph's operations, each after those that it reads."""
    done: set[Any] = set()
    for last in graph.get_operations():
        stack = [(last, iter(last.inputs))]
        while stack:
            operation, sources = stack[-1]
            source = next((one.op for one in sources if one.op not in done), None)
            if source is not None:
                stack.append((source, iter(source.inputs)))
                continue
            stack.pop()
            if operation not in done:
                done.add(operation)
                yield operation


def head_of(tensor: Any) -> tuple[str | None, Any]:
    """ "softmax", "log_softmax" or "sigmoid" where a tensor is made by one, and the tensor that it reads."""
    operation = tensor.op
    while operation.type == "Identity":
        operation = operation.inputs[0].op
    kind = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}.get(operation.type)
    return kind, operation.inputs[0] if kind else tensor


def layers_of(inputs: Sequence[Any]) -> tuple[tuple[Layer, ...], dict[str, Any]]:
    """The operations that compute numbers from the inputs, as the contract shows them, and the tensor of each."""
    operations = from_inputs(inputs)
    reached, samples = set(operations), inputs[0].shape[0] if inputs[0].shape.rank else None
    layers: list[Layer] = []
    tensors: dict[str, Any] = {}
    sources: dict[Any, tuple[str, ...]] = {tensor.op: (INPUT,) for tensor in inputs}
    for operation in operations:
        value = operation.outputs[0] if operation.outputs else None
        fed_by = () if operation.type == "Shape" else tuple(dict.fromkeys(name for tensor in operation.inputs for name in sources.get(tensor.op, ())))
        sources.setdefault(operation, fed_by)
        if operation.type in SILENT or value is None or not value.dtype.is_floating or not value.shape.rank or value.shape[0] != samples:
            continue
        name = _unique(CALL.sub("", operation.name), tensors)
        tensors[name], sources[operation] = value, (name,)
        layers.append(_layer(name, operation, value, sum(_weights(source.op, reached) for source in operation.inputs), fed_by))
    return tuple(layers), tensors


def _layer(name: str, operation: Any, value: Any, count: int, inputs: tuple[str, ...]) -> Layer:
    shape = tuple(value.shape[1:])
    axis = 0 if channels_first(operation) else -1
    grid = shape[1:] if axis == 0 else shape[:-1]
    return Layer(name, operation.type, shape, count, "", len(grid) == 2 and grid != (1, 1), False, axis if grid else -1, inputs)


def channels_first(operation: Any) -> bool:
    return "data_format" in operation.node_def.attr and operation.get_attr("data_format") in (b"NCHW", b"NCDHW")


def _weights(operation: Any, reached: set[Any]) -> int:
    """Numbers in the constants that an operation's value is made of, single ones apart."""
    if operation in reached:
        return 0
    if operation.type == "Const":
        value = operation.outputs[0]
        return int(value.shape.num_elements() or 0) if value.dtype.is_floating and value.shape.rank else 0
    return sum(_weights(source.op, reached) for source in operation.inputs)


def _unique(name: str, taken: Mapping[str, Any]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def fingerprint(graph: Any) -> str:
    """SHA-256 over the kinds of operation and every constant, weights among them."""
    from tensorflow import make_ndarray

    digest = hashlib.sha256()
    for operation in _in_order(graph):
        digest.update(operation.type.encode())
        if operation.type == "Const":
            array = np.asarray(make_ndarray(operation.get_attr("value")))
            digest.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
    return digest.hexdigest()[:16]
