"""Localisation: slow twins from the papers, planted truth at the top and random importances at chance, ties, parts of units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import boxes, claims, inside, linear, score

import pellucid
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.metrics.localisation.iou import Iou, largest
from pellucid.metrics.localisation.pointing_game import PointingGame

SIDE, CASES = 8, 100
METRICS = ("pointing_game", "relevance_mass", "iou")
PLACES = boxes(CASES, SIDE)
MASKS = inside(PLACES, SIDE)
DRAW = np.random.default_rng(3)
PLANTED = (MASKS * DRAW.uniform(1, 2, MASKS.shape) + 0.3 * DRAW.normal(size=MASKS.shape))[..., None]
RANDOM = DRAW.normal(size=(*MASKS.shape, 1))


def slow_pointing(values: np.ndarray, mask: np.ndarray, tolerance: float) -> float:
    best, hits = values.max(), []
    for row, column in np.argwhere(values == best):
        hits.append(any(np.hypot(row - i, column - j) <= tolerance for i, j in np.argwhere(mask)))
    return float(np.mean(hits))


def slow_mass(values: np.ndarray, mask: np.ndarray) -> float:
    whole = within = 0.0
    for row, column in np.ndindex(*values.shape):
        if values[row, column] > 0:
            whole += values[row, column]
            within += values[row, column] * mask[row, column]
    return within / whole


def slow_iou(values: np.ndarray, mask: np.ndarray, choose: str) -> float:
    truth = {tuple(place) for place in np.argwhere(mask)}
    places = sorted(np.ndindex(*values.shape), key=lambda place: -values[place])
    chosen = set(places[: len(truth)]) if choose == "size" else {place for place in places if values[place] > values.mean()}
    return len(truth & chosen) / len(truth | chosen)


TWINS: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "pointing_game": [({"tolerance": t}, lambda v, m, t=t: slow_pointing(v, m, t)) for t in (0.0, 1.0, 1.5, 3.0)],
    "relevance_mass": [({}, slow_mass)],
    "iou": [({"choose": c}, lambda v, m, c=c: slow_iou(v, m, c)) for c in ("size", "mean")],
}


@pytest.mark.parametrize(("metric", "case"), [(metric, case) for metric, cases in TWINS.items() for case in range(len(cases))])
def test_slow_twins(metric: str, case: int) -> None:
    settings, twin = TWINS[metric][case]
    for values in (PLANTED, RANDOM, np.round(RANDOM)):
        if metric == "iou" and values is not PLANTED and values is not RANDOM:
            continue  # ties are shared out, which sets cannot
        found = score(metric, values, settings=settings, truth=MASKS, draws=0).values
        np.testing.assert_allclose(found, [twin(one, mask) for one, mask in zip(values[..., 0], MASKS, strict=True)], rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_planted_truth_is_on_top_and_random_importances_are_at_chance(metric: str) -> None:
    planted, random = (score(metric, values, truth=PLACES, draws=40) for values in (PLANTED, RANDOM))
    beats = np.greater_equal if metric == "pointing_game" else np.greater  # a hit is all that there is
    assert beats(planted.values, np.quantile(planted.chance, 0.95, axis=1)).mean() >= 0.95
    assert (planted.lead > 0).mean() >= 0.95
    low, high = planted.lead_interval(0.99)
    assert low > 0
    low, high = random.lead_interval(0.99)
    assert low < 0 < high
    share = MASKS.mean(axis=(1, 2))
    if metric != "iou":
        np.testing.assert_allclose(random.chance.mean(), share.mean(), atol=4 * random.chance.std() / np.sqrt(random.chance.size))


@pytest.mark.parametrize("metric", METRICS)
def test_the_whole_truth_scores_one_and_what_lies_beside_it_nothing(metric: str) -> None:
    assert (score(metric, MASKS[..., None], truth=MASKS, draws=0).values == 1).all()
    assert (score(metric, (1 - MASKS)[..., None], truth=MASKS, draws=0).values == 0).all()


@pytest.mark.parametrize(("metric", "want"), [("pointing_game", 1 / 6), ("iou", (4 * 1 / 6) / (4 + 4 - 4 / 6))])
def test_a_constant_map_is_at_chance_wherever_the_truth_lies(metric: str, want: float) -> None:
    for truth in ((0, 0, 2, 2), (2, 4, 4, 6)):
        found = score(metric, np.ones((1, 4, 6, 1)), truth=truth, draws=3)
        np.testing.assert_allclose(found.values, want)
        np.testing.assert_allclose(found.chance, want)


def test_a_map_without_anything_positive_has_no_mass() -> None:
    found = score("relevance_mass", -np.ones((2, 4, 4, 1)), truth=(0, 0, 2, 2), draws=2)
    assert np.isnan(found.values).all()
    assert np.isnan(found.mean)


def test_units_that_lie_in_the_truth_in_part_count_in_part() -> None:
    """Two patches of 2 × 2; the truth covers the first and one pixel of the second."""
    truth = np.zeros((2, 4))
    truth[:, :2], truth[0, 2] = 1, 1
    labels = np.array([[0, 0, 1, 1]] * 2)
    x = np.ones((1, 2, 4, 1))
    found = claims(linear((2, 4, 1)), x, np.array([[[1, 1, 2, 2], [1, 1, 2, 2]]]))
    scores = pellucid.evaluate(linear((2, 4, 1)), found, METRICS, features=labels, truth=truth, draws=0)
    np.testing.assert_allclose(scores["pointing_game"].values, 1 / 4)
    np.testing.assert_allclose(scores["relevance_mass"].values, (4 * 1 + 8 / 4) / 12)
    np.testing.assert_allclose(scores["iou"].values, (4 * 1 / 4 + 1 * 1) / (5 + 5 - 2))


def test_which_units_cover_as_much_as_the_truth() -> None:
    np.testing.assert_allclose(largest(np.array([1.0, 5, 3]), np.array([2.0, 4, 4]), 6), [0, 1, 0.5])
    np.testing.assert_allclose(largest(np.array([1.0, 1, 3]), np.array([1.0, 3, 2]), 4), [0.5, 0.5, 1])
    np.testing.assert_allclose(largest(np.zeros(4), np.ones(4), 1), np.full(4, 0.25))
    rng = np.random.default_rng(0)
    for _ in range(50):
        importance, size = rng.integers(0, 4, 9).astype(float), rng.uniform(0.5, 2, 9)
        wanted = rng.uniform(0, size.sum())
        chosen = largest(importance, size, wanted)
        np.testing.assert_allclose((chosen * size).sum(), wanted)
        assert all(chosen[i] == 1 or chosen[j] == 0 for i in range(9) for j in range(9) if importance[i] > importance[j])


def test_units_that_a_sample_lacks_are_never_the_largest() -> None:
    """Two samples with 4 and 2 patches; values are padded with zeros, the present ones are negative."""
    x = np.random.default_rng(0).normal(size=(2, 2, 4, 1))
    labels = np.array([[[0, 1, 2, 3]] * 2, [[0, 0, 1, 1]] * 2])
    model = lambda x: x.sum(axis=(1, 2, 3))[:, None]  # noqa: E731
    made = pellucid.explain(model, x, "shap", features=labels)
    found = replace(made, values=np.array([[-4.0, -2, -1, -3], [-2.0, -1, 0, 0]]))
    truth = np.zeros((2, 4))
    truth[:, 2] = 1
    scores = pellucid.evaluate(model, found, ["pointing_game", "iou"], truth=truth, draws=5)
    np.testing.assert_allclose(scores["pointing_game"].values, [1, 1 / 2])
    np.testing.assert_allclose(scores["iou"].values, [1, 1 / 3])
    many = pellucid.evaluate(model, found[1:], "pointing_game", truth=truth, draws=40)["pointing_game"]
    assert set(many.chance[0]) == {0, 1 / 2}, "random importances went to units that the sample lacks"
    alone = pellucid.evaluate(model, found[1:], "pointing_game", truth=truth, draws=5)["pointing_game"]
    np.testing.assert_array_equal(alone.chance, scores["pointing_game"].chance[1:])


def test_channels_first_and_colours() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    values = np.zeros(x.shape)
    values[:, :, 4, 1] = 1
    truth = (2, 0, 4, 3)
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(32, 2))
    found = claims(net, x.astype(np.float32), values)
    assert (pellucid.evaluate(net, found, "pointing_game", truth=truth, draws=0)["pointing_game"].values == 0).all()
    near = pellucid.evaluate(net, found, {"pointing_game": {"tolerance": 1.0}}, truth=truth, draws=0)["pointing_game"]
    assert (near.values == 1).all()
    beside = claims(net, x.astype(np.float32), np.roll(values, 4, axis=3))
    assert (pellucid.evaluate(net, beside, {"pointing_game": {"tolerance": 1.0}}, truth=truth, draws=0)["pointing_game"].values == 0).all()


def test_settings_and_refusals() -> None:
    for make in (lambda: PointingGame(tolerance=-1.0), lambda: PointingGame(tolerance=np.inf), lambda: Iou(choose="all")):
        with pytest.raises(SettingError):
            make()
    with pytest.raises(UnsupportedError, match="needs to know where the reason lies"):
        score("iou", PLANTED[:2])
    with pytest.raises(UnsupportedError, match="measures its tolerance in pixels"):
        score("pointing_game", np.ones((2, 5)), settings={"tolerance": 2.0}, truth={0})
