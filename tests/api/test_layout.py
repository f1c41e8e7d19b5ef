"""Images with channels first: every feature, fill and baseline means what it means with channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.layout import from_last, to_last
from pellucid.core.model import Layer, Model, Traits
from pellucid.methods import METHODS

IMAGES = np.random.default_rng(2).random((3, 8, 10, 3)).astype(np.float32)
FIRST = np.ascontiguousarray(np.moveaxis(IMAGES, -1, 1))
WEIGHTS = np.random.default_rng(3).normal(size=(8, 10, 3))
PER_PIXEL = np.arange(80).reshape(8, 10) // 20
PER_CHANNEL = np.broadcast_to(np.arange(3), (8, 10, 3))


class Curved(Model):
    """tanh of a weighted sum of squares; images lie as `channels` says."""

    batch_size = 64

    def __init__(self, channels: str) -> None:
        self.traits = Traits("a toy", output_shape=(1,), channels=channels)

    def predict(self, inputs: np.ndarray, *, logits: bool = False) -> np.ndarray:
        return np.tanh(0.1 * (np.square(to_last(inputs, self.traits.channels)) * WEIGHTS).sum(axis=(1, 2, 3)))[:, None]

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("maps", "Conv2d", (2, 4, 5), spatial=True, channel_axis=0),)

    def activations(self, inputs: np.ndarray, layers: Any) -> dict[str, np.ndarray]:
        return {"maps": np.arange(40.0).reshape(1, 2, 4, 5).repeat(len(inputs), 0)}


FEATURES = {
    "default": None,
    "patches": "patches:4",
    "pixels": "pixels",
    "superpixels": "superpixels:slic:6",
    "channels": {"red": 0, "others": [1, 2]},
    "map without channels": PER_PIXEL,
    "map per sample": np.stack([PER_PIXEL, PER_PIXEL[::-1], PER_PIXEL]),
}
FILLS = {"constant": 0.3, "mean": "mean", "blur": "blur:1"}


def both(first: dict[str, Any], last: dict[str, Any], method: str = "feature_ablation") -> tuple[Any, Any]:
    return pellucid.explain(Curved("first"), FIRST, method, **first), pellucid.explain(Curved("last"), IMAGES, method, **last)


def same(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got.values, want.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(got.to_input(), np.moveaxis(want.to_input(), -1, 1), rtol=1e-5, atol=1e-7)
    assert got.baseline.shape[1:] == FIRST.shape[1:]
    np.testing.assert_allclose(got.baseline, np.moveaxis(want.baseline, -1, 1), rtol=1e-6)
    assert np.abs(want.values).max() > 1e-3
    assert got.provenance["takes"]["channels"] == "first"


@pytest.mark.parametrize("features", FEATURES)
def test_features_mean_the_same(features: str) -> None:
    options = {"features": FEATURES[features]}
    if features == "map per sample":  # as many samples as channels: a map for each sample would pass for one for each channel
        options["features"] = FEATURES[features][:, None]
        same(*both(options, {"features": FEATURES[features][..., None]}))
        return
    got, want = both(options, options)
    same(got, want)
    assert got.features.labels.shape == np.moveaxis(want.features.labels, -1, 1).shape


def test_a_map_with_channels_is_read_as_the_inputs_lie() -> None:
    same(*both({"features": np.moveaxis(PER_CHANNEL, -1, 0)}, {"features": PER_CHANNEL}))
    same(*both({"features": np.moveaxis(PER_CHANNEL, -1, 0)[None].repeat(3, 0)}, {"features": PER_CHANNEL[None].repeat(3, 0)}))


@pytest.mark.parametrize("fill", FILLS)
def test_fills_mean_the_same(fill: str) -> None:
    same(*both({"fill": FILLS[fill]}, {"fill": FILLS[fill]}))


def test_arrays_are_taken_as_the_inputs_lie() -> None:
    fill = np.random.default_rng(5).random(IMAGES.shape[1:]).astype(np.float32)
    same(*both({"fill": np.moveaxis(fill, -1, 0)}, {"fill": fill}))
    same(*both({"background": FIRST, "features": "patches:4"}, {"background": IMAGES, "features": "patches:4"}, "exact_shap"))


def test_views_have_channels_last() -> None:
    view = pellucid.visualize(Curved("first"), FIRST, "activation_map")
    assert view.values["maps"].shape == (3, 4, 5, 2)
    assert view.axes["maps"] == ("sample", "row", "column", "channel")
    np.testing.assert_array_equal(view.values["maps"][0, ..., 1], np.arange(20.0, 40).reshape(4, 5))


@pytest.mark.parametrize("shape", [(5, 3), (5, 12, 3), (5, 8, 9, 3), (5, 4, 8, 9, 3)])
def test_there_and_back(shape: tuple[int, ...]) -> None:
    last = np.random.default_rng(0).random(shape)
    first = from_last(last, "first")
    assert first.shape == (shape if len(shape) == 2 else (5, 3, *shape[1:-1]))
    np.testing.assert_array_equal(to_last(first, "first"), last)
    assert from_last(last, "last") is to_last(last, "last") is last


def test_conv1d_reads_channels_first_and_a_recurrent_layer_last() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    series = np.random.default_rng(1).random((4, 3, 12)).astype(np.float32)
    found = pellucid.explain(nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 2)), series, "exact_shap", features="patches:4", target=0)
    assert found.to_input().shape == series.shape
    labels = np.broadcast_to(found.features.labels[0], (3, 12))
    assert (np.diff(labels[0])[3::4] != 0).all()
    assert (labels[0] == labels[2]).all()

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(x)[0][:, -1])

    found = pellucid.explain(Reads(), np.moveaxis(series, 1, 2), "exact_shap", features="patches:4", target=0)
    assert found.provenance["takes"]["channels"] == "last"


FEWER = {"partition_shap": "patches:5", "exact_shap": "patches:5", "shapley_interactions": "patches:5", "sobol": "patches:5", "hsic": "patches:5"}
FIXED = {
    "hsic": 400,
    "sobol": 4000,
    "rise": 200,
    "kernel_shap": 400,
    "lime": 400,
    "smooth_grad": 64,
    "square_grad": 64,
    "var_grad": 64,
    "expected_gradients": 64,
}
"""Evaluations where a method draws: to a tolerance of 0, so that both make the same draws."""


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_sees_the_same_image(method: str) -> None:
    """One torch network of colour images, and the same one behind a turn of its axes."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Turned(nn.Module):
        def __init__(self, net: Any) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any) -> Any:
            return self.net(x.permute(0, 3, 1, 2))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 3), nn.Softmax(1)
        )
    part = METHODS.load(method)
    first, last = np.ascontiguousarray(FIRST[:2]), np.ascontiguousarray(IMAGES[:2])
    options: dict[str, Any] = (
        {"max_evaluations": FIXED[method], "tolerance": 0.0} if method in FIXED else {"max_evaluations": 250} if part.family == "path" else {}
    )
    options |= {"features": FEWER.get(method, "superpixels:slic:6")} if "features" in part.accepts else {}
    layouts = [{"background": rows} if part.accepts >= {"background"} and "fill" not in part.accepts else {} for rows in (first, last)]
    got = pellucid.explain(net, first, method, **options, **layouts[0])
    want = pellucid.explain(Turned(net), last, method, **options, **layouts[1], **({"layer": "net.2"} if method == "grad_cam" else {}))
    scale = np.abs(want.values).max()
    assert scale > 0
    np.testing.assert_allclose(np.moveaxis(got.to_input(), 1, -1), want.to_input(), rtol=0, atol=2e-3 * scale)
    assert (got.provenance["takes"]["channels"], want.provenance["takes"]["channels"]) == ("first", "last")
