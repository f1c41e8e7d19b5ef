"""Owen values against every order that the hierarchy allows, Owen's formula and games solved by hand; sampling against enumeration; shap's explainer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import twins
import twins_groups
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coverage import BACKGROUNDS, FEATURES, POINT, bumpy, calibrate

import pellucid
from pellucid.core.errors import SettingError
from pellucid.maths import hierarchy
from pellucid.methods.coalition import _orders, _partition

ROUNDING = 1e-9
TREES = ([[0, 1], [2, [3, 4]], 5], [0, 1, 2, 3, 4, 5], [[[[[0, 5], 4], 3], 2], 1], [[0, 3, 5], [1, 2, 4]])


def six(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x[:, 0] + x[:, 1] * x[:, 2]) + np.maximum(x[:, 3] * x[:, 4], 0) * x[:, 5] + 0.5 * x[:, 0] * x[:, 4] * x[:, 5]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 6)) + 0.5


@pytest.fixture(scope="module")
def background() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 6))


def test_the_twins_agree(x: np.ndarray, background: np.ndarray) -> None:
    v = twins.marginal_game(six, x[0], background)
    groups = [[0, 3, 5], [1, 2, 4]]
    np.testing.assert_allclose(twins_groups.owen(v, groups, 6), twins_groups.owen_by_coalitions(v, groups, 6), atol=ROUNDING)
    np.testing.assert_allclose(twins_groups.owen(v, list(range(6)), 6), twins.shapley_by_coalitions(v, 6), atol=ROUNDING)


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_exact_values_are_those_of_all_orders_at_the_cost_that_was_counted(tree: list, x: np.ndarray, background: np.ndarray) -> None:
    found = pellucid.explain(six, x, "partition_shap", target=0, background=background, hierarchy=tree)
    expected = [twins_groups.owen(twins.marginal_game(six, one, background), tree, 6) for one in x]
    np.testing.assert_allclose(found.values, expected, atol=ROUNDING)
    assert found.error_kind == "exact"
    assert not found.error.any()
    assert found.cost.evaluations.tolist() == [4 * (twins_groups.coalitions_met(tree) - 1)] * 3
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=ROUNDING)


def test_no_coalition_is_scored_twice(x: np.ndarray, background: np.ndarray) -> None:
    seen = []

    def counting(points: np.ndarray) -> np.ndarray:
        seen.extend(row.tobytes() for row in points)
        return six(points)

    found = pellucid.explain(counting, x[:1], "partition_shap", target=0, background=background, hierarchy=TREES[0])
    assert len(seen) - 1 == len(set(seen)) - 1 == found.cost.evaluations[0]


def test_a_flat_hierarchy_gives_shapley_values_and_an_additive_model_the_same_under_any(x: np.ndarray, background: np.ndarray) -> None:
    flat = pellucid.explain(six, x, "partition_shap", target=0, background=background, hierarchy=list(range(6)))
    np.testing.assert_allclose(flat.values, pellucid.explain(six, x, "exact_shap", target=0, background=background).values, atol=ROUNDING)
    weights = np.array([1.0, -2.0, 3.0, 0.5, 0.0, 4.0])
    for tree in TREES:
        found = pellucid.explain(lambda points: points @ weights, x, "partition_shap", target=0, background=background, hierarchy=tree)
        np.testing.assert_allclose(found.values, weights * (x - background.mean(axis=0)), atol=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_groups_get_their_share_dummies_nothing_and_twins_the_same_in_random_games_under_random_trees(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tree = _random_tree(generator, list(range(5)))
    table = generator.normal(size=2**5)
    table = table.reshape(2, 2, 2, 2, 2)
    table[:, :, :, :, 1] = table[:, :, :, :, 0]  # feature 4 does nothing

    def game(points: np.ndarray) -> np.ndarray:
        return table[tuple(points.astype(int).T)]

    found = pellucid.explain(game, np.ones((1, 5)), "partition_shap", target=0, fill=0, hierarchy=tree).values[0]
    expected = twins_groups.owen(twins.marginal_game(game, np.ones(5), np.zeros((1, 5))), tree, 5)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    assert abs(found[4]) <= ROUNDING
    assert found.sum() == pytest.approx(table[1, 1, 1, 1, 1] - table[0, 0, 0, 0, 0], abs=ROUNDING)
    quotient = pellucid.explain(game, np.ones((1, 5)), "exact_shap", target=0, fill=0, features=_top_groups(tree)).values[0]
    np.testing.assert_allclose([found[_top_groups(tree) == g].sum() for g in range(len(quotient))], quotient, atol=ROUNDING)


def _random_tree(generator: np.random.Generator, leaves: list[int]) -> list:
    if len(leaves) == 1:
        return leaves
    cuts = np.sort(generator.choice(np.arange(1, len(leaves)), generator.integers(1, len(leaves)), replace=False))
    parts = np.split(generator.permutation(leaves), cuts)
    return [int(part[0]) if len(part) == 1 else _random_tree(generator, part.tolist()) for part in parts]


def _top_groups(tree: list) -> np.ndarray:
    groups = np.zeros(5, int)
    for number, part in enumerate(tree):
        groups[list(next(twins_groups.orders(part)))] = number
    return groups


def test_twins_in_one_group_get_the_same() -> None:
    found = pellucid.explain(lambda p: np.tanh(p[:, 0] + p[:, 1]) * p[:, 2], np.ones((1, 3)), "partition_shap", target=0, fill=0, hierarchy=[[0, 1], 2])
    assert found.values[0, 0] == pytest.approx(found.values[0, 1], abs=ROUNDING)
    assert abs(found.values[0, 0]) > 0.1


def test_features_equal_to_their_fill_are_dropped_from_the_hierarchy() -> None:
    point = np.array([[1.0, 0.0, 2.0, 0.0, 0.0, 3.0]])
    found = pellucid.explain(six, point, "partition_shap", target=0, fill=0, hierarchy=TREES[0])
    expected = twins_groups.owen(twins.marginal_game(six, point[0], np.zeros((1, 6))), TREES[0], 6)
    np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)
    assert found.cost.evaluations[0] == 2**3 - 1
    blank = pellucid.explain(six, np.zeros((1, 6)), "partition_shap", target=0, fill=0)
    assert blank.outcome.codes == ("nothing_to_explain",)
    assert blank.cost.evaluations.tolist() == [0]


def test_random_orders_respect_the_tree_and_are_all_alike() -> None:
    tree = [[0, 1], [2, [3, 4]]]
    allowed = {tuple(order) for order in twins_groups.orders(tree)}
    ranks = hierarchy.from_nested(((0, 1), (2, (3, 4)))).ranks(np.random.default_rng(0), 16_000)
    counts: dict[tuple[int, ...], int] = {}
    for order in np.argsort(ranks, axis=1):
        counts[tuple(int(i) for i in order)] = counts.get(tuple(int(i) for i in order), 0) + 1
    assert set(counts) == allowed
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_hierarchies_of_places_columns_and_linkages() -> None:
    grid = hierarchy.by_place(np.array([[r, c] for r in range(2) for c in range(4)], dtype=float))
    groups = {tuple(np.flatnonzero(row)) for row in grid.members[8:]}
    assert groups == {(0, 1), (4, 5), (2, 3), (6, 7), (0, 1, 4, 5), (2, 3, 6, 7), tuple(range(8))}
    assert hierarchy.by_place(np.zeros((5, 1))).coalitions == twins_groups.coalitions_met([[0, 1], [2, [3, 4]]])
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(50, 4))
    rows[:, 3] = -rows[:, 0] + 0.1 * generator.normal(size=50)
    joined = hierarchy.by_correlation(np.column_stack([rows, np.ones(50)]), [np.array([j]) for j in range(5)])
    assert joined.children[0] == (0, 3)
    assert hierarchy.from_linkage(np.array([[0, 2, 1, 2], [1, 3, 1, 3]])).children == ((0, 2), (1, 3))


def test_the_hierarchy_follows_the_input(x: np.ndarray) -> None:
    many = np.random.default_rng(2).normal(size=(30, 6))
    many[:, 5] = many[:, 0]
    found = pellucid.explain(six, x, "partition_shap", target=0, background=many, max_evaluations=10_000)
    assert found.provenance["resolved"]["hierarchy"] == "correlation of the background's columns"
    np.testing.assert_allclose(
        found.values[0],
        twins_groups.owen(twins.marginal_game(six, x[0], many), _as_lists(hierarchy.by_correlation(many, [np.array([j]) for j in range(6)])), 6),
        atol=ROUNDING,
    )
    plain = pellucid.explain(six, x, "partition_shap", target=0, fill=0)
    np.testing.assert_allclose(
        plain.values[0], twins_groups.owen(twins.marginal_game(six, x[0], np.zeros((1, 6))), [[[0, 1], 2], [[3, 4], 5]], 6), atol=ROUNDING
    )


def _as_lists(tree: hierarchy.Hierarchy, node: int | None = None) -> list | int:
    node = tree.root if node is None else node
    return node if node < tree.leaves else [_as_lists(tree, child) for child in tree.children[node - tree.leaves]]


def test_names_and_linkages_serve_as_hierarchies(x: np.ndarray) -> None:
    by_number = pellucid.explain(six, x, "partition_shap", target=0, fill=0, hierarchy=[[0, 1], [2, [3, [4, 5]]]])
    by_name = pellucid.explain(six, x, "partition_shap", target=0, fill=0, hierarchy=[["column 0", "column 1"], ["column 2", [3, ["column 4", 5]]]])
    matrix = np.array([[4, 5, 1, 2], [3, 6, 1, 3], [2, 7, 1, 4], [0, 1, 1, 2], [9, 8, 1, 6]], dtype=float)
    by_linkage = pellucid.explain(six, x, "partition_shap", target=0, fill=0, hierarchy=matrix)
    np.testing.assert_allclose(by_name.values, by_number.values, atol=ROUNDING)
    np.testing.assert_allclose(by_linkage.values, by_number.values, atol=ROUNDING)


@pytest.mark.parametrize(
    ("given_tree", "words"),
    [
        ([[0, 1], [2, 3]], "missing are"),
        ([[0, 1], [2, 3, 4, 5, 5]], "twice"),
        ([[0, 1], [2, 3, 4, "age"]], "holds 'age'"),
        (np.zeros((3, 4)), r"expected \(5, 4\)"),
        (np.zeros((5, 4)), "no linkage"),
    ],
)
def test_a_wrong_hierarchy_is_said(given_tree: object, words: str, x: np.ndarray) -> None:
    with pytest.raises(SettingError, match=words):
        pellucid.explain(six, x, "partition_shap", target=0, fill=0, hierarchy=given_tree)


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No enumeration, however small the game."""
    monkeypatch.setattr(_partition, "cost", lambda game, tree: float("inf"))


