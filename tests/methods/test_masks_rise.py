"""RISE against its own limit, every mask counted once, and its stated error at the moment of stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import twins_masks

import pellucid
from pellucid.core.errors import SettingError
from pellucid.methods.coalition import _masks, _rounds, rise

FINE = 1e-6
"""Masks are float32."""
ROUNDING = 1e-9
COVERED, SIZE, WITHIN = (0.92, 0.98), (0.7, 1.4), 0.93
"""As in test_coverage: intervals, stated over true error, runs within the tolerance."""

_generator = np.random.default_rng(0)
SHAPES = {"gray": (4, 4, 1), "colour": (4, 3, 3), "series": (5, 2), "table": (5,)}
_weights = {name: _generator.normal(size=(int(np.prod(shape)), 4)) for name, shape in SHAPES.items()}
INPUTS = {name: _generator.normal(size=(2, *shape)) for name, shape in SHAPES.items()}


def model(name: str) -> Callable[[np.ndarray], np.ndarray]:
    def score(x: np.ndarray) -> np.ndarray:
        hidden = np.tanh(np.asarray(x, np.float64).reshape(len(x), -1) @ _weights[name] / 2)
        return 3 + hidden @ np.arange(1.0, 5) + 3 * hidden[:, 0] * hidden[:, 1]

    return score


@pytest.mark.parametrize("keep", [0.5, 0.3])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_few_masks_are_all_scored(name: str, count: int, keep: float) -> None:
    fill = np.random.default_rng(1).normal(size=(count, *SHAPES[name]))
    places = SHAPES[name][:2]
    for centred in (True, False):
        found = pellucid.explain(model(name), INPUTS[name], "rise", target=0, fill=fill, cells=2, keep=keep, centred=centred)
        assert found.values.shape == (2, *places)
        assert found.outcome.codes == ("exact", "exact")
        assert not found.error.any()
        for i, x in enumerate(INPUTS[name]):
            values, mean = twins_masks.rise(model(name), x, fill, places, 5 if name == "table" else 2, keep)
            np.testing.assert_allclose(found.values[i], values - mean * centred, atol=FINE)
            assert found.statistics["mean_score"][i] == pytest.approx(mean, abs=FINE)
            assert found.cost.evaluations[i] == count * len(list(twins_masks.smooth_masks(places, 5 if name == "table" else 2, keep)))


# ---- sampling ---------------------------------------------------------------------------------------------------------

PLACES, CELLS = (7, 6), 3
IMAGE = np.random.default_rng(2).normal(size=(1, *PLACES, 1))
_pixel = np.random.default_rng(3).normal(size=(42, 6)) / 3
ROWS = {"one fill": np.zeros((1, *IMAGE.shape[1:])), "6 rows": np.random.default_rng(4).normal(size=(6, *IMAGE.shape[1:]))}


def bumpy(x: np.ndarray) -> np.ndarray:
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    return np.tanh(flat @ _pixel) @ np.array([1.0, -2, 1.5, 0.5, 1, -1]) + np.maximum(flat[:, 3] + flat[:, 20] * flat[:, 22], 0) + 2


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rise, "WORTH_ENUMERATING", 0)


def run(seed: int = 0, rows: str = "one fill", **settings: object) -> pellucid.Explanation:
    return pellucid.explain(bumpy, IMAGE, "rise", **({"target": 0, "fill": ROWS[rows], "cells": CELLS, "seed": seed, "max_evaluations": 10**6} | settings))


@dataclass(frozen=True)
class Calibration:
    """Share of intervals that cover, ‖stated‖/‖true‖, errors relative to the truth's contrast."""

    covered: float
    size: float
    relative: np.ndarray

    def check(self, tolerance: float) -> None:
        assert COVERED[0] <= self.covered <= COVERED[1], f"intervals cover {self.covered:.3f}"
        assert SIZE[0] <= self.size <= SIZE[1], f"stated / true error {self.size:.2f}"
        assert (self.relative <= tolerance).mean() >= WITHIN, f"{(self.relative <= tolerance).mean():.3f} within the tolerance"


