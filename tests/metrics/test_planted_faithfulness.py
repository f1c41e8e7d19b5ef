"""Every metric of faithfulness on networks whose reason is known: in 95 of 100 cases or more no random importance is better than the planted truth, and random
importances stand at chance among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import claims, inside, linear
from scipy.ndimage import uniform_filter

import pellucid
from pellucid.core.evaluation import Score
from pellucid.metrics import METRICS

Array = np.ndarray
SIDE, CASES, DRAWS = 8, 100, 20
METRICS_AND_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("deletion", {}),
    ("insertion", {}),
    ("pixel_flipping", {}),
    ("comprehensiveness", {}),
    ("sufficiency", {}),
    ("faithfulness_correlation", {}),
    ("monotonicity", {}),
    ("infidelity", {}),
    ("infidelity", {"perturbation": "noisy_baseline"}),
    ("road", {}),
    ("road", {"read": "accuracy"}),
]
ON_TABLES = [
    ("infidelity", {"scaled": False, "noise": 0.0}) if name == "infidelity" else (name, settings) for name, settings in METRICS_AND_SETTINGS if name != "road"
]


def bright_places(x: Array) -> Array:
    """Two classes; the first one's logit is how far means over 3 × 3 pixels rise above .62, at any place."""
    means = uniform_filter(x[..., 0].astype(float), (1, 3, 3), mode="constant")
    logits = 20 * np.maximum(means - 0.62, 0).sum(axis=(1, 2)) - 1
    return np.stack([logits, -logits], axis=1)


def images() -> tuple[Array, Array]:
    """Dark noise with one bright square in each image; and the reason, what each pixel of the square adds: its brightness in each mean above the level."""
    draw = np.random.default_rng(0)
    tops, lefts = draw.integers(0, SIDE - 2, (2, CASES))
    squares = inside([(int(top), int(left), int(top) + 3, int(left) + 3) for top, left in zip(tops, lefts, strict=True)], SIDE)[..., None]
    x = np.where(squares > 0, draw.uniform(0.8, 1, squares.shape), draw.uniform(0, 0.55, squares.shape)).astype(np.float32)
    above = uniform_filter(x[..., 0].astype(float), (1, 3, 3), mode="constant") > 0.62
    counted = uniform_filter(above.astype(float), (1, 3, 3), mode="constant")[..., None]
    return x, 20 * x * counted * squares


def measured(network: Any, x: Array, values: Array, metric: str, settings: dict[str, Any]) -> Score:
    options: dict[str, Any] = {"method": "occlusion", "window": 1, "stride": 1} if x.ndim == 4 else {}
    return pellucid.evaluate(network, claims(network, x, values, **options), {metric: settings}, draws=DRAWS)[metric]


def shuffled(values: Array) -> Array:
    flat = values.reshape(len(values), -1)
    return np.stack([np.random.default_rng((7, i)).permutation(row) for i, row in enumerate(flat)]).reshape(values.shape)


def wins(score: Score) -> Array:
    """Which random importances each sample's is better than, (samples, draws); a tie is half."""
    sign = 1 if score.better == "higher" else -1
    lead = sign * (score.values[:, None] - score.chance)
    return np.where(lead > 0, 1.0, np.where(lead == 0, 0.5, 0.0))


def check(network: Any, x: Array, truth: Array, metric: str, settings: dict[str, Any]) -> None:
    found = measured(network, x, truth, metric, settings)
    top = (wins(found) > 0).all(axis=1).sum()  # a lucky one may be as good as the best there is
    assert top >= 95, f"the planted truth is at the top in {top} of {CASES}"
    assert wins(found).mean() > 0.95
    assert found.lead_interval()[0] > 0
    random = measured(network, x, shuffled(truth), metric, settings)
    place = wins(random).mean()
    assert abs(place - 0.5) < 0.12, f"random importances are better than {place:.0%} of random importances"
    assert (wins(random) == 1).all(axis=1).sum() <= 15
    low, high = random.lead_interval(0.99)
    assert low <= 0 <= high


@pytest.mark.parametrize(("metric", "settings"), METRICS_AND_SETTINGS)
def test_a_bright_square_is_the_reason(metric: str, settings: dict[str, Any]) -> None:
    check(bright_places, *images(), metric, settings)


@pytest.mark.parametrize(("metric", "settings"), ON_TABLES)
def test_the_terms_of_a_linear_network_are_the_reason(metric: str, settings: dict[str, Any]) -> None:
    model, x = linear((30,)), np.random.default_rng(1).normal(size=(CASES, 30))
    check(model, x, x * model.stack[0].weights[:, 0], metric, settings)


def test_no_metric_of_faithfulness_is_left_out() -> None:
    assert {name for name, _ in METRICS_AND_SETTINGS} == {name for name in METRICS if METRICS.load(name).group == "faithfulness"}


def test_one_map_for_all_samples_leads_by_chance_alone() -> None:
    """The same random map for every sample meets the same random importances: its lead is one draw's, however many samples there are."""
    model, x = linear((30,)), 1 + 0.05 * np.random.default_rng(2).normal(size=(20, 30))
    record = claims(model, x, np.tile(np.random.default_rng(3).normal(size=30), (20, 1)))
    found = [pellucid.evaluate(model, record, "deletion", seed=seed)["deletion"] for seed in range(30)]
    true = np.std([one.lead.mean() for one in found], ddof=1)
    half = np.mean([np.ptp(one.lead_interval()) / 2 for one in found])
    assert 0.7 < half / 2.09 / true < 1.4
