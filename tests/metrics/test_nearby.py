"""Explanations of inputs nearby: against loops from the papers, on maps whose change is known, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from own_methods import Given

import pellucid
import two_inputs
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, ShapeError, UnsupportedError
from pellucid.metrics import _explained
from pellucid.metrics._draws import key_of

Array = np.ndarray
METRICS = ("max_sensitivity", "local_lipschitz", "relative_input_stability")
X = np.random.default_rng(1).normal(size=(3, 4, 5))
NETWORK = NumpyModel(random_stack(3, (20, 9, 3), "tanh"), (4, 5), softmax=True)


class Seeded:
    """What the streams of draws depend on."""

    def __init__(self, inputs: Array, seed: int) -> None:
        self.inputs, self.seed = inputs, seed


def nearby(x: Array, amounts: Array, draws: int, seed: int) -> Array:
    """The inputs that are drawn, (samples, draws, *shape)."""
    keys = [key_of(Seeded(x, seed), i) for i in range(len(x))]  # type: ignore[arg-type]
    return np.stack(
        [np.stack([x[i] + amounts[i] * np.random.default_rng((*keys[i], k)).uniform(-1, 1, x.shape[1:]) for k in range(draws)]) for i in range(len(x))]
    )


def slope(x: Array, label: int) -> Array:
    first, last = NETWORK.stack
    return np.asarray(first.weights @ ((1 - np.tanh(x.ravel() @ first.weights + first.bias) ** 2) * last.weights[:, label]))


def twin(metric: str, x: Array, other: Array, own: Array, there: Array) -> float:
    """What each paper divides by what."""
    if metric == "max_sensitivity":
        return float(np.sqrt(((there - own) ** 2).sum()) / np.sqrt((own**2).sum()))
    if metric == "local_lipschitz":
        return float(np.sqrt(((there - own) ** 2).sum()) / np.sqrt(((other - x) ** 2).sum()))
    return float(np.sqrt((((own - there) / own) ** 2).sum()) / max(np.sqrt((((x - other) / x) ** 2).sum()), 1e-6))


def score(metric: str, settings: dict[str, Any] | None = None, network: Any = NETWORK, x: Any = X, method: Any = None, seed: int = 0, **how: Any) -> Any:
    how = {"method": "saliency", "absolute": False} | how if method is None else {"method": method} | how
    return pellucid.evaluate(network, pellucid.explain(network, x, **how), {metric: settings or {}}, seed=seed)[metric]


@pytest.mark.parametrize("metric", METRICS)
def test_against_loops_from_the_papers(metric: str) -> None:
    found = score(metric, {"draws": 6, "radius": 0.3}, seed=5)
    inputs = nearby(X, 0.3 * np.ptp(X, axis=(1, 2))[:, None, None], 6, 5)
    labels = NETWORK.predict(X).argmax(axis=1)
    for i in range(3):
        own, values = slope(X[i], labels[i]), []
        for other in inputs[i]:
            stays = NETWORK.predict(other[None]).argmax() == labels[i]
            values.append(twin(metric, X[i].ravel(), other.ravel(), own, slope(other, labels[i])) if stays else np.nan)
        assert found.values[i] == pytest.approx(np.nanmax(values), rel=1e-6)
        first, second = np.sort(np.array(values)[np.isfinite(values)])[::-1][:2]
        count = np.isfinite(values).sum()
        assert found.error[i] == pytest.approx((first - second) * (count - 1) / count, rel=1e-6)
        curve = found.curves[{"max_sensitivity": "change", "local_lipschitz": "slope"}.get(metric, "ratio")]
        np.testing.assert_allclose(curve[i], values, rtol=1e-6)
    assert found.evaluations.tolist() == found.gradients.tolist() == [6] * 3


def test_a_map_that_stays_and_one_that_changes_by_a_known_share() -> None:
    assert score("max_sensitivity", method=Given(lambda task: np.ones(task.inputs.shape))).values.tolist() == [0, 0, 0]
    assert score("local_lipschitz", method=Given(lambda task: np.ones(task.inputs.shape))).values.tolist() == [0, 0, 0]
    moved = Given(lambda task: np.where(np.isin(task.inputs, X).all(axis=(1, 2))[:, None, None], 1.0, 1.25) * np.ones(task.inputs.shape))
    np.testing.assert_allclose(score("max_sensitivity", method=moved).values, 0.25, rtol=1e-12)
    assert np.isnan(score("max_sensitivity", method=Given(lambda task: np.zeros(task.inputs.shape))).values).all()


def test_of_a_linear_network_a_gradient_stays_and_its_product_with_the_input_moves_by_its_weights() -> None:
    weights = np.random.default_rng(0).normal(size=(20, 1))
    linear = NumpyModel([Dense(weights, np.zeros(1))], (4, 5))
    assert score("max_sensitivity", network=linear).values.max() == 0
    lipschitz = score("local_lipschitz", {"draws": 200}, network=linear, method="gradient_x_input").values
    assert (lipschitz <= np.abs(weights).max()).all()
    assert (lipschitz > np.sqrt((weights**2).mean())).all(), "the largest of many draws lies above the mean one"


def test_a_steep_network_is_told_from_a_smooth_one_in_95_of_100_cases() -> None:
    right = dict.fromkeys(METRICS, 0)
    for seed in range(100):
        first, last = random_stack(seed, (20, 12, 2), "tanh")
        smooth, steep = (NumpyModel([Dense(first.weights * factor, first.bias * factor, "tanh"), last], (20,)) for factor in (0.3, 3.0))
        x = np.random.default_rng(seed).normal(size=(1, 20))
        for metric in METRICS:
            values = [float(score(metric, {"same_prediction": False}, network=network, x=x, seed=seed).values[0]) for network in (smooth, steep)]
            right[metric] += values[0] < values[1]
    assert min(right.values()) >= 95, right


def edge(x: Array) -> Array:
    """Two classes, by whether the first number is above 0."""
    return np.stack([(x[:, 0] > 0).astype(float), (x[:, 0] <= 0).astype(float)], axis=1)


def test_what_changes_the_prediction_does_not_count() -> None:
    x = np.array([[0.01, 1.0, 1.0], [5.0, 1.0, 1.0]])
    jump = Given(lambda task: np.where(task.inputs[:, :1] > 0, 1.0, 9.0) * np.ones(task.inputs.shape))
    radius = np.array([0.1, 0.1, 0.1])
    settings = {"radius": radius, "draws": 20}
    kept = score("max_sensitivity", settings, network=edge, x=x, method=jump)
    assert kept.values.tolist() == [0, 0]
    assert 0 < np.isnan(kept.curves["change"][0]).sum() < 20
    assert not np.isnan(kept.curves["change"][1]).any()
    every = score("max_sensitivity", settings | {"same_prediction": False}, network=edge, x=x, method=jump)
    np.testing.assert_allclose(every.values, [8, 0])
    always = Given(lambda task: np.ones(task.inputs.shape))
    gone = score("max_sensitivity", {"radius": np.array([1e-9, 1.0, 1.0]), "draws": 4}, network=lambda x: edge(-np.abs(x - 1)), x=x[:1], method=always)
    assert np.isfinite(gone.values).all()


def test_one_sigmoid_changes_its_prediction_at_a_half() -> None:
    """Of draws around 0.01, those that cross 0 do not count; of a network that shows no sigmoid, all do."""
    torch = pytest.importorskip("torch")
    line = torch.nn.Linear(3, 1)
    with torch.no_grad():
        line.weight[:], line.bias[:] = torch.tensor([[1.0, 0.0, 0.0]]), 0
    jump = Given(lambda task: np.where(task.inputs[:, :1] > 0, 1.0, 9.0) * np.ones(task.inputs.shape))
    settings = {"radius": np.array([0.1, 0.1, 0.1]), "draws": 20}
    x = np.array([[0.01, 1.0, 1.0]], np.float32)
    kept, every = (score("max_sensitivity", settings, network=net.eval(), x=x, method=jump) for net in (torch.nn.Sequential(line, torch.nn.Sigmoid()), line))
    assert kept.values.tolist() == [0]
    assert 0 < np.isnan(kept.curves["change"][0]).sum() < 20
    np.testing.assert_allclose(every.values, [8])


def test_where_no_prediction_stays_there_is_no_number() -> None:
    x = np.array([[1.5, 2.0]])

    def only_there(inputs: Array) -> Array:
        here = (inputs == x).all(axis=1)
        return np.stack([here, ~here], axis=1).astype(float)

    found = score("max_sensitivity", network=only_there, x=x, method=Given(lambda task: np.ones(task.inputs.shape)))
    assert np.isnan(found.values).all()
    assert np.isnan(found.error).all()


def test_how_far_inputs_are_moved() -> None:
    seen: list[Array] = []

    def watch(task: Any) -> Array:
        seen.append(np.asarray(task.inputs))
        return np.ones(task.inputs.shape)

    def moves(x: Any, radius: Any, network: Any = lambda x: x.reshape(len(x), -1)[:, :2]) -> Array:
        seen.clear()
        score("max_sensitivity", {"radius": radius, "draws": 300}, network=network, x=x, method=Given(watch), target=0)
        return np.abs(seen[1] - np.tile(seen[0], (300, *(1,) * (seen[0].ndim - 1)))).reshape(300, *seen[0].shape).max(axis=0)

    image = np.linspace(0, 4, 12).reshape(1, 3, 4)
    assert np.allclose(moves(image, 0.1), 0.4, rtol=0.03), "a share of the range"
    table = np.array([[100.5, 0.0, -3.0]])
    np.testing.assert_allclose(moves(table, 0.1), [[10.05, 0, 0.3]], rtol=0.03)
    np.testing.assert_allclose(moves(table, np.array([1.0, 2.0, 0.0])), [[1, 2, 0]], rtol=0.03)
    with pytest.raises(ShapeError, match=r"radius has shape \(2,\), the inputs \(1, 3\)"):
        moves(table, np.array([1.0, 2.0]))


def test_whole_numbers_that_may_be_tokens_move_where_it_is_said_by_how_much() -> None:
    x, network = np.array([[3.0, 40.0, 1.0]]), lambda x: np.tanh(x @ np.ones((3, 2)) / 40)
    with pytest.raises(UnsupportedError, match=r"where these whole numbers are numbers, say by how much: radius=array"):
        score("max_sensitivity", network=network, x=x, method="feature_ablation")
    assert score("max_sensitivity", {"radius": np.array([0.5, 5.0, 0.0])}, network=network, x=x, method="feature_ablation").values[0] > 0
    reader = EmbeddingModel.drawn(1, 6, 4, 8)
    with pytest.raises(UnsupportedError, match="moves the inputs, which tokens cannot be"):
        score("max_sensitivity", {"radius": np.ones(6)}, network=reader, x=np.array([[1, 2, 3, 4, 5, 6]]), method="integrated_gradients")


def test_of_several_inputs_numbers_move_and_tokens_do_not() -> None:
    seen: list[tuple[Array, Array]] = []

    def network(ids: Array, numbers: Array) -> Array:
        seen.append((np.array(ids), np.array(numbers)))
        return np.stack([ids.sum(axis=1) + numbers.sum(axis=1), -numbers[:, 0]], axis=1).astype(float)

    x = {"ids": np.array([[1, 2, 3]]), "numbers": np.array([[0.5, 0.25]])}
    for radius in (0.02, np.ones(5)):
        found = score("max_sensitivity", {"radius": radius}, network=network, x=x, method="feature_ablation", target=0)
        assert found.values[0] > 0
    assert all(np.isin(ids, [0, 1, 2, 3]).all() for ids, _ in seen)
    assert len(np.unique(np.concatenate([numbers[:, 0] for _, numbers in seen]))) > 5
    for metric in METRICS:
        assert np.isfinite(score(metric, network=two_inputs.in_numpy, x=two_inputs.samples(2), method="feature_ablation", target=0).values).all()
        with pytest.raises(UnsupportedError, match="moves the inputs, which tokens cannot be"):
            score(metric, network=EmbeddingModel.drawn(1, 6, 4, 8), x=np.array([[1, 2, 3, 4, 5, 6]]), method="integrated_gradients")


def test_a_method_that_draws_meets_the_same_draws_and_tells_its_own_error() -> None:
    noisy = Given(lambda task: np.random.default_rng(task.seed).normal(size=task.inputs.shape[1:]) * np.ones(task.inputs.shape))
    assert score("max_sensitivity", method=noisy).values.max() == 0
    drawn = pellucid.explain(NETWORK, X, "smooth_grad", max_evaluations=64)
    found = pellucid.evaluate(NETWORK, drawn, {"max_sensitivity": {"radius": 1e-9}})["max_sensitivity"]
    assert found.values.max() < 1e-6
    assert found.curves["own_error"].min() > 1e-3


def test_pieces_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [score(metric, {"draws": 7}) for metric in METRICS]
    monkeypatch.setattr(_explained, "EXPLAINED_BYTES", 4.0 * X[:1].nbytes)
    calls: list[int] = []
    taken = NumpyModel.gradients

    def counted(self: NumpyModel, inputs: Array, *rest: Any) -> Any:
        calls.append(len(inputs))
        return taken(self, inputs, *rest)

    monkeypatch.setattr(NumpyModel, "gradients", counted)
    for one, metric in zip(whole, METRICS, strict=True):
        found = score(metric, {"draws": 7})
        np.testing.assert_allclose(found.values, one.values, rtol=1e-9)
        assert np.array_equal(found.evaluations, one.evaluations)
    assert max(calls) == 4


def test_the_error_is_about_the_spread_of_the_largest() -> None:
    """A jackknife of a largest value is right on average only: the mean gap is that of the spread within a factor of two."""
    found = [score("local_lipschitz", {"draws": 10}, seed=seed) for seed in range(60)]
    values, errors = (np.array([getattr(one, part) for one in found]) for part in ("values", "error"))
    ratio = errors.mean(axis=0) / values.std(axis=0, ddof=1)
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()
    assert np.isnan(score("local_lipschitz", {"draws": 1}).error).all()


@pytest.mark.parametrize("metric", METRICS)
def test_settings_that_mean_nothing(metric: str) -> None:
    for settings, words in (({"draws": 0}, "draws must be at least 1"), ({"radius": 0.0}, "radius must be"), ({"radius": -1.0}, "radius must be")):
        with pytest.raises(SettingError, match=words):
            score(metric, settings)
    with pytest.raises(SettingError, match="floor must be above 0"):
        score("relative_input_stability", {"floor": 0.0})


def test_divisions_by_nothing_are_by_the_floor() -> None:
    x = np.array([[0.0, 1.0, 2.0, 0.5]]).reshape(1, 2, 2)
    network = NumpyModel([Dense(np.array([[0.0], [1.0], [2.0], [3.0]]), np.zeros(1))], (2, 2))
    found = score("relative_input_stability", {"radius": 0.1, "floor": 0.01, "draws": 1}, network=network, x=x, method="gradient_x_input")
    other = nearby(x, np.full((1, 1, 1), 0.2), 1, 0)[0, 0].ravel()
    own, there = (network.stack[0].weights[:, 0] * one for one in (x.ravel(), other))
    top = np.sqrt(sum(((a - b) / (a or 0.01)) ** 2 for a, b in zip(own, there, strict=True)))
    below = np.sqrt(sum(((a - b) / (a or 0.01)) ** 2 for a, b in zip(x.ravel(), other, strict=True)))
    assert found.values[0] == pytest.approx(top / below, rel=1e-6)
