"""The graph of a network: connections, and costs counted by hand, the same on every framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import onnx_graphs
import pellucid
import torch_twins
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SeveralOutputsError, UnknownLayerError
from pellucid.core.model import Layer, Model, Traits
from pellucid.core.view import View

RESNET_20 = 432 * 32**2 + 6 * 9 * 16**2 * 32**2 + (9 * 16 * 32 + 5 * 9 * 32**2) * 16**2 + (9 * 32 * 64 + 5 * 9 * 64**2) * 8**2 + 640
"""Multiply-adds of ResNet-20 on 32 × 32 pixels, convolutions and the dense layer, without weights on the way past a block: 40,551,040."""


def costs(view: View) -> dict[str, float]:
    return {name: float(numbers[1]) for name, numbers in view.values.items() if numbers[1]}


def test_a_network_by_hand() -> None:
    model = NumpyModel([Dense(np.ones((3, 4)), np.zeros(4), "relu"), Dense(np.ones((4, 2)), np.zeros(2))], (3,))
    view = pellucid.visualize(model, view="graph")
    assert list(view.values) == ["input", "dense_0", "dense_1"]
    np.testing.assert_allclose(view.values["dense_0"], [16, 12, 16, 0.6])
    np.testing.assert_allclose(view.values["dense_1"], [10, 8, 8, 0.4])
    assert view.details["dense_1"]["inputs"].tolist() == ["dense_0"]
    assert view.details["dense_0"]["activation"].tolist() == ["relu"]
    assert view.details["input"]["shape"].tolist() == [3]
    assert len(view) == 0


@pytest.mark.once
def test_resnet_20_costs_what_its_layers_say() -> None:
    pytest.importorskip("keras")
    from pellucid.recipes.networks.resnet20 import resnet20

    view = pellucid.visualize(resnet20((32, 32, 3), 10), view="graph")
    assert RESNET_20 == 40_551_040
    assert sum(costs(view).values()) == RESNET_20
    assert sum(numbers[3] for numbers in view.values.values()) == pytest.approx(1)
    assert sorted(view.details["layer2_0_add"]["inputs"].tolist())[0] == "layer2_0_bn2"


def test_kinds_of_layers_in_keras() -> None:
    """Each by its own formula, from its definition."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    image, steps, words = keras.Input((8, 8, 3), name="image"), keras.Input((6, 5), name="steps"), keras.Input((7,), dtype="int32", name="words")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(image)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.SeparableConv2D(6, 3, padding="same", name="separable")(x)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="transposed")(x)
    x = layers.BatchNormalization(name="norm")(x)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(steps)
    y = layers.GRU(3, name="gru")(layers.Dense(2, name="each_step")(y))
    z = layers.Embedding(11, 8, name="embedding")(words)
    z = layers.MultiHeadAttention(2, 4, name="attention")(z, z)
    z = layers.Conv1D(5, 2, name="series")(z)
    joined = layers.Concatenate(name="joined")([layers.Flatten(name="f")(x), y, layers.GlobalAveragePooling1D(name="mean")(z)])
    network = keras.Model([image, steps, words], layers.Dense(3, name="out")(joined))
    view = pellucid.visualize(network, view="graph")
    assert costs(view) == {
        "conv": 4 * 4 * 9 * 3 * 4,
        "depthwise": 4 * 4 * 9 * 4,
        "separable": 4 * 4 * (9 * 4 + 4 * 6),
        "transposed": 4 * 4 * 9 * 2 * 6,
        "both": 6 * 2 * 4 * (5 * 4 + 4 * 4),
        "each_step": 6 * 8 * 2,
        "gru": 6 * 3 * (2 * 3 + 3 * 3),
        "attention": 7 * (4 * 8 * 8) + 2 * 7 * 7 * 8,
        "series": 6 * 2 * 8 * 5,
        "out": (8 * 8 * 2 + 3 + 5) * 3,
    }
    assert not any("multiply_adds" in view.details[name]["unknown"] for name in view.values)
    assert view.values["embedding"][0] == 88


