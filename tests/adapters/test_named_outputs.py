"""`inspect` shows the outputs of a network that has several, with their shapes, in every framework, before one of them is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnx_graphs
import pellucid
from pellucid.core import errors

WEIGHTS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
ROWS = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
LONG = "the sum"


def in_jax(folder: Path) -> tuple[Any, dict[str, Any]]:
    jax = pytest.importorskip("jax")
    return pellucid.JaxFunction(lambda w, x: {"kind": jax.nn.softmax(x @ w), LONG: x.sum(axis=1, keepdims=True)}, WEIGHTS), {"input_shape": (6,)}


def in_torch(folder: Path) -> tuple[Any, dict[str, Any]]:
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(6, 3, bias=False)
            self.dense.weight.data = torch.tensor(WEIGHTS.T.copy())

        def forward(self, x: Any) -> Any:
            return {"kind": self.dense(x).softmax(dim=1), LONG: x.sum(dim=1, keepdim=True)}

    return Two(), {"input_shape": (6,)}


def in_onnx(folder: Path) -> tuple[Any, dict[str, Any]]:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    node = onnx_graphs.node
    summed = onnx.helper.make_node("ReduceSum", ["x", "axes"], [LONG], keepdims=1)
    nodes = [node("MatMul", "x w", "z"), node("Softmax", "z", "kind", axis=-1), summed]
    weights = {"w": WEIGHTS, "axes": np.array([1])}
    onnx.save(onnx_graphs.model(nodes, {"x": ("N", 6)}, {"kind": ("N", 3), LONG: ("N", 1)}, weights), folder / "two.onnx")
    return folder / "two.onnx", {}


def in_a_saved_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    tf = pytest.importorskip("tensorflow")

    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32, "x")])
        def signature(self, x: Any) -> Any:
            return {"kind": tf.nn.softmax(x @ tf.constant(WEIGHTS)), LONG: tf.reduce_sum(x, axis=1, keepdims=True)}

    module = Two()
    tf.saved_model.save(module, str(folder / "two"), signatures=module.signature)
    return folder / "two", {}


MADE: dict[str, Callable[[Path], tuple[Any, dict[str, Any]]]] = {
    "JAX": in_jax,
    "PyTorch": in_torch,
    "ONNX": in_onnx,
    "a TensorFlow SavedModel": in_a_saved_model,
}


@pytest.mark.parametrize("framework", MADE)
def test_several_outputs_are_shown_and_one_of_them_is_explained(framework: str, tmp_path: Path) -> None:
    model, known = MADE[framework](tmp_path)
    found = pellucid.inspect(model, **known)
    assert found.framework == framework
    assert found.outputs == {"kind": (3,), LONG: (1,)}
    assert found.head is None
    assert pellucid.load(pellucid.save(found, tmp_path / "found.safetensors")) == [found]
    with pytest.raises(errors.SeveralOutputsError, match=r"several outputs: 'kind' \(3,\), 'the sum' \(1,\)") as raised:
        pellucid.explain(model, ROWS, "feature_ablation")
    assert raised.value.shapes == found.outputs
    kind = pellucid.explain(model, ROWS, "feature_ablation", target={"kind": 2})
    assert kind.target.score == "logit"
    np.testing.assert_allclose(kind.score, (ROWS @ WEIGHTS)[:, 2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pellucid.explain(model, ROWS, "feature_ablation", target={LONG: 0}).values, ROWS, rtol=1e-4, atol=1e-5)


def test_one_output_needs_no_name() -> None:
    jax = pytest.importorskip("jax")
    assert pellucid.inspect(pellucid.JaxFunction(lambda w, x: jax.nn.softmax(x @ w), WEIGHTS), input_shape=(6,)).outputs == {"": (3,)}


def test_outputs_of_which_one_is_chosen_are_all_shown(tmp_path: Path) -> None:
    model = pellucid.adapt(in_onnx(tmp_path)[0]).reading(LONG)
    assert (model.traits.output, model.traits.output_shape, model.traits.outputs) == (LONG, (1,), {"kind": (3,), LONG: (1,)})


def test_chances_that_a_zip_map_names_count_as_an_output() -> None:
    pytest.importorskip("onnxruntime")
    from pellucid.adapters.onnx_model import OnnxModel

    helper = importlib.import_module("onnx.helper")
    maps = helper.make_node("ZipMap", ["kind"], ["chances"], domain="ai.onnx.ml", classlabels_strings=["a", "b", "c"])
    nodes = [onnx_graphs.node("MatMul", "x w", "z"), onnx_graphs.node("Softmax", "z", "kind", axis=-1), maps]
    proto = onnx_graphs.model(nodes, {"x": ("N", 6)}, {"z": ("N", 3)}, {"w": WEIGHTS})
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(8, helper.make_tensor_type_proto(1, None)))
    proto.graph.output.append(helper.make_value_info("chances", kind))
    assert OnnxModel(proto).traits.outputs == {"z": (3,), "chances": (3,)}


def test_the_command_line_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from pellucid.apps.cli import main

    in_onnx(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "two.onnx"]) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert ["kind", "3"] in lines
    assert [*LONG.split(), "1"] in lines