LARGE = [[[0, 1, 2], [3, 4]], [5, [6, 7, 8, [9]]]]


def test_pieces_do_not_matter(monkeypatch: pytest.MonkeyPatch, x: np.ndarray, background: np.ndarray) -> None:
    def explained() -> pellucid.Explanation:
        return pellucid.explain(six, x, "partition_shap", target=0, background=background, hierarchy=TREES[2])

    whole = explained()
    with monkeypatch.context() as small:
        small.setattr(_partition, "NUMBERS_AT_ONCE", 50)
        pieces = explained()
    np.testing.assert_allclose(pieces.values, whole.values, atol=ROUNDING)
    assert pieces.cost.evaluations.tolist() == whole.cost.evaluations.tolist()
    monkeypatch.setattr(_partition, "cost", lambda game, tree: float("inf"))
    drawn = explained()
    monkeypatch.setattr(_orders, "NUMBERS_AT_ONCE", 50)
    again = explained()
    np.testing.assert_allclose(again.values, drawn.values, atol=ROUNDING)
    assert again.cost.evaluations.tolist() == drawn.cost.evaluations.tolist()
    assert np.abs(drawn.values - whole.values).max() > 1e-6, "drawn, not enumerated"


@pytest.mark.usefixtures("drawing")
def test_drawn_values_are_near_the_exact_ones_and_add_up(x: np.ndarray, background: np.ndarray) -> None:
    expected = np.array([twins_groups.owen(twins.marginal_game(six, one, background), TREES[0], 6) for one in x])
    found = pellucid.explain(six, x, "partition_shap", target=0, background=background, hierarchy=TREES[0], tolerance=0.05)
    assert set(found.outcome.codes) == {"converged"}
    assert found.error_kind == "standard_error"
    assert found.provenance["resolved"]["estimator"] == "orders"
    off = np.linalg.norm(found.values - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert (off <= 0.075).all()
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=ROUNDING)


