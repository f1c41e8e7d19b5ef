"""Moments of blocks against NumPy, over strata that differ, and kept and taken up again."""

from __future__ import annotations

import numpy as np

from pellucid.maths.blocks import BlockMoments

ROUNDING = 1e-10


def drawn(generator: np.random.Generator, blocks: int, draws: int, levels: np.ndarray) -> np.ndarray:
    mixing = np.random.default_rng(9).normal(size=(3, 3))
    return levels[:, None] + generator.normal(size=(blocks, draws, 3)) @ mixing


def test_moments_are_those_of_numpy() -> None:
    vectors = drawn(np.random.default_rng(0), 6, 5, np.random.default_rng(1).normal(size=(6, 3)) * 10)
    moments = BlockMoments(3, 3)
    moments.add(vectors[:2], vectors[:2])
    moments.add(vectors[2:], vectors[2:], 1.5)
    within = sum(np.cov(block.T) for block in vectors) / 6
    np.testing.assert_allclose(moments.mean, vectors.mean(axis=(0, 1)) + 1.5 * 4 / 6, atol=ROUNDING)
    np.testing.assert_allclose(moments.variance, np.diag(within) / 30, atol=ROUNDING)
    np.testing.assert_allclose(moments.small_covariance, within / 30, atol=ROUNDING)
    assert moments.degrees == 24


def test_the_quantile_holds_for_the_error_of_the_mean() -> None:
    generator, levels = np.random.default_rng(2), np.random.default_rng(3).normal(size=(15, 3)) * 10
    inside = []
    for _ in range(600):
        moments = BlockMoments(3, 3)
        vectors = drawn(generator, 15, 2, levels)
        moments.add(vectors, vectors)
        inside.append(np.linalg.norm(moments.mean - levels.mean(axis=0)) <= moments.quantile())
    assert 0.92 <= np.mean(inside) <= 0.98


def test_what_is_kept_goes_on_the_same() -> None:
    vectors = drawn(np.random.default_rng(0), 6, 5, np.zeros((6, 3)))
    through, first, later = (BlockMoments(3, 3) for _ in range(3))
    through.add(vectors, vectors)
    first.add(vectors[:4], vectors[:4])
    later.restore(first.state())
    later.add(vectors[4:], vectors[4:])
    for name, value in through.state().items():
        np.testing.assert_allclose(later.state()[name], value, atol=ROUNDING)
    assert first.draws == 20, "what is taken up is a copy"


def test_nothing_drawn_has_no_mean_and_no_error() -> None:
    moments = BlockMoments(2, 2)
    assert moments.mean.tolist() == [0, 0]
    assert moments.variance.tolist() == [0, 0]
    assert moments.quantile() == 0
