"""Recurrent nodes of ONNX graphs: states and gates, held against onnxruntime's own states; no gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onnx_graphs
import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
STEPS, WIDTH, UNITS = 6, 3, 4


def test_an_lstm_shows_the_same_gates_as_keras(small_rnn: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 12, 5)).astype(np.float32)
    mine, theirs = (pellucid.visualize(one, x, "recurrent_state") for one in (adapt(onnx_graphs.rnn(small_rnn)), small_rnn))
    np.testing.assert_allclose(mine.values["lstm"], theirs.values["lstm"], atol=1e-5)
    for name in ("input gate", "forget gate", "candidate", "output gate", "cell", "time constant"):
        np.testing.assert_allclose(mine.details["lstm"][name], theirs.details["lstm"][name], rtol=1e-3, atol=1e-5)
    assert "gradient" not in mine.details["lstm"]
    assert "gives no gradients" in mine.provenance["resolved"]["no gradient"]


def graph(kind: str, parts: int, *, ways: int = 1, bias: bool = True, begin: float | None = None, **settings: Any) -> Any:
    """A recurrent node whose last state is read."""
    draw = np.random.default_rng(1).normal
    weights = {
        "W": draw(size=(ways, parts * UNITS, WIDTH)).astype(np.float32),
        "R": draw(size=(ways, parts * UNITS, UNITS)).astype(np.float32),
        "B": draw(size=(ways, 2 * parts * UNITS)).astype(np.float32),
        "whole": np.array([0, -1]),
    } | ({} if begin is None else {"h0": np.full((ways, 2, UNITS), begin, np.float32)})
    held = ("B - h0" if begin is not None else "B") if bias else ""
    direction = {} if ways == 1 else {"direction": "bidirectional"}
    nodes = [
        onnx_graphs.node("Transpose", "x", "t", perm=[1, 0, 2]),
        onnx_graphs.node(kind, f"t W R {held}", "- last", "r", hidden_size=UNITS, **direction, **settings),
        onnx_graphs.node("Transpose", "last", "l", perm=[1, 0, 2]),
        onnx_graphs.node("Reshape", "l whole", "y", "y"),
    ]
    used = {name for one in nodes for name in one.input}
    samples = "N" if begin is None else 2  # states that the graph holds are of as many samples
    return onnx_graphs.model(
        nodes, {"x": (samples, STEPS, WIDTH)}, {"y": (samples, ways * UNITS)}, {name: array for name, array in weights.items() if name in used}
    )


@pytest.mark.once
@pytest.mark.parametrize(
    "made",
    [
        lambda: graph("GRU", 3, linear_before_reset=1, ways=2),
        lambda: graph("GRU", 3, linear_before_reset=0),
        lambda: graph("RNN", 1, activations=["Relu"], bias=False),
        lambda: graph("LSTM", 4, ways=2, activations=["Sigmoid", "Softsign", "Softsign"] * 2),
        lambda: graph("GRU", 3, direction="reverse", begin=0.0),
    ],
    ids=["reset after, both ways", "reset before", "simple", "softsign", "backwards"],
)
def test_other_nodes_are_gone_through_as_onnxruntime_does(made: Any) -> None:
    x = np.random.default_rng(2).normal(size=(2, STEPS, WIDTH)).astype(np.float32)
    view = pellucid.visualize(adapt(made()), x, "recurrent_state")  # refuses where states differ
    assert all(array.shape == (2, STEPS, UNITS) for array in view.values.values())
    assert all(np.ptp(array) > 0.1 for array in view.values.values())


@pytest.mark.once
def test_what_a_node_does_besides_is_refused() -> None:
    x = np.zeros((2, STEPS, WIDTH), np.float32)
    for made, problem in (
        (graph("GRU", 3, clip=1.0), "clip"),
        (graph("RNN", 1, activations=["Elu"]), "activations Elu"),
        (graph("RNN", 1, begin=0.5), "begins from states"),
    ):
        with pytest.raises(errors.UnsupportedError, match=problem):
            pellucid.visualize(adapt(made), x, "recurrent_state")
