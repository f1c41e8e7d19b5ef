"""LIME against its own limit, all masks counted once, cases known by hand, the order of the strongest, going on, and bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import twins

import pellucid
from pellucid.core.errors import SettingError
from pellucid.maths.ranking import Ranking
from pellucid.methods.coalition import _surrogate
from pellucid.methods.coalition.lime import order_in_words

ROUNDING = 1e-9
COMPANY = 1e-7
"""Batches of other sizes differ in last bits."""
FLAT = 1.1
"""Peak memory may differ by a tenth between 500 and 5000 masks."""


def bumpy(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return 2 * x[:, 0] - x[:, 1] + np.tanh(x[:, 2] * x[:, 3]) + 0.5 * np.maximum(x[:, 4] + x[:, 5], 0)


def wide(x: np.ndarray) -> np.ndarray:
    """Twelve features, of which the last two do nothing: too many masks to take them all."""
    x = np.asarray(x, dtype=np.float64)
    return bumpy(x) + np.sin(x[:, 6] * x[:, 7]) + x[:, 8] * x[:, 9] * x[:, 0]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 6)) + 1


@pytest.fixture(scope="module")
def wide_x() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(4, 12)) + 1


@pytest.mark.parametrize("width", [0.25, 1.0])
@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("adjusted", [True, False])
def test_many_masks_come_to_the_limit(width: float, rows: int, adjusted: bool, x: np.ndarray) -> None:
    background = np.random.default_rng(1).normal(size=(rows, 6))
    settings = {"tolerance": 0.01, "max_evaluations": 200_000, "kernel_width": width, "adjusted": adjusted}
    found = pellucid.explain(bumpy, x, "lime", target=0, fill=background, **settings)
    for i, one in enumerate(x):
        limit, fit = twins.lime_limit(twins.marginal_game(bumpy, one, background), 6, width)
        assert np.linalg.norm(found.values[i] - limit) <= 1.5 * 0.01 * np.linalg.norm(limit)
        if rows == 1 or adjusted:
            assert found.statistics["r_squared"][i] == pytest.approx(fit, abs=0.01 if rows == 1 else 0.1)


@pytest.mark.parametrize("rows", [1, 2])
def test_few_masks_are_all_taken_and_the_limit_is_exact(rows: int, x: np.ndarray) -> None:
    background = np.random.default_rng(1).normal(size=(rows, 6))
    found = pellucid.explain(bumpy, x, "lime", target=0, fill=background, kernel_width=0.4)
    assert found.error_kind == "exact"
    assert set(found.outcome.codes) <= {"exact", "poor_fit"}
    assert set(found.cost.evaluations.tolist()) == {rows * (2**6 - 1)}
    for i, one in enumerate(x):
        limit, fit = twins.lime_limit(twins.marginal_game(bumpy, one, background), 6, 0.4)
        np.testing.assert_allclose(found.values[i], limit, atol=ROUNDING)
        assert found.statistics["r_squared"][i] == pytest.approx(fit, abs=ROUNDING)


def test_a_linear_model_is_found_at_once_for_every_seed() -> None:
    weights = np.array([1.0, -2.0, 3.0, 0.0, 0.5, -0.25, 4.0, 0.7, -0.1])
    x = np.random.default_rng(0).normal(size=(3, 9))
    for seed in range(3):
        found = pellucid.explain(lambda points: points @ weights, x, "lime", target=0, fill=0.5, seed=seed)
        np.testing.assert_allclose(found.values, weights * (x - 0.5), atol=ROUNDING)
        np.testing.assert_allclose(found.statistics["r_squared"], 1)
        assert set(found.outcome.codes) == {"converged"}
        assert (found.cost.evaluations <= 2 * _surrogate.FIRST_PAIRS).all()


@pytest.mark.parametrize("settings", [{}, {"adjusted": False, "tolerance": 0.01, "max_evaluations": 10**6}])
def test_the_product_of_two_is_shared_evenly(settings: dict) -> None:
    found = pellucid.explain(lambda points: points[:, 0] * points[:, 1], np.array([[3.0, 5.0]]), "lime", target=0, **settings)
    limit, _ = twins.lime_limit(lambda members: 15.0 * (len(members) == 2), 2, 0.25)
    assert limit[0] == pytest.approx(limit[1])
    np.testing.assert_allclose(found.values[0], limit, rtol=0.03 if settings else ROUNDING)
    assert found.statistics["tied"][0].tolist() == [True, False]


@pytest.mark.parametrize("features", [5, 12])
def test_a_constant_score_has_no_weights_and_no_complaint(features: int) -> None:
    found = pellucid.explain(lambda points: np.full(len(points), 0.1), np.ones((1, features)), "lime", target=0)
    np.testing.assert_allclose(found.values, 0, atol=ROUNDING)
    assert found.outcome.codes == ("exact" if features == 5 else "converged",)


@pytest.mark.parametrize("features", [6, 9])
def test_a_surrogate_that_cannot_fit_is_warned_of(features: int) -> None:
    def parity(points: np.ndarray) -> np.ndarray:
        return (points > 0.5).sum(axis=1) % 2.0

    found = pellucid.explain(parity, np.ones((1, features)), "lime", target=0, max_evaluations=600)
    assert found.statistics["r_squared"][0] < 0.7
    assert "poor_fit" in [check.code for check in found.outcome[0].checks]
    lenient = pellucid.explain(parity, np.ones((1, features)), "lime", target=0, max_evaluations=600, enough=0.0)
    assert "poor_fit" not in [check.code for check in lenient.outcome[0].checks]


@pytest.mark.parametrize("features", [6, 9])
def test_no_mask_is_scored_twice(features: int) -> None:
    seen = []
    x = np.random.default_rng(3).normal(size=(1, features)) + 1

    def counting(points: np.ndarray) -> np.ndarray:
        seen.extend(row.tobytes() for row in points)
        return bumpy(points)

    found = pellucid.explain(counting, x, "lime", target=0, tolerance=0.001, max_evaluations=2000)
    masked = seen[1:]
    assert len(masked) == len(set(masked)) == found.cost.evaluations[0] <= 2**features


def test_ridge_shrinks(x: np.ndarray) -> None:
    plain, shrunk = (pellucid.explain(bumpy, x, "lime", target=0, tolerance=0, max_evaluations=200, ridge=ridge) for ridge in (0.0, 300.0))
    assert (np.linalg.norm(shrunk.values, axis=1) < 0.8 * np.linalg.norm(plain.values, axis=1)).all()


BAD = [{"kernel_width": 0}, {"ridge": -1}, {"enough": 2}, {"top": 0}, {"confidence": 1.0}]


@pytest.mark.parametrize("settings", BAD)
def test_settings_out_of_range_are_refused(settings: dict, x: np.ndarray) -> None:
    with pytest.raises(SettingError, match="lime needs"):
        pellucid.explain(bumpy, x, "lime", target=0, **settings)


def test_controls_save_evaluations(wide_x: np.ndarray) -> None:
    background = np.random.default_rng(1).normal(size=(20, 12))
    for fill, tolerance in ((np.zeros((1, 12)), 0.05), (background, 0.15)):
        used = {
            adjusted: pellucid.explain(
                wide, wide_x, "lime", target=0, fill=fill, adjusted=adjusted, tolerance=tolerance, max_evaluations=10**6
            ).cost.evaluations.sum()
            for adjusted in (True, False)
        }
        assert used[True] < 0.65 * used[False]


# ---- what every sampling method must keep, where there are too many masks to take them all ---------------------------


def test_a_sample_is_explained_the_same_in_any_company_and_order(wide_x: np.ndarray) -> None:
    mixed = np.concatenate([wide_x, np.where(np.arange(12) < 9, wide_x, 0)])  # two numbers of live features
    for options in ({"tolerance": 0.05}, {"tolerance": 0.2, "background": np.random.default_rng(5).normal(size=(7, 12))}):
        together = pellucid.explain(wide, mixed, "lime", target=0, max_evaluations=10**5, **options)
        backwards = pellucid.explain(wide, mixed[::-1], "lime", target=0, max_evaluations=10**5, **options)[::-1]
        alone = pellucid.explain(wide, mixed[3:4], "lime", target=0, max_evaluations=10**5, **options)
        for other, rows in ((backwards, slice(None)), (alone, slice(3, 4))):
            np.testing.assert_allclose(other.values, together.values[rows], rtol=COMPANY, atol=COMPANY)
            np.testing.assert_allclose(other.error, together.error[rows], rtol=1e-4, atol=COMPANY)
            np.testing.assert_array_equal(other.cost.evaluations, together.cost.evaluations[rows])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(wide_x: np.ndarray) -> None:
    first, again, other = (pellucid.explain(wide, wide_x, "lime", target=0, seed=seed) for seed in (3, 3, 4))
    assert first.values.tobytes() == again.values.tobytes()
    assert first.error.tobytes() == again.error.tobytes()
    assert first.values.tobytes() != other.values.tobytes()


def test_the_global_random_state_is_left_alone(wide_x: np.ndarray) -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].tobytes()
    pellucid.explain(wide, wide_x, "lime", target=0)
    assert np.random.get_state()[1].tobytes() == before


def test_dummies_get_nothing_within_the_error(wide_x: np.ndarray) -> None:
    found = pellucid.explain(wide, wide_x, "lime", target=0)
    assert (np.abs(found.values[:, 10:]) <= 4 * found.error[:, 10:]).all()
    assert (found.error > 0).all()


def test_the_plain_regression_is_linear_in_the_model(wide_x: np.ndarray) -> None:
    work = {"target": 0, "tolerance": 0.0, "max_evaluations": 400, "adjusted": False}
    functions = (wide, bumpy, lambda points: 2 * wide(points) - 3 * bumpy(points))
    f, g, mixed = (pellucid.explain(function, wide_x, "lime", **work).values for function in functions)
    np.testing.assert_allclose(mixed, 2 * f - 3 * g, atol=ROUNDING)


# ---- the order of the strongest -------------------------------------------------------------------------------------

CLEAR = np.array([5.0, -4.0, 3.0, 2.0, 1.0, 0.1, 0.1, 0.1, 0.0])


def noisy(weights: np.ndarray, noise: float = 0.3):
    """A linear score and a fixed disturbance that depends on the whole input, of an order that no control knows."""
    frequency = 40 * np.random.default_rng(0).normal(size=len(weights))
    return lambda points: points @ weights + noise * np.sin(points @ frequency)


def test_the_order_is_settled_before_it_stops() -> None:
    found = pellucid.explain(noisy(CLEAR), np.ones((1, 9)), "lime", target=0, max_evaluations=10**5)
    assert found.outcome.codes == ("converged",)
    assert found.statistics["top"][0].tolist() == [0, 1, 2, 3, 4]
    assert (found.statistics["separated"] | found.statistics["tied"]).all()
    assert found.outcome[0].numbers["unsettled"] == 0
    assert "The strongest, in order at 95 % confidence: " in str(found.outcome[0])


HALFWAY = {"target": 0, "top": 1, "tolerance": 0.25, "confidence": 0.999}
"""The two strongest of `noisy(CLOSE, 3)` differ by half of what counts as a tie: the values are precise enough long before their order is clear."""
CLOSE = np.array([5.0, 3.9, *[0.0] * 8])


def test_it_goes_on_while_the_order_is_open_although_the_values_are_precise() -> None:
    score, x = noisy(CLOSE, 3.0), np.ones((1, 10))
    ordered = pellucid.explain(score, x, "lime", max_evaluations=10**5, **HALFWAY)
    plain = pellucid.explain(score, x, "lime", max_evaluations=10**5, **HALFWAY | {"confidence": 0.01})
    assert plain.statistics["relative_error"][0] <= 0.25
    assert ordered.cost.evaluations[0] > plain.cost.evaluations[0]
    assert ordered.outcome[0].stop.code == "converged"
    assert ordered.statistics["separated"].all() or ordered.statistics["tied"].all()


def test_what_is_not_settled_when_the_budget_ends_is_said() -> None:
    found = pellucid.explain(noisy(CLOSE, 3.0), np.ones((1, 10)), "lime", max_evaluations=200, **HALFWAY)
    check = found.outcome[0].stop
    assert check.code == "budget_exhausted"
    assert check.numbers["relative_error"] <= 0.25
    assert check.numbers["unsettled"] == 1
    assert "order not settled" in check.text
    assert "(not settled)" in check.text
    assert "max_evaluations" in check.advice


@pytest.mark.parametrize("features", [3, 9])
def test_top_is_clipped_to_the_features(features: int) -> None:
    found = pellucid.explain(lambda points: points @ CLEAR[:features], np.ones((1, features)), "lime", target=0, top=50)
    assert found.statistics["top"].shape == (1, features)
    assert found.statistics["top"][0, :3].tolist() == [0, 1, 2]


def test_dropped_features_are_not_ranked() -> None:
    x = np.array([[0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    found = pellucid.explain(lambda points: points.sum(axis=1), x, "lime", target=0)
    assert found.statistics["top"].tolist() == [[1, 3, -1, -1], [-1, -1, -1, -1]]
    assert [outcome.stop.code for outcome in found.outcome] == ["exact", "nothing_to_explain"]


def ranking(separated: list[bool], tied: list[bool]) -> Ranking:
    gaps = np.where(separated, 3.0, np.where(tied, 0.0, 0.9))
    return Ranking(np.arange(len(gaps) + 1), gaps, np.ones(len(gaps)), 1.0)


@pytest.mark.parametrize(
    ("separated", "tied", "words"),
    [
        ([1, 1], [0, 0], "a; b; the rest."),
        ([0, 1], [1, 0], "a and b (tied); the rest."),
        ([1, 0], [0, 1], "a; b and the next, c (tied)."),
        ([0, 0], [0, 1], "a and b and the next, c (not settled)."),
    ],
)
def test_the_order_in_words(separated: list, tied: list, words: str) -> None:
    found = order_in_words(["a", "b", "c"], ranking([bool(s) for s in separated], [bool(t) for t in tied]), 2, 0.9)
    assert found == f"The strongest, in order at 90 % confidence: {words}"


@pytest.mark.slow
def test_orders_said_to_be_separated_are_right_in_most_runs() -> None:
    """Over seeds, at the moment of stopping: a pair that is called separated stands in that order in the limit."""
    score, x = noisy(np.array([5.0, 4.6, 4.3, 2.0, 1.8, 1.7, 0.5, 0.4, 0.1]), 2.0), np.ones((1, 9))
    limit, _ = twins.lime_limit(twins.marginal_game(score, x[0], np.zeros((1, 9))), 9, 0.25)
    right, claims = 0, 0
    for seed in range(300):
        found = pellucid.explain(score, x, "lime", target=0, seed=seed, max_evaluations=500)
        order, separated = found.statistics["top"][0], found.statistics["separated"][0]
        strength = np.abs(limit)[order]
        wrong = (strength[:-1] <= strength[1:])[separated[:-1]].any()
        claims += int(separated[:-1].any())
        right += int(separated[:-1].any() and not wrong)
    assert claims > 250
    assert right / claims >= 0.95


# ---- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5])
def test_going_on_equals_going_through_and_evaluates_only_the_rest(rows: int, wide_x: np.ndarray) -> None:
    seen = []

    def counting(points: np.ndarray) -> np.ndarray:
        seen.extend(row.tobytes() for row in points)
        return wide(points)

    options = {"target": 0, "max_evaluations": 10**6, "fill": np.random.default_rng(1).normal(size=(rows, 12))}
    coarse = pellucid.explain(counting, wide_x, "lime", tolerance=0.1, **options)
    whole = pellucid.explain(wide, wide_x, "lime", tolerance=0.03, **options)
    masks = len(seen)
    fine = pellucid.explain(counting, wide_x, "lime", tolerance=0.03, resume=coarse, **options)
    np.testing.assert_allclose(fine.values, whole.values, rtol=COMPANY, atol=COMPANY)
    np.testing.assert_allclose(fine.error, whole.error, rtol=1e-4, atol=COMPANY)
    np.testing.assert_array_equal(fine.cost.evaluations, whole.cost.evaluations)
    assert (fine.cost.evaluations > coarse.cost.evaluations).all()
    assert len(seen) - masks - len(wide_x) == (fine.cost.evaluations - coarse.cost.evaluations).sum()
    met_by_all = len(wide_x) + rows * (len(wide_x) - 1)  # the inputs, scored by both calls, and the fill's rows, which are every sample's empty mask
    assert len(set(seen)) >= len(seen) - met_by_all


def test_going_on_with_a_larger_budget_and_with_nothing_more_to_do(wide_x: np.ndarray) -> None:
    short = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=300)
    whole = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=100_000)
    longer = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=100_000, resume=short)
    np.testing.assert_allclose(longer.values, whole.values, rtol=COMPANY, atol=COMPANY)
    again = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=100_000, resume=whole)
    np.testing.assert_allclose(again.values, whole.values, rtol=COMPANY, atol=COMPANY)
    np.testing.assert_array_equal(again.cost.evaluations, whole.cost.evaluations)


def test_samples_that_go_on_from_different_places_end_as_if_they_had_gone_through(wide_x: np.ndarray) -> None:
    short = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.1, max_evaluations=10**5)
    whole = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=10**5)
    assert len(set(short.state["pairs"].tolist())) > 1, "the test could not fail"
    longer = pellucid.explain(wide, wide_x, "lime", target=0, tolerance=0.02, max_evaluations=10**5, resume=short)
    np.testing.assert_allclose(longer.values, whole.values, rtol=COMPANY, atol=COMPANY)
    np.testing.assert_array_equal(longer.cost.evaluations, whole.cost.evaluations)


def test_the_state_is_plain_arrays_one_row_a_sample(x: np.ndarray, wide_x: np.ndarray) -> None:
    for found in (pellucid.explain(bumpy, x, "lime", target=0), pellucid.explain(wide, wide_x, "lime", target=0)):
        assert {len(array) for array in found.state.values()} == {len(found)}
        assert {array.dtype for array in found.state.values()} == {np.dtype(np.float64), np.dtype(np.int64)}


# ---- tables, and memory -----------------------------------------------------------------------------------------------


def test_a_table_with_a_background_as_people_know_it() -> None:
    generator = np.random.default_rng(4)
    background, row = generator.normal(size=(50, 8)), generator.normal(size=(1, 8)) + 1
    weights = np.array([3.0, -2.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    found = pellucid.explain(lambda points: points @ weights, row, "lime", target=0, features="columns", background=background, max_evaluations=10**5)
    np.testing.assert_allclose(found.values[0], weights * (row[0] - background.mean(axis=0)), atol=1e-6)
    assert found.outcome.codes == ("converged",)
    assert found.cost.evaluations[0] <= 300
    assert found.axes == ("sample", "columns")


def peak(masks: int, side: int, channels: int) -> int:
    image = np.random.default_rng(0).random((1, side, side, channels)).astype(np.float32)
    labels = (np.arange(side)[:, None] * 7 // side * 7 + np.arange(side) * 7 // side)[None, :, :, None]
    weights = np.random.default_rng(1).normal(size=image[0, ::7, ::7].size)

    def score(x: np.ndarray) -> np.ndarray:
        return np.tanh(x[:, ::7, ::7].reshape(len(x), -1) @ weights)

    tracemalloc.start()
    found = pellucid.explain(score, image, "lime", target=0, features=labels, tolerance=0.0, max_evaluations=masks)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.cost.evaluations[0] == masks
    return most


@pytest.mark.slow
@pytest.mark.parametrize(("side", "channels"), [(28, 1), (224, 3)])
def test_peak_memory_is_flat_from_500_to_5000_masks(side: int, channels: int) -> None:
    peak(200, side, channels)
    assert peak(5000, side, channels) <= FLAT * peak(500, side, channels)


def test_r_squared_with_a_background_is_that_of_the_mean_over_its_rows() -> None:
    """Single scores vary with the row, which is no fault of the line: their own R² is .71 here."""
    generator = np.random.default_rng(1)
    weights, bias, readout = generator.normal(size=(8, 6)), generator.normal(size=6), generator.normal(size=6)
    row, background = generator.normal(size=(1, 8)), generator.normal(size=(6, 8))

    def score(points: np.ndarray) -> np.ndarray:
        return np.tanh(points @ weights + bias) @ readout

    _, limit = twins.lime_limit(twins.marginal_game(score, row[0], background), 8, 0.25)
    found = [pellucid.explain(score, row, "lime", target=0, background=background, seed=seed).statistics["r_squared"][0] for seed in range(8)]
    assert np.mean(found) == pytest.approx(limit, abs=0.06)
