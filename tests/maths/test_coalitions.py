"""Coalitions and Shapley values against hand calculation and definitions written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from pellucid.maths.coalitions import all_coalitions, exact_shapley, permutation_contributions, permutation_ranks, prefixes, random_pairs

ROUNDING = 1e-12


def test_all_coalitions_counts_in_binary_lowest_first() -> None:
    assert all_coalitions(2).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert len({row.tobytes() for row in all_coalitions(6)}) == 64


def test_exact_shapley_of_the_glove_game_by_hand() -> None:
    # players 0 and 1 own a left glove, player 2 a right one; a pair is worth 1. Textbook answer: 1/6, 1/6, 4/6.
    scores = np.array([min(row[0] + row[1], row[2]) for row in all_coalitions(3).astype(int)], dtype=float)
    np.testing.assert_allclose(exact_shapley(scores, 3), [1 / 6, 1 / 6, 4 / 6], atol=ROUNDING)


def test_exact_shapley_is_the_mean_over_all_orders() -> None:
    scores = np.random.default_rng(0).normal(size=2**5)
    expected = np.zeros(5)
    for order in permutations(range(5)):
        number = 0
        for j in order:
            expected[j] += scores[number | 1 << j] - scores[number]
            number |= 1 << j
    np.testing.assert_allclose(exact_shapley(scores, 5), expected / 120, atol=ROUNDING)


def test_exact_shapley_of_one_player_is_the_difference() -> None:
    np.testing.assert_allclose(exact_shapley(np.array([2.0, 5.0]), 1), [3.0])


def test_permutation_ranks_are_permutations_and_uniform() -> None:
    ranks = permutation_ranks(np.random.default_rng(0), 6000, 3)
    assert (np.sort(ranks, axis=1) == np.arange(3)).all()
    _, counts = np.unique(ranks, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.square(counts - 1000).sum() / 1000 < 20.5, "χ² with 5 degrees of freedom, .999 quantile"


def test_prefixes_by_hand() -> None:
    ranks = np.array([[2, 0, 1]])  # feature 1 joins first, then 2, then 0
    forward, backward = prefixes(ranks)[0]
    assert forward.tolist() == [[0, 1, 0], [0, 1, 1]]
    assert backward.tolist() == [[1, 0, 0], [1, 0, 1]]


def test_the_way_back_visits_the_complements() -> None:
    both = prefixes(permutation_ranks(np.random.default_rng(1), 20, 7))
    assert (both[:, 1] == 1 - both[:, 0, ::-1]).all()


def test_permutation_contributions_by_hand() -> None:
    # v(∅) = 1, v(1) = 3, v(1,2) = 4, v(0) = 2, v(0,2) = 7, v(all) = 10, order 1, 2, 0 and back 0, 2, 1
    found = permutation_contributions(np.array([[2, 0, 1]]), np.array([[[3.0, 4.0], [2.0, 7.0]]]), np.array([1.0]), 10.0)
    np.testing.assert_allclose(found, [[(6 + 1) / 2, (2 + 3) / 2, (1 + 5) / 2]])


def test_permutation_contributions_add_up_and_average_to_the_exact_values() -> None:
    features = 4
    game = np.random.default_rng(2).normal(size=2**features)
    ranks = np.array(list(permutations(range(features))))
    numbers = (prefixes(ranks) << np.arange(features)).sum(axis=-1)
    found = permutation_contributions(ranks, game[numbers], np.full(len(ranks), game[0]), game[-1])
    np.testing.assert_allclose(found.sum(axis=1), game[-1] - game[0], atol=ROUNDING)
    np.testing.assert_allclose(found.mean(axis=0), exact_shapley(game, features), atol=ROUNDING)


def test_random_pairs_are_complements_and_keep_half() -> None:
    drawn = random_pairs(np.random.default_rng(0), 2000, 9)
    assert drawn.shape == (4000, 9)
    assert (drawn[0::2] + drawn[1::2] == 1).all()
    assert abs(drawn[0::2].mean() - 0.5) < 4 * 0.5 / np.sqrt(2000 * 9)
