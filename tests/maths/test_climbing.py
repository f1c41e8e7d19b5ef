"""Adam against its paper, and ends that are measured."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.climbing import BUDGET, NOISE, TOLERANCE, Adam, Plateau


def test_adam_is_that_of_the_paper_on_gradients_of_unit_size() -> None:
    generator = np.random.default_rng(0)
    adam, values = Adam(0.1, floor=1e-3, first=0.9, second=0.99), np.zeros((2, 5))
    slow, mean, square = values.copy(), np.zeros((2, 5)), np.zeros((2, 5))
    for step in range(1, 6):
        gradient = generator.normal(size=(2, 5)) * [[1.0], [1e6]]
        values = adam.step(values, gradient)
        unit = gradient / np.sqrt((gradient**2).mean(axis=1, keepdims=True))
        mean, square = 0.9 * mean + 0.1 * unit, 0.99 * square + 0.01 * unit**2
        slow = slow + 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-3)
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


def test_a_climb_without_end_ends_with_the_budget() -> None:
    assert _ended(np.arange(300.0), Plateau(200)) == (200, BUDGET)


def test_rows_end_by_themselves() -> None:
    steps = np.arange(100.0)
    assert Plateau(1000).ended(np.stack([steps, np.minimum(steps, 10)], axis=1)[:96]) == ["", NOISE]


@pytest.mark.parametrize("budget", [1, 5])
def test_a_budget_smaller_than_a_window_is_kept(budget: int) -> None:
    assert _ended(np.arange(50.0), Plateau(budget)) == (budget, BUDGET)
