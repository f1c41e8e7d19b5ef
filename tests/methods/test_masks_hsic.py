"""HSIC against its direct formula over every mask, and its stated error at the moment of stopping."""

from __future__ import annotations

import numpy as np
import pytest
import twins_masks
from test_coverage import COVERED, SIZE, WITHIN, calibrate

import pellucid
from pellucid.core.errors import SettingError
from pellucid.maths.coalitions import all_coalitions
from pellucid.methods.coalition import hsic

ROUNDING = 1e-9
FEATURES = 10
_generator = np.random.default_rng(0)
_weights, _readout = _generator.normal(size=(FEATURES, 6)) / 2, _generator.normal(size=6)
POINT = _generator.normal(size=(1, FEATURES)) * 1.5
ROWS = {"one fill": np.zeros((1, FEATURES)), "6 rows": _generator.normal(size=(6, FEATURES))}


def bumpy(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    return np.tanh(x @ _weights) @ _readout + np.maximum(x[:, 0] * x[:, 1], 0) + np.sin(x[:, 2])


def run(seed: int = 0, rows: str = "one fill", **settings: object) -> pellucid.Explanation:
    return pellucid.explain(bumpy, POINT, "hsic", **({"target": 0, "fill": ROWS[rows], "seed": seed, "max_evaluations": 10**6} | settings))


def truth(rows: str, bandwidth: float = 1.0) -> np.ndarray:
    """Every mask with every row, by the n × n formula."""
    masks = all_coalitions(FEATURES).astype(float)
    scores = np.concatenate([bumpy(masks * POINT + (1 - masks) * row) for row in ROWS[rows]])
    return twins_masks.hsic(np.tile(masks, (len(ROWS[rows]), 1)), scores, bandwidth * scores.std())[None]


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hsic, "WORTH_ENUMERATING", 0)


@pytest.mark.parametrize("bandwidth", [1.0, 0.4])
def test_few_masks_are_all_scored(bandwidth: float) -> None:
    found = run(bandwidth=bandwidth)
    assert found.outcome.codes == ("exact",)
    assert found.cost.evaluations[0] == 2**FEATURES - 1
    np.testing.assert_allclose(found.values, truth("one fill", bandwidth), atol=ROUNDING)


def test_few_masks_with_several_rows() -> None:
    x, background = POINT[:, :5], ROWS["6 rows"][:, :5]

    def padded(points: np.ndarray) -> np.ndarray:
        return bumpy(np.pad(points, ((0, 0), (0, FEATURES - 5))))

    found = pellucid.explain(padded, x, "hsic", target=0, background=background)
    masks = all_coalitions(5).astype(float)
    scores = np.concatenate([padded(masks * x + (1 - masks) * row) for row in background])
    np.testing.assert_allclose(found.values[0], twins_masks.hsic(np.tile(masks, (6, 1)), scores, scores.std()), atol=ROUNDING)


@pytest.mark.usefixtures("sampled")
def test_the_estimate_is_that_of_the_loops() -> None:
    found = run(max_evaluations=64, tolerance=0)
    masks = np.concatenate([np.random.default_rng((0, k)).integers(0, 2, (16, FEATURES), dtype=np.int8) for k in range(2)]).astype(float)
    scores = np.stack([bumpy(masks * POINT), bumpy((1 - masks) * POINT)], axis=1)
    np.testing.assert_allclose(found.values[0], twins_masks.hsic_of_pairs(2 * masks - 1, scores, scores.std()), atol=ROUNDING)
    assert found.statistics["bandwidth"][0] == pytest.approx(scores.std())


CASES = [
    pytest.param("one fill", 0.2, 200, marks=pytest.mark.slow),
    ("one fill", 0.4, 200),
    pytest.param("one fill", 0.1, 300, marks=pytest.mark.slow),
    pytest.param("one fill", 0.3, 300, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.2, 200, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.35, 200, marks=pytest.mark.slow),
]


