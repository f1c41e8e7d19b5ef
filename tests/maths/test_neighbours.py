"""Nearest rows and what a projection keeps of them, held against scikit-learn and a twin written from the paper."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths import pca
from pellucid.maths.neighbours import nearest, trustworthiness

Array = np.ndarray


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every matrix is read in several blocks."""
    monkeypatch.setattr(pca, "BLOCK_ROWS", 37)


def ranks_twin(high: Array, low: Array, k: int) -> float:
    """Trustworthiness with whole matrices, from the definition."""
    count = len(high)
    far = np.linalg.norm(high[:, None] - high, axis=2)
    near = np.linalg.norm(low[:, None] - low, axis=2)
    np.fill_diagonal(far, np.inf)
    np.fill_diagonal(near, np.inf)
    total = 0.0
    for i in range(count):
        order = np.argsort(far[i], kind="stable")
        rank = np.empty(count, int)
        rank[order] = np.arange(1, count + 1)
        total += sum(max(int(rank[j]) - k, 0) for j in np.argsort(near[i], kind="stable")[:k])
    return 1 - 2 / (count * k * (2 * count - 3 * k - 1)) * total


def test_neighbours_are_scikit_learns() -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = np.random.default_rng(0).normal(size=(150, 12))
    found = nearest(x, 7)
    distances, places = neighbors.NearestNeighbors(n_neighbors=7, algorithm="brute").fit(x).kneighbors()
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    np.testing.assert_array_equal(nearest(x, 7, np.array([140, 3, 4])).places, places[[140, 3, 4]])


def test_of_equal_distances_the_earlier_comes_first_and_a_twin_is_at_no_distance() -> None:
    x = np.array([[0.0], [1.0], [-1.0], [1.0], [0.0]] * 20)
    found = nearest(x, 3)
    assert found.places[0].tolist() == [4, 5, 9]
    assert found.distances[0].tolist() == [0.0, 0.0, 0.0]
    assert found.places[1].tolist() == [3, 6, 8]


@pytest.mark.parametrize("k", [1, 5, 20])
def test_trustworthiness_is_the_definition_and_scikit_learns(k: int) -> None:
    manifold = pytest.importorskip("sklearn.manifold")
    generator = np.random.default_rng(2)
    high = generator.normal(size=(120, 8)) * np.array([4.0, 2, 1, 1, 1, 1, 1, 1])
    low = high[:, :2]
    value, error = trustworthiness(high, low, k)
    assert error == 0.0
    np.testing.assert_allclose(value, ranks_twin(high, low, k), rtol=1e-12)
    np.testing.assert_allclose(value, manifold.trustworthiness(high, low, n_neighbors=k), rtol=1e-12)
    np.testing.assert_allclose(trustworthiness(low, high, k)[0], ranks_twin(low, high, k), rtol=1e-12)


def test_drawn_queries_estimate_it_within_their_error() -> None:
    generator = np.random.default_rng(3)
    high = generator.normal(size=(400, 6))
    low = high[:, :2]
    whole = trustworthiness(high, low, 8)[0]
    misses = []
    for _ in range(20):
        value, error = trustworthiness(high, low, 8, np.sort(generator.choice(400, 100, replace=False)))
        assert 0 < error < 0.05
        misses.append((value - whole) / error)
    assert abs(np.mean(misses)) < 3 / np.sqrt(20)
    assert 0.5 < np.std(misses) < 1.6
