"""Networks with several inputs: the same weights give the same numbers in every framework, and each takes its inputs in its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import two_inputs
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.records import Explanation

PREDICTION, DETERMINISTIC, SAMPLED = 1e-5, 1e-4, 1e-3
FRAMEWORKS = {"keras": two_inputs.in_keras, "torch": two_inputs.in_torch, "jax": two_inputs.in_jax, "onnxruntime": two_inputs.in_onnx}
WORDS = {
    "keras": two_inputs.words_in_keras,
    "torch": two_inputs.words_in_torch,
    "jax": two_inputs.words_in_jax,
    "onnxruntime": two_inputs.words_in_onnx,
}
FIRST = ("torch", "onnxruntime")
"""Those whose images have their channels first."""
BY_GRADIENT: dict[str, tuple[dict[str, Any], float]] = {
    "saliency": ({}, DETERMINISTIC),
    "gradient_x_input": ({}, DETERMINISTIC),
    "integrated_gradients": ({"rule": "midpoint", "steps": 16, "baseline": {"image": "mean", "meta": 0.5}}, DETERMINISTIC),
    "smooth_grad": ({"tolerance": 0.0, "max_evaluations": 96}, SAMPLED),
    "square_grad": ({"tolerance": 0.0, "max_evaluations": 96}, SAMPLED),
    "var_grad": ({"tolerance": 0.0, "max_evaluations": 96}, SAMPLED),
    "expected_gradients": ({"tolerance": 0.0, "max_evaluations": 240}, SAMPLED),
}
CUT = {"image": "patches:3", "meta": "columns"}
BY_COALITION: dict[str, tuple[dict[str, Any], float]] = {
    "exact_shap": ({"features": CUT, "fill": {"image": "blur:2", "meta": 0.5}}, DETERMINISTIC),
    "feature_ablation": ({"features": CUT}, DETERMINISTIC),
    "partition_shap": ({"features": CUT}, DETERMINISTIC),
    "shapley_interactions": ({"features": CUT}, DETERMINISTIC),
    "lime": ({"tolerance": 0.0, "max_evaluations": 300}, SAMPLED),
    "kernel_shap": ({"tolerance": 0.0, "max_evaluations": 300}, SAMPLED),
    "permutation_shap": ({"tolerance": 0.0, "max_evaluations": 1200}, SAMPLED),
    "sobol": ({"features": CUT, "tolerance": 0.0, "max_evaluations": 2000}, SAMPLED),
}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def network(request: pytest.FixtureRequest) -> tuple[str, Any]:
    pytest.importorskip(request.param)
    return request.param, adapt(FRAMEWORKS[request.param]())


@pytest.fixture(scope="module")
def torch_network() -> Any:
    pytest.importorskip("torch")
    return adapt(two_inputs.in_torch())


def given(framework: str, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return two_inputs.first(x) if framework in FIRST else x


def in_one_layout(framework: str, found: Explanation) -> np.ndarray:
    """Its values, an image's channels last."""
    if found.features is not None:
        return found.values
    image, meta = (found.by_input[name].values for name in ("image", "meta"))
    image = np.moveaxis(image, 1, -1) if framework == "torch" else image
    return np.concatenate([image.reshape(len(image), -1), meta], axis=1)


def alike(found: np.ndarray, wanted: np.ndarray, bound: float) -> None:
    np.testing.assert_allclose(found, wanted, rtol=bound, atol=bound * float(np.abs(wanted).max()))


def asked(framework: str, method: str, options: dict[str, Any]) -> dict[str, Any]:
    background = {"background": given(framework, two_inputs.samples(30, seed=7))} if method == "expected_gradients" else {}
    return {"target": 1, "score": "logit"} | background | options


def test_predictions_agree(network: tuple[str, Any]) -> None:
    framework, model = network
    found = pellucid.explain(model, given(framework, two_inputs.samples()), "feature_ablation")
    logits = two_inputs.in_numpy(**two_inputs.samples())
    np.testing.assert_allclose(np.log(found.prediction) - np.log(found.prediction[:, :1]), logits - logits[:, :1], atol=PREDICTION)
    np.testing.assert_allclose(found.score, logits.max(axis=1), atol=PREDICTION)


@pytest.mark.parametrize("method", BY_GRADIENT)
def test_gradients_agree(network: tuple[str, Any], torch_network: Any, method: str) -> None:
    framework, model = network
    options, bound = BY_GRADIENT[method]
    if framework == "onnxruntime":
        with pytest.raises(errors.UnsupportedError, match=r"needs gradients, which ONNX does not give.*feature_ablation"):
            pellucid.explain(model, given(framework, two_inputs.samples()), method, **asked(framework, method, options))
        return
    if framework == "torch" and method == "saliency":
        wanted = _differences(1)
    else:
        there = two_inputs.first(two_inputs.samples())
        wanted = in_one_layout("torch", pellucid.explain(torch_network, there, method, **asked("torch", method, options)))
    found = pellucid.explain(model, given(framework, two_inputs.samples()), method, **asked(framework, method, options))
    alike(in_one_layout(framework, found), wanted, bound)


