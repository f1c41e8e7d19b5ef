"""Keras models of several shapes, on whatever Keras runs, and the promise to leave them as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_grid import mask_rows, path_rows

from pellucid.adapters import adapt
from pellucid.api.explain import explain
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.target import resolve_target

keras = pytest.importorskip("keras")


def explained(model: Any, inputs: np.ndarray) -> np.ndarray:
    adapted = adapt(model)
    target = resolve_target(0, "logit" if adapted.traits.head else "output", adapted.predict(inputs))
    return adapted.gradients(inputs, target).gradients[INPUT]


def test_functional_nested_and_activation_layer_agree(images: np.ndarray) -> None:
    """One network written four ways has one head and one gradient."""
    conv = keras.layers.Conv2D(3, 3, activation="relu", name="conv")
    dense = keras.layers.Dense(2, name="dense")
    inputs = keras.Input((12, 12, 1))
    body = keras.Model(inputs, keras.layers.Flatten()(conv(inputs)), name="body")
    logits = dense(body(inputs))
    ways = {
        "Softmax layer": keras.Model(inputs, keras.layers.Softmax()(logits)),
        "Activation layer": keras.Model(inputs, keras.layers.Activation("softmax")(logits)),
        "operation": keras.Model(inputs, keras.ops.softmax(logits)),
        "nested": keras.Sequential([keras.Input((12, 12, 1)), keras.Model(inputs, keras.layers.Softmax()(logits))]),
    }
    plain = explained(keras.Model(inputs, logits), images)
    for name, model in ways.items():
        assert adapt(model).traits.head == "softmax", name
        np.testing.assert_allclose(explained(model, images), plain, rtol=1e-5, atol=1e-6, err_msg=name)
        assert "body/conv" in [layer.name.removeprefix("functional/") for layer in adapt(model).layers()] or name == "nested"


def test_states_show_every_step_of_a_layer_that_returns_the_last(small_rnn: Any) -> None:
    inputs = np.random.default_rng(0).random((4, 12, 5)).astype(np.float32)
    states = adapt(small_rnn).states(inputs, ["lstm"])["lstm"]
    full = keras.layers.LSTM(7, return_sequences=True)
    full.build((None, 12, 5))
    full.set_weights(small_rnn.get_layer("lstm").get_weights())
    np.testing.assert_allclose(states, keras.ops.convert_to_numpy(full(inputs)), rtol=1e-5, atol=1e-6)
    assert small_rnn.get_layer("lstm").return_sequences is False


@keras.saving.register_keras_serializable("pellucid_tests")
class Noisy(keras.layers.Layer):
    """Draws also in inference, from a generator of its own, whose state is a weight of the model."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x: Any) -> Any:
        return x + 0.001 * keras.random.normal(keras.ops.shape(x), seed=self.generator)


def changing() -> Any:
    """A network all of whose parts would change something if they could: moving means, states of random and of recurrent layers."""
    layers = keras.layers
    inputs = keras.Input((5, 3), batch_size=1)
    x = layers.BatchNormalization(name="norm")(layers.Dropout(0.5)(Noisy(name="noisy")(inputs)))
    x = layers.LSTM(4, stateful=True, recurrent_dropout=0.3, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x))


def all_of(model: Any, x: np.ndarray, layer: str) -> None:
    """Every verb once."""
    target = resolve_target("predicted", "logit", model.predict(x))
    model.gradients(x, target, (INPUT, layer))
    model.activations(x, [layer, "out"])
    model.predict(x, logits=True)
    model.path_gradients(path_rows(x[:1]), target.take(np.zeros(1, int)))
    model.masked_scores(mask_rows(x, per_sample=False, fills_per_sample=False), target)
    above = model.above(layer, x[:1])
    above.predict(model.activations(x, [layer])[layer])
    model.below(layer).predict(x)


