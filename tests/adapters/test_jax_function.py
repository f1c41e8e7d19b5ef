"""Plain JAX functions against the oracle and Keras: values, gradients, the head, the batches that are compiled, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import jax_twins
import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.target import resolve_target

jax = pytest.importorskip("jax")
from jax import numpy as jnp  # noqa: E402

PREDICTION, VALUES, SAMPLED = 1e-5, 1e-4, 1e-3


def close(mine: np.ndarray, theirs: np.ndarray, relative: float = PREDICTION) -> None:
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * np.abs(theirs).max())


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)


METHODS: dict[str, tuple[dict[str, Any], float]] = {
    "saliency": ({}, VALUES),
    "gradient_x_input": ({}, VALUES),
    "integrated_gradients": ({}, VALUES),
    "smooth_grad": ({"tolerance": 0.0, "max_evaluations": 96}, SAMPLED),
    "expected_gradients": ({"background": np.random.default_rng(1).normal(size=(20, 6)), "tolerance": 0.0, "max_evaluations": 80}, SAMPLED),
    "shap": ({"tolerance": 0.0, "max_evaluations": 40}, SAMPLED),
    "exact_shap": ({}, VALUES),
    "lime": ({"tolerance": 0.0, "max_evaluations": 200}, SAMPLED),
    "rise": ({"tolerance": 0.0, "max_evaluations": 200}, SAMPLED),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_equal_the_oracle(oracle: NumpyModel, rows: np.ndarray, method: str) -> None:
    options, relative = METHODS[method]
    function = pellucid.JaxFunction(*jax_twins.mlp(oracle), batch_size=64)
    mine, theirs = (pellucid.explain(one, rows, method, target=1, **options) for one in (function, oracle))
    assert mine.target.score == theirs.target.score == "logit"
    close(mine.values, theirs.values, relative)


@pytest.mark.parametrize("method", ["integrated_gradients", "shap", "occlusion"])
def test_images_equal_keras(small_cnn: Any, images: np.ndarray, method: str) -> None:
    options: dict[str, Any] = {"features": "patches:4", "tolerance": 0.0, "max_evaluations": 60} if method == "shap" else {}
    function = pellucid.JaxFunction(*jax_twins.cnn(small_cnn), batch_size=16)
    close(function.predict(images), adapt(small_cnn).predict(images))
    mine, theirs = (pellucid.explain(one, images, method, **options) for one in (function, small_cnn))
    close(mine.values, theirs.values, VALUES)


def dense(weights: Any, x: Any) -> Any:
    return x @ weights


def stable(x: Any) -> Any:
    power = jnp.exp(x - jax.lax.stop_gradient(x.max(axis=-1, keepdims=True)))
    return power / power.sum(axis=-1, keepdims=True)


@jax.custom_jvp
def own_rule(x: Any) -> Any:
    return jax.nn.softmax(x)


own_rule.defjvp(lambda primals, tangents: (own_rule(*primals), jax.jvp(jax.nn.softmax, primals, tangents)[1]))

HEADS: dict[str, tuple[Any, str | None]] = {
    "softmax": (lambda w, x: jax.nn.softmax(dense(w, x)), "softmax"),
    "compiled": (jax.jit(lambda w, x: jax.nn.softmax(dense(w, x))), "softmax"),
    "head compiled": (lambda w, x: jax.jit(jax.nn.softmax)(dense(w, x)), "softmax"),
    "twice compiled": (jax.jit(lambda w, x: jax.jit(lambda y: jax.nn.sigmoid(y))(dense(w, x))), "sigmoid"),
    "rematerialised": (jax.checkpoint(lambda w, x: jax.nn.softmax(dense(w, x))), "softmax"),
    "written out": (lambda w, x: stable(dense(w, x)), "softmax"),
    "without a shift": (lambda w, x: jnp.exp(dense(w, x)) / jnp.exp(dense(w, x)).sum(axis=1, keepdims=True), None),
    "with a rule of its own": (lambda w, x: own_rule(dense(w, x)), "softmax"),
    "sigmoid": (lambda w, x: jax.nn.sigmoid(dense(w, x)), "sigmoid"),
    "logarithms": (lambda w, x: jax.nn.log_softmax(dense(w, x)), "log_softmax"),
    "logarithms compiled": (jax.jit(lambda w, x: jax.jit(jax.nn.log_softmax)(dense(w, x))), "log_softmax"),
    "logarithms written out": (lambda w, x: dense(w, x) - jax.nn.logsumexp(dense(w, x), axis=1, keepdims=True), None),
    "in half precision": (lambda w, x: jax.nn.softmax(dense(w, x).astype(jnp.bfloat16)).astype(jnp.float32), "softmax"),
    "over the wrong axis": (lambda w, x: jax.nn.softmax(dense(w, x)[:, None] * jnp.array([[[1.0], [2.0]]]), axis=1), None),
    "another quotient": (lambda w, x: jnp.exp(dense(w, x)) / (1 + jnp.exp(dense(w, x)).sum(axis=1, keepdims=True)), None),
    "none": (dense, None),
}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_are_found(rows: np.ndarray, kind: str) -> None:
    function, head = HEADS[kind]
    relative = 1e-2 if "half" in kind else PREDICTION
    weights = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    model = pellucid.JaxFunction(function, weights)
    model.meet(rows)
    assert model.traits.head == head
    close(model.predict(rows), np.asarray(function(weights, rows)), relative)
    if head is not None:
        close(model.predict(rows, logits=True), rows @ weights, relative)
        target = resolve_target(1, "logit", model.predict(rows, logits=True))
        close(model.gradients(rows, target).gradients[INPUT], np.tile(weights[:, 1], (9, 1)), max(relative, VALUES))


@pytest.mark.parametrize("form", ["tuple", "mapping", "nested"])
def test_one_of_several_outputs_is_named_by_the_target(rows: np.ndarray, form: str) -> None:
    weights = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)

    def function(w: Any, x: Any) -> Any:
        kind, size = jax.nn.softmax(dense(w, x)), x.sum(axis=1)
        return {"tuple": (kind, size), "mapping": {"kind": kind, "size": size}, "nested": {"both": [kind, size]}}[form]

    model = pellucid.JaxFunction(function, weights)
    kind, size = {"tuple": ("0", "1"), "mapping": ("kind", "size"), "nested": ("both.0", "both.1")}[form]
    of_kind = pellucid.explain(model, rows, "gradient_x_input", target={kind: 2})
    close(of_kind.score, (rows @ weights)[:, 2])
    assert of_kind.target.score == "logit"
    close(pellucid.explain(model, rows, "exact_shap", target={size: 0}).values, rows)
    with pytest.raises(errors.SettingError, match=f"several outputs: '{kind}' .*'{size}'"):
        pellucid.explain(model, rows, "saliency")
    with pytest.raises(errors.SettingError, match="unknown output 'nothing'"):
        pellucid.explain(model, rows, "saliency", target={"nothing": 0})


def test_a_rule_of_the_user_for_a_whole_network_is_kept(rows: np.ndarray) -> None:
    """A function with a derivative of its own is not taken apart to read before its softmax."""

    @jax.custom_jvp
    def network(x: Any) -> Any:
        return jax.nn.softmax(2 * x)

    network.defjvp(lambda primals, tangents: (network(*primals), 7 * tangents[0]))
    model = pellucid.JaxFunction(network)
    model.meet(rows)
    assert model.traits.head is None
    target = resolve_target(1, "output", model.predict(rows))
    close(model.gradients(rows, target).gradients[INPUT], np.tile(7 * np.eye(6, dtype=np.float32)[1], (9, 1)))


def test_a_compiled_function_is_recognised(oracle: NumpyModel, rows: np.ndarray) -> None:
    function, parameters = jax_twins.mlp(oracle)
    compiled = jax.jit(lambda x: function(parameters, x))
    assert isinstance(adapt(compiled), pellucid.JaxFunction)
    close(pellucid.explain(compiled, rows, "saliency").values, pellucid.explain(oracle, rows, "saliency").values, VALUES)
    close(adapt(lambda x: function(parameters, x)).predict(rows), oracle.predict(rows))


def test_few_batch_sizes_are_compiled(oracle: NumpyModel) -> None:
    sizes: set[int] = set()
    function, parameters = jax_twins.mlp(oracle)

    def watched(parameters: Any, x: Any) -> Any:
        sizes.add(len(x))
        return function(parameters, x)

    model = pellucid.JaxFunction(watched, parameters, batch_size=64)
    for count in (1, 2, 3, 5, 17, 40, 63, 64, 65, 200):
        inputs = np.random.default_rng(count).normal(size=(count, 6)).astype(np.float32)
        close(model.predict(inputs), oracle.predict(inputs))
    assert len(sizes) <= 5
    assert max(sizes) == 64


def test_parameters_are_read_at_each_call(rows: np.ndarray) -> None:
    weights = np.ones((6, 2), np.float32)
    model = pellucid.JaxFunction(dense, weights)
    before = model.predict(rows)
    weights *= 2
    close(model.predict(rows), 2 * before)


def test_one_score_a_sample(rows: np.ndarray) -> None:
    model = pellucid.JaxFunction(lambda w, x: jax.nn.sigmoid(x @ w), np.arange(6.0, dtype=np.float32))
    assert model.predict(rows).shape == (9, 1)
    assert model.traits.head == "sigmoid"
    close(pellucid.explain(model, rows, "gradient_x_input", target=1).values, rows * np.arange(6))


def test_whole_numbers_have_no_gradient() -> None:
    table = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    model = pellucid.JaxFunction(lambda t, x: t[x].mean(axis=1), table)
    tokens = np.array([[1, 2, 3], [4, 5, 9]])
    close(model.predict(tokens), table[tokens].mean(axis=1))
    assert pellucid.explain(model, tokens, "exact_shap").values.shape == (2, 3)
    with pytest.raises(errors.UnsupportedError, match="needs gradients"):
        pellucid.explain(model, tokens, "saliency")


def test_it_shows_no_layers(oracle: NumpyModel, rows: np.ndarray) -> None:
    model = pellucid.JaxFunction(*jax_twins.mlp(oracle))
    assert model.layers() == ()
    with pytest.raises(errors.UnsupportedError, match="convolution"):
        pellucid.explain(model, rows, "grad_cam")
    with pytest.raises(errors.PellucidError, match=r"no layers|unknown layer"):
        pellucid.explain(model, rows, "saliency", layer="dense_0")
    with pytest.raises(errors.UnsupportedError, match="layers"):
        pellucid.visualize(model, rows, "activation_map")


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda w, x: (x, x), errors.SettingError, r"several outputs: '0' .*'1' .*target=\{'0': 0\}"),
        (lambda w, x: None, errors.UnsupportedError, "returns a NoneType, not one array"),
        (lambda w, x: x.sum(), errors.ModelError, r"returned shape \(\) for 2 inputs.*jax\.vmap"),
        (lambda w, x: x @ w.T, errors.ShapeError, r"cannot take inputs of shape \(samples, 6\)"),
        (lambda w, x: x * float(x[0, 0]), errors.ModelError, "JAX cannot trace the function"),
    ],
)
def test_what_cannot_be_served_is_said(rows: np.ndarray, function: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pellucid.explain(pellucid.JaxFunction(function, np.ones((6, 2), np.float32)), rows, "saliency")


def test_the_fingerprint_is_the_code_and_the_parameters(oracle: NumpyModel) -> None:
    function, parameters = jax_twins.mlp(oracle)
    first = pellucid.JaxFunction(function, parameters).traits.fingerprint
    assert pellucid.JaxFunction(jax.jit(function), parameters).traits.fingerprint == first
    changed = jax.tree.map(lambda leaf: leaf + 1, parameters)
    assert pellucid.JaxFunction(function, changed).traits.fingerprint != first
    assert pellucid.JaxFunction(dense, parameters).traits.fingerprint != first


def test_jax_is_not_imported_for_a_callable() -> None:
    code = "import sys, numpy, pellucid; pellucid.explain(lambda x: x, numpy.ones((1, 2)), 'exact_shap'); print('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
    code = "import sys; sys.modules['jax'] = None; import pellucid\ntry: pellucid.JaxFunction(len)\nexcept ImportError as error: print(error)"
    assert "pip install 'pellucid[jax]'" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_weights_are_the_floating_numbers_of_the_parameters() -> None:
    def function(parameters: Any, x: Any) -> Any:
        return x @ parameters["deep"]["kernel"] * parameters["scale"] + parameters["deep"]["step"]

    parameters = {"deep": {"kernel": np.ones((3, 2), np.float32), "step": np.array([1, 2], np.int32)}, "scale": jnp.full((2,), 2.0)}
    model = pellucid.JaxFunction(function, parameters)
    assert {name: [array.shape for array in arrays] for name, arrays in model.weights().items()} == {"deep": [(3, 2)], "parameters": [(2,)]}
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(model.predict(x), [[7, 8]] * 2)
    compiled = dict(model._compiled)
    with model.replaced_weights({"deep": [np.zeros((3, 2))]}) as other:
        np.testing.assert_allclose(other.predict(x), [[1, 2]] * 2)
        assert other._compiled == compiled  # type: ignore[attr-defined]
        assert model.predict(x)[0, 0] == 7
    assert parameters["deep"]["kernel"].tolist() == np.ones((3, 2)).tolist()
    with pytest.raises(errors.UnsupportedError, match="shows no weights"):
        pellucid.JaxFunction(lambda x: x).weights()