def test_the_same_costs_in_pytorch_and_onnx(small_cnn: Any, small_rnn: Any) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    keras_cnn, keras_rnn = costs(pellucid.visualize(small_cnn, view="graph")), costs(pellucid.visualize(small_rnn, view="graph"))
    assert keras_cnn == {"conv_a": 10 * 10 * 9 * 4, "conv_b": 3 * 3 * 9 * 4 * 6, "out": 54 * 4}
    assert keras_rnn == {"lstm": 12 * 4 * 7 * (5 + 7), "out": 7 * 3}
    assert costs(pellucid.visualize(torch_twins.cnn(small_cnn), np.zeros((1, 1, 12, 12), np.float32), "graph")) == keras_cnn
    assert costs(pellucid.visualize(torch_twins.rnn(small_rnn), np.zeros((1, 12, 5), np.float32), "graph")) == keras_rnn
    assert costs(pellucid.visualize(adapt(onnx_graphs.rnn(small_rnn)), np.zeros((1, 12, 5), np.float32), "graph")) == keras_rnn
    assert costs(pellucid.visualize(adapt(onnx_graphs.cnn()), view="graph")) == {"conv_a": 10 * 10 * 9 * 4, "conv_b": 8 * 8 * 9 * 4 * 6, "out": 6 * 3}


def test_the_same_costs_in_a_saved_model(saved_cnn: Any, small_cnn: Any) -> None:
    want = costs(pellucid.visualize(small_cnn, view="graph"))
    assert list(costs(pellucid.visualize(saved_cnn, view="graph")).values()) == list(want.values())


def test_attention_in_pytorch_counts_projections_and_pairs_of_tokens() -> None:
    nn = pytest.importorskip("torch").nn

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.attention(x, x, x)[0].mean(1))

    view = pellucid.visualize(Attends(), np.zeros((1, 7, 8), np.float32), "graph")
    assert costs(view) == {"attention": 7 * 4 * 8 * 8 + 2 * 7 * 7 * 8, "out": 24}


def test_free_lengths_are_those_of_the_sample_and_else_not_known() -> None:
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.Input((None, 5)), keras.layers.LSTM(4, return_sequences=True, name="lstm"), keras.layers.Dense(2, name="out")])
    view = pellucid.visualize(network, view="graph")
    assert view.details["lstm"]["shape"].tolist() == [-1, 4]
    assert set(view.details["lstm"]["unknown"]) == {"multiply_adds", "bytes", "share"}
    assert [finding.code for finding in view.findings] == ["cost not known"]
    assert "2 of 2" in view.findings[0].told
    met = pellucid.visualize(network, np.zeros((1, 9, 5), np.float32), "graph")
    assert costs(met) == {"lstm": 9 * 4 * 4 * (5 + 4), "out": 9 * 8}
    assert met.details["out"]["shape"].tolist() == [9, 2]


def test_named_layers_alone_are_joined_through_the_others(small_cnn: Any) -> None:
    view = pellucid.visualize(small_cnn, view="graph", layers=["conv_b", "out"])
    assert {name: told["inputs"].tolist() for name, told in view.details.items()} == {"input": [], "conv_b": ["input"], "out": ["conv_b"]}
    with pytest.raises(UnknownLayerError, match="conv_c"):
        pellucid.visualize(small_cnn, view="graph", layers=["conv_c"])


def test_sums_without_a_layer_are_nodes_of_their_own() -> None:
    nn = pytest.importorskip("torch").nn

    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            a = self.a(x)
            return self.b(a + x.tanh())

    view = pellucid.visualize(Skips(), np.zeros((1, 3), np.float32), "graph")
    assert list(view.values) == ["input", "a", "add_1", "b"]
    assert view.details["add_1"]["inputs"].tolist() == ["a", "input"]
    assert view.details["b"]["inputs"].tolist() == ["add_1"]
    assert view.values["add_1"].tolist() == [0, 0, 0, 0]


