"""Feature images: planted filters are found, frameworks agree, and what is told of an image is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import ModelError, SettingError, ShapeError, UnknownClassError, UnsupportedError
from pellucid.core.model import Layer
from pellucid.core.view import View
from pellucid.maths.fourier import Fourier
from pellucid.maths.variation import total_variation
from pellucid.store.file import to_bytes
from pellucid.views import _feature_ground
from pellucid.views._features import APART, Facets

NAME = "feature_visualization"
SIDE = 32
BANK = [(0.10, 0.0), (0.15, 45.0), (0.20, 90.0), (0.15, 120.0)]
"""Cycles a pixel, and degrees of the direction in which a wave goes."""


def gabor(frequency: float, degrees: float, size: int = 21, width: float = 5.0) -> np.ndarray:
    """A wave under a bell, (size, size), with zero mean."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(degrees)
    wave = np.cos(2 * np.pi * frequency * (columns * np.cos(angle) + rows * np.sin(angle)))
    bell = np.exp(-(rows**2 + columns**2) / (2 * width**2))
    return bell * (wave - (bell * wave).sum() / bell.sum())


def peak(image: np.ndarray) -> tuple[float, float]:
    """Frequency and direction of the strongest wave in an image, between the lines of a finely sampled spectrum."""
    size = 256
    power = np.abs(np.fft.fft2(image - image.mean(), s=(size, size))) ** 2
    power[:4, :4] = power[-3:, :4] = power[:4, -3:] = power[-3:, -3:] = 0  # what is coarser than any filter
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    up, right = np.fft.fftfreq(size)[row], np.fft.fftfreq(size)[column]
    return float(np.hypot(up, right)), float(np.rad2deg(np.arctan2(up, right)) % 180)


def bank_network() -> Any:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(1, len(BANK), 21, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.stack([gabor(*one) for one in BANK])[:, None], dtype=torch.float32))
        layer.bias.zero_()
    return torch.nn.Sequential(layer, torch.nn.ReLU()).eval()


def test_the_planted_frequency_and_orientation_of_a_gabor_bank_are_found() -> None:
    model = adapt(bank_network())
    x = np.random.default_rng(0).random((8, 1, SIDE, SIDE)).astype(np.float32)
    view = pellucid.visualize(model, x, NAME, layers=["1"], transformations=0, variation=None, contrast=None, range=(0, 1), budget=150)
    assert view.values["1"].shape == (len(BANK), SIDE, SIDE, 1)
    for image, (frequency, degrees) in zip(view.values["1"], BANK, strict=True):
        found, turned = peak(image[..., 0])
        assert found == pytest.approx(frequency, rel=0.10)
        assert abs((turned - degrees + 90) % 180 - 90) < 9


@pytest.mark.parametrize("parameterisation", ["fourier", "pixels"])
def test_the_maximum_of_a_linear_unit_is_the_sign_of_its_weights(parameterisation: str) -> None:
    weights = gabor(0.15, 30.0, 12, 3.0)
    model = NumpyModel([Dense(weights.reshape(-1, 1), np.zeros(1))], (12, 12, 1))
    view = pellucid.visualize(
        model, None, NAME, parameterisation=parameterisation, transformations=0, variation=None, contrast=None, range=(-2, 3), tolerance=1e-4, budget=2000
    )
    image = view.values["output"][0, ..., 0]
    strong = np.abs(weights) > 0.2
    assert ((image[strong] > 0.5) == (weights[strong] > 0)).all()
    best = np.where(weights > 0, 3 * weights, -2 * weights).sum()
    assert 0.93 * best < view.details["output"]["score"][0] <= best
    assert view.details["output"]["score"][0] == pytest.approx(float((image * weights).sum()), rel=1e-5)
    assert view.details["output"]["end"][0] < 2


@pytest.fixture(scope="module")
def found(small_cnn: Any, images: np.ndarray) -> View:
    return pellucid.visualize(small_cnn, images, NAME, classes=[1, 3], budget=60, seed=2)


def test_keras_and_pytorch_give_the_same_images(found: View, torch_cnn: Any, images: np.ndarray) -> None:
    other = pellucid.visualize(torch_cnn, images.transpose(0, 3, 1, 2), NAME, classes=[1, 3], budget=60, seed=2)
    np.testing.assert_allclose(other.values["output"], found.values["output"], atol=2e-3)
    np.testing.assert_allclose(other.details["output"]["probability"], found.details["output"]["probability"], atol=1e-3)
    np.testing.assert_array_equal(other.details["output"]["steps"], found.details["output"]["steps"])