def _differences(target: int, step: float = 1e-5) -> np.ndarray:
    """|∂ logit / ∂ x| of the network in NumPy, by central differences."""
    x = {name: array.astype(np.float64) for name, array in two_inputs.samples().items()}
    found = []
    for name in x:
        slopes = np.zeros(x[name].shape)
        for place in np.ndindex(x[name].shape[1:]):
            ends = []
            for sign in (1, -1):
                moved = x[name].copy()
                moved[(slice(None), *place)] += sign * step
                ends.append(two_inputs.in_numpy(**(x | {name: moved}))[:, target])
            slopes[(slice(None), *place)] = (ends[0] - ends[1]) / (2 * step)
        found.append(np.abs(slopes).reshape(len(slopes), -1))
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("method", BY_COALITION)
def test_coalitions_agree_with_the_network_in_numpy(network: tuple[str, Any], method: str) -> None:
    framework, model = network
    options, bound = BY_COALITION[method]
    wanted = pellucid.explain(two_inputs.in_numpy, two_inputs.samples(), method, target=1, **options)
    found = pellucid.explain(model, given(framework, two_inputs.samples()), method, **asked(framework, method, options))
    alike(found.values, wanted.values, bound)
    assert found.features.names == wanted.features.names


@pytest.mark.parametrize("framework", WORDS)
def test_words_and_their_mask_agree(framework: str) -> None:
    pytest.importorskip(framework)
    model, x = WORDS[framework](), two_inputs.texts()
    assert adapt(model).traits.needed in (("ids", "mask"), ())
    for options in ({}, {"features": np.tile(np.arange(two_inputs.LENGTH), 2)}, {"fill": {"ids": 7, "mask": 1}}):
        wanted = pellucid.explain(two_inputs.words_in_numpy, x, "exact_shap", target=1, **options)
        found = pellucid.explain(model, x, "exact_shap", target=1, score="logit", **options)
        alike(found.values, wanted.values, DETERMINISTIC)
        np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-5)
    names = pellucid.explain(model, x, "feature_ablation").features.names
    assert names[:2] == ("ids: token 0", "ids: token 1")
    if framework in ("onnxruntime", "jax"):
        reason = "which ONNX does not give" if framework == "onnxruntime" else r"ids and mask do not have.*layer="
        with pytest.raises(errors.UnsupportedError, match=rf"{reason}.*exact_shap"):
            pellucid.explain(model, x, "integrated_gradients")


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_many_rows_of_words_as_a_background(framework: str) -> None:
    """SHAP would use gradients there, which words do not have."""
    pytest.importorskip(framework)
    x, usual = two_inputs.texts(1), two_inputs.texts(40, seed=9)
    found = pellucid.explain(WORDS[framework](), x, "shap", background=usual, target=1, score="logit", tolerance=0.3)
    exact = pellucid.explain(two_inputs.words_in_numpy, x, "exact_shap", background=usual, target=1)
    assert "permutations" in found.provenance["resolved"]["estimator"]
    assert np.linalg.norm(found.values - exact.values) < 0.3 * np.linalg.norm(exact.values)


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_at_the_embedding_words_have_gradients(framework: str) -> None:
    pytest.importorskip(framework)
    x = two_inputs.texts()
    found = pellucid.explain(WORDS[framework](), x, "gradient_x_input", target=1, score="logit", layer="embedding")
    w = two_inputs.word_weights()
    mask = x["mask"][..., None]
    mean = (w["vectors"][x["ids"]] * mask).sum(axis=1) / mask.sum(axis=1)
    slope = (1 - np.tanh(mean) ** 2) * w["out"][:, 1]
    alike(found.values, w["vectors"][x["ids"]] * slope[:, None] * mask / mask.sum(axis=1, keepdims=True), DETERMINISTIC)
    with pytest.raises(errors.UnsupportedError, match="layer 'embedding'"):
        _ = found.by_input
    by_word = pellucid.explain(WORDS[framework](), x, "gradient_x_input", target=1, score="logit")
    alike(by_word.by_input["ids"].values, found.values.sum(axis=-1), DETERMINISTIC)
    assert not by_word.by_input["mask"].values.any()
    assert by_word.provenance["resolved"]["others"] == "mask"


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_the_layers_of_a_network_with_several_inputs(framework: str) -> None:
    pytest.importorskip(framework)
    x = given(framework, two_inputs.samples())
    at_layer = pellucid.explain(FRAMEWORKS[framework](), x, "integrated_gradients", layer="hidden", target=1)
    np.testing.assert_allclose(at_layer.values.sum(axis=1), at_layer.score - at_layer.baseline_score, atol=0.02 * np.abs(at_layer.values).sum())
    round_it = pellucid.explain(FRAMEWORKS[framework](), x, "integrated_gradients", layer="conv", target=1)
    assert len(round_it.values) == len(x["meta"])
    unit = pellucid.explain(FRAMEWORKS[framework](), x, "saliency", layer="hidden[2]")
    assert unit.by_input["image"].values.shape == x["image"].shape
    view = pellucid.visualize(FRAMEWORKS[framework](), x, "activation_map", layers=["conv"])
    assert view.values["conv"].shape[0] == len(x["meta"])


