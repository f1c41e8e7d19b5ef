"""Hierarchies as arrays: numbering, restriction, counting, and the coalitions met."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.hierarchy import Hierarchy, by_correlation, by_place, from_nested

MOST = 10**6


def test_nested_tuples_are_numbered_with_children_first_and_single_ones_opened() -> None:
    tree = from_nested((((0, 3),), (1, (2,), 4)))
    assert tree == Hierarchy(5, ((0, 3), (1, 2, 4), (5, 6)))
    assert tree.members[5:].tolist() == [[1, 0, 0, 1, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]]
    np.testing.assert_allclose(tree.portions[tree.root], [1 / 4, 1 / 6, 1 / 6, 1 / 4, 1 / 6])
    assert from_nested(0) == from_nested(((0,),)) == Hierarchy(1, ())


def test_restriction_drops_leaves_and_collapses_nodes() -> None:
    tree = from_nested(((0, 3), (1, 2, 4)))
    assert tree.restricted(np.array([0, 2, 4])) == Hierarchy(3, ((1, 2), (0, 3)))
    assert tree.restricted(np.array([3])) == Hierarchy(1, ())
    assert tree.restricted(np.array([], int)) == Hierarchy(0, ())


@pytest.mark.parametrize("most", [1, 20, MOST])
def test_every_coalition_is_met_once_in_pieces_of_any_size(most: int) -> None:
    tree = from_nested(((0, 1), (2, (3, 4), 5), 6))
    met = np.concatenate([part.coalitions for part in tree.contexts(most)])
    assert len(met) == len(np.unique(met, axis=0)) == tree.coalitions - 2
    assert not (met.all(axis=1) | ~met.any(axis=1)).any()


def test_the_cost_of_a_balanced_tree_is_two_thirds_of_a_square() -> None:
    for side in (4, 8, 16):
        grid = by_place(np.stack(np.mgrid[:side, :side], axis=-1).reshape(-1, 2).astype(float))
        assert grid.coalitions == 2 + 2 * (side**4 - 1) / 3
    assert from_nested(tuple(range(21))).coalitions == np.inf
    assert from_nested(tuple(range(20))).coalitions == 2**20


def test_one_feature_is_a_hierarchy() -> None:
    for tree in (by_place(np.zeros((1, 2))), by_correlation(np.zeros((12, 1)), [np.array([0])])):
        assert tree == Hierarchy(1, ())
        assert tree.coalitions == 2
        assert list(tree.contexts(MOST)) == []
        assert tree.ranks(np.random.default_rng(0), 3).tolist() == [[0], [0], [0]]
