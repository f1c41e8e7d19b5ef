"""Receptive fields against the formula, and fits against what a convolution stack shows of itself."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.receptive_field import Field, composed, fitted, whole

STACKS = [
    [(3, 1, 0)],
    [(3, 1, 1), (3, 1, 1)],
    [(5, 2, 2), (3, 1, 1), (2, 2, 0)],
    [(7, 2, 3), (3, 2, 1), (3, 1, 1), (3, 2, 1)],
    [(1, 1, 0), (4, 3, 0)],
]


def sees(stack: list[tuple[int, int, int]], length: int) -> np.ndarray:
    """Which elements of the input each place depends on, layer by layer: the slow twin."""
    seen = np.eye(length, dtype=bool)
    for kernel, step, padding in stack:
        places = (len(seen) + 2 * padding - kernel) // step + 1
        seen = np.stack([
            np.any([seen[i] for i in range(p * step - padding, p * step - padding + kernel) if 0 <= i < len(seen)], axis=0) for p in range(places)
        ])  # fmt: skip
    return seen


@pytest.mark.parametrize("stack", STACKS)
def test_the_formula_equals_counting(stack: list[tuple[int, int, int]]) -> None:
    field = composed(stack)
    for place, row in enumerate(sees(stack, 64)):
        found = np.flatnonzero(row)
        assert field.window(place, 64) == (found[0], found[-1] + 1)


@pytest.mark.parametrize("stack", STACKS)
def test_a_fit_finds_the_formula_from_a_few_places(stack: list[tuple[int, int, int]]) -> None:
    seen = sees(stack, 64)
    places = sorted({int(p) for p in np.linspace(0, len(seen) - 1, 7)})
    field, exact = fitted(places, seen[places], 64, len(seen))
    assert exact
    assert field == composed(stack)


def test_what_reaches_an_edge_and_what_hides() -> None:
    length = 12
    causal = np.tril(np.ones((length, length), bool))
    field, exact = fitted(list(range(0, length, 3)), causal[::3], length, length)
    assert exact
    assert [field.window(p, length) for p in (0, 5, 11)] == [(0, 1), (0, 6), (0, 12)]
    field, exact = fitted(list(range(0, length, 3)), causal.T[::3], length, length)
    assert exact
    assert field.window(5, length) == (5, 12)
    assert fitted([0, 5], np.ones((2, length), bool), length, length) == (whole(length), True)
    assert fitted([0, 5], np.zeros((2, length), bool), length, length) == (whole(length), False)
    hidden = sees([(5, 1, 2)], 30)[[4, 10, 16, 22]]
    hidden[1, 8] = False  # one end is not seen by one place: pooling let it through elsewhere
    field, exact = fitted([4, 10, 16, 22], hidden, 30, 30)
    assert (field, exact) == (Field(5, 1.0, -2.0), False)
