"""CKA: what leaves it unchanged, what does not, its minibatches against all samples at once, and HSIC against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.cka import Minibatches, centred_gram, full_cka, hsic

Array = np.ndarray


def hsic_twin(k: Array, m: Array) -> float:
    """HSIC₁ as Song et al. and Nguyen et al. write it."""
    count = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(count)
    product = k @ m
    last = 2 / (count - 2) * (ones @ product @ ones)
    return float((np.trace(product) + (ones @ k @ ones) * (ones @ m @ ones) / ((count - 1) * (count - 2)) - last) / (count * (count - 3)))


def streamed(x: Array, y: Array, size: int) -> Minibatches:
    found = Minibatches()
    for start in range(0, len(x), size):
        found.add([x[start : start + size]], [y[start : start + size]])
    return found


def pair(count: int = 2_000) -> tuple[Array, Array]:
    """Two representations that share a part."""
    generator = np.random.default_rng(0)
    common = generator.normal(size=(count, 3)) * np.array([2.0, 1.0, 0.5])
    x = np.concatenate([common, generator.normal(size=(count, 4))], axis=1) @ generator.normal(size=(7, 7))
    return x, np.concatenate([common, generator.normal(size=(count, 6))], axis=1) + 5


def test_hsic_is_the_definition() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(13, 4)) + 2, generator.normal(size=(13, 6))
    found = hsic(centred_gram(x)[None], centred_gram(y)[None])[0, 0]
    np.testing.assert_allclose(found, hsic_twin(x @ x.T, y @ y.T), rtol=1e-10)


def test_hsic_is_unbiased_independent_rows_give_zero_on_average() -> None:
    generator = np.random.default_rng(2)
    draws = [hsic(centred_gram(generator.normal(size=(8, 2)))[None], centred_gram(generator.normal(size=(8, 2)))[None])[0, 0] for _ in range(2_000)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))


def test_turns_and_scales_change_nothing_and_other_linear_maps_do() -> None:
    x, y = pair(600)
    generator = np.random.default_rng(3)
    turn = np.linalg.qr(generator.normal(size=(7, 7)))[0]
    plain = streamed(x, y, 100).similarity()[0, 0]
    np.testing.assert_allclose(streamed(7.5 * x @ turn + 3, y, 100).similarity()[0, 0], plain, rtol=1e-9)
    np.testing.assert_allclose(streamed(x, -0.1 * y, 100).similarity()[0, 0], plain, rtol=1e-9)
    np.testing.assert_allclose(streamed(x, x @ turn, 100).similarity()[0, 0], 1.0, rtol=1e-9)
    stretched = x * np.array([1.0, 20, 1, 1, 1, 1, 1])
    assert abs(streamed(stretched, y, 100).similarity()[0, 0] - plain) > 0.05
    assert abs(full_cka(stretched, y) - full_cka(x, y)) > 0.05


@pytest.mark.parametrize("size", [25, 100, 500])
def test_minibatches_estimate_what_all_samples_give_within_their_error(size: int) -> None:
    x, y = pair()
    found = streamed(x, y, size)
    whole = streamed(x, y, len(x)).similarity()[0, 0]
    assert 0 < found.error()[0, 0] < 0.05
    assert abs(found.similarity()[0, 0] - whole) < 4 * found.error()[0, 0]
    np.testing.assert_allclose(whole, full_cka(x, y), atol=0.01)


def test_a_layer_that_never_changes_has_no_similarity_and_a_single_minibatch_no_error() -> None:
    found = Minibatches()
    found.add([np.random.default_rng(4).normal(size=(20, 3)), np.ones((20, 3))])
    assert found.similarity()[0, 0] == pytest.approx(1.0)
    assert np.isnan(found.similarity()[1]).all()
    assert np.isnan(found.error()).all()
