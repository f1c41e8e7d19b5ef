"""Outputs of Keras models: one of several, heads of every kind, and models that are classes without a graph, on whatever Keras runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.target import SCORES, resolve_target

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
FLOAT32 = 2e-5


def filled(network: Any) -> Any:
    """Weights and biases of its own."""
    generator = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.5)
    return network


def array(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def two(form: str) -> Any:
    """A class of three with a softmax and a number, returned in one form."""
    inputs = keras.Input((5,))
    body = layers.Dense(4, activation="tanh")(inputs)
    kind, age = layers.Dense(3, activation="softmax", name="kind")(body), layers.Dense(1, name="age")(body)
    return filled(keras.Model(inputs, {"list": [kind, age], "mapping": {"kind": kind, "years": age}}[form]))


@pytest.mark.parametrize(("form", "age"), [("list", "age"), ("mapping", "years")])
def test_one_of_several_outputs_is_named_by_the_target(form: str, age: str) -> None:
    network = two(form)
    body = array(network.layers[1](X))
    kind, number = (body @ array(network.get_layer(name).kernel) + array(network.get_layer(name).bias) for name in ("kind", "age"))
    found = pellucid.explain(network, X, "integrated_gradients", target={"kind": 2})
    np.testing.assert_allclose(found.score, kind[:, 2], rtol=1e-4)
    assert (found.target.score, found.provenance["output"], found.prediction.shape) == ("logit", "kind", (4, 3))
    found = pellucid.explain(network, X, "exact_shap", target={age: 0})
    np.testing.assert_allclose(found.score, number[:, 0], rtol=1e-4)
    assert found.target.score == "output"
    assert adapt(network).traits.output_shape is None
    for method in ("saliency", "exact_shap"):
        with pytest.raises(errors.SettingError, match=f"several outputs: 'kind' .*3.*'{age}' .*1.*target={{'kind': 0}}"):
            pellucid.explain(network, X, method)
    with pytest.raises(errors.SettingError, match="unknown output 'nothing'"):
        pellucid.explain(network, X, "saliency", target={"nothing": 0})
    with pytest.raises(errors.SettingError, match="one output, so that there is no 'kind'"):
        pellucid.explain(filled(keras.Sequential([keras.Input((5,)), layers.Dense(2)])), X, "saliency", target={"kind": 0})


ENDS: dict[str, tuple[Any, str, int]] = {
    "softmax": (lambda x: layers.Dense(3, activation="softmax")(x), "softmax", 3),
    "log_softmax": (lambda x: layers.Dense(3, activation="log_softmax")(x), "log_softmax", 3),
    "layer of logarithms": (lambda x: layers.Activation("log_softmax")(layers.Dense(3)(x)), "log_softmax", 3),
    "operation of logarithms": (lambda x: ops.log_softmax(layers.Dense(3)(x)), "log_softmax", 3),
    "sigmoids": (lambda x: layers.Activation("sigmoid")(layers.Dense(3)(x)), "sigmoid", 3),
    "one sigmoid": (lambda x: layers.Dense(1, activation="sigmoid")(x), "sigmoid", 1),
    "operation of one sigmoid": (lambda x: ops.sigmoid(layers.Dense(1)(x)), "sigmoid", 1),
}


@pytest.mark.parametrize("ends", ENDS)
def test_every_head_is_found_and_every_scale_of_it_is_right(ends: str) -> None:
    """Against the same network without its head, and differences."""
    build, head, classes = ENDS[ends]
    inputs = keras.Input((5,))
    body = layers.Dense(4, activation="tanh")
    network = filled(keras.Model(inputs, build(body(inputs))))
    plain = keras.Model(inputs, layers.Dense(classes)(body(inputs)))
    plain.layers[-1].set_weights([array(variable) for variable in network.trainable_variables[2:]])
    model = adapt(network)
    assert model.traits.head == head
    z = array(plain(X)).astype(np.float64)
    np.testing.assert_allclose(model.predict(X, logits=True), z, rtol=1e-4, atol=1e-5)
    both = np.concatenate([-z, z], axis=1) if classes == 1 else z
    soft = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    chances = 1 / (1 + np.exp(-both)) if head == "sigmoid" else soft
    wanted = {
        "logit": both,
        "centered_logit": both / 2 if classes == 1 else z - z.mean(axis=1, keepdims=True),
        "probability": chances,
        "log_probability": np.log(chances),
        "output": np.log(soft) if head == "log_softmax" else np.concatenate([-chances[:, 1:], chances[:, 1:]], axis=1) if classes == 1 else chances,
    }
    for score in SCORES:
        for target in (0, 1):
            asked = resolve_target(target, score, z, head=head)
            found = model.gradients(X, asked)
            np.testing.assert_allclose(found.scores, wanted[score][:, target], rtol=1e-4, atol=1e-5, err_msg=score)
            np.testing.assert_allclose(model.scores(X, asked), wanted[score][:, target], rtol=1e-4, atol=1e-5, err_msg=score)
            way = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
            sides = [model.scores(X + sign * 1e-3 * way, asked) for sign in (1, -1)]
            slope = (found.gradients[INPUT] * way).sum(axis=1)
            np.testing.assert_allclose((sides[0] - sides[1]) / 2e-3, slope, rtol=2e-2, atol=1e-3, err_msg=score)


class Written(keras.Model):
    """A class without a graph: a convolution, a part used twice, and a head."""

    def __init__(self, ends: str = "softmax") -> None:
        super().__init__()
        self.conv = layers.Conv2D(3, 3, activation="relu", name="conv")
        self.mix = layers.Conv2D(3, 1, activation="tanh", name="mix")
        self.flat, self.out = layers.Flatten(name="flat"), layers.Dense(3, activation="softmax" if ends == "softmax" else None, name="out")
        self.ends = ends

    def call(self, x: Any) -> Any:
        found = self.out(self.flat(self.mix(self.mix(self.conv(x)))))
        return (found, x[:, 0, 0]) if self.ends == "two" else found


IMAGES = np.random.default_rng(3).normal(size=(3, 8, 8, 1)).astype(np.float32)


def test_a_class_without_a_graph_shows_its_layers_and_its_head() -> None:
    network = Written()
    network(IMAGES[:1])
    filled(network)
    model = adapt(network)
    assert model.traits.head == "softmax"
    assert model.traits.output_shape == (3,)
    assert [(layer.name, layer.shape, layer.spatial) for layer in model.layers()] == [
        ("conv", (6, 6, 3), True),
        ("mix", (6, 6, 3), True),
        ("flat", (108,), False),
        ("out", (3,), False),
    ]
    logits = model.predict(IMAGES, logits=True)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), array(network(IMAGES)), rtol=1e-4)
    found = pellucid.explain(network, IMAGES, "grad_cam", layer="conv", target=1)
    assert found.values.shape == (3, 6, 6)
    assert pellucid.explain(network, IMAGES, "integrated_gradients", target=1).outcome.worst.ok
    assert set(network.__dict__) == set(called().__dict__)


def called() -> Any:
    network = Written()
    network(IMAGES[:1])
    return network


def test_a_class_without_a_graph_may_return_several() -> None:
    network = Written("two")
    network(IMAGES[:1])
    filled(network)
    assert pellucid.explain(network, IMAGES, "saliency", target={"1": 0}).values[:, 0, 0].min() == 1
    with pytest.raises(errors.SettingError, match=r"several outputs: '0' .*'1'"):
        pellucid.explain(network, IMAGES, "saliency")


def test_what_goes_round_a_layer_is_each_contexts_own_though_it_is_compiled_once() -> None:
    """Two contexts in turn, against the network cut by hand; the second one makes nothing new."""
    inputs = keras.Input((5,))
    inner = layers.Dense(5, activation="tanh", name="inner")(inputs)
    network = filled(keras.Model(inputs, layers.Dense(3, name="out")(layers.Multiply()([inner, inputs]))))
    model, (kernel, bias) = adapt(network), network.layers[-1].get_weights()
    values = np.random.default_rng(5).normal(size=(6, 5)).astype(np.float32)
    first, second = (model.above("inner", X[i : i + 1]) for i in (0, 1))
    for _ in range(2):
        for above, context in ((first, X[:1]), (second, X[1:2])):
            np.testing.assert_allclose(above.predict(values), (values * context) @ kernel + bias, rtol=1e-4, atol=1e-5)
            target = resolve_target(1, "output", above.predict(values))
            wanted = np.broadcast_to(context * kernel[:, 1], values.shape)
            np.testing.assert_allclose(above.gradients(values, target).gradients[INPUT], wanted, rtol=1e-4, atol=1e-5)
    if keras.config.backend() != "torch":
        made = [getattr(above, "_traced", getattr(above, "_compiled", None)) for above in (first, second)]
        assert made[0] is made[1]
        assert made[0]
    lower = model.below("inner")
    np.testing.assert_allclose(lower.predict(X), array(network.layers[1](X)), rtol=1e-4, atol=1e-5)