def test_rows_of_a_table_are_the_same_on_every_framework(oracle: NumpyModel, keras_twin: Any, torch_mlp: Any, jax_mlp: Any) -> None:
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    one = pellucid.visualize(oracle, x, NAME, budget=80)
    for network in (keras_twin, torch_mlp, jax_mlp):
        other = pellucid.visualize(network, x, NAME, budget=80)
        np.testing.assert_allclose(other.values["output"], one.values["output"], atol=2e-3)
    assert one.axes["output"] == ("feature", "column")
    assert one.provenance["resolved"]["parameterisation"] == "pixels"


def test_the_same_seed_gives_the_same_bytes_and_another_other_images(found: View, small_cnn: Any, images: np.ndarray) -> None:
    before = np.random.get_state()[1].copy()
    again = pellucid.visualize(small_cnn, images, NAME, classes=[1, 3], budget=60, seed=2)
    assert (np.random.get_state()[1] == before).all()
    assert {name: array.tobytes() for name, array in again.details["output"].items()} == {n: a.tobytes() for n, a in found.details["output"].items()}
    assert again.values["output"].tobytes() == found.values["output"].tobytes()
    other = pellucid.visualize(small_cnn, images, NAME, classes=[1, 3], budget=60, seed=3)
    assert np.abs(other.values["output"] - found.values["output"]).max() > 0.05


def test_what_is_told_of_an_image_is_true(found: View, small_cnn: Any, images: np.ndarray) -> None:
    model, told, made = adapt(small_cnn), found.details["output"], found.values["output"]
    logits = model.predict(made, logits=True).astype(float)
    np.testing.assert_allclose(told["score"], (logits - logits.mean(axis=1, keepdims=True))[[0, 1], [1, 3]], rtol=1e-4, atol=1e-5)
    real = model.predict(images, logits=True).astype(float)
    real -= real.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(told["real"], real[:, [1, 3]], atol=1e-5)
    np.testing.assert_allclose(told["percentile"], 100 * (real[:, [1, 3]] < told["score"]).mean(axis=0))
    np.testing.assert_allclose(told["variation"], total_variation(made) / total_variation(images).mean(), rtol=1e-4)
    assert (told["probability_low"] <= told["probability"]).all()
    assert (images.min() <= made).all()
    assert (made <= images.max()).all()
    assert np.abs(np.asarray(made) - 0.5).max() > 0.2


def test_classes_are_those_predicted_or_named(small_cnn: Any, images: np.ndarray) -> None:
    view = pellucid.visualize(small_cnn, images, NAME, budget=2)
    predicted = adapt(small_cnn).predict(images).argmax(axis=1)
    assert set(view.details["output"]["number"].tolist()) == set(predicted.tolist())
    named = pellucid.visualize(small_cnn, None, NAME, classes=["b", 3], class_names=list("abcd"), budget=2)
    assert named.details["output"]["number"].tolist() == [1, 3]
    assert "real" not in named.details["output"]
    assert (named.values["output"].min(), named.values["output"].max()) > (0, 0)
    assert named.provenance["resolved"]["high"] == [1.0]
    first = pellucid.visualize(small_cnn, None, NAME, budget=2, most=3)
    assert first.details["output"]["number"].tolist() == [0, 1, 2]
    with pytest.raises(UnknownClassError):
        pellucid.visualize(small_cnn, None, NAME, classes=["z"], class_names=list("abcd"))


def test_channels_and_directions_of_layers_climb_their_own_scores(small_cnn: Any, images: np.ndarray) -> None:
    model = adapt(small_cnn)
    for layer in ("conv_a", "conv_b"):
        real = model.activations(images, [layer])[layer].mean(axis=(1, 2))
        alive = np.argsort(-real.mean(axis=0))[:2]
        view = pellucid.visualize(model, images, NAME, layers=layer, channels=alive, budget=80)
        answers = model.activations(view.values[layer], [layer])[layer].mean(axis=(1, 2))
        np.testing.assert_allclose(view.details[layer]["score"], answers[[0, 1], alive], atol=1e-5)
        assert (view.details[layer]["score"] > real.max(axis=0)[alive]).all(), layer
    direction = np.array([1.0, -1.0, 0.0, 0.5, 0.0, 0.0])
    along = pellucid.visualize(model, images, NAME, layers="conv_b", direction=direction, budget=80)
    assert along.details["conv_b"]["percentile"][0] == 100
    answer = model.activations(along.values["conv_b"], ["conv_b"])["conv_b"].mean(axis=(1, 2)) @ direction
    np.testing.assert_allclose(along.details["conv_b"]["score"], answer, atol=1e-5)
    assert pellucid.visualize(model, None, NAME, layers="conv_b", channels="all", budget=1).values["conv_b"].shape[0] == 6