INFLUENCE = 0.02
"""Features above this share of the largest value have influence; below it the stated error is cautious on purpose, and intervals cover nearly always."""


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize(("rows", "tolerance", "seeds"), CASES)
def test_the_stated_error_is_right_at_the_moment_of_stopping(rows: str, tolerance: float, seeds: int) -> None:
    known = truth(rows)
    runs = [run(seed, rows, tolerance=tolerance) for seed in range(seeds)]
    found = calibrate(runs, known)
    assert found.codes == {"converged"}
    assert SIZE[0] <= found.size <= SIZE[1], f"stated / true error {found.size:.2f}"
    assert (found.relative <= tolerance).mean() >= WITHIN
    inside = np.array([(low <= known) & (known <= high) for low, high in (one.interval(0.95) for one in runs)])[:, 0]
    strong = known[0] >= INFLUENCE * known.max()
    assert 3 <= strong.sum() < FEATURES
    assert COVERED[0] <= inside[:, strong].mean() <= COVERED[1], f"intervals cover {inside[:, strong].mean():.3f} of what has influence"
    assert inside[:, ~strong].mean() >= COVERED[0], f"intervals cover {inside[:, ~strong].mean():.3f} of what has none"


@pytest.mark.usefixtures("sampled")
def test_stated_errors_half_or_twice_the_true_ones_would_be_seen() -> None:
    from dataclasses import replace

    known = truth("one fill")
    strong = known[0] >= INFLUENCE * known.max()
    runs = [run(seed, tolerance=0.3) for seed in range(100)]
    for factor in (0.5, 2.0):
        wrong = [replace(one, error=one.error * factor) for one in runs]
        inside = np.array([(low <= known) & (known <= high) for low, high in (one.interval(0.95) for one in wrong)])[:, 0]
        assert not (COVERED[0] <= inside[:, strong].mean() <= COVERED[1])


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("rows", ROWS)
def test_going_on_gives_what_going_through_gives(rows: str) -> None:
    seen = []

    def counting(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return bumpy(x)

    asked = {"target": 0, "fill": ROWS[rows]}
    for early, late in (
        ({"tolerance": 0.4}, {"tolerance": 0.15}),
        ({"max_evaluations": 200, "tolerance": 0.001}, {"max_evaluations": 900, "tolerance": 0.001}),
    ):
        through = pellucid.explain(bumpy, POINT, "hsic", **asked, **{"max_evaluations": 10**5} | late)
        first = pellucid.explain(counting, POINT, "hsic", **asked, **{"max_evaluations": 10**5} | early)
        seen.clear()
        second = first.refine(**{"max_evaluations": 10**5} | late)
        np.testing.assert_allclose(second.values, through.values, atol=ROUNDING)
        np.testing.assert_allclose(second.error, through.error, atol=ROUNDING)
        assert second.cost.evaluations == through.cost.evaluations
        assert sum(seen) == second.cost.evaluations - first.cost.evaluations + 1, "the 1 is the prediction"


def test_neither_the_unit_nor_the_zero_of_the_score_matters() -> None:
    moved = pellucid.explain(lambda x: 7 * bumpy(x) - 100, POINT, "hsic", target=0, fill=ROWS["one fill"])
    np.testing.assert_allclose(moved.values, run().values, atol=ROUNDING)


def test_features_that_do_nothing_get_nothing_and_like_ones_the_same() -> None:
    found = pellucid.explain(lambda x: np.tanh(x[:, 0] + x[:, 1]) + x[:, 2], np.array([[0.7, 0.7, 1.0, 2.0, 0.0]]), "hsic", target=0)
    np.testing.assert_allclose(found.values[0, 3:], 0, atol=ROUNDING)
    assert found.values[0, 0] == pytest.approx(found.values[0, 1], abs=ROUNDING)
    assert found.values[0, 0] > 0.01


@pytest.mark.usefixtures("sampled")
def test_a_constant_score_an_input_that_is_its_fill_and_a_small_budget() -> None:
    flat = pellucid.explain(lambda x: np.full(len(x), 0.3), np.ones((1, 4)), "hsic", target=0)
    assert not flat.values.any()
    assert flat.outcome.codes == ("converged",)
    blank = pellucid.explain(bumpy, np.concatenate([POINT, 0 * POINT]), "hsic", target=0)
    assert blank.outcome[1].code == "nothing_to_explain"
    assert blank.cost.evaluations[1] == 0
    with pytest.raises(SettingError, match="max_evaluations=40 is too few: 30 pairs of masks"):
        run(max_evaluations=40)


@pytest.mark.parametrize("bandwidth", [0, -1.0, float("inf")])
def test_a_bandwidth_out_of_range_is_refused(bandwidth: float) -> None:
    with pytest.raises(SettingError, match="hsic needs a bandwidth above 0"):
        run(bandwidth=bandwidth)
