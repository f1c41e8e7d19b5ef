"""Top examples against a search of the whole data set; what places see against the formula; one class that owns a planted unit."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid
from architectures import CASES
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError
from pellucid.maths.receptive_field import composed
from pellucid.views._fields import seen_by
from pellucid.views._units import read

Array = np.ndarray


def shown(network: Any, x: Any, **settings: Any) -> Any:
    return pellucid.visualize(network, x, "top_examples", progress=False, **settings)


def brute(values: Array, count: int, sign: int) -> list[list[tuple[int, float]]]:
    """Samples of (samples, units) by value, equals by number, by Python's own sort."""
    found = []
    for unit in range(values.shape[1]):
        pairs = sorted((-sign * float(values[i, unit]), i) for i in range(len(values)))
        found.append([(i, -sign * value) for value, i in pairs[:count]])
    return found


def test_it_equals_a_search_of_the_whole_data_over_many_batches(small_cnn: Any) -> None:
    x = np.random.default_rng(0).random((700, 12, 12, 1)).astype(np.float32)  # more than a batch
    view = shown(small_cnn, x, layers="conv_b", count=5)
    values = adapt(small_cnn).activations(x, ["conv_b"])["conv_b"].astype(np.float64)
    units = view.details["conv_b"]["unit"]
    strongest = values.max(axis=(1, 2))[:, units]
    for kind, sign, found in (("most", 1, view.values["conv_b"]), ("least", -1, view.details["conv_b"]["least"])):
        wanted = brute(strongest, 5, sign)
        np.testing.assert_allclose(found, [[value for _, value in row] for row in wanted], rtol=1e-5)
        index = view.details["conv_b"][f"{kind}_index"]
        same = np.take_along_axis(strongest.T, index, axis=1)
        np.testing.assert_allclose(same, found, rtol=1e-5)
        np.testing.assert_array_equal(view.inputs[view.details["conv_b"][f"{kind}_kept"]], x[index])
    beside = view.details["conv_b"]["between_index"]
    np.testing.assert_allclose(view.details["conv_b"]["between"], np.take_along_axis(strongest.T, beside, axis=1), rtol=1e-5)
    order = np.argsort(-values.max(axis=(1, 2)).std(axis=0), kind="stable")
    assert np.array_equal(units, order[values.max(axis=(0, 1, 2))[order] > 0])
    above = ((strongest >= strongest.max(axis=0) / 2) & (strongest.max(axis=0) > 0)).mean(axis=0)
    np.testing.assert_allclose(view.details["conv_b"]["above_half"], above, atol=2 / 700)
    assert len(view.inputs) < 100


def test_equals_come_in_the_order_of_the_data_and_the_place_is_where_the_unit_is_strongest() -> None:
    model = NumpyModel([Dense(np.eye(3), np.zeros(3), "relu"), Dense(np.ones((3, 1)), np.zeros(1))], (3,))
    x = np.array([[1.0, -1, 0], [5, -1, 0], [5, -2, 0], [0, -9, 0], [5, 0, 0]])
    view = shown(model, x, layers="dense_0", units=(0, 1), count=3)
    assert view.details["dense_0"]["most_index"].tolist() == [[1, 2, 4], [0, 1, 2]]
    assert view.details["dense_0"]["least_index"].tolist() == [[3, 0, 1], [0, 1, 2]]
    assert view.details["dense_0"]["above_half"].tolist() == [0.6, 0.0]  # a unit that is never above zero is excited by nothing
    assert [(finding.code, finding.numbers["unit"]) for finding in view.findings] == [("silent units", 1)]
    chosen = shown(model, x, layers="dense_0")  # where nobody asks for units, those that nothing excites are told and left out
    assert chosen.details["dense_0"]["unit"].tolist() == [0]
    assert [dict(finding.numbers) for finding in chosen.findings] == [{"count": 2, "units": 3, "unit": 1}]
    assert len(shown(model, -np.abs(x), layers="dense_0").details["dense_0"]["unit"]) == 3
    signed = NumpyModel([Dense(np.eye(3), np.zeros(3)), Dense(np.ones((3, 1)), np.zeros(1))], (3,))
    assert shown(signed, x, layers="dense_0", units=1, count=2).details["dense_0"]["least_index"].tolist() == [[3, 2]]
    assert shown(signed, x, layers="dense_0", units=1, count=2, seed=3).details["dense_0"]["between_index"].shape == (1, 3)


