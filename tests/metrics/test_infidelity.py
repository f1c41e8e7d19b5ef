"""Infidelity: the paper's formula on the very inputs that the network was given, known answers, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import claims, linear, score

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.metrics.faithfulness.infidelity import infidelity_of

Array = np.ndarray
METRIC = "infidelity"
DRAW = np.random.default_rng(0)
IMAGES = DRAW.normal(size=(2, 8, 6, 3))
RUNS = 50


class Watched:
    """A network that keeps what it was given."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.weights = np.random.default_rng(1).normal(size=shape)
        self.given: list[Array] = []

    def __call__(self, x: Array) -> Array:
        self.given.append(np.array(x))
        return np.tanh((x * self.weights).reshape(len(x), -1).sum(axis=1, keepdims=True) / 4)


def measured(network: Watched, x: Array, values: Array, settings: dict[str, Any], **options: Any) -> tuple[Any, Array]:
    """The score of one sample, and the perturbed inputs, (runs, *shape)."""
    record = claims(network, x, values, "feature_ablation", features=np.arange(x[0].size).reshape(x[0].shape))
    record = replace(record, features=None, values=values)
    network.given.clear()
    found = pellucid.evaluate(network, record, {METRIC: {"runs": RUNS} | settings}, draws=3, **options)[METRIC]
    given = np.concatenate(network.given)
    return found, given[-RUNS:]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    ("perturbation", "values"),
    [
        ("square", "contributions"),
        ("square", "sensitivities"),
        ("noisy_baseline", "contributions"),
        ("noisy_baseline", "sensitivities"),
        ("gaussian", "sensitivities"),
    ],
)
def test_the_formula_on_the_inputs_that_the_network_was_given(perturbation: str, values: str, scaled: bool) -> None:
    network, x, phi = Watched((8, 6, 3)), IMAGES[:1], DRAW.normal(size=(1, 8, 6, 3))
    found, given = measured(network, x, phi, {"perturbation": perturbation, "values": values, "scaled": scaled})
    foretold, fall = [], []
    for z in given:
        perturbed = x[0] - z
        if values == "sensitivities":
            foretold.append((perturbed * phi[0]).sum())
        else:  # the binary I: a pixel is replaced in all its channels
            foretold.append(phi[0][(perturbed != 0).any(axis=2)].sum())
        fall.append((network(x) - network(z[None]))[0, 0])
    a, b = np.array(foretold), np.array(fall)
    beta = (a * b).mean() / (a * a).mean() if scaled else 1.0
    assert found.values[0] == pytest.approx(((beta * a - b) ** 2).mean(), rel=1e-9)
    assert found.error[0] == pytest.approx(((beta * a - b) ** 2).std(ddof=1) / np.sqrt(RUNS), rel=1e-9)
    assert found.settings["perturbation"] == perturbation


def test_what_the_perturbations_are() -> None:
    network, x = Watched((8, 6, 3)), IMAGES[:1]
    _, squares = measured(network, x, x, {"perturbation": "square"}, fill=0.5)
    sides, places = set(), set()
    for z in squares:
        rows, columns, _ = np.nonzero(z != x[0])
        side = int(np.ptp(rows)) + 1
        assert int(np.ptp(columns)) + 1 == side
        assert len(rows) == 3 * side**2
        assert (z[z != x[0]] == 0.5).all()
        sides.add(side)
        places.add((rows.min(), columns.min()))
    assert sides == {1, 2, 3}
    assert len(places) > 15

    _, subsets = measured(network, x, x, {"perturbation": "noisy_baseline", "share": 0.25, "noise": 0.1}, fill=0.5)
    changed = subsets != x[0]
    assert (changed.sum(axis=(1, 2, 3)) == 3 * 12).all(), "a quarter of 48 pixels in all channels"
    noise = subsets[changed] - 0.5
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(0.1 * x.std(), rel=0.05)

    _, gaussian = measured(network, x, x, {"perturbation": "gaussian", "values": "sensitivities", "noise": 0.3})
    assert (gaussian != x[0]).all()
    assert (gaussian - x[0]).std() == pytest.approx(0.3 * x.std(), rel=0.05)


def test_several_rows_of_the_fill_take_turns() -> None:
    network, x = Watched((8, 6, 3)), IMAGES[:1]
    background = np.stack([np.full((8, 6, 3), 10.0), np.full((8, 6, 3), 20.0)])
    _, given = measured(network, x, x, {"perturbation": "square"}, background=background)
    assert [z.max() for z in given[:4]] == [10, 20, 10, 20]


