"""Keras models that are classes without a graph, on whatever Keras runs: heads that are a function's, and several inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
import two_inputs
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.target import resolve_target

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

X = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)


def array(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def of_the_framework(name: str) -> Callable[[Any], Any]:
    """Softmax, log_softmax or sigmoid of what Keras runs on."""
    backend = keras.config.backend()
    if backend == "torch":
        from torch.nn import functional

        function = getattr(functional, name)
        return function if name == "sigmoid" else lambda x: function(x, dim=-1)
    if backend == "jax":
        import jax

        return getattr(jax.nn, name)
    import tensorflow as tf

    return getattr(tf.nn, name)


class Attending(keras.Model):
    """Attention, whose softmax is none of the head's, then classes, then a function."""

    def __init__(self, end: Callable[[Any], Any], classes: int = 3) -> None:
        super().__init__()
        self.wide, self.pool, self.out = layers.Dense(4, activation="tanh", name="wide"), layers.GlobalAveragePooling1D(name="pool"), layers.Dense(classes)
        self.end = end

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.wide(x)
        weights = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))), axis=-1)
        return self.end(self.out(self.pool(ops.matmul(weights, x))))


def built(end: Callable[[Any], Any], classes: int = 3) -> Any:
    network = Attending(end, classes)
    network(X[:1])
    draw = np.random.default_rng(1)
    network.set_weights([draw.normal(size=weight.shape) * 0.8 for weight in network.get_weights()])
    if isinstance(end, layers.Dense):
        end.set_weights([np.eye(classes), np.zeros(classes)])
    return network


def logits(classes: int = 3) -> np.ndarray:
    return array(built(lambda x: x, classes)(X)).astype(np.float64)


class Ending(layers.Layer):
    """A layer of the user's own that ends in a softmax."""

    def call(self, x: Any) -> Any:
        return ops.softmax(x)


def torch_module() -> Any:
    if keras.config.backend() != "torch":
        pytest.skip("Keras runs on another framework")
    from torch import nn

    return nn.Softmax(dim=-1)


CALLED: dict[str, tuple[str, Callable[[], Any]]] = {
    "Keras's softmax": ("softmax", lambda: ops.softmax),
    "Keras's activation": ("softmax", lambda: keras.activations.softmax),
    "the framework's softmax": ("softmax", lambda: of_the_framework("softmax")),
    "Keras's log_softmax": ("log_softmax", lambda: ops.log_softmax),
    "the framework's log_softmax": ("log_softmax", lambda: of_the_framework("log_softmax")),
    "Keras's sigmoid": ("sigmoid", lambda: ops.sigmoid),
    "the framework's sigmoid": ("sigmoid", lambda: of_the_framework("sigmoid")),
    "a layer of one's own": ("softmax", lambda: Ending()),
    "a Lambda layer": ("softmax", lambda: layers.Lambda(of_the_framework("softmax"))),
    "a module of torch's": ("softmax", lambda: torch_module()),
    "an activation of the framework's": ("softmax", lambda: layers.Dense(3, activation=of_the_framework("softmax"))),
}


@pytest.mark.parametrize("ends", CALLED)
def test_a_head_that_is_called_is_found_and_read_before(ends: str) -> None:
    head, end = CALLED[ends]
    network, z = built(end()), logits()
    model = adapt(network)
    assert model.traits.head == head
    np.testing.assert_allclose(model.predict(X, logits=True), z, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X), array(network(X)), rtol=1e-4, atol=1e-6)


