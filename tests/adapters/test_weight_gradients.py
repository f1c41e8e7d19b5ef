"""Gradients with respect to weights, of targets and of losses: by finite differences on the oracle, and each framework against its own derivative of its own
loss; the network stays as it was."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from numpy_networks import random_stack
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import CombinationError, SettingError, ShapeError, UnknownClassError, UnsupportedError
from pellucid.core.loss import Loss, kind_for, of_classes
from pellucid.core.model import INPUT, Model
from pellucid.core.target import Target, resolve_target

Array = np.ndarray
FLOAT32, DIFFERENCES = 2e-5, 1e-6
"""Relative to the largest gradient of an array: one precision and another; differences in float64."""
LABELS = np.array([2, 0, 1, 1, 2, 0, 2])


def inputs_of(*shape: int, rows: int = 7) -> Array:
    return np.random.default_rng(4).normal(size=(rows, *shape)).astype(np.float32)


def close(found: Any, wanted: Any, tolerance: float = FLOAT32) -> None:
    assert list(found) == list(wanted)
    for name in wanted:
        assert len(found[name]) == len(wanted[name]), name
        for one, want in zip(found[name], wanted[name], strict=True):
            assert one.shape == want.shape, name
            np.testing.assert_allclose(one, want, rtol=0, atol=tolerance * max(float(np.abs(want).max()), 1e-12), err_msg=name)


def by_differences(model: NumpyModel, inputs: Array, target: Target, step: float = 1e-6) -> dict[str, tuple[Array, ...]]:
    """The slow twin: every weight moved a little to both sides."""
    own = model.weights()
    found: dict[str, tuple[Array, ...]] = {}
    for name, arrays in own.items():
        slopes = [np.zeros_like(array) for array in arrays]
        for slope, array in zip(slopes, arrays, strict=True):
            for place in np.ndindex(array.shape):
                ends = []
                for side in (step, -step):
                    kept, array[place] = array[place], array[place] + side
                    with model.replaced_weights({name: arrays}) as other:
                        ends.append(other.scores(inputs, target).sum())
                    array[place] = kept
                slope[place] = (ends[0] - ends[1]) / (2 * step)
        found[name] = tuple(slopes)
    return found


def losses(outputs: int) -> list[Loss]:
    truth = np.random.default_rng(1).random((7, outputs))
    return [Loss(truth, kind, ()) for kind in ("cross_entropy", "binary_cross_entropy", "squared_error")]


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_oracle_by_finite_differences(softmax: bool, activation: str) -> None:
    model = NumpyModel(random_stack(2, (4, 5, 4, 3), activation), (4,), softmax=softmax, batch_size=3)
    inputs = inputs_of(4).astype(np.float64)
    outputs = model.predict(inputs, logits=True)
    scores = ["logit", "centered_logit", "probability", "log_probability"] if softmax else ["output"]
    targets: list[Target] = [resolve_target(1, score, outputs, head=model.traits.head) for score in scores]
    for target in [*targets, *losses(3)]:
        close(model.weight_gradients(inputs, target), by_differences(model, inputs, target), DIFFERENCES)


def test_a_loss_is_its_own_derivative() -> None:
    outputs = np.random.default_rng(3).normal(size=(7, 3)) * 3
    for loss in losses(3):
        found = loss.cotangents(outputs)
        for place in np.ndindex(outputs.shape):
            moved = np.zeros_like(outputs)
            moved[place] = 1e-6
            slope = (loss.of(outputs + moved) - loss.of(outputs - moved))[place[0]] / 2e-6
            assert found[place] == pytest.approx(slope, abs=1e-8)


def test_losses_of_extreme_outputs_stay_true() -> None:
    outputs = np.array([[2000.0, -1000.0]])
    assert Loss(np.array([[0.0, 1.0]]), "cross_entropy", ()).of(outputs)[0] == 3000.0
    assert Loss(np.array([[0.0, 1.0]]), "cross_entropy", ()).cotangents(outputs).tolist() == [[1.0, -1.0]]
    assert Loss(np.array([[0.0, 1.0]]), "binary_cross_entropy", ()).of(outputs)[0] == 1500.0


def test_cotangents_as_a_targets_weights_give_the_gradients_of_the_loss(oracle: NumpyModel) -> None:
    inputs = inputs_of(6)
    loss = of_classes(LABELS, (3,), "cross_entropy", "softmax")
    back = loss.cotangents(oracle.predict(inputs, logits=True))
    close(oracle.weight_gradients(inputs, Target(back, "logit", (), head="softmax")), oracle.weight_gradients(inputs, loss), 1e-12)


def test_what_a_loss_refuses_and_chooses() -> None:
    assert [kind_for(head, (3,), -1, LABELS) for head in ("softmax", "sigmoid", None)] == ["cross_entropy", "binary_cross_entropy", "cross_entropy"]
    assert (kind_for(None, (1,), -1, LABELS), kind_for(None, (3,), -1, None)) == ("binary_cross_entropy", "squared_error")
    with pytest.raises(UnknownClassError, match=r"0 to 3.*2 classes, 0 to 1"):
        of_classes(np.array([0, 3]), (1,), "binary_cross_entropy", "sigmoid")
    with pytest.raises(ShapeError, match="every place"):
        of_classes(LABELS, (4, 3), "cross_entropy", "softmax")
    with pytest.raises(CombinationError, match="loss='cross_entropy'"):
        of_classes(LABELS, (3,), "binary_cross_entropy", "softmax")
    with pytest.raises(SettingError, match="cross_entropy"):
        of_classes(LABELS, (3,), "crossentropy", "softmax")


@pytest.mark.parametrize("name", ["keras_twin", "torch_mlp", "jax_mlp"])
def test_every_framework_as_the_oracle(name: str, oracle: NumpyModel, request: pytest.FixtureRequest) -> None:
    model, inputs = adapt(request.getfixturevalue(name)), inputs_of(6)
    model.meet(inputs)
    outputs = oracle.predict(inputs, logits=True)
    targets: list[Target] = [resolve_target("predicted", score, outputs, head="softmax") for score in ("logit", "probability", "log_probability")]
    for target in [*targets, *losses(3)]:
        wanted = oracle.weight_gradients(inputs, target)
        close(dict(zip(wanted, as_oracle(name, model.weight_gradients(inputs, target)), strict=True)), wanted)


def as_oracle(name: str, found: dict[str, tuple[Array, ...]]) -> list[tuple[Array, ...]]:
    """Kernels (inputs, units), then biases."""
    if name == "jax_mlp":
        return [(kernel, bias) for bias, kernel in found.values()]
    return [(kernel.T if name == "torch_mlp" else kernel, bias) for kernel, bias in found.values()]


@pytest.mark.parametrize("name", ["small_cnn", "small_rnn", "torch_cnn", "torch_rnn", "jax_mlp", "oracle"])
def test_batches_add_up_and_shapes_are_those_of_the_weights(name: str, request: pytest.FixtureRequest) -> None:
    model = adapt(request.getfixturevalue(name))
    shape = {"small_cnn": (12, 12, 1), "torch_cnn": (1, 12, 12), "jax_mlp": (6,), "oracle": (6,)}.get(name, (12, 5))
    inputs = inputs_of(*shape, rows=11)
    model.meet(inputs)
    outputs = model.predict(inputs, logits=True)
    loss = of_classes(np.arange(11) % outputs.shape[1], outputs.shape[1:], "cross_entropy", "softmax")
    whole = model.weight_gradients(inputs, loss)
    assert {layer: [one.shape for one in arrays] for layer, arrays in whole.items()} == {
        layer: [one.shape for one in arrays] for layer, arrays in model.weights().items()
    }
    singly = [model.weight_gradients(inputs[[i]], loss.unnamed(np.array([i]))) for i in range(11)]
    close({layer: tuple(sum(parts) for parts in zip(*(one[layer] for one in singly), strict=True)) for layer in whole}, whole)
    before, model.batch_size = model.batch_size, 4
    try:
        close(model.weight_gradients(inputs, loss), whole)
    finally:
        model.batch_size = before


@pytest.mark.parametrize("name", ["small_cnn", "torch_cnn", "small_rnn"])
def test_gradients_of_a_loss_at_the_input_and_at_layers(name: str, request: pytest.FixtureRequest) -> None:
    model = adapt(request.getfixturevalue(name))
    inputs = inputs_of(*{"small_cnn": (12, 12, 1), "torch_cnn": (1, 12, 12), "small_rnn": (12, 5)}[name])
    model.meet(inputs)
    outputs = model.predict(inputs, logits=True)
    loss = of_classes(LABELS, outputs.shape[1:], "cross_entropy", "softmax")
    wrt = (INPUT, "conv_b") if "cnn" in name else (INPUT, "lstm")
    found = model.gradients(inputs, loss, wrt)
    wanted = model.gradients(inputs, Target(loss.cotangents(outputs).astype(np.float32), "logit", (), head="softmax"), wrt)
    np.testing.assert_allclose(found.scores, loss.of(outputs), rtol=1e-5)
    close({name: (one,) for name, one in found.gradients.items()}, {name: (one,) for name, one in wanted.gradients.items()})


def test_keras_own_loss_and_derivative(small_cnn: Any) -> None:
    keras = pytest.importorskip("keras")
    inputs, labels = inputs_of(12, 12, 1), np.arange(7) % 4
    model = adapt(small_cnn)
    logits = model.predict(inputs, logits=True)
    own = np.asarray(keras.ops.convert_to_numpy(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)))
    loss = of_classes(labels, (4,), "cross_entropy", "softmax")
    np.testing.assert_allclose(loss.of(logits), own, rtol=1e-5)
    close(model.weight_gradients(inputs, loss), keras_gradients(keras, small_cnn, inputs, labels))


def keras_gradients(keras: Any, network: Any, inputs: Array, labels: Array) -> dict[str, tuple[Array, ...]]:
    """By the backend's own way: a tape, `jax.grad` of a stateless call, or `backward`."""
    kind = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    variables = network.trainable_variables
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = kind(labels, network(inputs, training=False))
        found = tape.gradient(total, [variable.value for variable in variables])
    elif keras.config.backend() == "jax":
        import jax

        def loss(values: Any) -> Any:
            outputs, _ = network.stateless_call(values, [one.value for one in network.non_trainable_variables], inputs, training=False)
            return kind(labels, outputs)

        found = jax.grad(loss)([variable.value for variable in variables])
    else:
        import torch

        total = kind(labels, network(inputs, training=False))
        found = torch.autograd.grad(total, [variable.value for variable in variables])
    flat = iter(np.asarray(keras.ops.convert_to_numpy(one)) for one in found)
    return {layer.name: (next(flat), next(flat)) for layer in network.layers if layer.trainable_variables}


