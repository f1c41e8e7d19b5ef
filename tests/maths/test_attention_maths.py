"""The sums of attention against loops written from the papers, a hand-made network of two layers, and autograd."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths import attention

Array = np.ndarray


def slow_rollout(weights: list[Array], residual: float) -> Array:
    """Abnar & Zuidema's recursion, a token and a head at a time."""
    samples, heads, tokens, _ = weights[0].shape
    out = np.zeros((samples, tokens, tokens))
    for n in range(samples):
        before = [[float(i == j) for j in range(tokens)] for i in range(tokens)]
        for layer in weights:
            after = [[0.0] * tokens for _ in range(tokens)]
            for i in range(tokens):
                for j in range(tokens):
                    for k in range(tokens):
                        mean = sum(layer[n, h, i, k] for h in range(heads)) / heads
                        after[i][j] += ((1 - residual) * mean + residual * (i == k)) * before[k][j]
            before = after
        out[n] = before
    return out


def slow_relevance(weights: list[Array], gradients: list[Array]) -> Array:
    """Chefer's rules 5 and 6, a token and a head at a time, without the identity that they begin with."""
    samples, heads, tokens, _ = weights[0].shape
    out = np.zeros((samples, tokens, tokens))
    for n in range(samples):
        r = np.eye(tokens)
        for a, g in zip(weights, gradients, strict=True):
            bar = np.zeros((tokens, tokens))
            for h in range(heads):
                bar += np.clip(g[n, h] * a[n, h], 0, None) / heads
            r = r + bar @ r
        out[n] = r - np.eye(tokens)
    return out


def some(seed: int = 0, layers: int = 3, samples: int = 2, heads: int = 2, tokens: int = 4) -> tuple[list[Array], list[Array]]:
    rng = np.random.default_rng(seed)
    return list(rng.dirichlet(np.ones(tokens), (layers, samples, heads, tokens))), list(rng.normal(size=(layers, samples, heads, tokens, tokens)))


@pytest.mark.parametrize("residual", [0.0, 0.5, 0.8])
def test_rollout_equals_its_slow_twin_and_stays_a_share(residual: float) -> None:
    weights, _ = some()
    found = attention.rollout(weights, residual)
    np.testing.assert_allclose(found, slow_rollout(weights, residual), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=-1), 1)


def test_rollout_of_a_network_of_two_layers_is_what_a_hand_computes() -> None:
    """Three tokens. First layer: 1 looks at 0, the others at themselves. Second: 2 looks half at 1, half at itself, the others at themselves.

    With half of each layer going past, Â₁ has row 1 = (½, ½, 0), Â₂ row 2 = (0, ¼, ¾); so token 2 comes ⅛ from 0, ⅛ from 1 and ¾ from 2.
    """
    first = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 1]])[None, None]
    second = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.5, 0.5]])[None, None]
    found = attention.rollout([first, second])[0]
    np.testing.assert_allclose(found, [[1, 0, 0], [0.5, 0.5, 0], [0.125, 0.125, 0.75]])
    assert not np.allclose(found, attention.rollout([second, first])[0])  # the order of layers counts


def test_relevance_equals_its_slow_twin_and_the_hand() -> None:
    weights, gradients = some(1)
    np.testing.assert_allclose(attention.gradient_rollout(weights, gradients), slow_relevance(weights, gradients), atol=1e-12)
    one = np.array([[0.25, 0.75], [0.5, 0.5]])[None, None]
    found = attention.gradient_rollout([one], [np.array([[-4.0, 4.0], [2.0, 0.0]])[None, None]])
    np.testing.assert_allclose(found[0], [[0, 3], [1, 0]])


def test_shares_equal_a_loop_with_masks_and_shared_keys() -> None:
    rng = np.random.default_rng(2)
    query, key, value = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 6, 2, 5)), rng.normal(size=(2, 6, 2, 7))
    hidden = rng.random((2, 1, 3, 6)) < 0.3
    added = rng.normal(size=(1, 4, 3, 6))
    found = attention.shares(query, key, 0.4, hidden, added)
    context = attention.attended(found, value)
    for n in range(2):
        for h in range(4):
            for q in range(3):
                score = np.array([0.4 * query[n, q, h] @ key[n, k, h // 2] + added[0, h, q, k] for k in range(6)])
                raised = np.where(hidden[n, 0, q], 0, np.exp(score))
                np.testing.assert_allclose(found[n, h, q], raised / raised.sum(), atol=1e-12)
                np.testing.assert_allclose(context[n, q, h], sum(found[n, h, q, k] * value[n, k, h // 2] for k in range(6)), atol=1e-12)
    np.testing.assert_allclose(attention.shares(query, key, 1.0, np.ones((1, 1, 3, 6), bool)), 1 / 6)


def test_the_gradient_at_the_shares_equals_autograd() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    weights, value, kernel = rng.dirichlet(np.ones(6), (2, 4, 3)), rng.normal(size=(2, 6, 2, 5)), rng.normal(size=(4, 5, 8))
    cotangent = rng.normal(size=(2, 3, 8))
    shares = torch.tensor(weights, requires_grad=True)
    context = torch.einsum("nhqk,nkhd->nqhd", shares, torch.tensor(value).repeat_interleave(2, dim=2))
    (torch.einsum("nqhd,hdw->nqw", context, torch.tensor(kernel)) * torch.tensor(cotangent)).sum().backward()
    np.testing.assert_allclose(attention.at_weights(cotangent, kernel, value), shares.grad.numpy(), atol=1e-12)