def test_gradients_at_inputs_and_layers_are_those_of_a_layers_head() -> None:
    model, twin, z = adapt(built(ops.softmax)), adapt(built(layers.Activation("softmax"))), logits()
    for score in ("logit", "probability"):
        asked = resolve_target([0, 1, 2, "predicted"], score, z, head="softmax")
        found, wanted = (one.gradients(X, asked, (INPUT, "wide")) for one in (model, twin))
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-4, atol=1e-5)
        for name in (INPUT, "wide"):
            np.testing.assert_allclose(found.gradients[name], wanted.gradients[name], rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(found.values[name], wanted.values[name], rtol=1e-4, atol=1e-5)


def test_methods_at_inputs_and_layers_say_the_logit() -> None:
    network, twin = built(ops.softmax), built(layers.Activation("softmax"))
    asked: dict[str, dict[str, Any]] = {
        "integrated_gradients": {},
        "saliency": {"layer": "wide"},
        "exact_shap": {"features": "patches:3"},
    }
    for method, options in asked.items():
        found, wanted = (pellucid.explain(one, X, method, target=1, **options) for one in (network, twin))
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-3, atol=1e-5, err_msg=method)
        assert found.target == wanted.target
        assert found.target.score == "logit"
        np.testing.assert_allclose(found.score, logits()[:, 1], rtol=1e-4)


NO_HEAD: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "over another axis": (lambda x: ops.softmax(ops.stack([x, 2 * x], axis=1), axis=1), (0, 0)),
    "with more behind it": (lambda x: 2 * ops.softmax(x), 0),
    "none": (ops.tanh, 0),
}


def test_a_softmax_that_is_written_out_or_hidden_is_seen_where_the_docs_say_so() -> None:
    def softmax(x: Any) -> Any:
        powers = ops.exp(x)
        return powers / ops.sum(powers, axis=-1, keepdims=True)

    backend = keras.config.backend()
    assert adapt(built(softmax)).traits.head == ("softmax" if backend == "jax" else None)
    if backend == "tensorflow":
        import tensorflow as tf

        assert adapt(built(tf.function(tf.nn.softmax))).traits.head is None


@pytest.mark.parametrize("ends", NO_HEAD)
def test_what_is_no_head_is_explained_as_it_is(ends: str) -> None:
    end, target = NO_HEAD[ends]
    network = built(end)
    assert adapt(network).traits.head is None
    assert pellucid.explain(network, X[:1], "saliency", target=target).target.score == "output"
    with pytest.raises(errors.SettingError, match="needs a network that ends in softmax or sigmoid"):
        pellucid.explain(network, X[:1], "saliency", target=target, score="logit")


def test_a_network_that_ends_otherwise_than_it_was_seen_to_is_refused() -> None:
    plain = False
    model = adapt(built(lambda x: ops.tanh(x) if plain else ops.softmax(x)))
    plain = True
    with pytest.raises(errors.UnsupportedError, match="not the same in every pass"):
        model.predict(X, logits=True)


def test_one_sigmoid_that_is_called_stands_for_two_classes() -> None:
    network = built(ops.sigmoid, classes=1)
    found = pellucid.explain(network, X, "integrated_gradients", target=0)
    np.testing.assert_allclose(found.score, -logits(1)[:, 0], rtol=1e-4)


def test_each_of_several_outputs_has_a_head_of_its_own() -> None:
    network = built(lambda x: {"kind": ops.softmax(x), "plain": ops.tanh(x)})
    found = {name: pellucid.explain(network, X, "saliency", target={name: 2}) for name in ("kind", "plain")}
    assert {name: one.target.score for name, one in found.items()} == {"kind": "logit", "plain": "output"}
    np.testing.assert_allclose(found["kind"].score, logits()[:, 2], rtol=1e-4)
    np.testing.assert_allclose(found["plain"].score, np.tanh(logits())[:, 2], rtol=1e-4)


def test_the_network_is_left_as_it_was() -> None:
    network = built(ops.softmax)
    before = dict(vars(network)), [dict(vars(layer)) for layer in network.layers], array(network(X))
    pellucid.explain(network, X, "integrated_gradients", target=1)
    pellucid.explain(network, X, "saliency", target=1, layer="wide")
    assert (dict(vars(network)), [dict(vars(layer)) for layer in network.layers]) == before[:2]
    np.testing.assert_array_equal(array(network(X)), before[2])


# ---- several inputs --------------------------------------------------------------------------------------------------


