"""What layers are given: the outputs of those before, in the order of the arguments, samples first, masks among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def test_the_oracle_gives_each_layer_what_the_one_before_made(oracle: NumpyModel) -> None:
    x = noise(4, 6)
    found = oracle.layer_inputs(x, ["dense_0", "dense_2"])
    np.testing.assert_array_equal(found["dense_0"][0], x)
    np.testing.assert_array_equal(found["dense_2"][0], oracle.activations(x, ["dense_1"])["dense_1"])


def test_keras_equals_the_oracle_over_several_batches(oracle: NumpyModel, keras_twin: Any) -> None:
    x, model = noise(23, 6), adapt(keras_twin)
    model.batch_size = 8
    names = [layer.name for layer in model.layers()]
    found, wanted = model.layer_inputs(x, names), oracle.layer_inputs(x, ["dense_0", "dense_1", "dense_2"])
    for name, known in zip(names, wanted.values(), strict=True):
        assert len(found[name]) == 1
        np.testing.assert_allclose(found[name][0], known[0], **CLOSE)
    with pytest.raises(errors.UnknownLayerError):
        model.layer_inputs(x, ["dense_9"])


def test_keras_tells_several_arguments_by_place_and_by_name_and_masks() -> None:
    keras = pytest.importorskip("keras")
    tokens = keras.Input((5,))
    words = keras.layers.Embedding(9, 4, mask_zero=True, name="words")(tokens)
    other = keras.layers.Dense(4, name="other")(words)
    attended = keras.layers.MultiHeadAttention(2, 2, name="attended")(words, key=other, value=words)
    read = keras.layers.LSTM(3, name="read")(words)
    merged = keras.layers.Concatenate(name="merged")([read, keras.layers.GlobalAveragePooling1D()(attended)])
    network = keras.Model(tokens, keras.layers.Dense(2, name="out")(merged))
    x = np.array([[3, 4, 5, 0, 0], [1, 0, 0, 0, 0], [1, 2, 3, 4, 5]], np.float32)
    model = adapt(network)
    made = model.activations(x, ["words", "other", "read", "merged"])
    found = model.layer_inputs(x, ["attended", "read", "merged", "out"])
    query, value, key, *masks = found["attended"]
    for one, wanted in ((query, made["words"]), (value, made["words"]), (key, made["other"])):
        np.testing.assert_allclose(one, wanted, **CLOSE)
    assert masks
    assert all(mask.dtype == np.bool_ and np.array_equal(mask, x > 0) for mask in masks)
    sequence, mask = found["read"]
    np.testing.assert_allclose(sequence, made["words"], **CLOSE)
    np.testing.assert_array_equal(mask, x > 0)
    np.testing.assert_allclose(found["merged"][0], made["read"], **CLOSE)
    assert [one.shape for one in found["merged"]] == [(3, 3), (3, 4)]
    np.testing.assert_allclose(found["out"][0], made["merged"], **CLOSE)


def test_keras_is_left_as_it_was(small_cnn: Any, images: np.ndarray) -> None:
    before = {layer.name: dict(vars(layer)) for layer in small_cnn.layers}
    found = adapt(small_cnn).layer_inputs(images, ["conv_b"])["conv_b"]
    np.testing.assert_allclose(found[0], adapt(small_cnn).activations(images, ["pool"])["pool"], **CLOSE)
    assert {layer.name: set(vars(layer)) for layer in small_cnn.layers} == {name: set(kept) for name, kept in before.items()}
    assert all("call" not in vars(layer) for layer in small_cnn.layers)


def test_torch_equals_keras(small_cnn: Any, torch_cnn: Any, images: np.ndarray) -> None:
    mine, theirs = adapt(torch_cnn), adapt(small_cnn)
    x = images.transpose(0, 3, 1, 2)
    found = mine.layer_inputs(x, ["conv_b", "out"])
    wanted = theirs.layer_inputs(images, ["conv_b"])["conv_b"][0]
    np.testing.assert_allclose(found["conv_b"][0].transpose(0, 2, 3, 1), wanted, **CLOSE)  # channels as the layer gets them
    np.testing.assert_allclose(found["out"][0], mine.activations(x, ["flat"])["flat"], **CLOSE)
    assert not any(part._forward_pre_hooks for part in torch_cnn.modules())


@pytest.mark.once
@pytest.mark.parametrize("batch_first", [True, False])
def test_torch_gives_samples_first_positional_and_by_name(batch_first: bool) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start = nn.Linear(4, 3)
            self.lstm = nn.LSTM(4, 3, batch_first=batch_first)
            self.attention = nn.MultiheadAttention(3, 1, batch_first=batch_first)
            self.out = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            turn = (lambda value: value) if batch_first else (lambda value: value.transpose(0, 1))
            first = self.start(x[:, 0])[None]
            steps, _ = self.lstm(turn(x), (first, torch.zeros_like(first)))
            blocked = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
            steps, _ = self.attention(steps, value=steps, key=steps, attn_mask=blocked)
            return self.out(turn(steps)[:, -1])

    torch.manual_seed(0)
    module, x = Mixed(), noise(9, 5, 4)
    model = adapt(module)
    model.batch_size = 4
    found = model.layer_inputs(x, ["lstm", "attention", "out"])
    np.testing.assert_array_equal(found["lstm"][0], x)
    assert [one.shape for one in found["lstm"][1:]] == [(9, 1, 3), (9, 1, 3)]
    np.testing.assert_allclose(found["lstm"][1][:, 0], model.activations(x, ["start"])["start"], **CLOSE)
    *given, blocked = found["attention"]
    for one in given:
        np.testing.assert_allclose(one, model.states(x, ["lstm"])["lstm"], **CLOSE)
    assert len(given) == 3
    np.testing.assert_array_equal(blocked, np.broadcast_to(np.triu(np.ones((5, 5), bool), 1), (9, 5, 5)))
    assert found["out"][0].shape == (9, 3)


@pytest.mark.once
def test_a_torch_cell_is_given_its_steps_along_a_time_axis() -> None:
    torch = pytest.importorskip("torch")

    class Stepwise(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.GRUCell(4, 3)

        def forward(self, x: Any) -> Any:
            state = torch.zeros(len(x), 3)
            for step in range(x.shape[1]):
                state = self.cell(x[:, step], state)
            return state

    model, x = adapt(Stepwise()), noise(3, 5, 4)
    steps, states = model.layer_inputs(x, ["cell"])["cell"]
    np.testing.assert_array_equal(steps, x)
    np.testing.assert_allclose(states[:, 1:], model.states(x, ["cell"])["cell"][:, :-1], **CLOSE)


@pytest.mark.once
def test_what_does_not_count_samples_is_refused_by_name() -> None:
    torch = pytest.importorskip("torch")

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return self.out(x.mean(1)[:, :1] * self.table(torch.ones(7, 4)).sum(0))

    with pytest.raises(errors.UnsupportedError, match=r"'table' is given \(7, 4\) for 2 samples"):
        adapt(Whole()).layer_inputs(noise(2, 5, 4), ["table"])