@pytest.mark.once
@pytest.mark.parametrize("kind", ["cross_entropy", "binary_cross_entropy", "squared_error"])
def test_torchs_own_loss_and_derivative(kind: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 3))
    module[1].running_mean.fill_(0.3)
    x, truth = torch.tensor(inputs_of(1, 6, 6)), torch.eye(3)[torch.tensor(LABELS)]
    own = {"cross_entropy": functional.cross_entropy, "binary_cross_entropy": functional.binary_cross_entropy_with_logits, "squared_error": functional.mse_loss}
    total = own[kind](module.eval()(x), truth)
    wanted = [one.numpy() for one in torch.autograd.grad(total, list(module.parameters()))]
    module.train()
    model = adapt(module)
    loss = Loss(truth.numpy(), kind, ())
    found = model.weight_gradients(x.numpy(), loss)
    assert model.scores(x.numpy(), loss).mean() == pytest.approx(float(total.detach()), rel=1e-5)
    close({"all": [one / 7 for one in itertools.chain.from_iterable(found.values())]}, {"all": wanted})


@pytest.mark.once
def test_a_torch_module_is_left_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3))
    module[0].weight.requires_grad_(False)
    module[3].bias.grad = torch.full((3,), 7.0)
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    tracked = [one.requires_grad for one in module.parameters()]
    found = adapt(module).weight_gradients(inputs_of(4), of_classes(LABELS, (3,), "cross_entropy", None))
    assert all(np.abs(array).max() > 0 for arrays in found.values() for array in arrays)  # frozen ones too
    assert [one.requires_grad for one in module.parameters()] == tracked
    assert [one.grad is None for one in module.parameters()] == [True] * 5 + [False]
    assert module[3].bias.grad.tolist() == [7.0] * 3
    assert all(part.training for part in module.modules())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_keras_layers_that_act_otherwise_in_training() -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, activation="relu"), layers.Dropout(0.5, seed=1), layers.BatchNormalization(), layers.Dense(3, activation="softmax")]
    )
    model.layers[0].trainable = False
    before = [np.array(keras.ops.convert_to_numpy(one)) for one in model.variables]
    adapted, loss = adapt(model), of_classes(LABELS, (3,), "cross_entropy", "softmax")
    first, second = (adapted.weight_gradients(inputs_of(4), loss) for _ in range(2))
    close(first, second, 0.0)
    assert [len(arrays) for arrays in first.values()] == [2, 2, 2]
    assert all(np.abs(array).max() > 0 for arrays in first.values() for array in arrays)
    assert not model.layers[0].trainable
    for variable, array in zip(model.variables, before, strict=True):
        assert np.array(keras.ops.convert_to_numpy(variable)).tobytes() == array.tobytes(), variable.path


