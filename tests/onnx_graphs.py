"""The networks of `conftest.py`, and others, as ONNX graphs built node by node."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.adapters.numpy_model import NumpyModel

Array = np.ndarray
OPSET = 17


def model(nodes: list[Any], inputs: dict[str, tuple[Any, ...]], outputs: dict[str, tuple[Any, ...]], weights: dict[str, Array], **kinds: int) -> Any:
    """A model of these nodes; `kinds` gives the number type of what is no float32."""
    from onnx import TensorProto, helper, numpy_helper

    def values(named: dict[str, tuple[Any, ...]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape) for name, shape in named.items()]

    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "graph", values(inputs), values(outputs), tensors)
    domains = {node.domain for node in nodes} - {"", "com.example"}
    opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 3 if domain == "ai.onnx.ml" else 1) for domain in domains)]
    opsets += [helper.make_opsetid("com.example", 1)] if any(node.domain == "com.example" for node in nodes) else []
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def node(kind: str, inputs: str, outputs: str, name: str = "", **settings: Any) -> Any:
    """One node; its tensors' names stand in one text, "-" for one that is left out."""
    from onnx import helper

    return helper.make_node(kind, *([word.strip("-") for word in words.split()] for words in (inputs, outputs)), name=name, **settings)


def mlp(oracle: NumpyModel, *, samples: Any = "N", head: str = "Softmax") -> Any:
    """The oracle's weights: Gemm nodes named as its layers."""
    nodes, weights, last = [], {}, "x"
    for i, dense in enumerate(oracle.stack):
        weights |= {f"w{i}": dense.weights.astype(np.float32), f"b{i}": dense.bias.astype(np.float32)}
        nodes.append(node("Gemm", f"{last} w{i} b{i}", f"z{i}", f"dense_{i}"))
        last = f"z{i}"
        if dense.activation == "relu":
            nodes.append(node("Relu", last, f"a{i}", f"relu_{i}"))
            last = f"a{i}"
    nodes.append(node(head, last, "scores", "head"))
    return model(nodes, {"x": (samples, *(oracle.traits.input_shape or ()))}, {"scores": (samples, oracle.stack[-1].bias.size)}, weights)


def cnn(seed: int = 0, *, samples: Any = "N", first: bool = True) -> Any:
    """Two convolutions on images (1, 12, 12), or on (12, 12, 1) turned inside as converters from TensorFlow do."""
    draw = np.random.default_rng(seed).normal
    weights = {
        "k0": draw(size=(4, 1, 3, 3)).astype(np.float32),
        "k1": (draw(size=(6, 4, 3, 3)) / 4).astype(np.float32),
        "w": (draw(size=(6, 3))).astype(np.float32),
    }
    weights |= {"c0": draw(size=4).astype(np.float32), "c1": draw(size=6).astype(np.float32), "b": draw(size=3).astype(np.float32)}
    turn = [] if first else [node("Transpose", "x", "t", "turn", perm=[0, 3, 1, 2])]
    nodes = [
        *turn,
        node("Conv", f"{'x' if first else 't'} k0 c0", "z0", "conv_a"),
        node("Relu", "z0", "a0", "relu_a"),
        node("Conv", "a0 k1 c1", "z1", "conv_b"),
        node("Relu", "z1", "a1"),
        node("GlobalAveragePool", "a1", "p", "pool"),
        node("Flatten", "p", "f", "flat"),
        node("Gemm", "f w b", "z", "out"),
        node("Softmax", "z", "y", "head"),
    ]
    return model(nodes, {"x": (samples, 1, 12, 12) if first else (samples, 12, 12, 1)}, {"y": (samples, 3)}, weights)


def rnn(keras_model: Any) -> Any:
    """The Keras `small_rnn`: its gates in ONNX's order, its steps not among the outputs."""
    kernel, recurrent, bias = keras_model.layers[0].get_weights()
    order = np.concatenate([np.arange(7) + 7 * place for place in (0, 3, 1, 2)])  # Keras has input, forget, cell, output; ONNX input, output, forget, cell
    dense, offset = keras_model.layers[1].get_weights()
    weights = {
        "W": kernel.T[order][None],
        "R": recurrent.T[order][None],
        "B": np.concatenate([bias[order], np.zeros(28, np.float32)])[None],
        "w": dense,
        "b": offset,
        "ways": np.array([0]),
    }
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("LSTM", "t W R B", "- last", "lstm", hidden_size=7),
        node("Squeeze", "last ways", "h", "last"),
        node("Gemm", "h w b", "z", "out"),
        node("Softmax", "z", "y", "head", axis=-1),
    ]
    return model(nodes, {"x": ("N", 12, 5)}, {"y": ("N", 3)}, weights)
