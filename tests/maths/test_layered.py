"""Graphs laid out in rows: every edge goes down, nodes of a row keep their distance, crossings that need not be are not there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.optimize

from pellucid.maths.layered import THIN, layered, rising

DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3)]


def spaced(found) -> bool:
    rows = [np.sort(found.x[found.row == row]) for row in range(int(found.row.max()) + 1)]
    return all((np.diff(row) >= 1 - 1e-9).all() for row in rows)


def crossings(found, edges) -> int:
    """Pairs of edges between the same two rows whose ends are in another order below than above."""
    pieces = [piece for route in found.routes for piece in itertools.pairwise(route)]
    total = 0
    for ((r0, a0), (_, a1)), ((s0, b0), (_, b1)) in itertools.combinations(pieces, 2):
        total += r0 == s0 and (a0 - b0) * (a1 - b1) < 0
    return total


def test_rows_are_the_longest_paths() -> None:
    found = layered(5, [*DIAMOND, (0, 3), (3, 4)])
    assert found.row.tolist() == [0, 1, 1, 2, 3]
    assert spaced(found)
    assert [row for row, _ in found.routes[4]] == [0, 1, 2]  # the edge that skips a row passes through it


def test_a_chain_is_a_straight_line() -> None:
    found = layered(6, list(itertools.pairwise(range(6))))
    assert found.row.tolist() == list(range(6))
    assert np.ptp(found.x) < 1e-9


def test_skips_go_round_and_do_not_move_the_way_that_they_skip() -> None:
    """Five residual blocks: the blocks stay below each other, and no line goes through a box."""
    edges = [
        edge
        for block in range(5)
        for edge in ((3 * block, 3 * block + 1), (3 * block + 1, 3 * block + 2), (3 * block + 2, 3 * block + 3), (3 * block, 3 * block + 3))
    ]
    found = layered(16, edges)
    assert np.ptp(found.x) < 0.3
    for (start, stop), route in zip(edges, found.routes, strict=True):
        for row, x in route[1:-1]:
            assert np.abs(found.x[found.row == row] - x).min() >= (1 + THIN) / 2 - 1e-9, (start, stop)


@pytest.mark.parametrize(("blocks", "depth"), [(3, 2), (16, 3)])
def test_residual_blocks_stand_below_each_other(blocks: int, depth: int) -> None:
    edges, last = [], 0
    for _ in range(blocks):
        first, inner = last, list(range(last + 1, last + depth + 2))
        edges += [*itertools.pairwise([first, *inner]), (first, inner[-1])]
        last = inner[-1]
    found = layered(last + 1, edges)
    assert np.ptp(found.x) < 0.005  # of a node's width: less than a pixel
    assert max(x for route in found.routes for _row, x in route) > 0.6  # what skips goes round


def test_layers_on_the_way_round_do_not_move_the_main_line() -> None:
    """Twelve blocks of two layers with one on the shortcut, as where a projection stands there: the main line went half a node aside at each."""
    edges = [(4 * block + start, 4 * block + stop) for block in range(12) for start, stop in ((0, 1), (1, 2), (2, 4), (0, 3), (3, 4))]
    found = layered(49, edges)
    assert np.ptp(np.delete(found.x, np.arange(3, 49, 4))) < 0.05
    assert np.ptp(found.x) < 1.1


def test_crossings_that_need_not_be_are_taken_out() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.permutation(6)
    edges = [(0, 1 + k) for k in range(6)] + [(1 + k, 7 + int(mixed[k])) for k in range(6)]
    assert crossings(layered(13, edges), edges) == 0


def test_a_circle_is_drawn_and_a_loop_too() -> None:
    found = layered(3, [(0, 1), (1, 2), (2, 1), (1, 1)])
    assert found.row.tolist() == [0, 1, 2]
    assert len(found.routes) == 4


def test_nothing_and_one() -> None:
    assert layered(0, []).x.shape == (0,)
    assert layered(1, []).x.tolist() == [0.0]


@pytest.mark.skipif(not hasattr(scipy.optimize, "isotonic_regression"), reason="SciPy has it from 1.12")
def test_rising_is_isotonic_regression() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 17):
        values, weights = rng.normal(size=size), rng.uniform(0.05, 2, size)
        np.testing.assert_allclose(rising(values, weights), scipy.optimize.isotonic_regression(values, weights=weights).x, atol=1e-12)