def test_a_stream_gives_the_same_and_a_generator_is_told_apart(small_cnn: Any) -> None:
    x = np.random.default_rng(1).random((90, 12, 12, 1)).astype(np.float32)

    class Loader:
        def __iter__(self) -> Iterator[Array]:
            return (x[i : i + 32] for i in range(0, 90, 32))

    whole, streamed = shown(small_cnn, x, count=3), shown(small_cnn, Loader(), count=3)
    for name, array in whole.details["conv_b"].items():
        np.testing.assert_array_equal(array, streamed.details["conv_b"][name])
    np.testing.assert_array_equal(whole.inputs, streamed.inputs)
    with pytest.raises(SettingError, match="more than once"):
        shown(small_cnn, (x[i : i + 32] for i in range(0, 90, 32)))


def test_torch_equals_keras(small_cnn: Any, torch_cnn: Any) -> None:
    x = np.random.default_rng(2).random((60, 12, 12, 1)).astype(np.float32)
    mine = shown(torch_cnn, x.transpose(0, 3, 1, 2), layers="conv_b", units=range(6))
    theirs = shown(small_cnn, x, layers="conv_b", units=range(6))
    made = adapt(torch_cnn).activations(x.transpose(0, 3, 1, 2), ["conv_b"])["conv_b"]
    assert (made < 0).any()  # in torch the ReLU is a layer of its own
    relu = shown(torch_cnn, x.transpose(0, 3, 1, 2), layers="relu_b", units=range(6))
    np.testing.assert_allclose(relu.values["relu_b"], theirs.values["conv_b"], rtol=1e-4)
    np.testing.assert_array_equal(relu.details["relu_b"]["most_window"], theirs.details["conv_b"]["most_window"])
    assert mine.provenance["resolved"]["least of conv_b"] == "the lowest values"


@pytest.mark.parametrize(
    ("name", "layer", "stack"),
    [
        ("nested", "conv2d", None),
        ("residual", "second", [(3, 1, 0), (3, 1, 1), (3, 1, 1)]),
        ("depthwise", None, None),
        ("conv1d", "conv", [(3, 1, 0)]),
    ],
)
def test_what_places_see_equals_the_formula(name: str, layer: str | None, stack: Any) -> None:
    pytest.importorskip("keras")
    import architectures_keras

    model, x = adapt(architectures_keras.build(name)), CASES[name].inputs("keras")
    chosen = next(one for one in model.layers() if layer is None or re.sub(r"_\d+$", "", one.name.rpartition("/")[2]) == layer)  # Keras numbers names
    values = read(model, x[:1], [chosen])[chosen.name]
    seen = seen_by(model, x, chosen, values, 0)
    assert "measured" not in seen.how
    if stack is not None:
        assert set(seen.fields) == {composed(stack)}
    places = np.array([[0] * (values.ndim - 2), [1] * (values.ndim - 2)])
    windows = seen.windows(places)
    for place, window in zip(places, windows, strict=True):  # what lies outside changes nothing, what lies inside does
        inside = np.zeros(x.shape[1:], bool)
        inside[tuple(slice(low, high) for low, high in window)] = True
        rng = np.random.default_rng(0)
        noise = rng.normal(size=x[:1].shape).astype(np.float32)
        outer, inner = read(model, np.where(inside, x[:1], noise), [chosen])[chosen.name], read(model, np.where(inside, noise, x[:1]), [chosen])[chosen.name]
        at = (0, *place)
        np.testing.assert_allclose(outer[at], values[at], atol=1e-5)
        assert not np.allclose(inner[at], values[at], atol=1e-5)


def test_places_that_see_everything_are_not_measured_again(small_cnn: Any) -> None:
    keras = pytest.importorskip("keras")
    inputs = keras.Input((6, 6, 1))
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    network = keras.Model(inputs, keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="all")(inputs + gate)))
    model, x = adapt(network), np.random.default_rng(0).random((8, 6, 6, 1)).astype(np.float32)
    asked, pullback = [], model.pullback
    model.pullback = lambda *given, **more: (asked.append(0), pullback(*given, **more))[1]  # type: ignore[method-assign]
    view = shown(model, x, layers="all", count=2)
    assert view.provenance["resolved"]["a place of all sees"] == "the whole input"
    assert len(asked) == 1