@pytest.mark.parametrize("perturbation", ["square", "noisy_baseline", "gaussian"])
@pytest.mark.parametrize("factor", [1.0, -3.0])
def test_the_weights_of_a_linear_network_are_perfect_sensitivities(perturbation: str, factor: float) -> None:
    model = linear((6, 6, 2))
    weights = np.tile(model.stack[0].weights.reshape(1, 6, 6, 2), (2, 1, 1, 1))
    settings = {"perturbation": perturbation, "values": "sensitivities", "scaled": factor != 1.0}
    found = score(METRIC, factor * weights, model=model, settings=settings)
    np.testing.assert_allclose(found.values, 0, atol=1e-18)
    assert (found.lead > 0.01).all()


def test_contributions_of_a_linear_network_are_perfect_and_a_factor_shows_only_unscaled() -> None:
    model, x = linear((6, 6, 1)), DRAW.normal(size=(2, 6, 6, 1))
    truth = x * model.stack[0].weights.reshape(1, 6, 6, 1)

    def of(values: Array, **settings: Any) -> Array:
        return score(METRIC, values, model=model, x=x, settings=settings, draws=0).values

    np.testing.assert_allclose(of(truth, scaled=False), 0, atol=1e-18)
    np.testing.assert_allclose(of(2 * truth), 0, atol=1e-18)
    assert (of(2 * truth, scaled=False) > 0.01).all()
    np.testing.assert_allclose(of(truth, perturbation="noisy_baseline", noise=0.0, scaled=False), 0, atol=1e-18)


def test_a_square_has_the_fourth_moment_of_the_noise() -> None:
    """f = x², Φ = 2 x: Iᵀ Φ − (f(x) − f(x − I)) = I², and E I⁴ = 3 σ⁴. The two columns have a deviation of 1."""
    network = lambda x: np.square(x[:, :1])  # noqa: E731
    x = np.array([[0.5, -1.5]])
    settings = {"perturbation": "gaussian", "values": "sensitivities", "noise": 0.5, "scaled": False, "runs": 20_000}
    record = replace(claims(network, x, np.zeros((1, 2)), "shap"), values=np.array([[1.0, 0.0]]), features=None)
    found = pellucid.evaluate(network, record, {METRIC: settings}, draws=0)[METRIC]
    assert abs(found.values[0] - 3 * 0.5**4) < 4 * found.error[0] < 0.05


def test_captum_says_the_same_of_the_same_perturbations() -> None:
    metrics, torch = pytest.importorskip("captum.metrics"), pytest.importorskip("torch")
    draw = np.random.default_rng(5)
    moved, phi, x = draw.normal(size=(40, 6)), draw.normal(size=(1, 6)), draw.normal(size=(1, 6))
    weights = torch.tensor(draw.normal(size=6))
    network = lambda z: torch.tanh(z @ weights)  # noqa: E731
    rows = iter(torch.tensor(moved))

    def perturb(z: Any) -> Any:
        found = torch.stack([next(rows) for _ in z])
        return found, z - found

    theirs = {}
    for normalize in (False, True):
        rows = iter(torch.tensor(moved))
        theirs[normalize] = float(metrics.infidelity(network, perturb, torch.tensor(x), torch.tensor(phi), n_perturb_samples=40, normalize=normalize)[0])
    fall = (network(torch.tensor(x)) - network(torch.tensor(x - moved))).numpy()
    for normalize, them in theirs.items():
        assert infidelity_of(moved @ phi.T, fall, scaled=normalize)[0][0] == pytest.approx(them, rel=1e-9)


@pytest.mark.parametrize("settings", [{}, {"perturbation": "noisy_baseline"}, {"perturbation": "gaussian", "values": "sensitivities"}])
def test_channels_first_and_last_meet_the_same_perturbations(torch_cnn: Any, small_cnn: Any, images: Array, settings: dict[str, Any]) -> None:
    last = pellucid.evaluate(small_cnn, pellucid.explain(small_cnn, images[:2], "saliency"), {METRIC: settings}, draws=2)[METRIC]
    first = np.moveaxis(images[:2], -1, 1).copy()
    other = pellucid.evaluate(torch_cnn, pellucid.explain(torch_cnn, first, "saliency"), {METRIC: settings}, draws=2)[METRIC]
    np.testing.assert_allclose(other.values, last.values, rtol=1e-3)
    np.testing.assert_allclose(other.chance, last.chance, rtol=1e-3)