def test_a_dead_unit_is_named_and_one_that_real_inputs_wake_begins_at_them() -> None:
    """Unit 0 never speaks; unit 1 speaks only for an input that noise does not hit."""
    weights = np.zeros((64, 3))
    weights[:, 0] = 1.0
    pattern = np.where(np.arange(64) % 3 == 0, 1.0, -1.0)
    weights[:, 1], weights[:, 2] = pattern, np.where(np.arange(64) % 2 == 0, 1.0, -1.0)
    model = NumpyModel([Dense(weights, np.array([-1000.0, -20.0, 0.0]), "relu")], (8, 8, 1))
    real = np.stack([(pattern > 0).astype(float), np.full(64, 0.5)]).reshape(2, 8, 8, 1)
    alone = pellucid.visualize(model, None, NAME, layers="dense_0", budget=60, transformations=0)
    told = alone.details["dense_0"]
    assert told["silent"].tolist() == [1, 1, 0]
    (finding,) = (one for one in alone.findings if one.code == "silent feature")
    assert finding.numbers == {"count": 2, "total": 3}
    assert "real inputs" in finding.advised
    helped = pellucid.visualize(model, real, NAME, layers="dense_0", budget=200, transformations=0, variation=None, contrast=None, range=(0, 1))
    assert helped.details["dense_0"]["silent"].tolist() == [1, 0, 0]
    assert helped.details["dense_0"]["score"][1] > 1


def test_the_noise_of_a_dead_unit_is_not_called_rough() -> None:
    model = NumpyModel([Dense(np.ones((64, 1)), np.array([-1000.0]), "relu")], (8, 8, 1))
    smooth = np.linspace(0.4, 0.6, 64).reshape(1, 8, 8, 1) * np.array([1.0, 1.1]).reshape(2, 1, 1, 1)
    view = pellucid.visualize(model, smooth, NAME, layers="dense_0", budget=60, variation=None, contrast=None, range=(0, 1))
    assert view.details["dense_0"]["variation"][0] > 2
    assert [finding.code for finding in view.findings] == ["silent feature"]


def test_an_image_that_excites_less_than_real_inputs_says_so() -> None:
    model = NumpyModel([Dense(np.ones((16, 1)), np.zeros(1))], (4, 4, 1))
    real = np.full((5, 4, 4, 1), 7.0)
    real[0] = 6.0
    view = pellucid.visualize(model, real, NAME, range=(0, 1), budget=30)
    assert view.details["output"]["percentile"].tolist() == [0.0]
    assert "weaker than real inputs" in [finding.code for finding in view.findings]
    assert "budget ended" not in [finding.code for finding in pellucid.visualize(model, real, NAME, range=(0, 9), budget=2000).findings]
    assert "budget ended" in [finding.code for finding in pellucid.visualize(model, real, NAME, range=(0, 9), budget=5).findings]


