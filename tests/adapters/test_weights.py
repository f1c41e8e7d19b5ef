"""The weights of a network: which are shown, and that they can be replaced for a while, on every adapter that has any; the refusal of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from test_grid import mask_rows, path_rows

from pellucid.adapters import adapt
from pellucid.core.errors import ShapeError, UnknownLayerError, UnsupportedError
from pellucid.core.metric import Metric
from pellucid.core.model import INPUT, Model
from pellucid.core.target import Target, resolve_target

FLOAT32 = 1e-5
DENSE = [("dense_0", [(6, 8), (8,)]), ("dense_1", [(8, 5), (5,)]), ("dense_2", [(5, 3), (3,)])]
KERAS_CNN = [("conv_a", [(3, 3, 1, 4), (4,)]), ("conv_b", [(3, 3, 4, 6), (6,)]), ("out", [(54, 4), (4,)])]
TORCH_CNN = [[(4, 1, 3, 3), (4,)], [(6, 4, 3, 3), (6,)], [(4, 54), (4,)]]
SHAPES: dict[str, tuple[tuple[int, ...], list[list[tuple[int, ...]]]]] = {
    "oracle": ((6,), [shapes for _, shapes in DENSE]),
    "keras_twin": ((6,), [shapes for _, shapes in DENSE]),
    "small_cnn": ((12, 12, 1), [shapes for _, shapes in KERAS_CNN]),
    "small_rnn": ((12, 5), [[(5, 28), (7, 28), (28,)], [(7, 3), (3,)]]),
    "torch_mlp": ((6,), [[shape[::-1] for shape in shapes] for _, shapes in DENSE]),
    "torch_cnn": ((1, 12, 12), TORCH_CNN),
    "torch_rnn": ((12, 5), [[(28, 5), (28, 7), (28,), (28,)], [(3, 7), (3,)]]),
    "jax_mlp": ((6,), [list(reversed(shapes)) for _, shapes in DENSE]),
}
"""Network → its input, and the shapes of its weights, layer by layer; JAX sorts the names of a dictionary, bias before kernel."""


@pytest.fixture(params=SHAPES)
def case(request: pytest.FixtureRequest) -> tuple[str, Model, np.ndarray]:
    model = adapt(request.getfixturevalue(request.param))
    inputs = np.random.default_rng(4).random((5, *SHAPES[request.param][0])).astype(np.float32)
    model.meet(inputs)
    return request.param, model, inputs


def logits_of(model: Model, inputs: np.ndarray) -> np.ndarray:
    return model.predict(inputs, logits=True)


def constant(weights: dict[str, tuple[np.ndarray, ...]]) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """Weights with which the last layer gives the same numbers whatever comes, and those numbers."""
    name = list(weights)[-1]
    answer = np.linspace(-0.5, 0.7, max(array.size for array in weights[name] if array.ndim == 1))
    return {name: [answer if array.ndim == 1 else np.zeros(array.shape) for array in weights[name]]}, answer


def states(model: Model, inputs: np.ndarray, target: Target) -> list[np.ndarray]:
    """What each verb says, fused ones too."""
    rows, masks = path_rows(inputs), mask_rows(inputs, False, False, first=inputs.ndim == 4 and inputs.shape[1] == 1)
    found = [
        logits_of(model, inputs),
        model.gradients(inputs, target).gradients[INPUT],
        *model.path_gradients(rows, target),
        model.masked_scores(masks, target),
    ]
    return [np.asarray(one) for one in found]


def test_shapes_and_the_order_of_calls(case: tuple[str, Model, np.ndarray]) -> None:
    name, model, _ = case
    found = model.weights()
    assert [[array.shape for array in arrays] for arrays in found.values()] == SHAPES[name][1]
    if name == "jax_mlp":
        assert list(found) == ["0", "1", "2"]
    elif name != "keras_twin":
        assert list(found) == [layer.name for layer in model.layers() if layer.parameters]


def test_what_is_shown_is_a_copy(case: tuple[str, Model, np.ndarray]) -> None:
    _, model, inputs = case
    before = logits_of(model, inputs)
    for arrays in model.weights().values():
        for array in arrays:
            array[...] = 9.0
    assert np.array_equal(logits_of(model, inputs), before)


def test_every_verb_reads_the_new_weights_also_where_it_was_compiled_before(case: tuple[str, Model, np.ndarray]) -> None:
    _, model, inputs = case
    target = resolve_target(1, "logit", logits_of(model, inputs))
    before = states(model, inputs, target)
    weights, answer = constant(model.weights())
    with model.replaced_weights(weights) as other:
        outputs, gradient, first, second, masked = states(other, inputs, target)
        shown = other.weights()
    np.testing.assert_allclose(outputs, np.broadcast_to(answer, outputs.shape), rtol=FLOAT32, atol=FLOAT32)
    for zero in (gradient, first, second):
        assert np.abs(zero).max() == 0.0
    np.testing.assert_allclose(masked, answer[1], rtol=FLOAT32, atol=FLOAT32)
    for name, arrays in weights.items():
        for array, read in zip(arrays, shown[name], strict=True):
            np.testing.assert_allclose(read, array, rtol=1e-6)
    for now, then in zip(states(model, inputs, target), before, strict=True):
        assert np.array_equal(now, then)


@pytest.mark.parametrize("fails", [False, True])
def test_put_back_to_the_byte_after_success_and_after_an_error(case: tuple[str, Model, np.ndarray], fails: bool) -> None:
    _, model, _ = case
    before = model.weights()
    changed = {name: [array + 1 for array in arrays] for name, arrays in before.items()}
    try:
        with model.replaced_weights(changed):
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    for name, arrays in model.weights().items():
        for now, then in zip(arrays, before[name], strict=True):
            assert now.tobytes() == then.tobytes(), name


def test_one_within_another(case: tuple[str, Model, np.ndarray]) -> None:
    _, model, inputs = case
    before, own = logits_of(model, inputs), model.weights()
    first, last = next(iter(own)), list(own)[-1]
    both = {name: [array * 1.5 for array in own[name]] for name in (first, last)}
    with model.replaced_weights(both) as other:
        wanted = logits_of(other, inputs)
    with model.replaced_weights({first: both[first]}) as outer:
        between = logits_of(outer, inputs)
        with outer.replaced_weights({last: both[last]}) as inner:
            assert np.array_equal(logits_of(inner, inputs), wanted)
        assert np.array_equal(logits_of(outer, inputs), between)
    assert np.array_equal(logits_of(model, inputs), before)
    assert np.abs(wanted - between).max() > 1e-3 < np.abs(between - before).max()


def test_weights_that_cannot_stand_there_are_refused_before_anything_changes(case: tuple[str, Model, np.ndarray]) -> None:
    _, model, inputs = case
    before, own = logits_of(model, inputs), model.weights()
    name = next(iter(own))
    with pytest.raises(UnknownLayerError, match=rf"no_such.*{name}"), model.replaced_weights({"no_such": own[name]}):
        pass
    wrong: Sequence[Sequence[np.ndarray]] = (own[name][:1], [np.zeros((2, 2)), *own[name][1:]])
    for arrays in wrong:
        with pytest.raises(ShapeError, match=f"'{name}' has weights of the shapes"), model.replaced_weights({name: arrays}):
            pass
    assert np.array_equal(logits_of(model, inputs), before)


@pytest.mark.parametrize("name", ["oracle", "small_cnn", "torch_cnn", "torch_mlp"])
def test_parts_above_and_below_a_layer(name: str, request: pytest.FixtureRequest) -> None:
    model = adapt(request.getfixturevalue(name))
    inputs = np.random.default_rng(4).random((3, *SHAPES[name][0])).astype(np.float32)
    model.meet(inputs)
    own = model.weights()
    cut = next(iter(own))
    values, outputs = model.activations(inputs, [cut])[cut], logits_of(model, inputs)
    live = model.above(cut, inputs[:1]), model.below(cut)
    np.testing.assert_allclose(logits_of(live[0], values), outputs, rtol=1e-4, atol=1e-5)
    weights, answer = constant(own)
    with model.replaced_weights(weights | {cut: [np.zeros(array.shape) for array in own[cut]]}) as other:
        parts = [(other.above(cut, inputs[:1]), other.below(cut))] + ([] if name == "oracle" else [live])
        for above, below in parts:
            np.testing.assert_allclose(logits_of(above, values), np.broadcast_to(answer, outputs.shape), rtol=FLOAT32, atol=FLOAT32)
            assert np.abs(below.predict(inputs)).max() == 0.0
    np.testing.assert_allclose(live[1].predict(inputs), values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["a black box", "an estimator", "ONNX", "a SavedModel", "a JAX function without parameters"])
def test_what_shows_no_weights_says_so(kind: str, request: pytest.FixtureRequest) -> None:
    model = without_weights(kind, request)
    assert not model.has_weights
    asked: tuple[Callable[[], Any], ...] = (model.weights, lambda: model.replaced_weights({}))
    for ask in asked:
        with pytest.raises(UnsupportedError, match="shows no weights"):
            ask()


def without_weights(kind: str, request: pytest.FixtureRequest) -> Model:
    if kind == "an estimator":
        linear_model = pytest.importorskip("sklearn.linear_model")
        return adapt(linear_model.LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]))
    if kind == "ONNX":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        import onnx_graphs

        return adapt(onnx_graphs.mlp(request.getfixturevalue("oracle")))
    if kind == "a JAX function without parameters":
        jax = pytest.importorskip("jax")
        return adapt(jax.jit(lambda x: x[:, :2]))
    return request.getfixturevalue("saved_cnn") if kind == "a SavedModel" else adapt(lambda x: x[:, :2])


class _Replacing(Metric):
    title, asks, group, citation = "Replacing", "?", "sanity", "none"
    needs = frozenset({"weights"})

    def measure(self, trial: Any) -> Any:
        raise NotImplementedError


def test_a_metric_that_needs_weights_refuses_by_their_reason(oracle: Any) -> None:
    assert _Replacing().refuses(adapt(lambda x: x[:, :2]), None) == "replaces the network's weights, which a black box does not show"  # type: ignore[arg-type]
    assert _Replacing().refuses(oracle, None) == ""  # type: ignore[arg-type]
