"""Weights replaced by noise: against loops written from the paper, on networks whose maps are known, and on explanations that show the input alone."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from own_methods import Blend, Given, InputItself
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.evaluation import Score
from pellucid.metrics.sanity._weights import random_weights

Array = np.ndarray
X = np.random.default_rng(1).normal(size=(4, 12))
NETWORK = NumpyModel(random_stack(3, (12, 9, 7, 3), "tanh"), (12,), softmax=True)
BOTH = ("weight_randomisation", "efficient_randomisation")
SIGNED: dict[str, Any] = {"method": "saliency", "absolute": False}


def measured(network: Any, x: Array, metric: str = "weight_randomisation", settings: dict[str, Any] | None = None, seed: int = 0, **how: Any) -> Score:
    explanation = pellucid.explain(network, x, **(SIGNED | how))
    return pellucid.evaluate(network, explanation, {metric: settings or {}}, seed=seed)[metric]


def drawn(stack: tuple[Dense, ...], seed: int, draw: int, how: str) -> list[Dense]:
    """Each array anew, layer by layer, as the docstring says."""
    found = []
    for i, dense in enumerate(stack):
        generator = np.random.default_rng((seed, draw, zlib.crc32(f"dense_{i}".encode())))
        arrays = []
        for array in (dense.weights, dense.bias):
            if how == "normal":
                arrays.append(array.mean() + array.std() * generator.standard_normal(array.shape))
            else:
                arrays.append(generator.permutation(array.flatten()).reshape(array.shape))
        found.append(Dense(arrays[0], arrays[1], dense.activation))
    return found


def slope(stack: list[Dense], x: Array, label: int) -> Array:
    """The gradient of a logit of a tanh network at one input, by the chain rule."""
    values = [x]
    for dense in stack:
        total = values[-1] @ dense.weights + dense.bias
        values.append(np.tanh(total) if dense.activation == "tanh" else total)
    back = np.eye(stack[-1].bias.size)[label]
    for dense, value in zip(reversed(stack), reversed(values[1:]), strict=True):
        back = dense.weights @ (back * (1 - value**2 if dense.activation == "tanh" else 1))
    return back


def twin(network: NumpyModel, x: Array, order: str, absolute: bool, how: str, draws: int, seed: int) -> Array:
    """Similarity (samples, draws, layers), one network and one sample after the other."""
    stack, layers = list(network.stack), len(network.stack)
    labels = network.predict(x).argmax(axis=1)
    found = np.empty((len(x), draws, layers))
    for sample in range(len(x)):
        own = slope(stack, x[sample], labels[sample])
        for draw in range(draws):
            noise = drawn(network.stack, seed, draw, how)
            for step in range(layers):
                turned = {"cascading": range(layers - 1 - step, layers), "bottom_up": range(step + 1), "independent": [layers - 1 - step]}[order]
                other = slope([noise[i] if i in turned else stack[i] for i in range(layers)], x[sample], labels[sample])
                found[sample, draw, step] = spearmanr(abs(own), abs(other))[0] if absolute else spearmanr(own, other)[0]
    return found


@pytest.mark.parametrize("how", ["normal", "permuted"])
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("order", ["cascading", "bottom_up", "independent"])
def test_against_loops_from_the_paper(order: str, absolute: bool, how: str) -> None:
    score = measured(NETWORK, X, settings={"order": order, "absolute": absolute, "draw": how, "draws": 3}, seed=5)
    want = twin(NETWORK, X, order, absolute, how, 3, 5)
    np.testing.assert_allclose(score.curves["similarity"], want.mean(axis=1), atol=1e-7)
    np.testing.assert_allclose(score.curves["by_draw"], want.mean(axis=2), atol=1e-7)
    np.testing.assert_allclose(score.values, want.mean(axis=(1, 2)), atol=1e-7)
    np.testing.assert_allclose(score.error, want.mean(axis=2).std(axis=1, ddof=1) / np.sqrt(3), atol=1e-7)
    assert score.settings["layers"] == ["dense_0", "dense_1", "dense_2"][:: 1 if order == "bottom_up" else -1]
    assert score.evaluations.tolist() == score.gradients.tolist() == [9] * 4


def test_fewer_steps_are_some_of_all_of_them_the_last_among_them() -> None:
    network = NumpyModel(random_stack(4, (12, 9, 8, 7, 6, 3)), (12,))
    every, few = (measured(network, X, settings={"steps": steps}) for steps in (None, 2))
    assert few.settings["layers"] == ["dense_3", "dense_0"]  # of five: after 2 or 3, and the last
    places = [every.settings["layers"].index(name) for name in few.settings["layers"]]
    assert np.array_equal(few.curves["similarity"], every.curves["similarity"][:, places])
    assert measured(network, X, settings={"steps": 1}).settings["layers"] == ["dense_0"]
    assert measured(network, X, settings={"steps": 50}).settings["layers"] == every.settings["layers"]


@pytest.mark.parametrize("order", ["cascading", "bottom_up", "independent"])
@pytest.mark.parametrize("similarity", ["spearman", "pearson", "ssim"])
def test_a_picture_of_the_input_does_not_change_and_is_called_out(order: str, similarity: str) -> None:
    x = np.random.default_rng(0).random((3, 8, 8, 1)).astype(np.float32)
    network = NumpyModel(random_stack(0, (64, 8, 3)), (8, 8, 1), softmax=True)
    explanation = pellucid.explain(network, x, InputItself())
    found = pellucid.evaluate(network, explanation, {"weight_randomisation": {"order": order, "similarity": similarity}, "efficient_randomisation": {}})
    np.testing.assert_allclose(found["weight_randomisation"].values, 1, atol=1e-12)
    assert (found["weight_randomisation"].error == 0).all()
    assert (found["efficient_randomisation"].values == 0).all()
    assert [verdict.word for verdict in found.verdicts] == ["not supported"] * 3
    assert "replaced by noise: it shows the input, not the network" in str(found.verdicts[0])


def test_gradients_pass_and_pictures_of_the_input_fail_on_95_of_100_networks() -> None:
    passed = failed = ordered = 0
    for seed in range(100):
        network = NumpyModel(random_stack(seed, (64, 24, 12, 4)), (64,), softmax=True)
        x = np.random.default_rng(seed).normal(size=(1, 64))
        gradient, mixed, picture = (
            pellucid.evaluate(network, pellucid.explain(network, x, method), "weight_randomisation", seed=seed)
            for method in (Blend(0.0), Blend(0.5), InputItself())
        )
        passed += gradient.verdicts[0].votes["sanity"] == 1
        failed += picture.verdicts[0].votes["sanity"] == -1
        values = [float(one["weight_randomisation"].values[0]) for one in (gradient, mixed, picture)]
        ordered += values[0] < values[1] < values[2]
    assert passed >= 95
    assert failed == 100
    assert ordered >= 95


def test_the_more_of_the_input_a_map_holds_the_less_it_changes() -> None:
    network = NumpyModel(random_stack(0, (64, 24, 12, 4)), (64,), softmax=True)
    x = np.random.default_rng(0).normal(size=(6, 64))
    values = [_of(network, x, Blend(share)) for share in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert np.all(np.diff(values) > 0)
    assert values[-1] == pytest.approx(1)


def _of(network: Any, x: Array, method: Any) -> float:
    return pellucid.evaluate(network, pellucid.explain(network, x, method), "weight_randomisation")["weight_randomisation"].mean


def test_a_method_that_draws_meets_the_same_draws() -> None:
    """Of a map that is all noise, drawn from the method's seed, nothing may change."""
    explanation = pellucid.explain(NETWORK, X, Given(lambda task: np.random.default_rng(task.seed).normal(size=task.inputs.shape)), seed=11)
    for settings in ({}, {"noisy": 3}):
        found = pellucid.evaluate(NETWORK, explanation, {"weight_randomisation": settings}, seed=5)["weight_randomisation"]
        np.testing.assert_allclose(found.values, 1, atol=1e-12)
    other = pellucid.evaluate(NETWORK, explanation, "weight_randomisation", again={"seed": 12})["weight_randomisation"]
    assert other.values.max() < 0.9


