"""Inversions with known answers: what an orthogonal layer is given comes back, what a layer drops stays free; frameworks and seeds agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError

Array = np.ndarray
RNG = np.random.default_rng(0)
ROTATION = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
X = RNG.normal(size=(3, 8))


def shown(network: Any, x: Array, **settings: Any) -> Any:
    return pellucid.visualize(network, x, "inversion", progress=False, **settings)


def stack(*weights: Array, activation: str = "linear") -> NumpyModel:
    return NumpyModel([Dense(one, np.zeros(one.shape[1]), activation) for one in weights], (len(weights[0]),))


def test_an_orthogonal_layer_gives_the_input_back() -> None:
    view = shown(stack(ROTATION, np.ones((8, 1))), X, layers="dense_0")
    np.testing.assert_allclose(view.values["dense_0"], np.repeat(X[:2, None], 3, axis=1), atol=0.01)
    found = view.details["dense_0"]
    assert found["residual"].max() < 1e-5
    assert found["correlation"].min() > 0.9999
    assert found["spread"].max() < 0.002
    assert [finding.code for finding in view.findings] == ["input kept"]
    assert len(view) == 2
    assert view.provenance["resolved"]["samples inverted"] == 2


def test_what_a_layer_drops_stays_free_and_what_it_keeps_does_not() -> None:
    keep = np.concatenate([np.eye(4), np.zeros((4, 4))])  # (8, 4): the second half of the input goes nowhere
    view = shown(stack(keep, np.ones((4, 1))), X, layers="dense_0", restarts=6)
    found = view.values["dense_0"]
    np.testing.assert_allclose(found[..., :4], np.repeat(X[:2, None, :4], 6, axis=1), atol=0.02)
    spread = view.details["dense_0"]["spread"]
    assert spread[:, :4].max() < 0.003
    assert spread[:, 4:].min() > 0.03
    assert view.details["dense_0"]["residual"].max() < 1e-4


def test_the_residual_is_that_of_the_inputs_given_back_and_starts_know_nothing_of_the_sample() -> None:
    model = stack(RNG.normal(size=(8, 6)), RNG.normal(size=(6, 5)), np.ones((5, 1)), activation="tanh")
    view = shown(model, X, layers=["dense_1"], budget=3)
    found = view.values["dense_1"].astype(np.float64)
    wanted = model.activations(X[:2], ["dense_1"])["dense_1"]
    for sample in range(2):
        for start in range(3):
            made = model.activations(found[sample, start][None], ["dense_1"])["dense_1"][0]
            ratio = np.square(made - wanted[sample]).sum() / np.square(wanted[sample]).sum()
            assert view.details["dense_1"]["residual"][sample, start] == pytest.approx(ratio, rel=1e-4)
    assert view.details["dense_1"]["steps"].max() == 3
    assert np.abs(view.details["dense_1"]["correlation"]).max() < 0.9
    assert shown(model, X[:1], layers=["dense_1"], budget=3).details["dense_1"]["correlation"].max() < 0.9  # nor does one sample alone tell the start


def test_the_same_seed_gives_the_same_bytes_and_another_another_start() -> None:
    model = stack(ROTATION[:, :3], np.ones((3, 1)))
    one, two, other = (shown(model, X, layers="dense_0", seed=seed).values["dense_0"] for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes()
    assert not np.allclose(one, other, atol=0.05)
    alone = shown(model, X[:1], layers="dense_0", seed=1, range=(-3, 3)).values["dense_0"][0]
    np.testing.assert_allclose(alone, shown(model, X, layers="dense_0", seed=1, range=(-3, 3)).values["dense_0"][0], atol=1e-6)


def test_frameworks_agree_on_a_table(oracle: NumpyModel, keras_twin: Any, torch_mlp: Any) -> None:
    x = np.random.default_rng(3).normal(size=(1, 6)).astype(np.float32)
    wanted = shown(oracle, x, layers="dense_0", budget=8)
    for network in (keras_twin, torch_mlp):
        model = adapt(network)
        model.meet(x)
        relu = next(layer.name for layer in model.layers() if layer.activation == "relu" or layer.kind == "ReLU")
        found = shown(model, x, layers=[relu], budget=8)
        np.testing.assert_allclose(found.values[relu], wanted.values["dense_0"], atol=2e-3)


def test_a_convolution_is_inverted_in_pixels_and_in_coefficients(small_cnn: Any, torch_cnn: Any, images: Array) -> None:
    view = shown(small_cnn, images, layers=["conv_a", "out"], most=1, restarts=2, budget=160, variation=None)
    assert view.values["conv_a"].shape == (1, 2, 12, 12, 1)
    assert view.axes["conv_a"] == ("sample", "restart", "row", "column", "channel")
    assert view.details["conv_a"]["spread"].shape == (1, 12, 12)
    near, far = (float(view.details[name]["correlation"].mean()) for name in ("conv_a", "out"))
    assert near > 0.7 > far + 0.2
    theirs = shown(torch_cnn, images.transpose(0, 3, 1, 2), layers=["conv_a"], most=1, restarts=2, budget=120, parameterisation="pixels")
    assert theirs.values["conv_a"].shape == (1, 2, 12, 12, 1)
    assert theirs.details["conv_a"]["correlation"].min() > 0.9
    assert theirs.inputs.shape == (1, 1, 12, 12)


def test_a_climb_ends_on_a_plateau_and_says_so() -> None:
    view = shown(stack(ROTATION, np.ones((8, 1))), X, layers="dense_0", budget=2000)
    assert view.details["dense_0"]["steps"].max() < 1000
    assert set(np.unique(view.details["dense_0"]["end"])) <= {0, 1}
    assert sum(view.provenance["resolved"]["ended"]["dense_0"].values()) == 6


def test_what_is_out_of_reach_or_silent_is_said() -> None:
    view = shown(stack(ROTATION, np.ones((8, 1))), X, layers="dense_0", range=(5, 6))
    (finding,) = view.findings
    assert finding.code == "not inverted"
    assert finding.numbers["share_residual"] > 0.1
    dead = NumpyModel([Dense(np.eye(8), np.full(8, -99.0), "relu"), Dense(np.ones((8, 1)), np.zeros(1))], (8,))
    short = shown(stack(ROTATION, np.ones((8, 1))), X, layers="dense_0", budget=24)
    (cut,) = (one for one in short.findings if one.code == "budget ended")
    assert cut.numbers == {"count": 6, "total": 6, "steps": 24}
    assert "budget=" in cut.advised
    assert "silent layer" in {finding.code for finding in shown(dead, X, layers="dense_0", budget=64).findings}


def test_settings_and_networks_that_do_not_fit_are_refused() -> None:
    model = stack(ROTATION, np.ones((8, 1)))
    for settings, text in (
        ({"restarts": 0}, "restarts must be a whole number"),
        ({"parameterisation": "fourrier"}, "did you mean 'fourier'"),
        ({"variation": 0}, "variation=0"),
        ({"range": (1, 0)}, "each low must be below"),
        ({"range": "wide"}, "give \\(low, high\\)"),
    ):
        with pytest.raises(SettingError, match=text):
            shown(model, X, **settings)
    torch = pytest.importorskip("torch")
    tokens = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Flatten(), torch.nn.Linear(20, 2))
    with pytest.raises(UnsupportedError, match="reads tokens"):
        shown(tokens, np.ones((1, 5), int))
