"""Metrics that go by the order of importance: each against its paper written as a loop, known answers, and what they refuse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import claims, linear, score

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError

Array = np.ndarray
ROUNDING = 1e-9
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 9))
VALUES = DRAW.normal(size=(3, 9))
FILLS = DRAW.normal(size=(4, 9))
RATIOS = (0.01, 0.05, 0.1, 0.2, 0.5)


@pytest.fixture(scope="module")
def model() -> NumpyModel:
    return NumpyModel(random_stack(3, (9, 8, 3)), (9,), softmax=True)


def probability(model: NumpyModel, x: Array) -> Callable[[Array], float]:
    """Of the class that is predicted at x."""
    chosen = int(model.predict(x[None])[0].argmax())
    return lambda z: float(model.predict(z[None])[0, chosen])


def logit(model: NumpyModel, x: Array) -> Callable[[Array], float]:
    chosen = int(model.predict(x[None])[0].argmax())
    return lambda z: float(model.predict(z[None], logits=True)[0, chosen])


def without(f: Callable[[Array], float], x: Array, gone: Array, fills: Array) -> float:
    """The mean score with some columns as in each row of the fill."""
    found = []
    for fill in fills:
        z = x.copy()
        z[gone] = fill[gone]
        found.append(f(z))
    return float(np.mean(found))


def trapezoids(curve: list[float]) -> float:
    return sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / (len(curve) - 1)


def deletion(f: Callable[[Array], float], x: Array, order: list[int], fills: Array, steps: int) -> float:
    return trapezoids([without(f, x, np.array(order[: round(len(x) * k / steps)], int), fills) for k in range(steps + 1)])


def insertion(f: Callable[[Array], float], x: Array, order: list[int], fills: Array, steps: int) -> float:
    return trapezoids([without(f, x, np.array(order[round(len(x) * k / steps) :], int), fills) for k in range(steps + 1)])


def flipping(f: Callable[[Array], float], x: Array, order: list[int], fills: Array, steps: int, share: float) -> float:
    falls = [f(x) - without(f, x, np.array(order[: round(len(x) * share * k / steps)], int), fills) for k in range(steps + 1)]
    return sum(falls) / (steps + 1)


def eraser(f: Callable[[Array], float], x: Array, order: list[int], fills: Array, *, alone: bool) -> float:
    falls = []
    for ratio in (0, *RATIOS):
        k = math.ceil(len(x) * ratio)
        falls.append(f(x) - without(f, x, np.array(order[k:] if alone else order[:k], int), fills))
    return sum(falls) / (len(RATIOS) + 1)


def order_of(values: Array) -> list[int]:
    return sorted(range(len(values)), key=lambda i: -values[i])


@pytest.mark.parametrize("background", [None, FILLS])
def test_each_against_its_paper_written_as_a_loop(model: NumpyModel, background: Array | None) -> None:
    fills = np.zeros((1, 9)) if background is None else background
    made = pellucid.evaluate(
        model,
        claims(model, X, VALUES),
        {"deletion": {"steps": 3}, "insertion": {"steps": 3}, "pixel_flipping": {"steps": 4, "share": 0.7}, "comprehensiveness": {}, "sufficiency": {}},
        background=background,
        draws=0,
    )
    for i, (x, values) in enumerate(zip(X, VALUES, strict=True)):
        p, f, order = probability(model, x), logit(model, x), order_of(values)
        twins = {
            "deletion": deletion(p, x, order, fills, 3),
            "insertion": insertion(p, x, order, fills, 3),
            "pixel_flipping": flipping(f, x, order, fills, 4, 0.7),
            "comprehensiveness": eraser(p, x, order, fills, alone=False),
            "sufficiency": eraser(p, x, order, fills, alone=True),
        }
        for name, twin in twins.items():
            assert made[name].values[i] == pytest.approx(twin, abs=ROUNDING), name


def test_known_answers_on_a_linear_network() -> None:
    """A score of 1 + 2 + 3 + 4, taken away from the largest on: 10, 6, 3, 1, 0."""
    model = linear((4,))
    x = np.array([[1.0, 2.0, 3.0, 4.0]]) / model.stack[0].weights[:, 0]
    values = np.array([[1.0, 2.0, 3.0, 4.0]])

    def of(metric: str, **settings: Any) -> float:
        return float(score(metric, values, model=model, x=x, settings=settings, draws=0).values[0])

    assert of("deletion", steps=4) == pytest.approx((5 + 6 + 3 + 1) / 4)
    assert of("insertion", steps=4) == pytest.approx((4 + 7 + 9 + 5) / 4)
    assert of("pixel_flipping", steps=4) == pytest.approx(10 - (10 + 6 + 3 + 1 + 0) / 5)
    assert of("pixel_flipping", steps=2, share=0.5) == pytest.approx(10 - (10 + 6 + 3) / 3)
    assert of("comprehensiveness", ratios=(0.1, 0.5)) == pytest.approx((0 + 4 + 7) / 3)
    assert of("sufficiency", ratios=(0.1, 0.5)) == pytest.approx((10 + 6 + 3) / 3)


def test_of_equal_importances_the_first_goes_first_and_values_count_not_amounts() -> None:
    model = linear((3,))
    x = np.array([[1.0, 2.0, 4.0]]) / model.stack[0].weights[:, 0]
    same = score("deletion", np.ones((1, 3)), model=model, x=x, settings={"steps": 3}, draws=0)
    np.testing.assert_allclose(same.curves["score"], [[7, 6, 4, 0]], atol=ROUNDING)
    signed = score("deletion", np.array([[1.0, -9.0, 2.0]]), model=model, x=x, settings={"steps": 3}, draws=0)
    np.testing.assert_allclose(signed.curves["score"], [[7, 3, 2, 0]], atol=ROUNDING)


def test_features_that_a_sample_lacks_are_left_out() -> None:
    """The second sample has two features where the first has four: half of them is one."""
    model, x = linear((4,)), np.ones((2, 4))
    labels = np.array([[0, 1, 2, 3], [0, 0, 1, 1]])
    made = replace(pellucid.explain(model, x, "feature_ablation", features=labels), values=np.array([[4.0, 3, 2, 1], [1, 2, 0, 0]]))
    found = pellucid.evaluate(model, made, {"deletion": {"steps": 2}}, draws=0)["deletion"].curves["score"]
    weights = model.stack[0].weights[:, 0]
    np.testing.assert_allclose(found[0], [weights.sum(), weights[2:].sum(), 0], atol=ROUNDING)
    np.testing.assert_allclose(found[1], [weights.sum(), weights[:2].sum(), 0], atol=ROUNDING)


@pytest.mark.parametrize("features", [None, "patches:4"])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_target_that_is_a_function_is_measured_as_it_was_explained(features: str | None, framework: str, request: pytest.FixtureRequest) -> None:
    if framework == "torch":
        pytest.importorskip("keras")
        network, x = request.getfixturevalue("torch_cnn"), DRAW.random((2, 1, 12, 12)).astype(np.float32)
    else:
        network, x = NumpyModel(random_stack(1, (144, 8, 3)), (12, 12, 1)), DRAW.random((2, 12, 12, 1))
    made = pellucid.explain(network, x, "feature_ablation", features="patches:4", target=_squares)
    found = pellucid.evaluate(network, made, "deletion", features=features, draws=0)["deletion"]
    np.testing.assert_allclose(found.curves["score"][:, 0], made.score, rtol=1e-5)
    np.testing.assert_allclose(found.curves["score"][:, -1], _squares(pellucid.adapt(network).predict(0 * x)), rtol=1e-5)


def _squares(outputs: Array) -> Array:
    return np.square(outputs).sum(axis=-1)


@pytest.mark.parametrize(
    ("metric", "settings"),
    [
        ("deletion", {"steps": 0}),
        ("insertion", {"steps": 0}),
        ("pixel_flipping", {"steps": 0}),
        ("pixel_flipping", {"share": 0.0}),
        ("pixel_flipping", {"share": 1.1}),
        ("comprehensiveness", {"ratios": ()}),
        ("comprehensiveness", {"ratios": (0.5, 0.1)}),
        ("sufficiency", {"ratios": (0.0, 0.1)}),
        ("sufficiency", {"ratios": (0.5, 2.0)}),
    ],
)
def test_settings_out_of_range_are_errors_that_say_so(metric: str, settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="got"):
        score(metric, VALUES, settings=settings)


def test_text_is_measured_by_its_words() -> None:
    """A network that counts two words of its vocabulary: those are the rationale."""
    x = np.array([[3, 7, 5, 1, 2, 8, 4, 9, 6, 10]], dtype=np.float32)

    def network(tokens: Array) -> Array:
        logits = 3.0 * (tokens == 7).sum(axis=1) + 3.0 * (tokens == 9).sum(axis=1) - 3
        return np.stack([1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(logits))], axis=1)

    both = 1 / (1 + np.exp(-3.0)), 1 / (1 + np.exp(3.0))
    truth = ((x == 7) | (x == 9)).astype(float)
    made = pellucid.evaluate(network, claims(network, x, truth, "shap"), ["comprehensiveness", "sufficiency"])
    assert made["sufficiency"].values[0] == pytest.approx((both[0] - both[1] + 3 * (both[0] - 0.5)) / 6)  # empty; one word three times; two; five
    assert made["comprehensiveness"].values[0] == pytest.approx((3 * (both[0] - 0.5) + 2 * (both[0] - both[1])) / 6)
    assert made["comprehensiveness"].lead[0] > 0 < made["sufficiency"].lead[0]
