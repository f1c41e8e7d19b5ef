"""Activation maps on the oracle and on models with a grid and a state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnknownLayerError, UnknownMethodError, UnknownViewError, UnsupportedError
from pellucid.core.model import Layer, Model, Traits

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
