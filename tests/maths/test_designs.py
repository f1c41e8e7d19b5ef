"""Rotated Sobol' sequences are even and uniform, and the jackknife is the loop it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.designs import RotatedSobol, total_indices

ROUNDING = 1e-9


def test_points_do_not_depend_on_how_many_are_asked_for() -> None:
    one, other = (RotatedSobol(5, 3, np.random.default_rng(0)) for _ in range(2))
    apart = np.concatenate([one.points(k, k + 1) for k in range(9)])
    np.testing.assert_array_equal(other.points(0, 9), apart)
    np.testing.assert_array_equal(other.points(4, 7), apart[4:7])


def test_each_copy_is_even_and_copies_differ() -> None:
    points = RotatedSobol(4, 6, np.random.default_rng(1)).points(0, 64)
    assert points.min() >= 0
    assert points.max() < 1
    for copy in range(6):
        for axis in range(4):
            gaps = np.diff(np.sort(points[:, copy, axis]))
            np.testing.assert_allclose(gaps, 1 / 64, atol=ROUNDING)
    assert len(np.unique(points[0], axis=0)) == 6


def test_a_point_is_uniform_over_seeds() -> None:
    points = np.array([RotatedSobol(2, 1, np.random.default_rng(seed)).points(3, 4)[0, 0] for seed in range(2000)])
    np.testing.assert_allclose(points.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(points.var(axis=0), 1 / 12, atol=0.005)


def jansen(differences: np.ndarray, squares: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratio and delete-one jackknife over replicates, one replicate after another: estimate without the first-order bias, and its covariance."""

    def ratio(keep: list[int]) -> np.ndarray:
        m = means[keep]
        variance = squares[keep].mean() - m.mean() ** 2 + m.var(ddof=1) / len(keep)
        return differences[keep].mean(axis=0) / variance

    count = len(means)
    whole = ratio(list(range(count)))
    pseudo = np.array([count * whole - (count - 1) * ratio([j for j in range(count) if j != r]) for r in range(count)])
    return pseudo.mean(axis=0), np.cov(pseudo.T) / count


def test_indices_are_the_jackknife_of_the_ratio() -> None:
    generator = np.random.default_rng(2)
    differences, means = generator.random((32, 4)), generator.normal(size=32)
    squares = means**2 + 1 + generator.random(32)
    for found, want in zip(total_indices(differences, squares, means), jansen(differences, squares, means), strict=True):
        np.testing.assert_allclose(found, want, atol=ROUNDING)


def test_what_does_not_vary_has_no_indices() -> None:
    values, covariance = total_indices(np.zeros((32, 3)), np.full(32, 4.0), np.full(32, 2.0))
    assert values == pytest.approx(0)
    assert covariance == pytest.approx(0)