class Parts(keras.Model):
    """The image and table network of `two_inputs` as a class; its kin say how it takes its inputs."""

    def __init__(self, end: Callable[[Any], Any] = ops.softmax) -> None:
        super().__init__()
        self.conv, self.flat = layers.Conv2D(4, 3, activation="tanh", name="conv"), layers.Flatten(name="flat")
        self.hidden, self.out, self.end = layers.Dense(6, activation="tanh", name="hidden"), layers.Dense(3, name="out"), end

    def both(self, image: Any, meta: Any) -> Any:
        return self.end(self.out(self.hidden(ops.concatenate([self.flat(self.conv(image)), meta], axis=1))))


class Arguments(Parts):
    def call(self, image: Any, meta: Any, training: bool = False) -> Any:
        return self.both(image, meta)


class Mapping(Parts):
    def call(self, inputs: Any) -> Any:
        return self.both(inputs["image"], inputs["meta"])


class Listing(Parts):
    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return self.both(inputs[0], inputs[1])


class Optional(Parts):
    def call(self, image: Any, meta: Any = None) -> Any:
        return self.both(image, ops.zeros_like(image[:, 0, :5, 0]) if meta is None else meta)


def with_weights(network: Any) -> Any:
    w = two_inputs.weights()
    for name, kernel, bias in (("conv", "kernel", "kernel_bias"), ("hidden", "hidden", "hidden_bias"), ("out", "out", "out_bias")):
        network.get_layer(name).set_weights([w[kernel], w[bias]])
    return network


def first_called(kind: str) -> Any:
    """A network that has been run once, so that it has weights, and those of `two_inputs`."""
    image, meta = two_inputs.samples(2).values()
    if kind == "mapping":
        network = Mapping()
        network({"image": image, "meta": meta})
    elif kind == "list":
        network = Listing()
        network([image, meta])
    else:
        network = Arguments() if kind == "arguments" else Optional()
        network(image, meta)
    return with_weights(network)


SAMPLES = two_inputs.samples()
PAIR = tuple(SAMPLES.values())


@pytest.mark.parametrize(
    ("kind", "x"),
    [
        ("arguments", SAMPLES),
        ("arguments", PAIR),
        ("mapping", SAMPLES),
        ("mapping", {"meta": SAMPLES["meta"], "image": SAMPLES["image"]}),
        ("list", PAIR),
        ("list", {"input_0": SAMPLES["image"], "input_1": SAMPLES["meta"]}),
        ("an optional one", SAMPLES),
    ],
)
def test_a_class_takes_several_inputs_as_it_is_called(kind: str, x: Any) -> None:
    network = first_called(kind)
    found = pellucid.explain(network, x, "saliency", target=1)
    wanted = pellucid.explain(two_inputs.in_keras(), SAMPLES, "saliency", target=1)
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.score, wanted.score, rtol=1e-4)
    assert (found.target.score, found.packing.shapes) == ("logit", ((6, 6, 3), (5,)))


def test_a_class_of_several_inputs_shows_its_layers_and_its_other_methods() -> None:
    network, twin = first_called("arguments"), two_inputs.in_keras()
    for method, options in {
        "exact_shap": {"features": {"image": "patches:3", "meta": [[0, 1], [2, 3, 4]]}},
        "integrated_gradients": {"layer": "hidden"},
    }.items():
        found, wanted = (pellucid.explain(one, SAMPLES, method, target=1, **options) for one in (network, twin))
        np.testing.assert_allclose(found.values, wanted.values, rtol=2e-3, atol=1e-4, err_msg=method)
    shown = pellucid.inspect(network)
    assert [one.name for one in shown.inputs] == ["image", "meta"]
    assert {layer.name for layer in shown.layers} == {"conv", "flat", "hidden", "out"}


def test_an_optional_input_may_be_left_out() -> None:
    network = first_called("an optional one")
    found = pellucid.explain(network, SAMPLES["image"], "saliency", target=1)
    zeros = SAMPLES | {"meta": np.zeros_like(SAMPLES["meta"])}
    wanted = pellucid.explain(two_inputs.in_keras(), zeros, "saliency", target=1)
    np.testing.assert_allclose(found.values, wanted.by_input["image"].values, rtol=1e-3, atol=1e-5)


