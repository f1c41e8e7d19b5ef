"""Activation maps on the oracle and on models with a grid and a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnknownLayerError, UnknownMethodError, UnknownViewError, UnsupportedError
from pellucid.core.model import Layer, Model, Traits
from pellucid.core.view import FAULT
from pellucid.views._units import Span
from pellucid.views.activation_map import _share_at_end, _silent

_generator = np.random.default_rng(0)
STACK = [Dense(_generator.normal(size=(4, 5)), _generator.normal(size=5), "relu"), Dense(_generator.normal(size=(5, 3)), np.zeros(3))]
X = _generator.normal(size=(3, 4))


class Recurrent(Model):
    """A running sum over time that returns only its end, besides a convolution and a dense layer."""

    batch_size = 8
    traits = Traits("a toy", (6, 2), (1,), fingerprint="toy")

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("conv", "Conv1D", (6, 2)), Layer("memory", "LSTM", (2,), sequential=True), Layer("dense", "Dense", (1,)))

    def predict(self, inputs: np.ndarray, *, logits: bool = False) -> np.ndarray:
        return inputs.sum(axis=(1, 2))[:, None]

    def activations(self, inputs: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        assert "memory" not in layers, "a recurrent layer is read by its states"
        known = {"conv": 2 * inputs, "dense": self.predict(inputs)}
        return {name: known[name] for name in layers}

    def states(self, inputs: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        return {name: np.cumsum(inputs, axis=1) for name in layers}


def test_values_are_the_layers_outputs() -> None:
    view = pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_map")
    first = np.maximum(X @ STACK[0].weights + STACK[0].bias, 0)
    np.testing.assert_allclose(view.values["dense_0"], first)
    np.testing.assert_allclose(view.values["dense_1"], first @ STACK[1].weights)
    assert view.axes["dense_0"] == ("sample", "unit")
    assert len(view) == 3


def test_named_layers_come_in_the_order_asked() -> None:
    view = pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_map", layers=["dense_1", "dense_0"])
    assert list(view.values) == ["dense_1", "dense_0"]
    assert list(pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_map", layers="dense_0").values) == ["dense_0"]


def test_convolutions_and_recurrent_layers_are_shown_by_default_the_latter_at_every_step() -> None:
    x = np.random.default_rng(1).normal(size=(2, 6, 2))
    view = pellucid.visualize(Recurrent(), x, "activation_map")
    assert list(view.values) == ["conv", "memory"]
    np.testing.assert_allclose(view.values["memory"], np.cumsum(x, axis=1))
    assert view.axes["memory"] == ("sample", "time", "unit")
    assert view.provenance["resolved"] == {"kind of conv": "Conv1D", "kind of memory": "LSTM"}


def test_what_cannot_be_shown_is_refused_by_name() -> None:
    with pytest.raises(UnknownLayerError, match="did you mean 'dense_0'"):
        pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_map", layers=["dense0"])
    with pytest.raises(SettingError, match="layers is empty"):
        pellucid.visualize(NumpyModel(STACK, (4,)), X, "activation_map", layers=[])
    with pytest.raises(UnsupportedError, match="needs a network with layers"):
        pellucid.visualize(lambda x: x, X, "activation_map")


def test_asking_the_wrong_verb_names_the_right_one() -> None:
    with pytest.raises(UnknownViewError, match=r"pellucid\.explain\(model, x, 'saliency'\)"):
        pellucid.visualize(NumpyModel(STACK, (4,)), X, "saliency")
    with pytest.raises(UnknownMethodError, match=r"pellucid\.visualize\(model, x, 'activation_map'\)"):
        pellucid.explain(NumpyModel(STACK, (4,)), X, "activation_map")


def gate(weight: float, units: int, activation: str) -> Dense:
    return Dense(np.full((1, units), weight), np.zeros(units), activation)


def test_dead_and_saturated_channels_are_marked_for_each_input() -> None:
    model = NumpyModel([Dense(np.array([[1.0, -1.0, 0.0]]), np.zeros(3), "relu"), Dense(np.diag([9.0, 0.1, 1.0]), np.zeros(3), "tanh")], (1,))
    view = pellucid.visualize(model, np.array([[2.0], [-2.0]]), "activation_map")
    assert view.details["dense_0"]["dead"].tolist() == [[False, True, True], [True, False, True]]
    assert "saturated" not in view.details["dense_0"]
    assert view.details["dense_1"]["saturated"].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert [(one.code, one.layer) for one in view.findings] == [("dead units", "dense_0")]
    assert view.findings[0].numbers == {"dead": 1, "units": 3, "samples": 2, "share_dead": 1 / 3}
    one = view[1]
    assert one.details["dense_0"]["dead"].tolist() == [[True, False, True]]


def test_strength_is_the_mean_over_places_and_puts_the_strongest_first() -> None:
    x = np.random.default_rng(1).normal(size=(2, 6, 2)) * np.array([0.1, 1.0])
    view = pellucid.visualize(Recurrent(), x, "activation_map", order="strength")
    np.testing.assert_allclose(view.details["conv"]["strength"], np.abs(2 * x).mean(axis=1))
    assert view.details["conv"]["order"].tolist() == [[1, 0], [1, 0]]
    np.testing.assert_allclose(view.values["conv"], 2 * x)
    with pytest.raises(SettingError, match="known: number, strength"):
        pellucid.visualize(Recurrent(), x, "activation_map", order="size")


def test_a_layer_that_lets_nothing_through_is_a_fault_by_name() -> None:
    model = NumpyModel([gate(-1.0, 4, "relu"), Dense(np.ones((4, 2)), np.zeros(2))], (1,))
    view = pellucid.visualize(model, np.array([[1.0], [3.0]]), "activation_map")
    assert view.worst is not None
    assert (view.worst.code, view.worst.layer, view.worst.severity) == ("dead layer", "dense_0", FAULT)
    assert pellucid.visualize(model, np.array([[-1.0], [3.0]]), "activation_map").findings == ()


def test_every_framework_marks_alike(small_cnn: Any, torch_cnn: Any, images: np.ndarray) -> None:
    ours = pellucid.visualize(small_cnn, images, "activation_map", layers=["conv_a", "conv_b"])
    theirs = pellucid.visualize(torch_cnn, images.transpose(0, 3, 1, 2), "activation_map", layers=["relu_a", "relu_b"])
    for name, twin in (("conv_a", "relu_a"), ("conv_b", "relu_b")):
        np.testing.assert_allclose(ours.values[name], theirs.values[twin], atol=1e-5)
        np.testing.assert_array_equal(ours.details[name]["dead"], theirs.details[twin]["dead"])


@pytest.mark.parametrize("silent", [1, 20])
@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_an_answer_at_a_single_place_is_an_answer(silent: int, first: bool) -> None:
    values = np.random.default_rng(2).random((3, 997, 40)).astype(np.float32)
    values[:, :, : silent + 1] = 0
    values[1, 557, 0] = -1e-30  # no place that is looked at first, however they lie
    placed = np.ascontiguousarray(values.transpose(0, 2, 1)).transpose(0, 2, 1) if first else values
    np.testing.assert_array_equal(_silent(placed), (values == 0).all(axis=1))


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("span", [Span(high=6.0, floor=True), Span(0.0, 1.0, 0.01), Span(low=0.0)])
@pytest.mark.parametrize("units", [30, 80])
def test_the_share_at_an_end_is_what_counting_gives(span: Span, units: int, first: bool) -> None:
    values = np.random.default_rng(3).normal(scale=3, size=(4, 600, units)).astype(np.float32).clip(0, span.high or 9)
    values[1] = 0.5
    values[2, 3, 4] = np.nan
    placed = np.ascontiguousarray(values.transpose(0, 2, 1)).transpose(0, 2, 1) if first else values
    low = values <= span.low + span.margin if span.low is not None else np.zeros(values.shape, bool)
    high = values >= span.high - span.margin if span.high is not None else np.zeros(values.shape, bool)
    found = _share_at_end(placed, span)
    np.testing.assert_allclose(found, (low | high).mean(axis=1), atol=1e-6)
    assert found[2, 4] > 0
    assert not found[1].any()