@pytest.mark.usefixtures("drawing")
def test_going_on_gives_what_going_through_would(x: np.ndarray, background: np.ndarray) -> None:
    points = x.copy()
    points[1, :2], rows = background[0, :2], np.repeat(background[:1], 4, axis=0)  # sample 1 has four features that matter
    call = {"target": 0, "background": rows + 0.1 * (background - background[:1]) * [0, 0, 1, 1, 1, 1], "hierarchy": TREES[0]}
    coarse = pellucid.explain(six, points, "partition_shap", **call, tolerance=0.3)
    fine = coarse.refine(tolerance=0.02)
    through = pellucid.explain(six, points, "partition_shap", **call, tolerance=0.02)
    assert (fine.statistics["live_features"] == [6, 4, 6]).all()
    np.testing.assert_allclose(fine.values, through.values, atol=ROUNDING)
    np.testing.assert_allclose(fine.error, through.error, atol=ROUNDING)
    assert (fine.cost.evaluations > coarse.cost.evaluations).any()
    alone = coarse[1:2].refine(tolerance=0.02)
    np.testing.assert_allclose(alone.values, through.values[1:2], atol=ROUNDING)


def test_a_hierarchy_too_large_for_the_budget_is_drawn_and_a_budget_too_small_for_that_is_refused() -> None:
    generator = np.random.default_rng(4)
    point, weights = generator.normal(size=(1, 24)), generator.normal(size=24)

    def wide(points: np.ndarray) -> np.ndarray:
        return np.tanh(points @ weights) + points[:, 0] * points[:, 23]

    found = pellucid.explain(wide, point, "partition_shap", target=0, fill=0, hierarchy=list(range(24)), tolerance=0.1)
    assert found.outcome.codes == ("converged",)
    assert found.cost.evaluations[0] <= 50_000
    ended = pellucid.explain(wide, point, "partition_shap", target=0, fill=0, hierarchy=list(range(24)), tolerance=1e-4, max_evaluations=3000)
    assert ended.outcome.codes == ("budget_exhausted",)
    assert ended.cost.evaluations[0] <= 3000
    with pytest.raises(SettingError, match="first look at 32 pairs of orders of 24 features"):
        pellucid.explain(wide, point, "partition_shap", target=0, fill=0, hierarchy=list(range(24)), max_evaluations=1000)


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(("name", "draws"), [("one fill", 32), ("6 rows", 36), ("40 rows", 80)])
def test_no_stop_before_thirty_draws_nor_long_after(name: str, draws: int) -> None:
    found = pellucid.explain(bumpy, POINT, "partition_shap", target=0, fill=BACKGROUNDS[name], hierarchy=LARGE, tolerance=5.0, max_evaluations=10**6)
    assert found.outcome.codes == ("converged",)
    assert found.state["counts"][0, 0] == draws