def test_a_constant_map_is_like_nothing() -> None:
    own = NETWORK.stack[0].weights

    def only_on_the_network(task: Any) -> Array:
        same = np.array_equal(task.model.stack[0].weights, own)
        return np.abs(task.inputs) * same

    assert _of(NETWORK, X, Given(only_on_the_network)) == pytest.approx(2 / 3)  # two of three steps leave the first layer
    nothing = pellucid.explain(NETWORK, X, Given(lambda task: np.ones(task.inputs.shape)))
    found = pellucid.evaluate(NETWORK, nothing, list(BOTH[:1]))["weight_randomisation"]
    assert np.isnan(found.values).all()


def test_ssim_is_that_of_the_maps_scaled_to_the_largest() -> None:
    x = np.random.default_rng(0).random((2, 8, 9, 3)).astype(np.float32)
    network = NumpyModel(random_stack(0, (216, 3)), (8, 9, 3), softmax=True)
    score = measured(network, x, settings={"similarity": "ssim", "draws": 1, "absolute": False}, seed=2)
    explanation = pellucid.explain(network, x, **SIGNED)
    labels = network.predict(x).argmax(axis=1)
    other = drawn(network.stack, 2, 0, "normal")[0].weights
    for i in range(2):
        a, b = (one / np.abs(one).max() for one in (explanation.values[i].sum(axis=-1), other[:, labels[i]].reshape(8, 9, 3).sum(axis=-1)))
        want = structural_similarity(a, b, win_size=7, data_range=max(a.max(), b.max()) - min(a.min(), b.min()))
        assert score.values[i] == pytest.approx(want, abs=1e-6)
    with pytest.raises(UnsupportedError, match="SSIM"):
        measured(NETWORK, X, settings={"similarity": "ssim"})