def test_an_embedding_and_a_layer_the_score_does_not_reach() -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    tokens = keras.Input((3,))
    hidden = layers.Flatten()(layers.Embedding(6, 2, name="table")(tokens))
    outputs = [layers.Dense(2, name="read")(hidden), layers.Dense(2, name="unread")(hidden)]
    model = adapt(keras.Model(tokens, outputs)).reading("read")
    x = np.array([[0, 1, 1], [4, 0, 1]], np.float32)
    model.meet(x)
    found = model.weight_gradients(x, of_classes(np.array([0, 1]), (2,), "cross_entropy", None))
    assert [bool(row.any()) for row in found["table"][0]] == [True, True, False, False, True, False]
    assert not any(array.any() for array in found["unread"])
    assert all(array.any() for array in found["read"])


def test_what_shows_no_weights_gives_no_gradients_of_them(oracle: NumpyModel) -> None:
    jax = pytest.importorskip("jax")
    loss = of_classes(np.array([0, 1]), (2,), "cross_entropy", None)
    models: list[Model] = [adapt(lambda x: x[:, :2]), adapt(jax.jit(lambda x: x[:, :2]))]
    for model in models:
        with pytest.raises(UnsupportedError, match="gives no gradients of weights"):
            model.weight_gradients(np.ones((2, 3), np.float32), loss)


