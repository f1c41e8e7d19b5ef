"""Which weights of a Keras model are shown, and that nothing else of it changes while they are replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt

keras = pytest.importorskip("keras")
layers = keras.layers


def shapes(model: Any) -> dict[str, list[tuple[int, ...]]]:
    return {name: [array.shape for array in arrays] for name, arrays in adapt(model).weights().items()}


def test_batch_normalisation_shows_what_training_changes_and_no_statistics() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense"), layers.BatchNormalization(name="norm"), layers.Dropout(0.5)])
    norm = model.get_layer("norm")
    norm.set_weights([np.full(3, value, np.float32) for value in (2.0, 3.0, 4.0, 5.0)])
    found = adapt(model).weights()
    assert list(found) == ["dense", "norm"]
    assert [float(array[0]) for array in found["norm"]] == [2.0, 3.0]  # gamma and beta
    with adapt(model).replaced_weights({"norm": [np.ones(3), np.zeros(3)]}):
        assert [float(array[0]) for array in norm.get_weights()] == [1.0, 0.0, 4.0, 5.0]


@pytest.mark.parametrize("when", ["before it is built", "afterwards"])
def test_a_frozen_layer_has_weights_too_and_stays_frozen(when: str) -> None:
    dense = layers.Dense(3, name="dense")
    dense.trainable = when == "afterwards"
    model = keras.Sequential([keras.Input((4,)), dense, layers.BatchNormalization(name="norm")])
    model.trainable = False
    adapted = adapt(model)
    assert {name: [array.shape for array in arrays] for name, arrays in adapted.weights().items()} == {"dense": [(4, 3), (3,)], "norm": [(3,), (3,)]}
    with adapted.replaced_weights({"dense": [np.zeros((4, 3)), np.ones(3)]}):
        assert dense.get_weights()[1].tolist() == [1, 1, 1]
    assert not dense.trainable
    assert not model.trainable_variables


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (lambda: layers.SimpleRNN(2), [(3, 2), (2, 2), (2,)]),
        (lambda: layers.GRU(2), [(3, 6), (2, 6), (2, 6)]),
        (lambda: layers.RNN([layers.LSTMCell(2), layers.LSTMCell(4)]), [(3, 8), (2, 8), (8,), (2, 16), (4, 16), (16,)]),
        (lambda: layers.Bidirectional(layers.LSTM(2)), [(3, 8), (2, 8), (8,)] * 2),
        (lambda: layers.TimeDistributed(layers.Dense(2)), [(3, 2), (2,)]),
    ],
    ids=["SimpleRNN", "GRU", "two cells", "Bidirectional", "TimeDistributed"],
)
def test_cells_and_what_a_layer_wraps_are_the_layers_own(layer: Any, wanted: list[tuple[int, ...]]) -> None:
    made = layer()
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, layers.Dense(1, name="out")(layers.Flatten()(made(inputs))))
    found = shapes(model)
    assert list(found) == [made.name, "out"]
    assert found[made.name] == wanted
    adapted, x = adapt(model), np.random.default_rng(0).random((2, 5, 3)).astype(np.float32)
    before = adapted.predict(x)
    with adapted.replaced_weights({made.name: [np.zeros(shape) for shape in wanted]}):
        inside = adapted.predict(x)
    assert np.ptp(inside) == 0.0 < np.ptp(before)
    assert np.array_equal(adapted.predict(x), before)


def test_shared_layers_count_once_where_they_are_called_first_and_nested_ones_by_their_path() -> None:
    shared, inner = layers.Dense(4, name="shared"), layers.Dense(4, name="inner")
    inputs = keras.Input((4,))
    body = keras.Model(inputs, inner(shared(inputs)), name="body")
    body.trainable = False  # what is frozen keeps its path too
    x = shared(body(layers.Dense(4, name="first")(inputs)))
    model = keras.Model(inputs, layers.Dense(2, name="last")(shared(x)))
    found = shapes(model)
    assert sum(len(arrays) for arrays in found.values()) == 8
    assert sorted(name.rpartition("/")[2] for name in found) == ["first", "inner", "last", "shared"]
    assert any("/" in name for name in found)
    assert [name.rpartition("/")[2] for name in found][-1] == "last"
    adapted, data = adapt(model), np.random.default_rng(0).random((3, 4)).astype(np.float32)
    name = next(name for name in found if name.endswith("shared"))
    before = adapted.predict(data)
    with adapted.replaced_weights({name: [np.zeros((4, 4)), np.zeros(4)]}):
        assert np.ptp(adapted.predict(data), axis=0).max() == 0.0
    assert np.array_equal(adapted.predict(data), before)


class Own(keras.Model):  # type: ignore[misc]
    """A class with a weight of its own beside its layers."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.scale = self.add_weight(shape=(3,), initializer="ones", name="scale")
        self.dense = layers.Dense(2, name="dense")

    def call(self, x: Any) -> Any:
        return self.dense(x * self.scale)


def test_weights_of_a_model_itself_come_first() -> None:
    model = Own()
    x = np.random.default_rng(0).random((2, 3)).astype(np.float32)
    model(x)
    assert shapes(model) == {"own": [(3,)], "dense": [(3, 2), (2,)]}
    with adapt(model).replaced_weights({"own": [np.zeros(3)]}) as other:
        assert np.abs(other.predict(x)).max() == 0.0
    assert np.array_equal(np.asarray(keras.ops.convert_to_numpy(model.scale)), np.ones(3, np.float32))


def test_the_optimizer_keeps_its_state() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense"), layers.Dense(1)])
    model.compile("adam", "mse")
    generator = np.random.default_rng(0)
    data = generator.random((16, 4)).astype(np.float32), generator.random((16, 1)).astype(np.float32)
    model.fit(*data, epochs=1, verbose=0)

    def state() -> list[bytes]:
        return [np.asarray(keras.ops.convert_to_numpy(variable)).tobytes() for variable in (*model.optimizer.variables, *model.variables)]

    before, adapted = state(), adapt(model)
    with adapted.replaced_weights({name: [array * 2 for array in arrays] for name, arrays in adapted.weights().items()}) as other:
        other.predict(data[0])
        assert state()[: len(model.optimizer.variables)] == before[: len(model.optimizer.variables)]
    assert state() == before


def test_numbers_of_less_width_come_back_as_they_were() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense", dtype="bfloat16")])
    adapted, x = adapt(model), np.random.default_rng(0).random((2, 4)).astype(np.float32)
    before = adapted.predict(x)
    own = adapted.weights()["dense"]
    assert {array.dtype for array in own} == {np.dtype(np.float32)}
    with adapted.replaced_weights({"dense": [np.full((4, 3), 1.001), np.zeros(3)]}) as other:
        assert np.abs(other.predict(x) - before).max() > 0.01
    assert np.array_equal(adapted.predict(x), before)
    assert all(now.tobytes() == then.tobytes() for now, then in zip(adapted.weights()["dense"], own, strict=True))