def test_a_layer_that_is_used_again_has_an_entry_for_each_use() -> None:
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):  # the activation of a residual block, written as in most published ones
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu = torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.Conv2d(2, 2, 3, 2, 1), torch.nn.ReLU()

        def forward(self, x: Any) -> Any:
            x = self.relu(self.a(x) + x)
            return self.relu(self.b(self.relu(self.a(x))))

    view = pellucid.visualize(Block(), np.zeros((1, 2, 8, 8), np.float32), "graph")
    told = {name: (found["inputs"].tolist(), found["shape"].tolist()) for name, found in view.details.items() if name != "input"}
    assert told == {
        "a": (["input"], [2, 8, 8]),
        "add_1": (["a", "input"], []),
        "relu": (["add_1"], [2, 8, 8]),
        "a (2)": (["relu"], [2, 8, 8]),
        "relu (2)": (["a (2)"], [2, 8, 8]),
        "b": (["relu (2)"], [2, 4, 4]),
        "relu (3)": (["b"], [2, 4, 4]),
    }
    assert costs(view) == {"a": 64 * 36, "a (2)": 64 * 36, "b": 16 * 36}
    assert [view.values[name][0] for name in ("a", "a (2)", "b")] == [38, 0, 38]
    chosen = pellucid.visualize(Block(), np.zeros((1, 2, 8, 8), np.float32), "graph", layers=["a", "b"])
    assert {name: found["inputs"].tolist() for name, found in chosen.details.items()} == {"input": [], "a": ["input"], "a (2)": ["a", "input"], "b": ["a (2)"]}


def test_of_a_module_with_several_outputs_all_is_shown() -> None:
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.kind, self.size = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2), torch.nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            x = self.body(x)
            return {"kind": self.kind(x), "size": self.size(x)}

    view = pellucid.visualize(Two(), np.zeros((2, 3), np.float32), "graph")
    assert {name: found["inputs"].tolist() for name, found in view.details.items()} == {"input": [], "body": ["input"], "kind": ["body"], "size": ["body"]}
    assert costs(view) == {"body": 12, "kind": 8, "size": 4}
    with pytest.raises(SeveralOutputsError, match="output='kind'"):
        pellucid.visualize(Two(), np.zeros((2, 3), np.float32), "activation_map")
    with pytest.raises(SeveralOutputsError, match="output='kind'"):  # it needs no samples, and asks an output all the same
        pellucid.visualize(Two(), np.zeros((2, 3), np.float32), "feature_visualization")


def test_a_network_that_goes_step_by_step_has_one_entry_a_layer() -> None:
    torch = pytest.importorskip("torch")

    class Steps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.act, self.out = torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            for _ in range(7):
                x = self.act(self.cell(x))
            return self.out(x)

    view = pellucid.visualize(Steps(), np.zeros((1, 3), np.float32), "graph")
    assert {name: found["inputs"].tolist() for name, found in view.details.items()} == {
        "input": [],
        "cell": ["input", "act"],
        "act": ["cell"],
        "out": ["act"],
    }


class Unjoined(Model):
    """Layers of which nothing says what feeds them, one of a kind of its own with weights."""

    batch_size = 8
    traits = Traits("a toy", (4,), (2,), fingerprint="toy")
    has_weights = True

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("first", "Dense", (4,), 16), Layer("own", "Strange", (4,), 16), Layer("last", "Dense", (2,), 8))

    def weights(self) -> dict[str, tuple[np.ndarray, ...]]:
        return {"first": (np.ones((4, 4)),), "own": (np.ones((4, 4)),), "last": (np.ones((4, 2)),)}

    def predict(self, inputs: np.ndarray, *, logits: bool = False) -> np.ndarray:
        return inputs[:, :2]

    def activations(self, inputs: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        return {}


def test_what_is_not_known_is_said() -> None:
    view = pellucid.visualize(Unjoined(), view="graph")
    assert [finding.code for finding in view.findings] == ["connections not known", "cost not known"]
    assert [told["inputs"].tolist() for told in view.details.values()] == [[], ["input"], ["first"], ["own"]]  # in the order of calls
    assert view.details["own"]["unknown"].tolist() == ["multiply_adds", "share"]
    assert view.provenance["resolved"]["connections"] == "order of calls"


def test_the_dearest_layer_and_the_largest_are_told() -> None:
    stack = [Dense(np.ones((4, 4)), np.zeros(4))] * 3 + [Dense(np.ones((4, 900)), np.zeros(900))]
    view = pellucid.visualize(NumpyModel(stack, (4,)), view="graph")
    assert [(finding.code, finding.layer) for finding in view.findings] == [("one layer costs most", "dense_3"), ("one layer holds most", "dense_3")]
    assert "98.7%" in view.findings[0].told
    even = pellucid.visualize(NumpyModel([Dense(np.ones((4, 4)), np.zeros(4))] * 4, (4,)), view="graph")
    assert even.findings == ()