def test_parameters_of_jax_that_are_no_weights_are_left_out() -> None:
    jax = pytest.importorskip("jax")
    from pellucid.adapters.jax_function import JaxFunction

    parameters = {"scale": np.ones(3, np.float32), "step": np.array(4), "dense": {"kernel": np.ones((3, 2), np.float32)}}
    model = JaxFunction(lambda p, x: (x * p["scale"]) @ p["dense"]["kernel"] + p["step"], parameters)
    x = inputs_of(3)
    loss = of_classes(LABELS % 2, (2,), "cross_entropy", None)
    found = model.weight_gradients(x, loss)
    assert {name: [one.shape for one in arrays] for name, arrays in found.items()} == {"dense": [(3, 2)], "parameters": [(3,)]}

    def own(kernel: Any) -> Any:
        return -(jax.nn.log_softmax((x * parameters["scale"]) @ kernel + 4) * loss.weights).sum()

    np.testing.assert_allclose(found["dense"][0], jax.grad(own)(parameters["dense"]["kernel"]), rtol=1e-4, atol=1e-5)


def test_memory_does_not_grow_with_samples() -> None:
    model = NumpyModel(random_stack(2, (64, 64, 3)), (64,), softmax=True, batch_size=64)

    def peak(rows: int) -> int:
        inputs, loss = np.zeros((rows, 64)), of_classes(np.zeros(rows, int), (3,), "cross_entropy", "softmax")
        tracemalloc.start()
        try:
            model.weight_gradients(inputs, loss)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(64 * 64) < 1.1 * peak(2 * 64)


def test_a_target_of_some_rows_is_still_a_loss() -> None:
    loss = of_classes(LABELS, (3,), "cross_entropy", "softmax")
    part = loss.unnamed(np.array([1, 2]))
    assert isinstance(part, Loss)
    assert isinstance(replace(loss, labels=("a",)), Loss)
    assert part.weights.tolist() == [[1, 0, 0], [0, 1, 0]]
