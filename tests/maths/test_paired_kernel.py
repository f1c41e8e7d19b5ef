"""The regression on pairs of complements against all pairs, against games solved by definition, and its stated variance against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.coalitions import all_coalitions, exact_shapley
from pellucid.maths.paired_kernel import PairedRegression

ROUNDING = 1e-9
STATED = (0.9, 1.1)


def differences(game: np.ndarray, coalitions: np.ndarray) -> np.ndarray:
    features = coalitions.shape[-1]
    numbers = (coalitions.astype(int) << np.arange(features)).sum(axis=-1)
    return (game[numbers] - game[len(game) - 1 - numbers]) / 2


def drawn(generator: np.random.Generator, strata: int, pairs: int, features: int) -> np.ndarray:
    """Sizes 1 to features − 1 equally often."""
    sizes = np.stack([np.resize(generator.permutation(np.arange(1, features)), pairs) for _ in range(strata)])
    ranks = generator.permuted(np.broadcast_to(np.arange(features), (strata, pairs, features)), axis=2)
    return (ranks < sizes[..., None]).astype(np.uint8)


def fitted(game: np.ndarray, coalitions: np.ndarray) -> np.ndarray:
    total = game[-1] - game[0]
    regression = PairedRegression(len(coalitions), coalitions.shape[2])
    regression.add(coalitions, differences(game, coalitions), np.full((len(coalitions), 1), total))
    return regression.solve()[0].mean(axis=0) + total / coalitions.shape[2]


@pytest.mark.parametrize("features", [2, 3, 5])
def test_over_many_balanced_pairs_it_is_shapleys_value(features: int) -> None:
    generator = np.random.default_rng(features)
    game = generator.normal(size=2**features)
    found = fitted(game, drawn(generator, 1, 60_000 * (features - 1), features))
    np.testing.assert_allclose(found, exact_shapley(game, features), atol=0.02)


def test_a_game_of_pairs_of_features_is_exact_from_as_many_pairs_as_features() -> None:
    features, generator = 8, np.random.default_rng(0)
    members = all_coalitions(features).astype(float)
    game = members @ generator.normal(size=features) + np.einsum("si,ij,sj->s", members, generator.normal(size=(features, features)), members)
    np.testing.assert_allclose(fitted(game, drawn(generator, 1, 2 * features, features)), exact_shapley(game, features), atol=ROUNDING)


def test_in_pieces_it_is_the_same_and_weights_are_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    features, generator = 6, np.random.default_rng(1)
    game, coalitions = generator.normal(size=2**features), drawn(generator, 3, 40, features)
    whole = fitted(game, coalitions)
    monkeypatch.setattr("pellucid.maths.paired_kernel.NUMBERS_AT_ONCE", 60)
    np.testing.assert_allclose(fitted(game, coalitions), whole, atol=ROUNDING)
    total = game[-1] - game[0]
    by_hand = []
    for one in coalitions:
        z, u = one - 0.5, differences(game, one)
        weights = 1 / (one.sum(axis=1) * (features - one.sum(axis=1)))
        system = np.zeros((features + 1, features + 1))
        system[:-1, :-1], system[:-1, -1], system[-1, :-1] = z.T @ (weights[:, None] * z), 1, 1
        by_hand.append(np.linalg.solve(system, np.append(z.T @ (weights * u), total))[:-1])
    np.testing.assert_allclose(whole, np.mean(by_hand, axis=0), atol=ROUNDING)


@pytest.mark.parametrize("pairs", [18, 60])
def test_the_stated_covariance_is_that_of_monte_carlo(pairs: int) -> None:
    features, generator = 8, np.random.default_rng(2)
    game = np.sin(all_coalitions(features) @ generator.normal(size=features) * 1.5) * 3
    total, truth = game[-1] - game[0], exact_shapley(game, features)
    errors, stated = [], []
    for _ in range(1500):
        coalitions = drawn(generator, 1, pairs, features)
        u = differences(game, coalitions)
        regression = PairedRegression(1, features)
        regression.add(coalitions, u, np.full((1, 1), total))
        solved = regression.solve()
        estimate = regression.estimate(solved[0], *regression.spread(solved, coalitions, u, np.full((1, 1), total)), total)
        errors.append(estimate.mean - truth)
        stated.append(estimate.variance)
        assert estimate.degrees <= pairs - features + 1
    assert STATED[0] <= np.sqrt(np.mean(stated) / np.square(errors).mean()) <= STATED[1]
    assert np.abs(np.mean(errors, axis=0)).max() <= 4 * np.std(errors, axis=0).max() / np.sqrt(1500) + 0.1 * np.std(errors, axis=0).max()