@pytest.mark.parametrize("settings", [{"perturbation": "noisy_baseline"}, {"perturbation": "gaussian", "values": "sensitivities"}])
def test_three_channels_first_and_last_meet_the_same_noise(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    model = NumpyModel(random_stack(2, (144, 6, 3)), (8, 6, 3))

    class Twin(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            for dense, relu in zip(model.stack, (True, False), strict=True):
                x = (x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x) @ torch.tensor(dense.weights, dtype=x.dtype)
                x = x + torch.tensor(dense.bias, dtype=x.dtype)
                x = x.relu() if relu else x
            return x

    values = DRAW.normal(size=IMAGES.shape)
    last = score(METRIC, values, model=model, x=IMAGES, settings=settings, draws=2)
    first = score(METRIC, np.moveaxis(values, -1, 1), model=Twin(), x=np.moveaxis(IMAGES, -1, 1).astype(np.float32), settings=settings, draws=2)
    np.testing.assert_allclose(first.values, last.values, rtol=1e-3)
    np.testing.assert_allclose(first.chance, last.chance, rtol=1e-3)


def test_patches_that_a_square_cuts_count_by_their_share() -> None:
    """Each patch of the linear network is worth its pixels' sum; with a constant image and equal weights in a patch, a part of it is worth its share."""
    model = linear((8, 8, 1))
    weights = np.kron(np.arange(1.0, 5.0).reshape(2, 2), np.ones((4, 4)))
    model = NumpyModel([replace(model.stack[0], weights=weights.reshape(64, 1))], (8, 8, 1))
    made = pellucid.explain(model, np.ones((1, 8, 8, 1)), "feature_ablation", features="patches:4")
    np.testing.assert_allclose(made.values, [[16, 32, 48, 64]])
    found = pellucid.evaluate(model, made, {METRIC: {"scaled": False}})[METRIC]
    np.testing.assert_allclose(found.values, 0, atol=1e-18)
    assert found.lead[0] > 1


def test_stated_errors_are_true_ones() -> None:
    model, x = NumpyModel(random_stack(2, (64, 16, 3)), (8, 8, 1), softmax=True), DRAW.normal(size=(2, 8, 8, 1))
    for settings in ({}, {"perturbation": "noisy_baseline", "scaled": False}):
        record = claims(model, x, x * DRAW.normal(1, 1, size=x.shape))
        found = [pellucid.evaluate(model, record, {METRIC: settings}, draws=0, seed=seed)[METRIC] for seed in range(60)]
        true, stated = np.std([one.values for one in found], axis=0), np.mean([one.error for one in found], axis=0)
        assert ((stated / true > 0.7) & (stated / true < 1.4)).all(), stated / true


def test_what_it_refuses_it_refuses_by_name() -> None:
    model, x = linear((5,)), DRAW.normal(size=(1, 5))
    with pytest.raises(UnsupportedError, match="squares of images"):
        score(METRIC, x, model=model, x=x, settings={"perturbation": "square"})
    words = lambda tokens: tokens.sum(axis=1, keepdims=True)  # noqa: E731
    record = pellucid.explain(words, np.array([[3, 1, 2]]), "shap")
    with pytest.raises(UnsupportedError, match=r"tokens; use noise=0"):
        pellucid.evaluate(words, record, METRIC)
    assert pellucid.evaluate(words, record, {METRIC: {"noise": 0.0}})[METRIC].values[0] == pytest.approx(0, abs=1e-9)
    with pytest.raises(SettingError, match="sensitivities"):
        score(METRIC, x, model=model, x=x, settings={"perturbation": "gaussian"})


@pytest.mark.parametrize("settings", [{"perturbation": "blur"}, {"values": "effects"}, {"runs": 1}, {"share": 0.0}, {"noise": -0.1}])
def test_settings_out_of_range_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="got"):
        score(METRIC, DRAW.normal(size=(1, 5)), settings=settings)


def test_whole_numbers_beside_others_stay_whole() -> None:
    """Tokens beside an image's numbers get the fill, and no noise; the others get noise of their own deviation."""
    seen: list[Array] = []

    def network(inputs: dict[str, Array]) -> Array:
        seen.append(np.asarray(inputs["ids"]))
        return (np.asarray(inputs["numbers"], float).sum(axis=1) + np.asarray(inputs["ids"], float).sum(axis=1))[:, None]

    x = {"numbers": np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32), "ids": np.array([[3, 900, 40], [7, 1, 500]])}
    explanation = pellucid.explain(network, x, "feature_ablation")
    seen.clear()
    pellucid.evaluate(network, explanation, {"infidelity": {"runs": 20}}, draws=1)
    met = np.concatenate(seen)
    assert set(np.unique(met)) <= {0, *x["ids"].ravel().tolist()}
    assert (met == 0).any()
