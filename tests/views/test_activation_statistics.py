"""Statistics over a data set against NumPy on all activations at once; planted dead and saturated layers are diagnosed by name, healthy networks are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.view import FAULT, WARNING
from pellucid.views import activation_statistics

_draw = np.random.default_rng(0)
X = _draw.normal(size=(700, 6))


def network(*, dead: bool = False, saturated: bool = False) -> NumpyModel:
    """Three hidden layers of He's or Glorot's scale; one dead or one saturated where asked."""
    draw = np.random.default_rng(1)
    first = Dense(draw.normal(0, np.sqrt(2 / 6), (6, 16)), np.full(16, -1e3 if dead else 0.1), "relu")
    second = Dense(draw.normal(0, 60.0 if saturated else np.sqrt(1 / 16), (16, 12)), np.zeros(12), "tanh")
    third = Dense(draw.normal(0, np.sqrt(1 / 12), (12, 8)), np.zeros(8), "tanh")
    return NumpyModel([first, second, third, Dense(draw.normal(size=(8, 3)), np.zeros(3))], (6,), softmax=True)


def test_numbers_are_those_of_all_activations_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_statistics, "MOST_BYTES", 4 * 40 * 64)
    model = network()
    view = pellucid.visualize(model, X, "activation_statistics", bins=17)
    whole = model.activations(X, [layer.name for layer in model.layers()])
    for name, values in whole.items():
        found = view.details[name]
        np.testing.assert_allclose(view.values[name], values.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(found["deviation"], values.std(axis=0), rtol=1e-10)
        np.testing.assert_array_equal(found["low"], values.min(axis=0))
        np.testing.assert_array_equal(found["high"], values.max(axis=0))
        np.testing.assert_allclose(found["zero"], (values == 0).mean(axis=0))
        np.testing.assert_array_equal(found["histogram"][1:-1], np.histogram(values, found["edges"])[0])
        assert found["histogram"].sum() == values.size
    np.testing.assert_allclose(view.details["dense_1"]["saturated"], (np.abs(whole["dense_1"]) >= 0.98).mean(axis=0))
    assert view.details["dense_1"]["edges"][[0, -1]].tolist() == [-1, 1]
    assert len(view) == 0
    assert view.provenance["resolved"]["samples"] == 700


def test_a_stream_gives_the_same_numbers() -> None:
    whole = pellucid.visualize(network(), X, "activation_statistics")
    parts = pellucid.visualize(network(), (X[i : i + 50] for i in range(0, 700, 50)), "activation_statistics")
    for name, values in whole.values.items():
        np.testing.assert_allclose(parts.values[name], values, rtol=1e-12)
        np.testing.assert_allclose(parts.details[name]["deviation"], whole.details[name]["deviation"], rtol=1e-12)


def test_a_healthy_network_has_nothing_to_be_said_of() -> None:
    assert pellucid.visualize(network(), X, "activation_statistics").findings == ()


def test_a_planted_dead_layer_is_named_and_what_follows_it_is_counted() -> None:
    view = pellucid.visualize(network(dead=True), X, "activation_statistics")
    assert [(one.code, one.layer, one.severity) for one in view.findings] == [("dead layer", "dense_0", FAULT)]
    assert view.findings[0].numbers == {"units": 16, "samples": 700, "after": 3}
    assert "so do 3 layers after it" in view.findings[0].told
    assert "learning rate" in view.findings[0].advised


def test_a_planted_saturated_layer_is_named() -> None:
    view = pellucid.visualize(network(saturated=True), X, "activation_statistics")
    assert [(one.code, one.layer) for one in view.findings] == [("saturated layer", "dense_1")]
    assert view.findings[0].severity >= WARNING
    assert view.details["dense_1"]["saturated"].mean() > 0.9


def test_single_units_are_counted() -> None:
    healthy = network()
    first, second, *rest = healthy.stack
    bias, weights = first.bias.copy(), second.weights.copy()
    bias[[2, 5]], weights[:, 3] = -1e3, 80
    model = NumpyModel([Dense(first.weights, bias, "relu"), Dense(weights, second.bias, "tanh"), *rest], (6,))
    view = pellucid.visualize(model, X, "activation_statistics")
    assert [(one.code, one.layer) for one in view.findings] == [("dead units", "dense_0"), ("saturated units", "dense_1")]
    assert np.flatnonzero(view.details["dense_0"]["dead"]).tolist() == [2, 5]
    assert view.findings[0].numbers["dead"] == 2
    assert view.findings[1].numbers["saturated"] == 1


def test_a_unit_that_is_constant_without_a_relu_is_not_said_to_lack_a_slope() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 4))
    weights[:, 1] = 0
    view = pellucid.visualize(NumpyModel([Dense(weights, np.ones(4)), Dense(np.ones((4, 2)), np.zeros(2))], (6,)), X, "activation_statistics")
    assert [(one.code, one.layer) for one in view.findings] == [("dead units", "dense_0")]
    assert "their weights are near zero" in view.findings[0].advised
    assert "leaky ReLU" not in view.findings[0].advised


def test_few_samples_do_not_make_a_unit_constant() -> None:
    assert pellucid.visualize(network(), X[:1], "activation_statistics").findings == ()


def test_what_is_no_number_is_said() -> None:
    weights = np.ones((6, 3))
    weights[:, 1] = np.inf
    with np.errstate(invalid="ignore"):
        view = pellucid.visualize(NumpyModel([Dense(weights, np.zeros(3))], (6,)), X, "activation_statistics")
    assert [(one.code, one.layer, one.numbers["count"]) for one in view.findings] == [("not finite", "dense_0", 700)]


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="at least 2"):
        pellucid.visualize(network(), X, "activation_statistics", bins=1)
    with pytest.raises(SettingError, match="between 0 and 1"):
        pellucid.visualize(network(), X, "activation_statistics", most=0.0)


def test_every_framework_counts_alike(small_cnn: Any, torch_cnn: Any, images: np.ndarray) -> None:
    data = np.random.default_rng(4).random((40, 12, 12, 1)).astype(np.float32)
    ours = pellucid.visualize(small_cnn, data, "activation_statistics")
    theirs = pellucid.visualize(torch_cnn, data.transpose(0, 3, 1, 2), "activation_statistics")
    assert list(ours.values) == ["conv_a", "conv_b", "out"]
    for name, twin in (("conv_a", "relu_a"), ("conv_b", "relu_b")):
        np.testing.assert_allclose(ours.values[name], theirs.values[twin], atol=1e-5)
        for kind in ("deviation", "low", "high", "zero"):
            np.testing.assert_allclose(ours.details[name][kind], theirs.details[twin][kind], atol=1e-3 if kind == "zero" else 1e-5)
        np.testing.assert_array_equal(ours.details[name]["dead"], theirs.details[twin]["dead"])


def test_states_of_a_recurrent_layer_are_pooled_over_time(small_rnn: Any, torch_rnn: Any) -> None:
    data = np.random.default_rng(4).normal(size=(40, 12, 5)).astype(np.float32)
    ours, theirs = (pellucid.visualize(model, data, "activation_statistics") for model in (small_rnn, torch_rnn))
    states = pellucid.adapt(small_rnn).states(data, ["lstm"])["lstm"]
    np.testing.assert_allclose(ours.values["lstm"], states.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(theirs.values["lstm"], ours.values["lstm"], atol=1e-5)
    assert ours.details["lstm"]["edges"][[0, -1]].tolist() == [-1, 1]


def test_a_layer_without_a_row_for_each_sample_is_left_out_unless_it_is_asked_for() -> None:
    torch = pytest.importorskip("torch")

    class Places(torch.nn.Module):
        """Adds what an embedding gives for the places, one row for all samples."""

        def __init__(self) -> None:
            super().__init__()
            self.places, self.mix = torch.nn.Embedding(6, 3), torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return self.mix(x + self.places(torch.arange(6)[None]))

    data = np.random.default_rng(0).normal(size=(9, 6, 3)).astype(np.float32)
    assert list(pellucid.visualize(Places(), data, "activation_statistics").values) == ["mix"]
    with pytest.raises(UnsupportedError, match="only a layer whose first axis counts samples"):
        pellucid.visualize(Places(), data, "activation_statistics", layers=["places"])
