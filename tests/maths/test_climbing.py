"""Adam against its paper, and ends that are measured."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.climbing import BLOCK, BUDGET, NOISE, TOLERANCE, Adam, Plateau


def test_adam_is_that_of_the_paper_on_gradients_of_unit_size_in_steps_that_fall() -> None:
    generator = np.random.default_rng(0)
    adam, values = Adam(0.1, far=0.4, floor=1e-3, first=0.9, second=0.99), np.zeros((2, 5))
    slow, mean, square = values.copy(), np.zeros((2, 5)), np.zeros((2, 5))
    for step in range(1, 6):
        gradient = generator.normal(size=(2, 5)) * [[1.0], [1e6]]
        values = adam.step(values, gradient)
        unit = gradient / np.sqrt((gradient**2).mean(axis=1, keepdims=True))
        mean, square = 0.9 * mean + 0.1 * unit, 0.99 * square + 0.01 * unit**2
        slow = slow + 0.1 / (1 + (step - 1) / 4) * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-3)
    np.testing.assert_allclose(values, slow, rtol=1e-12)


def test_adam_goes_on_with_some_rows_as_it_would_with_all() -> None:
    generator = np.random.default_rng(0)
    gradients = generator.normal(size=(4, 3, 2))
    whole, part = Adam(0.1), Adam(0.1)
    a, b = np.zeros((3, 2)), np.zeros((3, 2))
    keep = np.array([True, False, True])
    for step, gradient in enumerate(gradients):
        a = whole.step(a, gradient)
        if step == 2:
            part.keep(keep)
            b = b[keep]
        b = part.step(b, gradient if step < 2 else gradient[keep])
    np.testing.assert_array_equal(a[keep], b)


def test_no_gradient_moves_nothing() -> None:
    np.testing.assert_array_equal(Adam(0.1).step(np.ones((2, 3)), np.zeros((2, 3))), np.ones((2, 3)))


def _ended(values: np.ndarray, plateau: Plateau) -> tuple[int, str]:
    for steps in range(1, len(values) + 1):
        (why,) = plateau.ended(values[:steps, None])
        if why:
            return steps, why
    return 0, ""


def test_a_climb_that_flattens_ends_after_it_has_flattened() -> None:
    steps = np.arange(2000)
    found, why = _ended(1 - np.exp(-steps / 50), Plateau(2000, tolerance=0.01))
    assert why == TOLERANCE
    assert 150 < found < 500


def test_a_slow_rise_under_noise_goes_on_and_its_plateau_ends_it() -> None:
    steps = np.arange(4000)
    noise = np.random.default_rng(0).normal(0, 0.3, 4000)
    found, why = _ended(10 * (1 - np.exp(-steps / 300)) + noise, Plateau(4000))
    assert 600 < found < 2500
    assert why in (NOISE, TOLERANCE)
    flat, why = _ended(noise, Plateau(4000))
    assert why == NOISE
    assert flat < 400


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("tau", [20.0, 60.0])
def test_a_noisy_climb_ends_near_where_its_trend_ends(noise: float, tau: float) -> None:
    """1 − exp(−t/τ): from τ log(1600/τ) on, 16 steps bring less than a hundredth of all. Not much before, and not long after."""
    steps, true = np.arange(3000), tau * np.log(1600 / tau)
    for seed in range(8):
        found, why = _ended(1 - np.exp(-steps / tau) + np.random.default_rng(seed).normal(0, noise, 3000), Plateau(3000))
        assert why in (NOISE, TOLERANCE)
        assert 0.75 * true < found < 2.2 * true + 64, (seed, found, true)


def test_a_climb_that_still_rises_does_not_end_early_whatever_noise_hides_it() -> None:
    """Without end, by a hundredth of what was gained in 16 steps, at 1,600 steps; with noise of ten steps' rise and of fifty's."""
    steps = np.arange(1024.0)
    for scale in (10, 50):
        for seed in range(8):
            assert _ended(steps + np.random.default_rng(seed).normal(0, scale, 1024), Plateau(1024)) == (1024, BUDGET)


def test_noise_that_evens_out_within_a_block_hides_nothing() -> None:
    """Draws that are spread evenly have no noise in their mean; as many that know nothing of each other do."""
    steps = np.arange(2000)
    rise = 1 - np.exp(-steps / 30)
    spread = np.tile(np.random.default_rng(0).permutation(np.linspace(-0.3, 0.3, BLOCK)), 250)
    clean, even, wild = (_ended(rise + noise, Plateau(2000))[0] for noise in (0.0, spread, np.random.default_rng(0).permutation(spread)))
    assert abs(even - clean) <= BLOCK
    assert wild > 1.5 * clean


def test_steps_before_a_climb_is_judged_are_left_out_of_its_line_and_not_of_what_it_gained() -> None:
    """A rise to 10, a fall to 5 while a limit is met, then slowly on."""
    steps = np.arange(120.0)
    history = np.concatenate([np.linspace(0, 10, 60), np.linspace(10, 5, 20), 5 + 0.2 * steps])[:, None]
    assert Plateau(1000).ended(history[:112], since=80) == [""]
    assert Plateau(1000).ended(history[:200], since=80) == [""]
    flat = np.concatenate([history[:120], np.full((64, 1), history[119, 0])])
    assert Plateau(1000).ended(flat, since=80) == [NOISE]
    high = np.concatenate([np.linspace(0, 100, 80), 100 + 0.03 * steps])[:, None]  # little of all, and much of what came since
    assert Plateau(1000).ended(high, since=80) == [TOLERANCE]


def test_a_climb_without_end_ends_with_the_budget() -> None:
    assert _ended(np.arange(300.0), Plateau(200)) == (200, BUDGET)


def test_rows_end_by_themselves() -> None:
    steps = np.arange(100.0)
    assert Plateau(1000).ended(np.stack([steps, np.minimum(steps, 10)], axis=1)[:96]) == ["", NOISE]


@pytest.mark.parametrize("budget", [1, 5])
def test_a_budget_smaller_than_a_window_is_kept(budget: int) -> None:
    assert _ended(np.arange(50.0), Plateau(budget)) == (budget, BUDGET)