def test_max_pooling_is_said_to_hide_and_recurrent_states_see_what_came_before(small_cnn: Any, small_rnn: Any) -> None:
    x = np.random.default_rng(0).random((4, 12, 12, 1)).astype(np.float32)
    view = shown(small_cnn, x, layers=["conv_a", "conv_b"], units=0)
    assert view.provenance["resolved"]["a place of conv_a sees"] == "3 × 3, every 1 × 1"
    assert view.provenance["resolved"]["a place of conv_b sees"].startswith("8 × 8, every 2 × 2, measured")
    series = np.random.default_rng(0).normal(size=(5, 12, 5)).astype(np.float32)
    view = shown(small_rnn, series, units=(0, 3))
    states = adapt(small_rnn).states(series, ["lstm"])["lstm"]
    for row, unit in enumerate((0, 3)):
        for k, index in enumerate(view.details["lstm"]["most_index"][row]):
            assert view.details["lstm"]["most_window"][row, k].tolist() == [[0, int(states[index, :, unit].argmax()) + 1]]


@pytest.mark.once
def test_tokens_are_seen_with_those_that_a_convolution_reads() -> None:
    keras = pytest.importorskip("keras")
    tokens = keras.Input((9,), dtype="int32")
    hidden = keras.layers.Conv1D(4, 3, name="conv")(keras.layers.Embedding(20, 6)(tokens))
    network = keras.Model(tokens, keras.layers.Dense(2)(keras.layers.GlobalMaxPooling1D()(hidden)))
    x = np.random.default_rng(0).integers(1, 20, (12, 9))
    view = shown(network, x, layers="conv", units=1, count=2)
    assert view.provenance["resolved"]["a place of conv sees"] == "3, every 1"
    values = adapt(network).activations(x, ["conv"])["conv"][..., 1]
    place = int(values.max(axis=0).argmax())
    assert view.details["conv"]["most_window"][0, 0].tolist() == [[place, place + 3]]


@pytest.mark.once
def test_a_unit_that_one_class_owns_is_named_and_one_of_a_common_class_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 150 + [1] * 25 + [2] * 25)
    x = rng.normal(0, 0.1, (200, 3))
    x[labels == 2, 0] += 3.0  # unit 0 is of class 2
    x[:, 1] += 1.0  # unit 1 is excited by all, most of which are of class 0
    x[:, 2] = rng.random(200)
    model = NumpyModel([Dense(np.eye(3), np.zeros(3), "relu"), Dense(np.ones((3, 1)), np.zeros(1))], (3,))
    view = shown(model, x, layers="dense_0", units=(0, 1, 2), labels=labels, count=4)
    (finding,) = view.findings
    assert (finding.code, finding.numbers["unit"], finding.numbers["class"], finding.numbers["count"]) == ("class unit", 0, 2, 1)
    assert finding.numbers["share"] == 1.0
    assert finding.numbers["share_low"] == pytest.approx(25 / (25 + 1.96**2), abs=1e-3)  # Wilson's lower end of 25 of 25
    assert view.details["dense_0"]["owner"].tolist()[:2] == [2, 0]
    assert (view.details["dense_0"]["most_label"][0] == 2).all()
    assert not shown(model, x, layers="dense_0", units=(0, 1, 2), labels=rng.permutation(labels), count=4).findings


def test_units_that_are_not_there_are_refused() -> None:
    model = NumpyModel([Dense(np.eye(3), np.zeros(3), "relu"), Dense(np.ones((3, 1)), np.zeros(1))], (3,))
    for units in (3, (-1,), "all", ()):
        with pytest.raises(SettingError, match="has 3 units, numbered 0 to 2"):
            shown(model, np.ones((2, 3)), layers="dense_0", units=units)
    with pytest.raises(SettingError, match="count=0"):
        shown(model, np.ones((2, 3)), count=0)


@pytest.mark.once
def test_memory_does_not_grow_with_the_data() -> None:
    """The samples that are kept are few, and hold no batch."""
    model = NumpyModel([Dense(np.random.default_rng(0).normal(size=(2000, 2)), np.zeros(2), "relu"), Dense(np.ones((2, 1)), np.zeros(1))], (2000,))

    class Loader:
        def __init__(self, count: int) -> None:
            self.count = count

        def __iter__(self) -> Iterator[Array]:
            return (np.random.default_rng(i).normal(size=(512, 2000)).astype(np.float32) for i in range(self.count))

    def peak(count: int) -> int:
        tracemalloc.start()
        shown(model, Loader(count), layers="dense_0", count=5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    shown(model, Loader(1), layers="dense_0", count=5)  # what is imported and set up once
    few, many = peak(3), peak(12)
    assert many < 1.1 * few