def test_noisy_copies_are_explained_and_averaged() -> None:
    smooth = measured(NETWORK, X, settings={"noisy": 8, "noise": 0.2, "draws": 1, "steps": 1}, seed=4)
    assert smooth.evaluations.tolist() == [16] * 4, "eight on the network itself, eight on the random one"
    from pellucid.metrics._draws import key_of

    class Trial:
        inputs, seed = X, 4

    labels, noise = NETWORK.predict(X).argmax(axis=1), drawn(NETWORK.stack, 4, 0, "normal")
    for i in range(4):
        moves = [np.random.default_rng((*key_of(Trial(), i), k)).normal(size=12) for k in range(8)]  # type: ignore[arg-type]
        copies = [X[i] + 0.2 * np.ptp(X[i]) * move for move in moves]
        own, other = (np.mean([slope(stack, one, labels[i]) for one in copies], axis=0) for stack in (list(NETWORK.stack), noise))
        assert smooth.values[i] == pytest.approx(spearmanr(own, other)[0], abs=1e-6)


def test_the_error_is_the_spread_of_the_value_over_seeds() -> None:
    scores = [measured(NETWORK, X, settings={"draws": 4}, seed=seed) for seed in range(60)]
    values, errors = (np.array([getattr(score, part) for score in scores]) for part in ("values", "error"))
    ratio = np.sqrt((errors**2).mean(axis=0)) / values.std(axis=0, ddof=1)
    assert 0.7 < ratio.mean() < 1.4
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()
    assert (measured(NETWORK, X, settings={"draws": 1}).error == 0).all()


def test_the_interval_of_the_mean_holds_what_all_samples_were_given() -> None:
    """Many alike samples do not make the mean certain: all of them meet the same random networks."""
    network, x = NumpyModel(random_stack(3, (12, 4)), (12,)), np.repeat(X[:1], 20, axis=0)
    scores = [measured(network, x, settings={"draws": 3}, seed=seed) for seed in range(100)]
    truth = measured(network, x[:1], settings={"draws": 500}, seed=999).mean
    covered = np.mean([score.interval()[0] <= truth <= score.interval()[1] for score in scores])
    assert 0.88 <= covered <= 0.99
    assert all(score.values.std() < 1e-12 for score in scores)


