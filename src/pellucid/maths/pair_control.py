"""What pairs of features do together, told from scores of masks and their complements: a control that takes its noise out of a linear fit."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack
from scipy.special import gammaln

Array = np.ndarray

STIFFNESS = 0.03
"""The penalty on interactions, as a share of the kernel's diagonal: chosen by measurement, `docs/theory/lime-sampling.md`."""


class PairControl:
    """Products of two features' signs, fitted to the means of the scores over a mask z and its complement, in which every odd order cancels.

    With s = 2z − 1, the fit is q(z) = ½ sᵀ C s (C symmetric, its diagonal 0) plus a constant, by ridge regression over the pairs of masks; what is given of it
    is q less its own weighted linear regression on z over *all* masks, which follows from symmetry in closed form. Such a control has no linear part to
    add, whatever C is. For the masks it is fitted to, each pair gets the C that the others give (leave-one-out, without refitting), so that the
    control does not know the scores whose noise it takes out.

    `first` (pairs, features) are the masks z, `line` is what `product_line` gives for their weights.
    """

    def __init__(self, first: Array, line: Array) -> None:
        self.first, self.line = first.astype(np.float64), line
        self.signs = 2 * self.first - 1
        features = first.shape[1]
        self.kernel = (np.square(self.signs @ self.signs.T) - features) / 2
        inverse = _inverse(self.kernel + STIFFNESS * features * (features - 1) / 2 * np.eye(len(self.first)))
        share = inverse.sum(axis=1)
        self.dual = inverse - np.outer(share, share) / share.sum()
        self.rows = self.signs * self.signs.sum(axis=1)[:, None] - 1
        self.others = self.rows.T @ self.dual
        self.own = (self.kernel * self.dual).sum(axis=1)

    def without_self(self, scores: Array) -> Array:
        """The control at the masks themselves, each pair's from the scores of the others: (2 · pairs, responses) → the same shape."""
        means = scores.reshape(len(self.first), 2, -1).mean(axis=1)
        dual = self.dual @ means
        apart = dual / np.diag(self.dual)[:, None]
        rows = self.rows.T @ dual
        value = self.kernel @ dual - apart * self.own[:, None]
        total = rows.sum(axis=0) / 2 - apart * self.others.sum(axis=0)[:, None] / 2
        out = np.empty((len(self.first), 2, means.shape[1]))
        for place, kept in enumerate((self.first, 1 - self.first)):
            along = kept @ rows - apart * (kept * self.others.T).sum(axis=1)[:, None]
            out[:, place] = _less_line(self.line, value, total, along, kept.sum(axis=1)[:, None])
        return out.reshape(scores.shape)

    def strengths(self, scores: Array) -> Array:
        """C (features, features) for one response (2 · pairs,), from all pairs."""
        dual = self.dual @ scores.reshape(-1, 2).mean(axis=1)
        found = (self.signs.T * dual) @ self.signs
        np.fill_diagonal(found, 0)
        return found


def elsewhere(first: Array, strengths: Array, line: Array) -> Array:
    """The control with given strengths at any masks and their complements, (pairs, features) → (2 · pairs,)."""
    rows = strengths.sum(axis=1)
    whole, features = float(rows.sum()), first.shape[1]
    along, size = first @ rows, first.sum(axis=1)
    value = 2 * np.einsum("nj,nj->n", first @ strengths, first) - 2 * along + whole / 2
    both = [_less_line(line, value, whole / 2, *kept) for kept in ((along, size), (whole - along, features - size))]
    return np.stack(both, axis=1).ravel()


def _inverse(positive: Array) -> Array:
    """The inverse of a symmetric positive definite matrix, by Cholesky: in half the time of the general one."""
    factor, _ = lapack.dpotrf(positive)
    upper, _ = lapack.dpotri(factor)
    found = upper + upper.T
    found[np.diag_indices_from(found)] /= 2
    return np.asarray(found)


def _less_line(line: Array, value: Array, total: Array | float, along: Array, size: Array) -> Array:
    """Σ C_ij (s_i s_j − constant − both (z_i + z_j) − rest Σ_other z): `total` is Σ C_ij over pairs, `along` Σ_i z_i Σ_j C_ij, `size` Σ z."""
    constant, both, rest = line
    return np.asarray(value - constant * total - both * along - rest * (total * size - along))


def product_line(mask_weights: Array) -> Array:
    """The weighted linear regression of s_i s_j on z over all masks: (constant, coefficient of z_i and of z_j, coefficient of every other z).
    `mask_weights` (features + 1,) is the weight of a mask that keeps so many of at least two features.

    Masks of one size weigh the same, so the regression is symmetric in i and j and in all others, and three normal equations in the moments of three
    features of a random mask are all there is.
    """
    features = len(mask_weights) - 1
    sizes, others = np.arange(features + 1), features - 2
    ways = gammaln(features + 1) - gammaln(sizes + 1) - gammaln(features - sizes + 1)
    weights = np.exp(ways - ways.max()) * mask_weights
    weights /= weights.sum()
    first = sizes / features
    second = first * (sizes - 1) / (features - 1)
    third = second * (sizes - 2) / max(others, 1)
    one, two, three = float(weights @ first), float(weights @ second), float(weights @ third)
    normal = np.array(
        [
            [1, 2 * one, others * one],
            [2 * one, 2 * one + 2 * two, 2 * others * two],
            [others * one, 2 * others * two, others * one + others * (others - 1) * two],
        ]
    )
    product = np.array([4 * two - 4 * one + 1, 2 * (2 * two - one), others * (4 * three - 4 * two + one)])
    return np.asarray(np.linalg.lstsq(normal, product, rcond=None)[0])
