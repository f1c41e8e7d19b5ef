"""Numbers of coalitions against a dictionary of their bytes."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths import coalition_index
from pellucid.maths.coalition_index import FULL, CoalitionIndex, names

SHAPES = [(1, 1), (3, 5), (8, 300), (17, 1), (30, 100), (49, 1), (63, 2), (64, 1), (64, 2), (65, 1), (196, 7), (1000, 3)]
"""Features and rows of the fill: names that fit a word, that fill it, and that are mixed."""


def drawn(features: int, rows: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Few different coalitions, so that many repeat."""
    generator = np.random.default_rng(seed)
    few = generator.integers(0, 2, (count // 3, features), dtype=np.uint8)
    few[0] = 1
    return few[generator.integers(0, len(few), count)], generator.integers(0, rows, count)


@pytest.mark.parametrize(("features", "rows"), SHAPES)
def test_numbers_tell_apart_what_a_dictionary_tells_apart(features: int, rows: int) -> None:
    index, known = CoalitionIndex(features, rows), {}
    for call in range(6):
        coalitions, fills = drawn(features, rows, 400, call % 4)
        numbers, first = index.numbers(coalitions, fills)
        for row, (coalition, fill, number) in enumerate(zip(coalitions, fills, numbers, strict=True)):
            key = (coalition.tobytes(), -1 if coalition.all() else int(fill))
            assert known.setdefault(key, int(number)) == number
            assert first[row] == (number not in numbers[:row]) or (first & (numbers == number)).sum() == 1
        assert len(first[first]) == len(set(numbers.tolist()))
    told = set(known.values()) | {FULL}
    assert len(set(known.values())) == len(known)
    assert told == set(range(len(index)))


def test_the_full_coalition_is_number_nought_whatever_the_fill() -> None:
    for features in (5, 70):
        numbers, first = CoalitionIndex(features, 9).numbers(np.ones((9, features), np.uint8), np.arange(9))
        assert set(numbers.tolist()) == {FULL}
        assert first.sum() == 1


def test_no_features_make_one_coalition() -> None:
    numbers, _ = CoalitionIndex(0, 4).numbers(np.zeros((4, 0), np.uint8), np.arange(4))
    assert set(numbers.tolist()) == {FULL}


def test_a_copy_goes_on_by_itself() -> None:
    index = CoalitionIndex(10, 1)
    coalitions, fills = drawn(10, 1, 200)
    before, _ = index.numbers(coalitions, fills)
    other = index.copy()
    index.numbers(*drawn(10, 1, 200, 1))
    size = len(index)
    other.numbers(*drawn(10, 1, 300, 2))
    assert len(index) == size
    for one in (index, other):
        np.testing.assert_array_equal(one.numbers(coalitions, fills)[0], before)


def test_names_do_not_depend_on_the_type_of_ones() -> None:
    coalitions, fills = drawn(30, 5, 100)
    for kind in (bool, float, np.int64):
        np.testing.assert_array_equal(names(coalitions.astype(kind), fills, 5), names(coalitions, fills, 5))


def test_mixed_words_keep_all_numbers_apart_and_change_half_of_the_bits() -> None:
    few = np.arange(100_000, dtype=np.uint64)
    mixed = coalition_index._mixed(few)
    assert len(np.unique(mixed)) == len(few)
    changed = np.unpackbits((mixed[1:] ^ mixed[:-1]).view(np.uint8)).mean()
    assert abs(changed - 0.5) < 0.01


def test_runs_stay_few() -> None:
    index = CoalitionIndex(40, 1)
    for seed in range(60):
        index.numbers(np.random.default_rng(seed).integers(0, 2, (100, 40), dtype=np.uint8), np.zeros(100, int))
    assert len(index) == 6001
    assert len(index._runs) <= 8
