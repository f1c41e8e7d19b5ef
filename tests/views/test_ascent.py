"""The loop that climbs: a known maximum, rows that do not depend on each other, and starts without a gradient."""

from __future__ import annotations

import numpy as np

from pellucid.maths.climbing import BUDGET, LIMIT, NOISE, TOLERANCE, Plateau
from pellucid.maths.parameterisation import Coefficients, Palette, Phases, Pixels
from pellucid.maths.transformations import Moves
from pellucid.maths.variation import contrast
from pellucid.views._ascent import WITHIN, ascend

GRID = (8, 8)
PALETTE = Palette(np.zeros(1), np.ones(1), np.full(1, 0.5), np.eye(1))
SEEDS = np.arange(2)[:, None]
WANTED = 0.5 + 0.3 * np.cos(np.arange(8) * 2 * np.pi / 8)[None, :, None, None] * np.ones((2, 8, 8, 1))


def _towards(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest at WANTED, where it is 0."""
    away = inputs - WANTED[rows]
    return -np.square(away).sum(axis=(1, 2, 3)), -2 * away


def test_the_known_maximum_is_found_and_the_climb_ends_by_itself() -> None:
    for kind in (Pixels, Coefficients):
        found = ascend(_towards, kind(GRID, PALETTE), Plateau(3000, tolerance=1e-4), seeds=SEEDS)
        np.testing.assert_allclose(found.inputs, WANTED, atol=0.06)
        assert found.steps.max() < 3000
        assert "" not in found.ends
        assert np.isnan(found.history[found.steps[0] :, 0]).all()
        assert np.isfinite(found.history[: found.steps[0], 0]).all()


def test_what_a_row_finds_does_not_depend_on_the_others_and_is_the_same_again() -> None:
    made, plateau, moves = Coefficients(GRID, PALETTE), Plateau(60), Moves(0.1, 10, 0.1)
    both = ascend(_towards, made, plateau, seeds=SEEDS, moves=moves, seed=3)
    alone = ascend(lambda inputs, rows: _towards(inputs, rows + 1), made, plateau, seeds=SEEDS[1:], moves=moves, seed=3)
    np.testing.assert_allclose(both.inputs[1], alone.inputs[0], atol=1e-12)
    again = ascend(_towards, made, plateau, seeds=SEEDS, moves=moves, seed=3)
    assert again.inputs.tobytes() == both.inputs.tobytes()
    other = ascend(_towards, made, plateau, seeds=SEEDS, moves=moves, seed=4)
    assert np.abs(other.inputs - both.inputs).max() > 1e-3


def test_transformed_inputs_are_climbed_through_the_transformation() -> None:
    """The value is that of the transformed input; a climb that forgot the transpose would move other pixels."""
    target = np.zeros((1, *GRID, 1))
    target[0, 2, 5] = 1.0
    moves, made = Moves(shift=0.25), Pixels(GRID, PALETTE)
    found = ascend(lambda x, rows: ((x * target).sum(axis=(1, 2, 3)), np.broadcast_to(target, x.shape)), made, Plateau(200), seeds=SEEDS[:1], moves=moves)
    risen = found.inputs[0, ..., 0] > 0.8
    assert risen[2, 5]
    assert risen[1:4, 4:7].all()
    assert not risen[6:, :2].any()


def test_a_start_without_a_gradient_is_drawn_again_and_a_given_start_is_kept() -> None:
    def silent(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Speaks only where some element is above 0.9."""
        over = np.maximum(inputs - 0.9, 0)
        return over.sum(axis=(1, 2, 3)), (over > 0).astype(float)

    found = ascend(silent, Pixels(GRID, PALETTE), Plateau(60), seeds=SEEDS)
    assert found.redrawn.min() >= 1
    assert found.history[-1].min() > 0
    given = np.zeros((1, *GRID, 1))
    kept = ascend(silent, Pixels(GRID, PALETTE), Plateau(20), seeds=SEEDS[:1], start=given)
    np.testing.assert_array_equal(kept.parameters, given)


def test_finer_steps_after_the_plateau_bring_it_nearer_and_end_on_a_plateau_too() -> None:
    plain, fine = (ascend(_towards, Pixels(GRID, PALETTE), Plateau(2000), seeds=SEEDS, moves=Moves(shift=0.2), finer=finer) for finer in (1.0, 20.0))
    still = [_towards(one.inputs, np.arange(2))[0].mean() for one in (plain, fine)]
    assert still[1] > still[0]
    assert BUDGET not in (*plain.ends, *fine.ends)
    assert (fine.steps >= plain.steps + 64).all()
    np.testing.assert_array_equal(fine.history[: plain.steps.min()], plain.history[: plain.steps.min()])


def test_what_no_gradient_ever_moves_rests_early_though_it_is_above_the_limit() -> None:
    def dead(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(inputs)), np.zeros(inputs.shape)

    found = ascend(dead, Coefficients(GRID, PALETTE), Plateau(1000), seeds=SEEDS, limit=1e-6)
    assert found.ends == (NOISE, NOISE)
    assert found.steps.max() < 200
    assert (found.redrawn > 0).all()


def _at_the_ends(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rises ever less with the contrast of the left half to the right one, which so goes to the ends of the range."""
    side = np.where(np.arange(GRID[1]) < 4, 1.0, -1.0)[None, None, :, None] / np.prod(GRID)
    return (inputs * side).sum(axis=(1, 2, 3)), np.broadcast_to(side, inputs.shape)


def test_a_flat_climb_above_a_limit_is_brought_within_it_and_ends_on_its_plateau() -> None:
    reach = PALETTE.high - PALETTE.low
    start = np.where(np.arange(8) < 4, 4.0, -4.0)[None, None, :, None] * np.ones((1, *GRID, 1))  # far out on the sigmoid, where a limit's pull is lost
    found = ascend(_at_the_ends, Pixels(GRID, PALETTE), Plateau(400), seeds=SEEDS[:1], start=start, contrast=0.2)
    assert found.ends[0] in (NOISE, TOLERANCE)
    assert found.steps[0] < 400
    assert contrast(found.inputs, reach)[0] <= 0.2 * (1 + WITHIN)
    assert found.history[found.steps[0] - 1, 0] > 0.19  # of 0.2 that the contrast allows


def test_what_cannot_come_within_a_limit_says_so_and_not_that_it_still_rose() -> None:
    made = Phases(GRID, PALETTE)  # amplitudes that are fixed
    found = ascend(_at_the_ends, made, Plateau(300), seeds=SEEDS[:1], contrast=0.001)
    assert found.ends == (LIMIT,)
    assert found.steps[0] == 300


def test_progress_follows_how_near_the_plateau_is() -> None:
    """Of a climb of some hundred steps, under a budget of many thousands."""
    told: list[float] = []
    found = ascend(_towards, Coefficients(GRID, PALETTE), Plateau(20_000, tolerance=1e-4), seeds=SEEDS, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == found.steps.max() < 2000
    assert told[len(told) * 3 // 4] > 0.1
    assert max(np.diff(told)) < 0.6
