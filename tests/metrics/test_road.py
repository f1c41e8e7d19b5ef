"""ROAD: a slow twin with a dense system for the imputation, known answers, the noise and its error, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import claims, score

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError

Array = np.ndarray
METRIC = "road"
DRAW = np.random.default_rng(0)
SHAPE = (6, 5, 2)
X, VALUES = DRAW.normal(size=(3, *SHAPE)), DRAW.normal(size=(3, *SHAPE))
PERCENTAGES = (20, 50, 90)
WEIGHTS = {(di, dj): 1 / 6 if not di or not dj else 1 / 12 for di in (-1, 0, 1) for dj in (-1, 0, 1) if di or dj}


@pytest.fixture(scope="module")
def model() -> NumpyModel:
    return NumpyModel(random_stack(5, (60, 8, 3)), SHAPE, softmax=True)


def imputed(image: Array, gone: list[tuple[int, int]]) -> Array:
    """Each removed pixel becomes the weighted mean of its neighbours, again and again until nothing moves."""
    rows, columns, _ = image.shape
    mean = np.zeros((rows, columns, rows, columns))
    for i, j in np.ndindex(rows, columns):
        for (di, dj), weight in WEIGHTS.items():
            if 0 <= i + di < rows and 0 <= j + dj < columns:
                mean[i, j, i + di, j + dj] = weight
    mean /= mean.sum(axis=(2, 3), keepdims=True)
    found, places = image.copy(), tuple(np.array(gone, int).reshape(-1, 2).T)
    for _ in range(3000):
        found[places] = np.tensordot(mean[places], found, 2)
    return found


def twin(model: NumpyModel, x: Array, values: Array, percentages: tuple[int, ...]) -> dict[str, list[float]]:
    outputs = model.predict(x[None])[0]
    chosen = int(outputs.argmax())
    ranking = sorted(np.ndindex(x.shape[:2]), key=lambda pixel: -values[pixel].sum())
    found: dict[str, list[float]] = {"morf": [], "lerf": [], "morf_right": [], "lerf_right": []}
    for name, order in (("morf", ranking), ("lerf", ranking[::-1])):
        for percentage in percentages:
            left = model.predict(imputed(x, order[: round(percentage / 100 * len(order))])[None])[0]
            found[name].append(float(left[chosen]))
            found[f"{name}_right"].append(float(left.argmax() == chosen))
    return found


@pytest.mark.parametrize("read", ["probability", "accuracy"])
def test_against_the_paper_written_as_a_loop(model: NumpyModel, read: str) -> None:
    found = score(METRIC, VALUES, model=model, x=X, settings={"percentages": PERCENTAGES, "noise": 0.0, "read": read}, draws=0)
    for i, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        true = twin(model, x, values, PERCENTAGES)
        for name, curve in true.items():
            np.testing.assert_allclose(found.curves[name][i], curve, atol=1e-8, err_msg=name)
        which = "_right" if read == "accuracy" else ""
        assert found.values[i] == pytest.approx(np.mean(np.array(true[f"lerf{which}"]) - np.array(true[f"morf{which}"])), abs=1e-8)
    assert (found.error == 0).all()
    assert len({tuple(row) for row in found.curves["morf_right"]}) > 1, "a case that decides nothing"
    np.testing.assert_allclose(found.curves["share"], [[0.2, 0.5, 0.9]] * 3)


def test_a_constant_importance_gets_nothing_and_its_negative_the_opposite(model: NumpyModel) -> None:
    def of(values: Array) -> Array:
        return score(METRIC, values, model=model, x=X, settings={"noise": 0.0}, draws=0).values

    np.testing.assert_array_equal(of(np.ones(X.shape)), 0)
    np.testing.assert_allclose(of(VALUES), -of(-VALUES), atol=1e-12)


def test_the_noise_is_a_share_of_the_images_own_deviation_and_lies_on_removed_pixels_alone() -> None:
    given: list[Array] = []

    def network(x: Array) -> Array:
        given.append(np.array(x))
        return x.reshape(len(x), -1).sum(axis=1, keepdims=True)

    x = 50 + 7 * DRAW.normal(size=(1, 20, 20, 1))
    record = claims(network, x, DRAW.normal(size=x.shape), "feature_ablation", features=np.arange(400).reshape(20, 20, 1))
    record = replace(record, features=None, values=record.values.reshape(x.shape))
    made = {}
    for noise in (0.0, 0.1):
        given.clear()
        found = pellucid.evaluate(network, record, {METRIC: {"noise": noise, "percentages": (50,), "repeats": 40}}, draws=0)[METRIC]
        made[noise] = np.concatenate(given)
        made[noise] = made[noise][(made[noise] != x).any(axis=(1, 2, 3))]
    assert len(made[0.0]) == 2
    assert len(made[0.1]) == found.evaluations[0] == 80
    removed = made[0.0][0] != x[0]
    noise = made[0.1][::2] - made[0.0][0]
    assert removed.sum() == 200
    assert (noise[:, ~removed] == 0).all()
    assert noise[:, removed].std() == pytest.approx(0.1 * x.std(), rel=0.03)


def test_the_stated_error_is_that_of_the_noise(model: NumpyModel) -> None:
    record = claims(model, X, VALUES)
    settings = {METRIC: {"noise": 0.3}}
    found = [pellucid.evaluate(model, record, settings, draws=0, seed=seed)[METRIC] for seed in range(100)]
    true, stated = np.std([one.values for one in found], axis=0), np.sqrt(np.mean([one.error**2 for one in found], axis=0))
    assert ((stated / true > 0.7) & (stated / true < 1.4)).all(), stated / true


def test_channels_first_and_last_get_the_same(torch_cnn: Any, small_cnn: Any, images: Array) -> None:
    last = pellucid.evaluate(small_cnn, pellucid.explain(small_cnn, images[:2], "saliency"), METRIC, draws=2)[METRIC]
    first = np.moveaxis(images[:2], -1, 1).copy()
    other = pellucid.evaluate(torch_cnn, pellucid.explain(torch_cnn, first, "saliency"), METRIC, draws=2)[METRIC]
    np.testing.assert_allclose(other.values, last.values, atol=1e-4)
    np.testing.assert_allclose(other.chance, last.chance, atol=1e-4)
    assert (np.abs(last.values) > 1e-3).any(), "a case that decides nothing"


def test_features_are_removed_whole_and_what_belongs_to_none_stays(model: NumpyModel) -> None:
    labels = np.full((6, 5, 1), -1)
    labels[:3, :2], labels[:3, 2:], labels[3:, :2] = 0, 1, 2
    made = pellucid.explain(model, X[:1], "feature_ablation", features=labels)
    made = replace(made, values=np.array([[2.0, 3.0, 1.0]]))
    found = pellucid.evaluate(model, made, {METRIC: {"noise": 0.0, "percentages": (34, 67)}}, draws=0)[METRIC]
    chosen = int(model.predict(X[:1])[0].argmax())
    for k, gone in enumerate(([1], [1, 0])):
        places = [(int(i), int(j)) for i, j in zip(*np.isin(labels[..., 0], gone).nonzero(), strict=True)]
        assert found.curves["morf"][0, k] == pytest.approx(model.predict(imputed(X[0], places)[None])[0, chosen], abs=1e-8)


def test_one_sigmoid_stands_for_two_classes() -> None:
    model = NumpyModel([*random_stack(4, (30, 6, 1))], (6, 5, 1))
    network = lambda x: 1 / (1 + np.exp(-model.predict(x)))  # noqa: E731
    x = DRAW.normal(size=(4, 6, 5, 1))
    torch = pytest.importorskip("torch")
    layers = [torch.nn.Flatten()]
    for dense, relu in zip(model.stack, (True, False), strict=True):
        layer = torch.nn.Linear(*dense.weights.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(dense.weights.T))
            layer.bias.copy_(torch.tensor(dense.bias))
        layers += [layer, torch.nn.ReLU()] if relu else [layer, torch.nn.Sigmoid()]
    net = torch.nn.Sequential(*layers).eval()
    found = score(METRIC, DRAW.normal(size=x.shape), model=net, x=x.astype(np.float32), settings={"read": "accuracy", "noise": 0.0}, draws=0)
    sure = network(x)[:, 0] >= 0.5
    assert sure.any() and not sure.all(), "both classes must be there"  # noqa: PT018 - one thought
    right = np.concatenate([found.curves["morf_right"], found.curves["lerf_right"]], axis=1)
    probability = np.concatenate([found.curves["morf"], found.curves["lerf"]], axis=1)
    np.testing.assert_array_equal(right, probability > 0.5)


def test_what_it_refuses_it_refuses_by_name(model: NumpyModel) -> None:
    table = NumpyModel(random_stack(1, (6, 3)), (6,))
    with pytest.raises(UnsupportedError, match=r"imputes pixels of images.*\(6,\)"):
        score(METRIC, DRAW.normal(size=(1, 6)), model=table)
    apart = np.arange(60).reshape(SHAPE)
    with pytest.raises(UnsupportedError, match="channels apart"):
        pellucid.evaluate(model, pellucid.explain(model, X[:1], "feature_ablation", features=apart), METRIC)
    contrast = pellucid.explain(model, X[:1], "saliency", target=("0", "1"))
    with pytest.raises(UnsupportedError, match="no class"):
        pellucid.evaluate(model, contrast, {METRIC: {"read": "accuracy"}})
    assert "morf_right" not in pellucid.evaluate(model, contrast, METRIC, draws=0)[METRIC].curves


@pytest.mark.parametrize(
    "settings", [{"percentages": ()}, {"percentages": (0, 50)}, {"percentages": (100,)}, {"read": "logit"}, {"noise": -1.0}, {"repeats": 0}]
)
def test_settings_out_of_range_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="got"):
        score(METRIC, VALUES, settings=settings)