CASES = [
    ("one fill", 0.05, 200),
    pytest.param("one fill", 0.02, 300, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.1, 300, marks=pytest.mark.slow),
    pytest.param("6 rows", 0.05, 300, marks=pytest.mark.slow),
    pytest.param("40 rows", 0.05, 300, marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(("name", "tolerance", "seeds"), CASES)
def test_drawn_values_state_their_error_rightly_when_they_stop(name: str, tolerance: float, seeds: int) -> None:
    truth = twins_groups.owen(twins.marginal_game(bumpy, POINT[0], BACKGROUNDS[name]), LARGE, FEATURES)[None]
    made = [
        pellucid.explain(
            bumpy, POINT, "partition_shap", target=0, fill=BACKGROUNDS[name], hierarchy=LARGE, tolerance=tolerance, seed=seed, max_evaluations=10**6
        )
        for seed in range(seeds)
    ]
    found = calibrate(made, truth)
    found.check(tolerance)
    assert np.median(found.relative) >= 0.25 * tolerance


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(shap|numba|sklearn|tqdm|slicer|IPython)")
@pytest.mark.filterwarnings("ignore::FutureWarning:(shap|sklearn)")
def test_exact_values_are_those_of_shaps_partition_explainer() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
    generator = np.random.default_rng(3)
    x, background = generator.normal(size=(2, 6)), generator.normal(size=(12, 6))
    masker = shap.maskers.Partition(background, max_samples=100, clustering="correlation")
    theirs = shap.PartitionExplainer(six, masker)(x, max_evals=10_000, silent=True)
    ours = pellucid.explain(six, x, "partition_shap", target=0, background=background, hierarchy=masker.clustering)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-6)