@pytest.mark.parametrize("trainable", [True, False])
def test_the_model_is_left_as_it_was(small_cnn: Any, images: np.ndarray, trainable: bool) -> None:
    import random

    keras.utils.set_random_seed(1)
    network = keras.models.clone_model(small_cnn)
    network.get_layer("conv_b").trainable = trainable
    weights = [keras.ops.convert_to_numpy(variable) for variable in network.variables]
    config, attributes = network.to_json(), {layer.name: dict(layer.__dict__) for layer in network.layers}
    python, numpy = random.getstate(), np.random.get_state()[1].copy()
    settings, before = (keras.config.floatx(), keras.config.backend(), keras.config.image_data_format()), keras.ops.convert_to_numpy(network(images))
    all_of(adapt(network), images, "conv_b")
    assert network.to_json() == config
    for layer in network.layers:
        assert layer.__dict__.keys() == attributes[layer.name].keys()
        assert layer.__dict__.get("activation") is attributes[layer.name].get("activation")
    for now, then in zip(network.variables, weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(now), then)
    assert [variable.trainable for variable in network.get_layer("conv_b").variables] == [trainable, trainable]
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert (keras.config.floatx(), keras.config.backend(), keras.config.image_data_format()) == settings
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(network(images)), before)


def test_what_a_network_would_change_in_itself_it_keeps() -> None:
    network, x = changing(), np.random.default_rng(0).random((1, 5, 3)).astype(np.float32)

    def state() -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(variable).copy() for variable in [*network.variables, *network.get_layer("lstm").states]]

    network(x)  # the recurrent layer's state is no longer zero
    before, model = state(), adapt(network)
    all_of(model, x, "norm")
    model.states(x, ["lstm"])
    for now, then in zip(state(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    wanted = model.predict(x)
    network(x)
    assert sum(not np.array_equal(now, then) for now, then in zip(state(), before, strict=True)) >= 3  # by itself it would have
    assert not np.array_equal(model.predict(x), wanted)  # read as it is now


def test_a_failed_trace_puts_the_layers_back(small_cnn: Any, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapt(small_cnn)
    target = resolve_target("predicted", "logit", model.predict(images))
    layer = small_cnn.get_layer("out")
    activation = layer.activation

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("planted")

    monkeypatch.setitem(small_cnn.get_layer("pool").__dict__, "call", broken)
    with pytest.raises(RuntimeError, match="planted"):
        model.gradients(images, target, ("conv_b",))
    assert layer.activation is activation
    assert "call" not in small_cnn.get_layer("conv_b").__dict__


def test_new_weights_are_seen(keras_twin: Any) -> None:
    clone = keras.models.clone_model(keras_twin)
    inputs = np.ones((2, 6), np.float32)
    model = adapt(clone)
    first = model.predict(inputs)
    clone.set_weights([array + 0.5 for array in clone.get_weights()])
    assert np.abs(model.predict(inputs) - first).max() > 1e-3


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_open(small_cnn: Any, images: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    small_cnn.save(path)
    np.testing.assert_allclose(adapt(path).predict(images), small_cnn.predict(images, verbose=0), rtol=1e-6)
    assert adapt(str(path)).traits.fingerprint == adapt(path).traits.fingerprint


def test_bad_files(small_cnn: Any, tmp_path: Path) -> None:
    whole = tmp_path / "model.keras"
    small_cnn.save(whole)
    cut = tmp_path / "cut.keras"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for name, content in {"cut.keras": None, "text.keras": b"hello", "text.h5": b"hello"}.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(errors.DamagedModelError, match="save"):
            adapt(path)
    with pytest.raises(errors.DataNotFoundError, match="no model file"):
        adapt(tmp_path / "absent.keras")
    with pytest.raises(errors.ModelError, match=r"known: \.keras"):
        adapt(tmp_path / "model.bin")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_lambda_layer_is_refused_without_the_flag(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer leaves a mark when it runs: none without the flag, one with it."""
    marked = keras.layers.Lambda(lambda x: [__import__("os").environ.__setitem__("PELLUCID_TEST_RAN", "1"), x * 2][1])
    model = keras.Sequential([keras.Input((3,)), marked, keras.layers.Dense(2, activation="softmax")])
    path = tmp_path / f"lambda{suffix}"
    model.save(path)
    monkeypatch.delenv("PELLUCID_TEST_RAN")
    with pytest.raises(errors.UnsafeModelError, match="allow_unsafe=True"):
        adapt(path)
    assert "PELLUCID_TEST_RAN" not in os.environ
    assert adapt(path, allow_unsafe=True).predict(np.ones((1, 3), np.float32)).shape == (1, 2)
    assert os.environ["PELLUCID_TEST_RAN"] == "1"


def test_an_unbuilt_model_says_what_to_do() -> None:
    with pytest.raises(errors.ModelError, match=r"keras\.Model\(inputs, model\(inputs\)\)"):
        adapt(keras.Sequential([keras.layers.Dense(2)]))


class Subclassed(keras.Model):
    """A network that shows no graph, even once it has been called."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def test_a_subclassed_model_is_served_once_it_has_been_called() -> None:
    model = Subclassed()
    with pytest.raises(errors.ModelError, match=r"run it once, model\(x\[:1\]\), or give it one: inputs = keras\.Input\(shape\)"):
        adapt(model)
    x = np.random.default_rng(0).random((2, 3)).astype(np.float32)
    model(x)
    inputs = keras.Input((3,))
    for network in (model, keras.Model(inputs, model(inputs))):
        np.testing.assert_allclose(explained(network, x), np.tile(keras.ops.convert_to_numpy(model.dense.kernel)[:, 0], (2, 1)), rtol=1e-6)
    assert adapt(model).traits.input_shape == (3,)


def test_a_softmax_that_also_works_inside_has_no_logit() -> None:
    softmax, inputs = keras.layers.Softmax(name="shared"), keras.Input((4,))
    model = adapt(keras.Model(inputs, softmax(keras.layers.Dense(3)(softmax(keras.layers.Dense(4)(inputs))))))
    with pytest.raises(errors.UnsupportedError, match=r"'shared' ends the network.*score='probability'"):
        model.predict(np.ones((1, 4), np.float32), logits=True)
    np.testing.assert_allclose(model.predict(np.ones((1, 4), np.float32)).sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("last", [keras.layers.LSTM(4, activation="sigmoid"), keras.layers.Softmax(axis=1)], ids=["recurrent", "over time"])
def test_what_is_no_softmax_over_classes_is_no_head(last: Any) -> None:
    assert adapt(keras.Sequential([keras.Input((5, 3)), last])).traits.head is None


def test_masked_scores_of_a_network_for_any_size() -> None:
    """The same adapted network meets grids of two sizes."""
    layers = keras.layers
    network = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(3, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    model = adapt(network)
    for size in (12, 8):
        images = np.random.default_rng(size).random((2, size, size, 1)).astype(np.float32)
        found = explain(model, images, "exact_shap", features="patches:4", target=0)
        np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-5)


def test_channels_first_is_known_and_gives_the_same(small_cnn: Any, images: np.ndarray) -> None:
    """Whatever layout a network is built for, its explanation says where the channels are."""
    if keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolutions on a processor")
    layers = keras.layers
    turned = [layers.Conv2D.from_config(small_cnn.get_layer(name).get_config() | {"data_format": "channels_first"}) for name in ("conv_a", "conv_b")]
    first = keras.Sequential(
        [
            keras.Input((1, 12, 12)),
            turned[0],
            layers.MaxPooling2D(name="pool", data_format="channels_first"),
            turned[1],
            layers.Permute((2, 3, 1)),
            layers.Flatten(),
            layers.Dense.from_config(small_cnn.get_layer("out").get_config()),
        ]
    )
    first.set_weights(small_cnn.get_weights())
    model = adapt(first)
    assert model.traits.channels == "first"
    assert (model.layer("conv_b").channel_axis, model.layer("conv_b").spatial, model.layer("out").channel_axis) == (0, True, -1)
    for method, options in {"integrated_gradients": {}, "lime": {"features": "patches:4"}, "grad_cam": {"layer": "conv_b"}}.items():
        mine = explain(model, np.moveaxis(images, -1, 1), method, target=1, **options)
        theirs = explain(small_cnn, images, method, target=1, **options)
        np.testing.assert_allclose(np.moveaxis(mine.to_input(), 1, -1), theirs.to_input(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["GRU", "SimpleRNN", "LSTM", "Bidirectional"])
def test_states_of_recurrent_layers(kind: str) -> None:
    """The states at every step are what the layer gives where it is built to return them; both directions in the order of time."""
    layers, x = keras.layers, np.random.default_rng(1).random((3, 6, 4)).astype(np.float32)

    def built(**options: Any) -> Any:
        return layers.Bidirectional(layers.LSTM(5, **options), name="read") if kind == "Bidirectional" else getattr(layers, kind)(5, name="read", **options)

    last = keras.Sequential([keras.Input((6, 4)), built(), layers.Dense(2, activation="softmax")])
    every = keras.Sequential([keras.Input((6, 4)), built(return_sequences=True)])
    every.set_weights(last.get_weights()[:-2])
    model = adapt(last)
    assert [layer.sequential for layer in model.layers()] == [True, False]
    np.testing.assert_allclose(model.states(x, ["read"])["read"], adapt(every).predict(x), rtol=1e-5, atol=1e-6)
    before = model.predict(x)
    found = model.gradients(x, resolve_target(0, "logit", before), (INPUT, "read"))
    assert found.gradients["read"].shape == found.values["read"].shape == (3, 10 if kind == "Bidirectional" else 5)
    np.testing.assert_array_equal(model.predict(x), before)
    with pytest.raises(errors.UnsupportedError, match="not a recurrent layer"):
        model.states(x, ["dense"] if model.layers()[-1].name == "dense" else [model.layers()[-1].name])


def test_tokens_have_no_gradient_and_their_embedding_has() -> None:
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((5,)), layers.Embedding(9, 4, name="words"), layers.GlobalAveragePooling1D(), layers.Dense(2, activation="softmax")]
    )
    model, x = adapt(network), np.array([[1, 2, 3, 0, 8], [4, 4, 4, 4, 4]], np.float32)
    target = resolve_target("predicted", "logit", model.predict(x))
    with pytest.raises(errors.UnsupportedError, match="name the embedding as the layer"):
        model.gradients(x, target)
    assert np.abs(model.gradients(x, target, ("words",)).gradients["words"]).min() > 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_served_in_float32(policy: str) -> None:
    layers = [keras.layers.Dense(6, activation="tanh", name="inner", dtype=policy), keras.layers.Dense(2, activation="softmax", dtype=policy)]
    model, x = adapt(keras.Sequential([keras.Input((4,)), *layers])), np.random.default_rng(0).random((3, 4)).astype(np.float32)
    target = resolve_target(0, "logit", model.predict(x))
    found = model.gradients(x, target, (INPUT, "inner"))
    arrays = [model.predict(x), model.activations(x, ["inner"])["inner"], *found.gradients.values(), *found.values.values()]
    assert all(np.isfinite(array.astype(float)).all() for array in arrays)
    plain = adapt(keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(2, activation="softmax")]))
    plain.network.set_weights(model.network.get_weights())  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.gradients[INPUT], plain.gradients(x, target).gradients[INPUT], atol=0.05)


def test_unknown_layer_lists_those_there_are(small_cnn: Any, images: np.ndarray) -> None:
    with pytest.raises(errors.UnknownLayerError, match="did you mean 'conv_a'"):
        adapt(small_cnn).activations(images, ["conv_aa"])


def test_batch_size_is_a_function_of_shapes(small_cnn: Any) -> None:
    """Twice the same, and smaller for a larger network."""
    big = keras.Sequential([keras.Input((224, 224, 3)), keras.layers.Conv2D(64, 3), keras.layers.GlobalAveragePooling2D()])
    assert adapt(small_cnn).batch_size == adapt(small_cnn).batch_size == 512
    assert adapt(big).batch_size < 16


@pytest.mark.skipif(keras.config.backend() == "jax", reason="compiles for batches of a few sizes alone")
def test_where_most_is_kept_all_samples_go_together_and_else_in_batches(small_cnn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = adapt(small_cnn), np.random.default_rng(0).random((40, 12, 12, 1)).astype(np.float32)
    usual = "_own_batch_size" if hasattr(model, "_own_batch_size") else "batch_size"
    setattr(model, usual, 4)
    if hasattr(model, "_usual"):
        model._usual = 4
    sizes: list[int] = []
    tensor = model._tensor
    monkeypatch.setattr(model, "_tensor", lambda array: sizes.append(len(array)) or tensor(array))
    every = model.activations(x, [layer.name for layer in model.layers()])
    assert max(sizes) == 40
    sizes.clear()
    few = model.activations(x, ["out"])
    assert max(sizes) <= 8
    np.testing.assert_allclose(few["out"], every["out"], atol=1e-6)
    sizes.clear()
    model.batch_size = 2
    model.activations(x, ["conv_a", "conv_b", "pool"])
    assert max(sizes) == 2


def test_why_a_layer_that_is_used_again_has_no_attribution_is_told_without_its_arguments() -> None:
    inputs, shared = keras.Input((4,)), keras.layers.Dense(4, name="shared")
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(shared(shared(inputs))))
    with pytest.raises(errors.UnsupportedError) as caught:
        explain(network, np.ones((1, 4), np.float32), "saliency", layer="shared")
    assert str(caught.value) == "layer 'shared' is used more than once, so that nothing can be attributed to one output of it."
