"""What each layer is fed by, on every framework: the same graph for the same network, and the network as it was afterwards."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import onnx_graphs
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.connections import contracted
from pellucid.core.model import INPUT, Model

Edges = Mapping[str, tuple[str, ...]]


def numbered(model: Model, connections: Edges, kinds: tuple[str, ...]) -> dict[int, list[int]]:
    """Connections between layers of these kinds alone, by their place in the order of calls; the input is −1."""
    kept = [layer.name for layer in model.layers() if layer.kind.startswith(kinds)]
    place = {INPUT: -1} | {name: number for number, name in enumerate(kept)}
    return {place[name]: sorted(place[source] for source in sources) for name, sources in contracted(connections, kept).items()}


# ---- Keras ----------------------------------------------------------------------------------------------------------


def test_keras_chain_and_the_layers_say_it_too(small_cnn: Any) -> None:
    model = adapt(small_cnn)
    assert model.connections() == {"conv_a": ("input",), "pool": ("conv_a",), "conv_b": ("pool",), "flat": ("conv_b",), "out": ("flat",)}
    assert [layer.inputs for layer in model.layers()] == [("input",), ("conv_a",), ("pool",), ("conv_b",), ("flat",)]


def branched(keras: Any) -> Any:
    """A skip by a layer, a sum without one, a model within the model, and a layer that is used twice."""
    layers = keras.layers
    inner_input = keras.Input((4,), name="inner_input")
    inner = keras.Model(inner_input, layers.Dense(4, name="deep")(layers.Dense(4, name="low")(inner_input)), name="inner")
    x = keras.Input((4,), name="x")
    shared = layers.Dense(4, name="shared")
    a = shared(x)
    b = inner(shared(a))
    joined = layers.Add(name="together")([a, b])
    summed = joined + a
    return keras.Model(x, layers.Dense(2, name="out")(summed))


def test_keras_branches_nested_models_and_joints_without_a_layer() -> None:
    keras = pytest.importorskip("keras")
    model = adapt(branched(keras))
    found = model.connections()
    joint = next(name for name in found if name not in {layer.name for layer in model.layers()})
    assert found == {
        "shared": ("input", "shared"),
        "inner/low": ("shared",),
        "inner/deep": ("inner/low",),
        "together": ("shared", "inner/deep"),
        joint: ("together", "shared"),
        "out": (joint,),
    }
    assert model.layer("out").inputs == ("together", "shared")  # layers name layers alone


def test_keras_class_without_a_graph_is_seen_by_a_run() -> None:
    keras = pytest.importorskip("keras")
    layers, ops = keras.layers, keras.ops

    class Branched(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = layers.Conv2D(4, 3, padding="same", name="a"), layers.Conv2D(4, 3, padding="same", name="b"), layers.Dense(3, name="c")
            self.memory = layers.LSTM(5, return_state=True, name="memory")

        def call(self, x: Any) -> Any:
            a = self.a(x)
            mixed = ops.relu(ops.concatenate([self.b(ops.relu(a)), a], axis=-1))
            _, _, cell = self.memory(ops.reshape(mixed, (-1, 64, 8)))
            return self.c(ops.concatenate([cell, ops.mean(x, axis=(1, 2))], axis=-1))

    network = Branched()
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    before = np.asarray(keras.ops.convert_to_numpy(network(x)))
    model = adapt(network)
    assert model.connections() == {"a": ("input",), "b": ("a",), "memory": ("a", "b"), "c": ("input", "memory")}
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(network(x)), before)
    assert all("call" not in vars(layer) for layer in network.layers)


def test_keras_class_with_more_layers_than_go_together() -> None:
    keras = pytest.importorskip("keras")

    class Deep(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [keras.layers.Dense(3, name=f"part_{i}") for i in range(33)]

        def call(self, x: Any) -> Any:
            for part in self.parts:
                x = x + part(x)
            return x

    network = Deep()
    network(np.zeros((1, 3), np.float32))
    found = adapt(network).connections()
    assert found["part_0"] == ("input",)
    assert set(found["part_32"]) == {"input", *(f"part_{i}" for i in range(32))}


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def residual_torch() -> Any:
    """ResNet-20 as its paper has it, sums, rectifiers and the way past a block written as functions."""
    torch = pytest.importorskip("torch")
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, before: int, width: int) -> None:
            super().__init__()
            self.grown = width - before
            self.conv1, self.bn1 = nn.Conv2d(before, width, 3, 2 if self.grown else 1, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)), inplace=True)))
            half = self.grown // 2
            return functional.relu(y + (functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half)) if half else x), inplace=True)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
            self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            self.blocks = nn.Sequential(*(Block(before, width) for before, width in itertools.pairwise(widths)))
            self.linear = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return torch.softmax(self.linear(self.blocks(functional.relu(self.bn(self.conv(x)), inplace=True)).mean((2, 3))), dim=-1)

    return Residual()


def test_a_residual_network_has_the_same_graph_in_keras_and_in_pytorch() -> None:
    pytest.importorskip("keras")
    from pellucid.recipes.networks.resnet20 import resnet20

    theirs, mine = adapt(resnet20((32, 32, 3), 10)), adapt(residual_torch())
    mine.meet(np.zeros((1, 3, 32, 32), np.float32))
    kinds = ("Conv", "BatchNorm", "Dense", "Linear")
    found = numbered(mine, mine.connections(), kinds)
    assert len(found) == 39
    assert found == numbered(theirs, theirs.connections(), kinds)
    joints = [name for name in mine.connections() if name.startswith("add")]
    assert len(joints) == 9 == sum(layer.kind == "Add" for layer in theirs.layers())


def test_pytorch_module_is_left_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    module = residual_torch().train()
    state = copy.deepcopy(module.state_dict())
    random = torch.get_rng_state()
    model = adapt(module)
    model.meet(np.zeros((1, 3, 32, 32), np.float32))
    model.connections()
    assert module.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in module.modules())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_pytorch_sees_through_what_is_no_layer_and_tells_apart_what_gives_its_input_back() -> None:
    torch = pytest.importorskip("torch")
    from torch import nn

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(11, 6), nn.Embedding(5, 6)
            self.drop, self.norm = nn.Dropout(0.5), nn.LayerNorm(6)
            self.memory, self.out = nn.LSTM(6, 4, batch_first=True, bidirectional=True), nn.Linear(14, 2)

        def forward(self, x: Any) -> Any:
            seen = self.word(x) + self.place(torch.arange(x.shape[1]))
            kept = self.drop(seen)
            steps, (last, _) = self.memory(self.norm(kept))
            return self.out(torch.cat([steps.mean(1), kept.mean(1)], dim=-1)) + last.sum()

    model = adapt(Mixed())
    model.meet(np.zeros((1, 5), np.float32))
    found = model.connections()
    assert found["word"] == ("input",)
    (joint,) = found["drop"]
    assert found[joint] == ("word", "place")
    assert found["norm"] == ("drop",)  # in evaluation it gives back the very tensor that it was given
    assert found["memory"] == ("norm",)
    (mixed,) = found["out"]
    assert found[mixed] == ("memory", "drop")


def test_pytorch_without_data_knows_nothing_yet() -> None:
    nn = pytest.importorskip("torch").nn
    assert adapt(nn.Sequential(nn.Linear(3, 2))).connections() == {}


def test_pytorch_part_that_holds_layers_and_weights_is_fed_by_the_last_of_them() -> None:
    torch = pytest.importorskip("torch")
    from torch import nn

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.inner = nn.Parameter(torch.ones(4)), nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            return self.scale * self.inner(x)

    model = adapt(nn.Sequential(Holder(), nn.Linear(4, 2)))
    model.meet(np.zeros((1, 3), np.float32))
    assert model.connections() == {"0.inner": ("input",), "0": ("0.inner",), "1": ("0",)}


# ---- graphs of files, and the oracle ----------------------------------------------------------------------------------


def test_onnx_nodes_are_joined_through_what_is_no_layer() -> None:
    pytest.importorskip("onnxruntime")
    node = onnx_graphs.node
    nodes = [
        node("Conv", "x k", "z", "conv", pads=[1, 1, 1, 1]),
        node("Identity", "z", "same", "same"),
        node("Relu", "same", "a", "relu"),
        node("Add", "a x", "s", "add"),
        node("Shape", "z", "sizes", "sizes"),
        node("Reshape", "s sizes", "r", "reshape"),
        node("Sigmoid", "r", "y", "head"),
    ]
    model = adapt(onnx_graphs.model(nodes, {"x": ("N", 1, 4, 4)}, {"y": ("N", 1, 4, 4)}, {"k": np.ones((1, 1, 3, 3), np.float32)}))
    assert model.connections() == {"conv": ("input",), "relu": ("conv",), "add": ("relu", "input"), "reshape": ("add",), "head": ("reshape",)}
    assert model.kernel_shapes() == {"conv": ((1, 1, 3, 3),)}


def test_saved_model_has_the_graph_that_keras_has(saved_cnn: Any, small_cnn: Any) -> None:
    kinds = ("Conv", "MatMul", "Dense")
    theirs = adapt(small_cnn)
    assert numbered(saved_cnn, saved_cnn.connections(), kinds) == numbered(theirs, theirs.connections(), kinds) == {0: [-1], 1: [0], 2: [1]}


def test_the_oracle_is_a_chain_and_a_function_is_nothing(oracle: NumpyModel, jax_mlp: Any) -> None:
    assert oracle.connections() == {"dense_0": ("input",), "dense_1": ("dense_0",), "dense_2": ("dense_1",)}
    assert adapt(jax_mlp).connections() == {}