def test_keras_takes_lists_and_mappings() -> None:
    pytest.importorskip("keras")
    x = two_inputs.samples()
    listed = pellucid.explain(two_inputs.in_keras(), x, "saliency", target=0)
    for model, inputs in ((two_inputs.in_keras(named=True), x), (two_inputs.in_keras(), (x["image"], x["meta"])), (two_inputs.in_keras(), list(x.values()))):
        np.testing.assert_array_equal(pellucid.explain(model, inputs, "saliency", target=0).values, listed.values)
    with pytest.raises(errors.InputError, match="input 'meta' is missing"):
        pellucid.explain(two_inputs.in_keras(), {"image": x["image"], "meat": x["meta"]}, "saliency")


def test_torch_takes_names_places_and_one_mapping(torch_network: Any) -> None:
    torch = pytest.importorskip("torch")
    x, bare = two_inputs.first(two_inputs.samples()), two_inputs.in_torch()

    class Together(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = bare

        def forward(self, batch: Any) -> Any:
            return self.inner(**batch) if isinstance(batch, dict) else self.inner(*batch)

    class AnyNumber(Together):
        def forward(self, *arrays: Any) -> Any:
            return self.inner(*arrays)

    wanted = pellucid.explain(bare, x, "saliency", target=0).values
    for module, inputs in ((bare, (x["image"], x["meta"])), (Together(), x), (Together(), tuple(x.values())), (AnyNumber(), tuple(x.values()))):
        np.testing.assert_array_equal(pellucid.explain(module, inputs, "saliency", target=0).values, wanted)
    tensors = {name: torch.tensor(array) for name, array in x.items()}
    np.testing.assert_array_equal(pellucid.explain(bare, tensors, "saliency", target=0).values, wanted)
    with pytest.raises(errors.InputError, match="forward takes"):
        pellucid.explain(bare, x | {"more": x["meta"]}, "saliency")


def test_torch_leaves_the_module_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    module = two_inputs.in_torch().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    pellucid.explain(module, two_inputs.first(two_inputs.samples()), "smooth_grad", tolerance=0.5)
    assert module.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_words_stay_exact_in_half_precision() -> None:
    torch = pytest.importorskip("torch")

    class Looked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(5000, 1)
            with torch.no_grad():
                self.embedding.weight.copy_(torch.arange(5000.0)[:, None] % 97)

        def forward(self, ids: Any, numbers: Any) -> Any:
            return self.embedding(ids)[:, 0] + numbers

    ids = np.array([[4097], [2049]])
    found = pellucid.explain(Looked().to(torch.bfloat16), {"ids": ids, "numbers": np.zeros((2, 1), np.float32)}, "feature_ablation", score="output")
    np.testing.assert_array_equal(found.score, ids[:, 0] % 97)


def test_an_exported_program_keeps_its_inputs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x = two_inputs.first(two_inputs.samples())
    batch = torch.export.Dim("batch")
    arguments = tuple(torch.tensor(array[:2]) for array in x.values())
    program = torch.export.export(two_inputs.in_torch(), arguments, dynamic_shapes={name: {0: batch} for name in x})
    torch.export.save(program, tmp_path / "two.pt2")
    inspected = pellucid.inspect(tmp_path / "two.pt2", allow_unsafe=True)
    assert [(spec.name, spec.shape, spec.dtype) for spec in inspected.inputs] == [("image", (3, 6, 6), "float32"), ("meta", (5,), "float32")]
    found = pellucid.explain(tmp_path / "two.pt2", x, "saliency", target=0, allow_unsafe=True)
    alike(found.values, pellucid.explain(two_inputs.in_torch(), x, "saliency", target=0).values, DETERMINISTIC)


def test_a_saved_model_keeps_its_inputs(tmp_path: Path) -> None:
    keras, _ = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip(f"Keras exports a SavedModel like this one from TensorFlow; here it runs on {keras.config.backend()}")
    model, x = two_inputs.in_keras(), two_inputs.samples()
    model.export(str(tmp_path / "two"), verbose=False)
    for method in ("saliency", "feature_ablation"):
        found = pellucid.explain(tmp_path / "two", x, method, target=0)
        alike(found.values, pellucid.explain(model, x, method, target=0).values, DETERMINISTIC)