class Words(keras.Model):
    """The words beside their mask of `two_inputs`, as a class that wants whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_masking = True  # or Keras warns of an argument with that name
        self.embedding, self.out = layers.Embedding(two_inputs.WORDS, 5, name="embedding"), layers.Dense(2, activation="softmax", name="out")

    def call(self, ids: Any, mask: Any) -> Any:
        if "int" not in str(ids.dtype) or "int" not in str(mask.dtype):
            raise TypeError(f"tokens came as {ids.dtype}, the mask as {mask.dtype}")
        count = ops.cast(ops.expand_dims(mask, -1), "float32")
        return self.out(ops.tanh(ops.sum(self.embedding(ids) * count, axis=1) / ops.maximum(ops.sum(count, axis=1), 1)))


def test_whole_numbers_come_to_a_class_as_such() -> None:
    x, w = two_inputs.texts(), two_inputs.word_weights()
    network = Words()
    network(**x)
    network.embedding.set_weights([w["vectors"]])
    network.out.set_weights([w["out"], w["bias"]])
    found = pellucid.explain(network, x, "shap", target=1, tolerance=0.5, features={"mask": "columns", "ids": "columns"})
    np.testing.assert_allclose(found.score, two_inputs.words_in_numpy(**x)[:, 1], rtol=1e-4)
    at = pellucid.explain(network, x, "saliency", target=1, layer="embedding")
    assert at.values.shape == (3, two_inputs.LENGTH, 5)
    assert not at.values[0, -2:].any(), "words that are masked out do not matter"


def test_a_graph_of_several_inputs_may_end_in_a_class() -> None:
    image, meta = keras.Input((6, 6, 3), name="image"), keras.Input((5,), name="meta")

    class End(keras.Model):
        """The last part."""

        def __init__(self) -> None:
            super().__init__()
            self.out = layers.Dense(3, name="out")

        def call(self, x: Any) -> Any:
            return ops.softmax(self.out(x))

    whole = layers.Concatenate()([layers.Flatten()(layers.Conv2D(4, 3, activation="tanh", name="conv")(image)), meta])
    network = keras.Model([image, meta], End()(layers.Dense(6, activation="tanh", name="hidden")(whole)))
    w = two_inputs.weights()
    network.set_weights([w[name] for name in ("kernel", "kernel_bias", "hidden", "hidden_bias", "out", "out_bias")])
    found = pellucid.explain(network, SAMPLES, "saliency", target=1)
    np.testing.assert_allclose(found.score, two_inputs.in_numpy(**SAMPLES)[:, 1], rtol=1e-4)


def test_one_input_in_a_mapping() -> None:
    class One(keras.Model):
        """A class that takes its one input by name."""

        def __init__(self) -> None:
            super().__init__()
            self.out = layers.Dense(3)

        def call(self, inputs: Any) -> Any:
            return ops.softmax(self.out(inputs["x"]))

    network, x = One(), X[:, 0]
    network({"x": x})
    for given in (x, {"x": x}):
        found = pellucid.explain(network, given, "saliency", target=1)
        np.testing.assert_allclose(found.values, np.broadcast_to(np.abs(array(network.out.kernel)[:, 1]), x.shape), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "x", "words"),
    [
        ("arguments", {"image": PAIR[0], "table": PAIR[1]}, "unknown input 'table'|'meta' is missing"),
        ("arguments", SAMPLES["image"], "takes 2 inputs, image, meta, and one array was given"),
        ("mapping", {"image": PAIR[0]}, "'meta' is missing"),
        ("mapping", SAMPLES | {"more": PAIR[1]}, "unknown input 'more'"),
        ("list", (*PAIR, PAIR[1]), "3 inputs were given, the network takes 2"),
    ],
)
def test_other_inputs_than_a_class_takes_are_refused(kind: str, x: Any, words: str) -> None:
    with pytest.raises(errors.InputError, match=words):
        pellucid.explain(first_called(kind), x, "saliency", target=1)


def test_a_class_without_weights_is_to_be_run_once() -> None:
    for network in (Arguments(), Mapping()):
        with pytest.raises(errors.ModelError, match="run it once"):
            adapt(network)
