"""Principal components held against scikit-learn's, exact and by projections."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths import pca as module
from pellucid.maths.pca import pca

Array = np.ndarray


def rows(count: int, columns: int, rank: int = 12) -> Array:
    generator = np.random.default_rng(1)
    scales = np.geomspace(10, 0.1, rank)
    return (generator.normal(size=(count, rank)) * scales) @ generator.normal(size=(rank, columns)) + 3 * generator.normal(size=columns)


@pytest.mark.parametrize("columns", [20, 1_500])
def test_components_are_scikit_learns(columns: int) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = rows(300, columns)
    found, peer = pca(x, 4), decomposition.PCA(4, svd_solver="full").fit(x)
    assert found.exact == (columns <= module.EXACT_WIDTH)
    signs = np.sign((found.directions * peer.components_).sum(axis=1))
    np.testing.assert_allclose(found.directions, signs[:, None] * peer.components_, atol=1e-6)
    np.testing.assert_allclose(found.shares, peer.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(found.variances, peer.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(found.project(x), signs * peer.transform(x), atol=1e-5)


def test_projections_find_directions_of_a_spectrum_that_falls_slowly() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    generator = np.random.default_rng(6)
    x = (generator.normal(size=(250, 80)) * 0.85 ** np.arange(80)) @ np.linalg.qr(generator.normal(size=(1_200, 80)))[0].T
    found, peer = pca(x, 3), decomposition.PCA(3, svd_solver="full").fit(x)
    assert not found.exact
    np.testing.assert_allclose(np.abs((found.directions * peer.components_).sum(axis=1)), 1.0, atol=1e-6)
    np.testing.assert_allclose(found.shares, peer.explained_variance_ratio_, rtol=1e-6)


def test_the_largest_entry_of_a_direction_is_positive_so_that_a_mirrored_matrix_gives_the_same() -> None:
    x = rows(60, 9)
    found = pca(x, 5)
    assert (found.directions[np.arange(5), np.abs(found.directions).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(pca(-x, 5).directions, found.directions, atol=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(101, 7)
    whole = pca(x, 3)
    monkeypatch.setattr(module, "BLOCK_ROWS", 10)
    parts = pca(x, 3)
    np.testing.assert_allclose(parts.directions, whole.directions, atol=1e-10)
    np.testing.assert_allclose(parts.variances, whole.variances, rtol=1e-10)


def test_a_large_mean_loses_nothing() -> None:
    x = rows(200, 5, 5)
    np.testing.assert_allclose(pca(x + 1e6, 2).variances, pca(x, 2).variances, rtol=1e-6)


def test_what_does_not_vary_has_no_shares() -> None:
    assert pca(np.ones((6, 3)), 2).shares.tolist() == [0.0, 0.0]
