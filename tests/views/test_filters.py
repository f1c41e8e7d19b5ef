"""Weights in one layout: the same of a network in Keras and in PyTorch, known answers, and planted copies and dead filters by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
import torch_twins
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError

_draw = np.random.default_rng(0)


def filters(model: Any, **options: Any) -> Any:
    return pellucid.visualize(model, view="filters", **options)


def dense(weights: np.ndarray, shape: tuple[int, ...] | None = None) -> NumpyModel:
    return NumpyModel([Dense(weights, np.zeros(weights.shape[1]))], shape or (len(weights),))


def alike(ours: Any, theirs: Any, names: dict[str, str]) -> None:
    """The two records show the same under these names."""
    for name, twin in names.items():
        assert ours.axes[name] == theirs.axes[twin]
        np.testing.assert_allclose(ours.values[name], theirs.values[twin], atol=1e-6)
        assert set(ours.details[name]) == set(theirs.details[twin])
        for kind, array in ours.details[name].items():
            np.testing.assert_allclose(array, theirs.details[twin][kind], atol=1e-5)


def test_a_keras_network_and_its_torch_twin_show_the_same(small_cnn: Any, torch_cnn: Any) -> None:
    ours, theirs = filters(small_cnn), filters(torch_cnn)
    assert ours.values["conv_a"].shape == (3, 3, 1, 4)
    assert ours.values["conv_b"].shape == (3, 3, 4, 6)
    alike(ours, theirs, {"conv_a": "conv_a", "conv_b": "conv_b"})
    flat = theirs.values["out"].reshape(6, 3, 3, 4).transpose(1, 2, 0, 3).reshape(54, 4)  # torch flattens channels first
    np.testing.assert_allclose(ours.values["out"], flat, atol=1e-6)


def test_gates_of_an_lstm_and_of_its_twin(small_rnn: Any, torch_rnn: Any) -> None:
    ours, theirs = filters(small_rnn), filters(torch_rnn)
    assert ours.values["lstm"].shape == (4, 5, 7)
    assert ours.details["lstm"]["recurrent"].shape == (4, 7, 7)
    assert ours.provenance["resolved"]["parts of lstm"] == ["input", "forget", "cell", "output"]
    alike(ours, theirs, {"lstm": "lstm", "out": "out"})


def test_gates_of_a_gru_come_in_one_order() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    network = keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(5, name="gru")])
    kernel, again, _ = network.layers[0].get_weights()

    def turned(matrix: np.ndarray) -> np.ndarray:
        update, reset, candidate = np.split(matrix.T, 3)
        return np.concatenate([reset, update, candidate])

    twin = torch_twins.filled(torch.nn.GRU(3, 5, batch_first=True), turned(kernel), turned(again), np.zeros(15), np.zeros(15))
    ours, theirs = filters(network), filters(torch.nn.Sequential(twin))
    np.testing.assert_array_equal(ours.values["gru"], np.stack(np.split(kernel, 3, axis=1)))
    assert ours.provenance["resolved"]["parts of gru"] == ["update", "reset", "candidate"]
    alike(ours, theirs, {"gru": "0"})


def test_both_directions_and_stacked_layers_are_shown() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    network = keras.Sequential([keras.Input((4, 2)), keras.layers.Bidirectional(keras.layers.GRU(2), name="both")])
    weights = network.layers[0].get_weights()
    ours = filters(network)
    assert list(ours.values) == ["both", "both (2)"]
    for name, kernel, again in (("both", *weights[:2]), ("both (2)", *weights[3:5])):
        np.testing.assert_array_equal(ours.values[name], np.stack(np.split(kernel, 3, axis=1)))
        np.testing.assert_array_equal(ours.details[name]["recurrent"], np.stack(np.split(again, 3, axis=1)))
    stacked = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    theirs = filters(torch.nn.Sequential(stacked))
    assert [array.shape for array in theirs.values.values()] == [(4, 3, 4), (4, 3, 4), (4, 8, 4), (4, 8, 4)]
    backward = stacked.weight_ih_l0_reverse.detach().numpy()
    np.testing.assert_array_equal(theirs.values["0 (2)"], np.stack(np.split(backward.T, 4, axis=1)))


def convolutions(keras: Any) -> tuple[Any, dict[str, Any]]:
    """A network of every kind of convolution, and its weights."""
    x = inputs = keras.Input((9, 9, 3))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep")(x)
    x = keras.layers.SeparableConv2D(4, 3, name="apart")(x)
    x = keras.layers.Conv2DTranspose(5, 2, name="up")(x)
    x = keras.layers.Reshape((36, 5))(x)
    network = keras.Model(inputs, keras.layers.Conv1D(2, 4, name="series")(x))
    return network, {layer.name: layer.get_weights() for layer in network.layers}


def test_every_kind_of_convolution_has_one_layout() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    network, weights = convolutions(keras)
    ours = filters(network)
    deep, apart, point, up, series = weights["deep"][0], *weights["apart"][:2], weights["up"][0], weights["series"][0]
    assert ours.values["deep"].shape == (3, 3, 1, 6)
    np.testing.assert_array_equal(ours.values["deep"][:, :, 0, 3], deep[:, :, 1, 1])
    np.testing.assert_array_equal(ours.values["apart"][:, :, 0], apart[..., 0])
    np.testing.assert_array_equal(ours.details["apart"]["pointwise"], point)
    np.testing.assert_array_equal(ours.values["up"], up.swapaxes(2, 3))
    np.testing.assert_array_equal(ours.values["series"], series[None])
    nn, filled = torch.nn, torch_twins.filled
    twins = nn.Sequential(
        filled(nn.Conv2d(3, 6, 3, groups=3, bias=False), deep.reshape(3, 3, 1, 6).transpose(3, 2, 0, 1)),
        filled(nn.ConvTranspose2d(4, 5, 2, bias=False), up.transpose(3, 2, 0, 1)),
        filled(nn.Conv1d(5, 2, 4, bias=False), series.transpose(2, 1, 0)),
    )
    alike(ours, filters(twins), {"deep": "0", "up": "1", "series": "2"})


def test_projections_of_attention_have_one_layout() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    inputs = keras.Input((5, 6))
    network = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3, name="heads")(inputs, inputs))
    ours = filters(network)
    assert ours.provenance["resolved"]["parts of heads"] == ["query", "key", "value"]
    module = torch.nn.MultiheadAttention(6, 2)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.tensor(np.concatenate([one.T for one in ours.values["heads"]])))

    class Attends(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = module

        def forward(self, x: Any) -> Any:
            return self.heads(x, x, x)[0]

    theirs = filters(Attends())
    np.testing.assert_allclose(ours.values["heads"], theirs.values["heads"], atol=1e-7)


def test_the_component_is_that_of_the_singular_value_decomposition() -> None:
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.Input((8, 8, 5)), keras.layers.Conv2D(3, 3, name="conv")])
    pattern, gains = _draw.normal(size=(3, 3)), np.array([2.0, -0.5, 1.0, 0.0, 1.5])
    kernel = _draw.normal(size=(3, 3, 5, 3))
    kernel[..., 0] = pattern[:, :, None] * gains
    network.layers[0].set_weights([kernel, np.zeros(3)])
    found = filters(network).details["conv"]
    assert found["share"][0] == pytest.approx(1)
    np.testing.assert_allclose(found["component"][..., 0], pattern * np.linalg.norm(gains), atol=1e-5)
    for k in range(3):
        left, lengths, _ = np.linalg.svd(kernel[..., k].reshape(9, 5), full_matrices=False)
        shown = found["component"][..., k].ravel()
        assert abs(shown @ left[:, 0]) == pytest.approx(lengths[0], rel=1e-5)
        assert shown @ kernel[..., k].sum(axis=2).ravel() > 0
        assert found["share"][k] == pytest.approx(lengths[0] ** 2 / (lengths**2).sum(), rel=1e-5)
    np.testing.assert_allclose(found["norm"], np.sqrt((kernel**2).sum(axis=(0, 1, 2))), rtol=1e-5)


def test_an_embedding_shows_norms_neighbours_and_its_plane() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    table = _draw.normal(size=(40, 6)).astype(np.float32)
    table[7] = 3 * table[12]
    network = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(40, 6, name="words"), keras.layers.Flatten(), keras.layers.Dense(2)])
    network.layers[0].set_weights([table])
    ours = filters(network, layers=["words"])
    found = ours.details["words"]
    np.testing.assert_allclose(found["norm"], np.linalg.norm(table, axis=1), rtol=1e-6)
    assert (found["nearest"][7, 0], found["nearest"][12, 0]) == (12, 7)
    assert found["similarity"][7, 0] == pytest.approx(1)
    assert not (found["nearest"] == np.arange(40)[:, None]).any()
    centred = table - table.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(np.abs(found["plane"]), np.abs(centred @ directions[:2].T), atol=1e-5)
    np.testing.assert_allclose((found["plane"] ** 2).sum(axis=0), lengths[:2] ** 2, rtol=1e-5)
    theirs = filters(torch.nn.Sequential(torch.nn.Embedding.from_pretrained(torch.tensor(table), freeze=False)))
    alike(ours, theirs, {"words": "0"})


def test_a_dense_first_layer_that_reads_an_image_is_shown_as_one() -> None:
    weights = _draw.normal(size=(12, 3))
    view = filters(dense(weights, (3, 4)))
    assert view.axes["dense_0"] == ("row", "column", "input", "output")
    np.testing.assert_array_equal(view.values["dense_0"][:, :, 0, 1], weights[:, 1].reshape(3, 4))
    assert filters(dense(weights)).values["dense_0"].shape == (12, 3)


def test_planted_copies_are_found_by_name_and_random_ones_are_not() -> None:
    weights = _draw.normal(size=(30, 20))
    assert filters(dense(weights)).findings == ()
    weights[:, 14] = 2.5 * weights[:, 3]
    weights[:, 17] = -weights[:, 4]  # an opposite is no copy
    view = filters(dense(weights))
    assert [(one.code, one.layer) for one in view.findings] == [("duplicate filters", "dense_0")]
    assert view.findings[0].numbers == {"copies": 1, "total": 20, "share_copies": 0.05, "one": 3, "other": 14}


def test_equal_filters_that_read_different_inputs_are_no_copies() -> None:
    keras, torch = pytest.importorskip("keras"), pytest.importorskip("torch")
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="gray"), keras.layers.DepthwiseConv2D(3, name="each")])
    one = _draw.normal(size=(3, 3))
    network.get_layer("gray").set_weights([np.repeat(one[:, :, None, None], 4, axis=3), np.zeros(4)])
    network.get_layer("each").set_weights([np.repeat(one[:, :, None, None], 4, axis=2), np.zeros(4)])
    assert [(finding.code, finding.layer) for finding in filters(network).findings] == [("duplicate filters", "gray")]
    filled = torch_twins.filled
    twin = torch.nn.Sequential(
        filled(torch.nn.Conv2d(1, 4, 3, bias=False), np.repeat(one[None, None], 4, axis=0)),
        filled(torch.nn.Conv2d(4, 4, 3, groups=4, bias=False), np.repeat(one[None, None], 4, axis=0)),
    )
    assert [(finding.code, finding.layer) for finding in filters(twin).findings] == [("duplicate filters", "0")]


def test_planted_dead_filters_are_found_by_name() -> None:
    weights = _draw.normal(size=(30, 20))
    weights[:, [2, 9]] = 1e-9
    view = filters(dense(weights))
    assert [one.code for one in view.findings] == ["dead filters"]
    assert view.findings[0].numbers == {"dead": 2, "total": 20, "share_dead": 0.1}
    weights[0, 0] = np.nan
    assert [one.code for one in filters(dense(weights)).findings] == ["not finite"]


@pytest.mark.once
def test_small_filters_before_a_normalisation_are_not_dead() -> None:
    torch = pytest.importorskip("torch")
    weights = _draw.normal(size=(6, 3, 3, 3))
    weights[2] *= 1e-6
    conv = torch_twins.filled(torch.nn.Conv2d(3, 6, 3, bias=False), weights)

    def codes(*after) -> list[str]:
        return [finding.code for finding in filters(torch.nn.Sequential(conv, *after, torch.nn.ReLU())).findings]

    assert codes() == ["dead filters"]
    assert codes(torch.nn.BatchNorm2d(6)) == []
    assert codes(torch.nn.GroupNorm(2, 6)) == ["dead filters"]  # channels are scaled together

    class Beside(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.last = conv, torch.nn.BatchNorm2d(6), torch.nn.ReLU()

        def forward(self, x):
            read = self.conv(x)
            return self.last(read + self.norm(read))

    met = pellucid.visualize(pellucid.adapt(Beside().eval(), input_shape=(3, 8, 8)), view="filters")
    assert [finding.code for finding in met.findings] == ["dead filters"]  # not all goes through the normalisation


def test_what_is_too_large_or_has_no_kernel_is_said() -> None:
    view = filters(NumpyModel([Dense(_draw.normal(size=(30, 20)), np.zeros(20)), Dense(_draw.normal(size=(20, 2)), np.zeros(2))], (30,)), largest=100)
    assert list(view.values) == ["dense_1"]
    assert view.provenance["resolved"]["left out as larger than largest"] == ["dense_0"]
    with pytest.raises(SettingError, match="at least 1"):
        filters(dense(np.eye(2)), largest=0)
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsupportedError, match="layer '1' has no kernel, matrix or table to show; layers that do: 0"):
        filters(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), layers=["1"])
    with pytest.raises(UnsupportedError, match="needs a network with layers"):
        filters(lambda x: x)