def calibrate(runs: list[pellucid.Explanation], truth: np.ndarray, centred: bool = True) -> Calibration:
    """The size is a median; of maps with the mean score, whose error is mostly one number, a ratio of root mean squares (the median of one number's would be
    1.5 where all is well)."""
    inside, stated, true = [], [], []
    for one in runs:
        assert one.outcome.codes == ("converged",)
        low, high = one.interval(0.95)
        inside.append((low <= truth) & (truth <= high))
        stated.append(np.linalg.norm(one.error))
        true.append(np.linalg.norm(one.values - truth))
    sizes = np.median(np.divide(stated, true)) if centred else np.linalg.norm(stated) / np.linalg.norm(true)
    return Calibration(float(np.mean(inside)), float(sizes), np.array(true) / np.linalg.norm(truth - truth.mean()))


def truth(rows: str, keep: float, centred: bool) -> np.ndarray:
    values, mean = twins_masks.rise(bumpy, IMAGE[0], ROWS[rows], PLACES, CELLS, keep)
    return values - mean * centred


CASES = [
    ("one fill", 0.5, True, 0.2, 200),
    pytest.param("one fill", 0.5, True, 0.1, 300, marks=pytest.mark.slow),
    pytest.param("one fill", 0.5, False, 0.15, 300, marks=pytest.mark.slow),
    pytest.param("one fill", 0.3, True, 0.15, 300, marks=pytest.mark.slow),
    pytest.param("one fill", 0.7, False, 0.2, 300, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.5, True, 0.25, 200, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.4, False, 0.3, 200, marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize(("rows", "keep", "centred", "tolerance", "seeds"), CASES)
def test_the_stated_error_is_right_at_the_moment_of_stopping(rows: str, keep: float, centred: bool, tolerance: float, seeds: int) -> None:
    runs = [run(seed, rows, keep=keep, centred=centred, tolerance=tolerance) for seed in range(seeds)]
    found = calibrate(runs, truth(rows, keep, centred), centred)
    found.check(tolerance)
    assert np.median(found.relative) >= 0.25 * tolerance


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("keep", [0.5, 0.3])
@pytest.mark.parametrize("rows", ROWS)
def test_the_mean_score_is_all_that_centring_takes_off(rows: str, keep: float) -> None:
    whole, centred = (run(rows=rows, keep=keep, centred=centred, tolerance=0, max_evaluations=3000) for centred in (False, True))
    for found, known in ((whole, truth(rows, keep, False)), (centred, truth(rows, keep, True))):
        assert (np.abs(found.values - known) <= 5 * found.error + FINE).all()
    if keep == 0.5:
        np.testing.assert_allclose(whole.values - centred.values, whole.statistics["mean_score"][0], atol=FINE)


@pytest.mark.usefixtures("sampled")
def test_stated_errors_half_or_twice_the_true_ones_would_be_seen() -> None:
    from dataclasses import replace

    runs = [run(seed, tolerance=0.3) for seed in range(100)]
    for factor in (0.5, 2.0):
        with pytest.raises(AssertionError):
            calibrate([replace(one, error=one.error * factor) for one in runs], truth("one fill", 0.5, True)).check(0.3)


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_going_on_gives_what_going_through_gives(rows: str, keep: float) -> None:
    seen = []

    def counting(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return bumpy(x)

    asked = {"target": 0, "fill": ROWS[rows], "cells": CELLS, "keep": keep}
    for early, late in (({"tolerance": 0.4}, {"tolerance": 0.15}), ({"max_evaluations": 500, "tolerance": 0.01}, {"max_evaluations": 2500, "tolerance": 0.01})):
        through = pellucid.explain(bumpy, IMAGE, "rise", **asked, **{"max_evaluations": 10**5} | late)
        first = pellucid.explain(counting, IMAGE, "rise", **asked, **{"max_evaluations": 10**5} | early)
        assert first.cost.evaluations < through.cost.evaluations
        seen.clear()
        second = first.refine(**{"max_evaluations": 10**5} | late)
        np.testing.assert_allclose(second.values, through.values, atol=ROUNDING)
        np.testing.assert_allclose(second.error, through.error, atol=ROUNDING)
        assert second.cost.evaluations == through.cost.evaluations
        assert sum(seen) == second.cost.evaluations - first.cost.evaluations + 1, "the 1 is the prediction"


@pytest.mark.usefixtures("sampled")
def test_samples_that_stop_at_different_rounds_go_on_from_where_each_was() -> None:
    two = np.concatenate([IMAGE, 4 * np.random.default_rng(5).normal(size=IMAGE.shape)])
    asked = {"target": 0, "cells": CELLS, "max_evaluations": 10**5}
    first = pellucid.explain(bumpy, two, "rise", tolerance=0.3, **asked)
    assert len(set(first.cost.evaluations)) == 2
    np.testing.assert_allclose(first.refine(tolerance=0.15).values, pellucid.explain(bumpy, two, "rise", tolerance=0.15, **asked).values, atol=ROUNDING)


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("rows", ROWS)
def test_a_small_stream_gives_the_same_as_a_wide_one(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = run(rows=rows, max_evaluations=1000)
    monkeypatch.setattr(_masks, "NUMBERS_AT_ONCE", 100)
    np.testing.assert_allclose(run(rows=rows, max_evaluations=1000).values, wide.values, atol=ROUNDING)


@pytest.mark.usefixtures("sampled")
def test_places_that_do_nothing_get_nothing_and_like_places_the_same() -> None:
    def some(x: np.ndarray) -> np.ndarray:
        flat = np.asarray(x, np.float64).reshape(len(x), -1)
        return np.tanh(flat[:, 0] + flat[:, 1]) + flat[:, 2] * flat[:, 3]

    found = pellucid.explain(some, np.array([[0.7, 0.7, 1.0, -1.0, 2.0, 0.3]]), "rise", target=0, tolerance=0.05, max_evaluations=10**6)
    values, reach = found.values[0], 4 * found.error[0]
    assert found.error_kind == "standard_error"
    assert (np.abs(values[4:]) <= reach[4:]).all()
    assert abs(values[0] - values[1]) <= reach[:2].sum()
    assert abs(values[0]) > 10 * reach[0] / 4


@pytest.mark.usefixtures("sampled")
def test_what_the_stand_in_explains_leaves_no_noise() -> None:
    """A model that is linear in the mask: after the first fit hardly anything is left to average."""
    x = np.random.default_rng(6).normal(size=(1, 12))
    weights = np.arange(12.0)
    found = pellucid.explain(lambda rows: rows @ weights, x, "rise", target=0, tolerance=0, max_evaluations=6400)
    np.testing.assert_allclose(found.values[0], weights * x[0] / 2, rtol=0.02, atol=0.05)
    plain = np.sqrt(np.square(weights * x[0]).sum() / 4 / 3200)
    assert found.error[0].mean() < plain / 4


def test_a_constant_score_and_an_input_that_is_its_fill() -> None:
    flat = pellucid.explain(lambda x: np.full(len(x), 0.3), IMAGE, "rise", target=0)
    assert np.abs(flat.values).max() <= ROUNDING
    assert flat.outcome.codes == ("converged",)
    for cells in (2, 7):
        blank = pellucid.explain(bumpy, np.concatenate([IMAGE, 0 * IMAGE]), "rise", target=0, cells=cells, max_evaluations=1100)
        assert blank.outcome[1].code == "nothing_to_explain"
        assert not blank.values[1].any()
        assert blank.cost.evaluations[1] == 0
        assert np.isfinite(blank.error).all()


def test_the_budget_is_kept_and_too_small_a_one_refused() -> None:
    found = run(cells=7, tolerance=0.001, max_evaluations=999)
    assert found.outcome.codes == ("budget_exhausted",)
    assert found.cost.evaluations[0] == 992
    with pytest.raises(SettingError, match="max_evaluations=50 is too few: 30 pairs of masks"):
        run(cells=7, max_evaluations=50)


@pytest.mark.parametrize("settings", [{"cells": 0}, {"keep": 1.0}, {"keep": 0}])
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(SettingError, match="rise needs cells"):
        run(**settings)


def test_looks_at_the_error_do_not_depend_on_where_one_stands() -> None:
    for rows in (1, 6, 100):
        first = _rounds.first_look(rows)
        looks = [first]
        while looks[-1] < 500:
            looks.append(_rounds.next_look(looks[-1], first))
        assert [_rounds.next_look(rounds, first) for rounds in range(500)] == [next(look for look in looks if look > r) for r in range(500)]
        assert first * rows * _rounds.draws_a_row(rows) >= 30
