"""Interactions of pairs against the formula, games solved by hand and shapiq; drawn ones against the exact; what records do with a matrix."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import twins
import twins_groups
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coverage import BACKGROUNDS, FEATURES, POINT, bumpy, calibrate

import pellucid
from pellucid.core.errors import SettingError
from pellucid.maths.coalitions import all_coalitions
from pellucid.maths.interactions import arc_interactions, arcs, exact_interactions
from pellucid.methods.coalition import _interactions, _orders

ROUNDING = 1e-9
METHOD = "shapley_interactions"


def six(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x[:, 0] + x[:, 1] * x[:, 2]) + np.maximum(x[:, 3] * x[:, 4], 0) * x[:, 5] + 0.5 * x[:, 0] * x[:, 4] * x[:, 5]


def truth(v: twins_groups.Game, n: int) -> np.ndarray:
    """The twin's pairs with main effects on the diagonal: Shapley values less half of the pairs (Bordt & von Luxburg 2023)."""
    pairs = twins_groups.interactions(v, n)
    return pairs + np.diag(twins.shapley_by_coalitions(v, n) - pairs.sum(axis=1) / 2)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 6)) + 0.5


@pytest.fixture(scope="module")
def background() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 6))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No enumeration, however small the game."""
    monkeypatch.setattr(_interactions, "cost", lambda game, live: float("inf"))


def test_exact_values_are_those_of_the_formula(x: np.ndarray, background: np.ndarray) -> None:
    found = pellucid.explain(six, x, METHOD, target=0, background=background)
    expected = [truth(twins.marginal_game(six, one, background), 6) for one in x]
    np.testing.assert_allclose(found.values, expected, atol=ROUNDING)
    assert found.values.shape == found.error.shape == found.feature_mask.shape == (3, 6, 6)
    assert found.error_kind == "exact"
    assert not found.error.any()
    assert found.cost.evaluations.tolist() == [4 * (2**6 - 1)] * 3
    assert found.axes == ("sample", "columns", "other columns")


def test_shares_are_shapley_values_and_all_adds_up(x: np.ndarray, background: np.ndarray) -> None:
    found = pellucid.explain(six, x, METHOD, target=0, background=background)
    shares = pellucid.explain(six, x, "exact_shap", target=0, background=background)
    np.testing.assert_allclose(found.shares, shares.values, atol=ROUNDING)
    np.testing.assert_allclose(found.to_input(), shares.to_input(), atol=ROUNDING)
    whole = np.trace(found.values, axis1=1, axis2=2) + np.triu(found.values, 1).sum(axis=(1, 2))
    np.testing.assert_allclose(whole, found.score - found.baseline_score, atol=ROUNDING)


def test_known_games() -> None:
    # a product stands at its pair; unanimity of three divides among its pairs by 1/(3 − 2 + 1); a sum has no pairs
    cases = [
        (lambda p: p[:, 0] * p[:, 1] + 2 * p[:, 2], [[0, 15, 0], [15, 0, 0], [0, 0, 14]]),
        (lambda p: p[:, 0] * p[:, 1] * p[:, 2], np.full((3, 3), 105 / 2) - np.eye(3) * (105 / 2 + 105 / 6)),
        (lambda p: p @ [1.0, 2.0, 3.0], np.diag([3.0, 10.0, 21.0])),
    ]
    for score, expected in cases:
        found = pellucid.explain(score, np.array([[3.0, 5.0, 7.0]]), METHOD, target=0, fill=0)
        np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)
    single = pellucid.explain(lambda p: 2 * p[:, 0], np.array([[3.0]]), METHOD, target=0, fill=0)
    assert single.values.tolist() == [[[6.0]]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_dummies_symmetry_and_linearity_in_random_games(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=(2, 2, 2, 2, 2, 2))
    for table in (first, second):
        table[..., 1] = table[..., 0]  # feature 4 does nothing
        table += table.swapaxes(0, 1).copy()  # features 0 and 1 are alike

    def play(table: np.ndarray) -> np.ndarray:
        return pellucid.explain(lambda p: table[tuple(p.astype(int).T)], np.ones((1, 5)), METHOD, target=0, fill=0).values[0]

    found = play(first)
    np.testing.assert_array_equal(found, found.T)
    assert np.abs(found[4]).max() <= ROUNDING
    np.testing.assert_allclose(found[0, 2:], found[1, 2:], atol=ROUNDING)
    assert found[0, 0] == pytest.approx(found[1, 1], abs=ROUNDING)
    np.testing.assert_allclose(play(2 * first - 3 * second), 2 * found - 3 * play(second), atol=ROUNDING)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_circular_orders_are_right_on_average_and_each_adds_up(n: int) -> None:
    table = np.random.default_rng(n).normal(size=2**n)
    places = np.array(list(permutations(range(n))))
    scores = table[arcs(places) @ (1 << np.arange(n))]
    found = arc_interactions(places, scores, np.full(len(places), table[0]), float(table[-1]))
    np.testing.assert_allclose(found.mean(axis=0), exact_interactions(table, n), atol=ROUNDING)
    whole = np.trace(found, axis1=1, axis2=2) + np.triu(found, 1).sum(axis=(1, 2))
    np.testing.assert_allclose(whole, table[-1] - table[0], atol=ROUNDING)
    np.testing.assert_array_equal(all_coalitions(n)[1] @ (1 << np.arange(n)), 1)


@pytest.mark.usefixtures("drawing")
def test_drawn_values_are_near_the_exact_ones_and_add_up(x: np.ndarray, background: np.ndarray) -> None:
    expected = np.array([truth(twins.marginal_game(six, one, background), 6) for one in x])
    found = pellucid.explain(six, x, METHOD, target=0, background=background, tolerance=0.05)
    assert set(found.outcome.codes) == {"converged"}
    assert found.error_kind == "standard_error"
    np.testing.assert_array_equal(found.values, found.values.transpose(0, 2, 1))
    off = np.linalg.norm((found.values - expected).reshape(3, -1), axis=1) / np.linalg.norm(expected.reshape(3, -1), axis=1)
    assert (off <= 0.075).all()
    assert (off > 1e-6).all(), "drawn, not enumerated"
    np.testing.assert_allclose(found.shares.sum(axis=1), found.score - found.baseline_score, atol=ROUNDING)


@pytest.mark.usefixtures("drawing")
def test_going_on_gives_what_going_through_would(x: np.ndarray, background: np.ndarray) -> None:
    points, rows = x.copy(), background.copy()
    rows[:, :2] = points[1, :2]  # sample 1 has four features that matter
    coarse = pellucid.explain(six, points, METHOD, target=0, background=rows, tolerance=0.3)
    fine = coarse.refine(tolerance=0.005)
    through = pellucid.explain(six, points, METHOD, target=0, background=rows, tolerance=0.005)
    assert fine.statistics["live_features"].tolist() == [6, 4, 6]
    np.testing.assert_allclose(fine.values, through.values, atol=ROUNDING)
    np.testing.assert_allclose(fine.error, through.error, atol=ROUNDING)
    assert (fine.error[0] < 0.5 * coarse.error[0]).any()
    np.testing.assert_allclose(coarse[1:2].refine(tolerance=0.005).values, through.values[1:2], atol=ROUNDING)


def wide(points: np.ndarray) -> np.ndarray:
    return np.tanh(points[:, :8].sum(axis=1) / 2) + points[:, 0] * points[:, 1] + 0.3 * points[:, 8:].sum(axis=1)


def test_many_features_are_drawn_and_what_drawing_cannot_meet_for_less_is_enumerated() -> None:
    point = np.random.default_rng(2).normal(size=(1, 16))
    drawn = pellucid.explain(wide, point, METHOD, target=0, fill=0, tolerance=0.2)
    assert drawn.outcome.codes == ("converged",)
    assert drawn.cost.evaluations[0] < 2**16 - 1
    exact = pellucid.explain(wide, point, METHOD, target=0, fill=0, tolerance=1e-6)
    assert exact.outcome.codes == ("exact",)
    assert exact.cost.evaluations[0] == 2**16 - 1
    assert np.linalg.norm(drawn.values - exact.values) <= 0.2 * np.linalg.norm(exact.values)
    ended = pellucid.explain(wide, point, METHOD, target=0, fill=0, tolerance=1e-6, max_evaluations=20_000)
    assert ended.outcome.codes == ("budget_exhausted",)
    assert ended.cost.evaluations[0] <= 20_000
    with pytest.raises(SettingError, match="first look at 32 circular orders of 16 features"):
        pellucid.explain(wide, point, METHOD, target=0, fill=0, max_evaluations=3000)


@pytest.mark.usefixtures("drawing")
def test_work_in_small_pieces_gives_the_same_values(monkeypatch: pytest.MonkeyPatch, x: np.ndarray) -> None:
    whole = pellucid.explain(six, x, METHOD, target=0, fill=0)
    monkeypatch.setattr(_orders, "NUMBERS_AT_ONCE", 200)
    pieces = pellucid.explain(six, x, METHOD, target=0, fill=0)
    np.testing.assert_allclose(pieces.values, whole.values, atol=ROUNDING)
    backwards = pellucid.explain(six, x[::-1], METHOD, target=0, fill=0)[::-1]
    np.testing.assert_allclose(backwards.values, whole.values, atol=ROUNDING)


@pytest.mark.usefixtures("drawing")
def test_another_seed_gives_other_draws_and_the_same_seed_the_same_bytes(x: np.ndarray) -> None:
    first, again, other = (pellucid.explain(six, x, METHOD, target=0, fill=0, seed=seed).values.tobytes() for seed in (3, 3, 4))
    assert first == again != other


def test_features_equal_to_their_fill_have_no_part() -> None:
    found = pellucid.explain(six, np.array([[1.0, 0.0, 2.0, 0.0, 0.0, 3.0]]), METHOD, target=0, fill=0)
    assert not found.values[0, [1, 3, 4]].any()
    assert not found.values[0, :, [1, 3, 4]].any()
    assert found.cost.evaluations.tolist() == [2**3 - 1]
    assert pellucid.explain(six, np.zeros((1, 6)), METHOD, target=0, fill=0).outcome.codes == ("nothing_to_explain",)


def test_a_record_of_pairs_names_ranks_keeps_and_joins_them(x: np.ndarray, tmp_path: Path) -> None:
    found = pellucid.explain(lambda p: p[:, 0] * p[:, 1] * 9 + p[:, 2] - p[:, 5], np.ones((2, 6)), METHOD, target=0, fill=0)
    ranking = found.strongest(3)
    assert ranking.names == ("column 0 × column 1", "column 2", "column 5")
    np.testing.assert_allclose(ranking.values, [9, 1, -1], atol=ROUNDING)
    assert found.feature_name(1) == found.feature_name(6) == "column 0 × column 1"
    pellucid.save(found, tmp_path / "pairs.safetensors")
    (loaded,) = pellucid.load(tmp_path / "pairs.safetensors")
    np.testing.assert_array_equal(loaded.values, found.values)
    np.testing.assert_array_equal(pellucid.concat([loaded[0], loaded[1]]).shares, found.shares)


def test_samples_with_fewer_superpixels_are_padded_and_masked() -> None:
    labels = np.stack([np.arange(6), np.minimum(np.arange(6), 3)])
    found = pellucid.explain(six, np.ones((2, 6)), METHOD, target=0, fill=0, features=labels)
    assert found.feature_mask[1].sum() == 16
    assert not found.values[1][~found.feature_mask[1]].any()


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(("name", "draws"), [("one fill", 32), ("6 rows", 36), ("40 rows", 80)])
def test_no_stop_before_thirty_draws_nor_long_after(name: str, draws: int) -> None:
    found = pellucid.explain(bumpy, POINT, METHOD, target=0, fill=BACKGROUNDS[name], tolerance=5.0, max_evaluations=10**6)
    assert found.outcome.codes == ("converged",)
    assert found.state["counts"][0, 0] == draws


CASES = [
    pytest.param("one fill", 0.02, 200, marks=pytest.mark.slow),
    pytest.param("one fill", 0.01, 200, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.2, 300, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.1, 200, marks=pytest.mark.slow),
    pytest.param("40 rows", 0.15, 200, marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(("name", "tolerance", "seeds"), CASES)
def test_drawn_values_state_their_error_rightly_when_they_stop(name: str, tolerance: float, seeds: int) -> None:
    expected = truth(twins.marginal_game(bumpy, POINT[0], BACKGROUNDS[name]), FEATURES).reshape(1, -1)
    runs = [
        pellucid.explain(bumpy, POINT, METHOD, target=0, fill=BACKGROUNDS[name], tolerance=tolerance, seed=seed, max_evaluations=10**6) for seed in range(seeds)
    ]
    found = calibrate([replace(run, values=run.values.reshape(1, -1), error=run.error.reshape(1, -1)) for run in runs], expected)
    found.check(tolerance)
    assert np.median(found.relative) >= 0.25 * tolerance


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning:(shapiq|sklearn|networkx|tqdm|scipy)")
def test_exact_values_are_those_of_shapiq(x: np.ndarray, background: np.ndarray) -> None:
    shapiq = pytest.importorskip("shapiq")
    v = twins.marginal_game(six, x[0], background)
    exact = shapiq.ExactComputer(lambda coalitions: np.array([v(np.flatnonzero(row).tolist()) for row in coalitions]), n_players=6)
    index, main = exact("SII", order=2), exact("k-SII", order=2)
    found = pellucid.explain(six, x[:1], METHOD, target=0, background=background).values[0]
    for i in range(6):
        assert found[i, i] == pytest.approx(main[(i,)], abs=ROUNDING)
        for j in range(i + 1, 6):
            assert found[i, j] == pytest.approx(index[(i, j)], abs=ROUNDING) == pytest.approx(main[(i, j)], abs=ROUNDING)
