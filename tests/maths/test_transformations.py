"""Shifts, rotations and scalings as linear operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from pellucid.maths.transformations import Moves, Resampling, resampled


@pytest.mark.parametrize("grid", [(9,), (7, 8), (4, 5, 6)])
def test_the_transpose_is_exact(grid: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    moved = Moves(0.2, 20, 0.3).draw(generator, grid)
    x, y = generator.normal(size=(2, *grid, 3)), generator.normal(size=(2, *grid, 3))
    assert np.vdot(moved(x), y) == pytest.approx(np.vdot(x, moved.transpose(y)), rel=1e-12)


def test_a_whole_shift_moves_and_mirrors_at_the_edge() -> None:
    moved = Resampling(resampled((5,), np.eye(1), np.array([2.0])))
    np.testing.assert_allclose(moved(np.arange(5.0).reshape(1, 5, 1)).ravel(), [2, 3, 4, 4, 3])


def test_a_quarter_turn_is_numpys() -> None:
    picture = np.random.default_rng(0).normal(size=(1, 6, 6, 2))
    turned = Resampling(resampled((6, 6), np.array([[0.0, 1.0], [-1.0, 0.0]]), np.zeros(2)))(picture)
    np.testing.assert_allclose(turned, np.rot90(picture, axes=(1, 2)), atol=1e-12)


def test_scaling_by_two_reads_half_as_far_from_the_centre() -> None:
    picture = np.arange(9.0).reshape(1, 9, 1)
    grown = Resampling(resampled((9,), np.eye(1) / 2, np.zeros(1)))(picture)
    np.testing.assert_allclose(grown.ravel(), 4 + (np.arange(9) - 4) / 2)


def test_drawn_operators_are_within_what_was_asked_for_and_the_same_for_the_same_seed() -> None:
    moves = Moves(shift=0.1)
    ramp = np.arange(20.0).reshape(1, 20, 1)
    found = [moves.draw(np.random.default_rng(seed), (20,))(ramp)[0, 10, 0] - 10 for seed in range(60)]
    assert max(map(abs, found)) <= 2.0
    assert max(found) > 1
    assert min(found) < -1
    again = moves.draw(np.random.default_rng(7), (20,))(ramp)[0, 10, 0] - 10
    assert again == found[7]


def test_means_stay_means() -> None:
    moved = Moves(0.3, 30, 0.5).draw(np.random.default_rng(3), (8, 8))
    np.testing.assert_allclose(moved(np.full((1, 8, 8, 1), 3.5)), 3.5)


def test_evenly_drawn_transformations_are_within_what_was_asked_for_and_even_out_in_a_few_steps() -> None:
    """What 8 steps in a row show a blob in the mean of: as many plain draws differ several times as much from one eight to the next."""
    moves = Moves(shift=0.2, rotation=20, scale=0.2)
    rows, columns = np.mgrid[:16, :16]
    blob = np.exp(-((rows - 6) ** 2 + (columns - 9) ** 2) / 12)[None, ..., None]

    def scatter(shown: Iterator[Resampling]) -> float:
        seen = np.array([next(shown)(blob)[0, 6, 9, 0] for _ in range(256)])
        return float(seen.reshape(-1, 8).mean(axis=1).std())

    plain, generator = np.random.default_rng(0), np.random.default_rng(0)
    by_chance = scatter(moves.draw(plain, (16, 16)) for _ in itertools.count())
    assert scatter(moves.evenly(generator, (16, 16))) < 0.6 * by_chance
    one, again = (next(moves.evenly(np.random.default_rng(3), (16, 16))).matrix for _ in range(2))
    assert (one != again).nnz == 0
    assert next(Moves().evenly(generator, (16, 16))).matrix is None
    ends = [moves.at(np.full(4, end), (16, 16)).matrix for end in (-1.0, 1.0)]
    assert all(np.allclose(matrix.sum(axis=1), 1) for matrix in ends)