def test_the_limit_of_variation_is_kept(small_cnn: Any, images: np.ndarray) -> None:
    smooth = np.cumsum(np.cumsum(images - 0.5, axis=1), axis=2)
    smooth = ((smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.float32)
    limited = pellucid.visualize(small_cnn, smooth, NAME, classes=[0, 1], variation=1.2, range=(0, 1))
    free = pellucid.visualize(small_cnn, smooth, NAME, classes=[0, 1], variation=None, contrast=None, range=(0, 1))
    assert (limited.details["output"]["variation"] < 1.25).all()
    assert (free.details["output"]["variation"] > 2).all()
    assert "unnatural variation" in [finding.code for finding in free.findings]
    assert (free.details["output"]["score"] > limited.details["output"]["score"]).all()


def test_the_limit_of_contrast_is_kept(small_cnn: Any, images: np.ndarray) -> None:
    limited = pellucid.visualize(small_cnn, images, NAME, classes=[0, 1], variation=None, range=(0, 1))
    free = pellucid.visualize(small_cnn, images, NAME, classes=[0, 1], variation=None, contrast=None, range=(0, 1))
    assert (limited.details["output"]["contrast"] < 1.05).all()
    assert (free.details["output"]["contrast"] > 1.3).all()
    spread = limited.values["output"].std(axis=(1, 2)).mean(axis=1) / images.std(axis=(1, 2)).mean()
    np.testing.assert_allclose(limited.details["output"]["contrast"], spread, rtol=1e-5)


def test_phases_keep_the_spectrum_of_the_real_inputs() -> None:
    generator = np.random.default_rng(0)
    real = 0.5 + generator.normal(0, 0.02, (20, 10, 10, 1))
    model = NumpyModel([Dense(generator.normal(size=(100, 1)), np.zeros(1))], (10, 10, 1))
    view = pellucid.visualize(model, real, NAME, parameterisation="maco", transformations=0, budget=40, range=(0, 1))
    wanted, got = (Fourier((10, 10)).amplitudes(some)[1:, 1:-1, 0] for some in (real, view.values["output"].astype(float)))
    np.testing.assert_allclose(got, wanted, rtol=0.03)  # the sigmoid is nearly straight for so little contrast


def test_facets_of_a_unit_with_two_triggers_are_kept_apart() -> None:
    """relu(s + 5) + 0.9 relu(5 - s), of s = what is more on the left: with diversity an image for each side, where climbs by themselves all go left."""
    left, right = np.zeros((6, 6)), np.zeros((6, 6))
    left[:, :3], right[:, 3:] = 1.0, 1.0
    first = Dense(np.stack([(left - right).ravel(), (right - left).ravel()], axis=1), np.full(2, 5.0), "relu")
    model = NumpyModel([first, Dense(np.array([[1.0], [0.9]]), np.zeros(1))], (6, 6, 1))

    def sides(view: View) -> np.ndarray:
        images = view.values["output"][..., 0]
        return images[:, :, :3].mean(axis=(1, 2)) - images[:, :, 3:].mean(axis=(1, 2))

    apart = pellucid.visualize(model, None, NAME, diversity=2, transformations=0, variation=None, contrast=None, seed=1)
    assert np.ptp(sides(apart)) > 0.7
    assert apart.details["output"]["facet"].tolist() == [0, 1]
    assert (sides(pellucid.visualize(model, None, NAME, transformations=0, variation=None, contrast=None, seed=1)) > 0.5).all()


def test_the_gradient_of_likeness_is_that_of_finite_differences() -> None:
    model = NumpyModel(random_stack(3, (5, 4)), (5,))
    inputs = np.random.default_rng(0).normal(size=(3, 5))
    layer = Layer("dense_0", "Dense", (4,))

    def likeness(some: np.ndarray) -> float:
        """The mean cosine of row 0's Gram matrix to those of the others."""
        answers = model.activations(some, ["dense_0"])["dense_0"]
        grams = np.einsum("nc,nd->ncd", answers, answers)
        return float(np.mean([(grams[0] * other).sum() / np.linalg.norm(grams[0]) / np.linalg.norm(other) for other in grams[1:]]))

    slow = np.zeros(5)
    for place in range(5):
        nudge = np.zeros((3, 5))
        nudge[0, place] = 1e-6
        slow[place] = (likeness(inputs + nudge) - likeness(inputs - nudge)) / 2e-6
    facets = Facets(model, layer, np.zeros(3, int))
    found = facets.apart(inputs, np.arange(3), np.zeros((3, 5)))[0]
    np.testing.assert_allclose(found, -APART * likeness(inputs) * slow / np.sqrt(np.mean(slow**2)), rtol=1e-4, atol=1e-6)


def test_a_series_is_climbed_along_its_time_and_a_recurrent_layer_has_a_feature() -> None:
    keras = pytest.importorskip("keras")
    kernel = np.zeros((9, 1, 1))
    kernel[:, 0, 0] = np.cos(2 * np.pi * 0.2 * (np.arange(9) - 4))
    kernel -= kernel.mean()
    network = keras.Sequential([keras.Input((60, 1)), keras.layers.Conv1D(1, 9, activation="relu", name="conv")])
    network.layers[0].set_weights([kernel, np.zeros(1)])
    view = pellucid.visualize(network, None, NAME, layers="conv", transformations=0, variation=None, contrast=None, tolerance=1e-3)
    spectrum = np.abs(np.fft.rfft(view.values["conv"][0, :, 0], 600))
    spectrum[:20] = 0
    assert spectrum.argmax() / 600 == pytest.approx(0.2, rel=0.1)
    assert view.axes["conv"] == ("feature", "time", "channel")
    assert view.provenance["resolved"]["low"] == [-3.0]


def test_one_sigmoid_has_an_image_for_each_of_two_classes() -> None:
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    network.layers[0].set_weights([np.array([[1.0], [-2.0], [0.5]]), np.zeros(1)])
    view = pellucid.visualize(network, None, NAME)
    np.testing.assert_array_equal(np.sign(view.values["output"]), [[-1, 1, -1], [1, -1, 1]])
    assert (view.details["output"]["probability"] > 0.99).all()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"parameterisation": "furier"}, SettingError, "did you mean 'fourier'"),
        ({"budget": 0}, SettingError, "budget must be a whole number"),
        ({"transformations": -1}, SettingError, "transformations must be a number"),
        ({"range": (1, 0)}, SettingError, "each low must be below its high"),
        ({"range": 3}, SettingError, "give \\(low, high\\)"),
        ({"channels": [0]}, SettingError, "channels are of a layer"),
        ({"channels": [0], "direction": [1]}, SettingError, "not both"),
        ({"layers": "dense_0", "classes": [0]}, SettingError, "classes are of the network's output"),
        ({"layers": "dense_0", "channels": [99]}, SettingError, "channel 99 is not there"),
        ({"layers": "dense_0", "channels": "some"}, SettingError, "or 'all'"),
        ({"layers": "dense_0", "channels": [0.5]}, SettingError, "give whole numbers"),
        ({"layers": "dense_0", "direction": [1.0]}, ShapeError, "has 8 channels"),
        ({"layers": ["dense_0", "dense_1"], "direction": [1.0]}, SettingError, "one layer"),
    ],
)
def test_what_cannot_be_meant_is_refused(oracle: NumpyModel, settings: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        pellucid.visualize(oracle, None, NAME, **settings)


def test_a_network_without_known_layers_shows_its_classes_and_no_facets(small_cnn: Any, saved_cnn: Any, images: np.ndarray) -> None:
    one, other = (pellucid.visualize(model, images, NAME, classes=[1, 3], budget=12, seed=2) for model in (small_cnn, saved_cnn))
    np.testing.assert_allclose(other.values["output"], one.values["output"], atol=1e-3)
    if not saved_cnn.layers():
        with pytest.raises(SettingError, match="this network shows none"):
            pellucid.visualize(saved_cnn, images, NAME, classes=[1], budget=2, diversity=2)


def test_a_gradient_that_is_no_number_is_an_error_that_says_so() -> None:
    model = NumpyModel([Dense(np.full((4, 1), np.nan), np.zeros(1))], (2, 2, 1))
    with pytest.raises(ModelError, match="gradient is infinite or no number"):
        pellucid.visualize(model, None, NAME)


def test_colours_and_spectra_of_many_inputs_are_those_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feature_ground, "MOST_BYTES", 8 * 16 * 10)
    real = np.arange(37.0).reshape(37, 1, 1, 1) * np.ones((37, 4, 4, 1))
    np.testing.assert_array_equal(_feature_ground._some(real)[:, 0, 0, 0], np.arange(0, 37, 4))
    assert len(_feature_ground._some(real[:0])) == 0


def test_tokens_are_refused_with_the_reason() -> None:
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.Input((7,)), keras.layers.Embedding(20, 4), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)])
    with pytest.raises(UnsupportedError, match="tokens are whole numbers"):
        pellucid.visualize(network, None, NAME)


def test_progress_runs_to_its_end(oracle: NumpyModel) -> None:
    from pellucid.core.scene import Scene
    from pellucid.views.feature_visualization import FeatureVisualization

    told: list[float] = []
    FeatureVisualization(budget=20).show(Scene(oracle, np.zeros(0), ("dense_0", "dense_1"), progress=told.append))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_a_record_is_stored_and_read_again(found: View) -> None:
    assert len(to_bytes([found])) < 60_000