def test_random_weights() -> None:
    weights = {"a": (np.arange(20000.0).reshape(100, 200), np.full(3, 2.0)), "b": (np.array([1.0, 5.0, 7.0]),)}
    normal, again, later = (random_weights(weights, "normal", 0, draw) for draw in (0, 0, 1))
    assert np.array_equal(normal["a"][0], again["a"][0])
    assert not np.array_equal(normal["a"][0], later["a"][0])
    assert normal["a"][0].mean() == pytest.approx(9999.5, rel=0.02)
    assert normal["a"][0].std() == pytest.approx(np.arange(20000.0).std(), rel=0.02)
    assert normal["a"][1].tolist() == [2, 2, 2], "what is the same everywhere stays"
    alone = random_weights({"b": weights["b"]}, "normal", 0, 0)
    assert np.array_equal(alone["b"][0], normal["b"][0]), "a layer's draws do not depend on the others"
    mixed = random_weights(weights, "permuted", 0, 0)
    assert np.array_equal(np.sort(mixed["a"][0], axis=None), np.arange(20000.0))
    assert not np.array_equal(mixed["a"][0], weights["a"][0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"order": "downward"}, "unknown order 'downward'"),
        ({"similarity": "cosine"}, "unknown similarity 'cosine'"),
        ({"draw": "uniform"}, "unknown draw 'uniform'"),
        ({"draws": 0}, "draws must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"noisy": -1}, "noisy at least 0"),
        ({"noise": 0.0}, "noise above 0"),
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        measured(NETWORK, X, settings=settings)


# ---- the efficient form --------------------------------------------------------------------------------------------


def entropy(values: Array, bins: int) -> float:
    """Of the histogram, bin by bin."""
    edges = np.linspace(values.min(), values.max(), bins + 1)
    shares = []
    for i in range(bins):
        inside = (values >= edges[i]) & ((values < edges[i + 1]) if i < bins - 1 else (values <= edges[i + 1]))
        shares.append(inside.mean())
    return -sum(share * np.log(share) for share in shares if share)


@pytest.mark.parametrize("absolute", [True, False])
def test_the_rise_of_entropy_against_loops_from_the_paper(absolute: bool) -> None:
    network, x = NumpyModel(random_stack(3, (300, 9, 3), "tanh"), (300,), softmax=True), np.random.default_rng(1).normal(size=(3, 300))
    score = measured(network, x, "efficient_randomisation", {"bins": 20, "draws": 2, "absolute": absolute}, seed=7)
    labels = network.predict(x).argmax(axis=1)
    for i in range(3):
        maps = [slope(stack, x[i], labels[i]) for stack in (list(network.stack), *(drawn(network.stack, 7, draw, "normal") for draw in range(2)))]
        own, *others = (entropy(abs(one) if absolute else one, 20) for one in maps)
        rises = [(other - own) / own for other in others]
        assert score.values[i] == pytest.approx(np.mean(rises), abs=1e-6)
        assert score.error[i] == pytest.approx(np.std(rises, ddof=1) / np.sqrt(2), abs=1e-6)
    assert score.evaluations.tolist() == [2] * 3


def test_rules_for_bins_are_those_of_the_books() -> None:
    network, x = NumpyModel(random_stack(3, (300, 9, 3)), (300,), softmax=True), np.random.default_rng(1).normal(size=(2, 300))
    values = pellucid.explain(network, x, **SIGNED).values
    for rule, width in (
        ("scott", (24 * np.sqrt(np.pi) / 300) ** (1 / 3) * values.std(axis=1)),
        ("fd", 2 * (np.percentile(values, 75, axis=1) - np.percentile(values, 25, axis=1)) / 300 ** (1 / 3)),
    ):
        counts = np.clip(np.ceil(np.ptp(values, axis=1) / width), 10, 200).astype(int)
        score = measured(network, x, "efficient_randomisation", {"bins": rule})
        np.testing.assert_allclose(score.curves["entropy"], [entropy(one, count) for one, count in zip(values, counts, strict=True)], atol=1e-6)


def test_a_map_with_structure_becomes_more_complex_and_noise_does_not() -> None:
    """A network that looks at few places, beside one that looks everywhere."""
    draw = np.random.default_rng(0)
    few = np.zeros((100, 2))
    few[:6] = draw.normal(size=(6, 2)) * 3
    x = draw.normal(size=(3, 100))
    structured, everywhere = (NumpyModel([Dense(weights, np.zeros(2))], (100,)) for weights in (few, draw.normal(size=(100, 2))))
    assert measured(structured, x, "efficient_randomisation").values.min() > 2
    assert np.abs(measured(everywhere, x, "efficient_randomisation").values).max() < 0.1


def test_the_efficient_form_refuses_small_maps_and_says_nothing_of_constant_ones() -> None:
    with pytest.raises(UnsupportedError, match="at least 49 values for a histogram; this one has 12"):
        measured(NETWORK, X, "efficient_randomisation")
    network, x = NumpyModel(random_stack(0, (64, 3)), (64,)), np.random.default_rng(0).normal(size=(1, 64))
    explanation = pellucid.explain(network, x, Given(lambda task: np.ones(task.inputs.shape)))
    assert np.isnan(pellucid.evaluate(network, explanation, "efficient_randomisation")["efficient_randomisation"].values).all()
    for bins in (1, "sturges"):
        with pytest.raises(SettingError, match="bins must be"):
            measured(network, x, "efficient_randomisation", {"bins": bins})
