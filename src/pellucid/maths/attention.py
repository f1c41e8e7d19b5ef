"""Attention: the shares with which each token looks at the others, and how they add up over layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

Array = np.ndarray
HIDDEN = -1e30
"""What stands in a score for a key that is not seen."""


def shares(query: Array, key: Array, scale: float, hidden: Array | None = None, added: Array | None = None) -> Array:
    """softmax(scale · q kᵀ + added) over the keys that are not `hidden`, shape (samples, heads, queries, keys).

    query (samples, queries, heads, size), key (samples, keys, heads or a divisor of them, size): fewer heads of keys serve several of queries each.
    `hidden` and `added` broadcast to (samples, heads, queries, keys). A query that sees no key at all looks at each alike, as frameworks have it.

    >>> shares(np.zeros((1, 1, 1, 2)), np.zeros((1, 2, 1, 2)), 1.0)
    array([[[[0.5, 0.5]]]])
    """
    score = scale * np.einsum("nqhd,nkhd->nhqk", query, spread(key, query.shape[2]), optimize=True)
    if added is not None:
        score = score + added
    if hidden is not None:
        score = np.where(hidden, HIDDEN, score)
    found: Array = softmax(score, axis=-1)
    return found


def spread(heads: Array, count: int) -> Array:
    """Heads (samples, keys, heads, size) of which each serves as many of the `count` of queries."""
    return heads if heads.shape[2] == count else heads.repeat(count // heads.shape[2], axis=2)


def attended(weights: Array, value: Array) -> Array:
    """What each query takes in: Σ_k A[h, q, k] · v[k, h], shape (samples, queries, heads, size)."""
    found: Array = np.einsum("nhqk,nkhd->nqhd", weights, spread(value, weights.shape[1]), optimize=True)
    return found


def at_weights(cotangent: Array, kernel: Array, value: Array) -> Array:
    """The gradient of a score with respect to the shares, of its gradient at the layer's output y = Σ_h o_h W_h, o_h = A_h v_h:

    ∂s/∂A[h, q, k] = (∂s/∂y[q] W_hᵀ) · v[k, h].

    cotangent (samples, queries, width), kernel (heads, size, width), value (samples, keys, heads or a divisor of them, size).
    """
    at_heads = np.einsum("nqw,hdw->nqhd", cotangent, kernel, optimize=True)
    found: Array = np.einsum("nqhd,nkhd->nhqk", at_heads, spread(value, kernel.shape[0]), optimize=True)
    return found


def rollout(weights: Sequence[Array], residual: float = 0.5) -> Array:
    """Attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928): Â_L ⋯ Â_1, Â = (1 − residual) · mean over heads of A + residual · I.

    weights: one (samples, heads, tokens, tokens) a layer, the first first. Returned: (samples, tokens, tokens), rows add up to 1.

    >>> one = np.array([[[[0.0, 1.0], [1.0, 0.0]]]])
    >>> rollout([one, one])[0]
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    tokens = weights[0].shape[-1]
    found = np.broadcast_to(np.eye(tokens), (len(weights[0]), tokens, tokens))
    for one in weights:
        found = ((1 - residual) * one.mean(axis=1, dtype=np.float64) + residual * np.eye(tokens)) @ found
    return np.array(found)


def gradient_rollout(weights: Sequence[Array], gradients: Sequence[Array]) -> Array:
    """Relevance of each token to each (Chefer, Gur & Wolf 2021, arXiv:2103.15679, self-attention): R ← R + Ā R from R = I, Ā = mean over heads of
    (∂s/∂A · A)⁺. Shapes as in `rollout`; R is given back without the I, so that what stays is what attention has carried."""
    tokens = weights[0].shape[-1]
    found = np.broadcast_to(np.eye(tokens), (len(weights[0]), tokens, tokens))
    for one, gradient in zip(weights, gradients, strict=True):
        mixed = np.maximum(one.astype(np.float64) * gradient, 0).mean(axis=1)
        found = found + mixed @ found
    return found - np.eye(tokens)
