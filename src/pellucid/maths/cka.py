"""Linear centred kernel alignment, from minibatches, so that no matrix of all samples is ever held."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
LEAST = 4
"""Samples a minibatch; the unbiased estimate divides by n − 3."""


def centred_gram(rows: Array) -> Array:
    """The matrix of inner products of rows (n, columns), its diagonal 0 and its rows and columns so centred that the unbiased estimate of HSIC is a plain inner
    product: U-centring (Székely & Rizzo 2014, doi:10.1214/14-AOS1255). A constant added to all rows changes nothing.

        K′_ij = K_ij − Σ_l K_il / (n − 2) − Σ_k K_kj / (n − 2) + Σ_kl K_kl / ((n − 1)(n − 2))    for i ≠ j, sums without the diagonal
    """
    count = len(rows)
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)  # exact to more digits, and no change
    gram = (centred @ centred.T).astype(np.float64)
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=0)
    gram -= (sums[:, None] + sums[None]) / (count - 2)
    gram += sums.sum() / ((count - 1) * (count - 2))
    np.fill_diagonal(gram, 0.0)
    return np.asarray(gram)


def hsic(first: Array, second: Array) -> Array:
    """Unbiased estimates HSIC₁ (Song et al. 2012) between centred matrices (a, n, n) and (b, n, n), (a, b)."""
    count = first.shape[-1]
    return np.asarray(first.reshape(len(first), -1) @ second.reshape(len(second), -1).T / (count * (count - 3)))


@dataclass
class Minibatches:
    """CKA of linear kernels between layers, averaged over minibatches (Nguyen, Raghu & Kornblith 2021, arXiv:2010.15327):

        CKA = Σ_b HSIC₁(K_b, L_b) / √(Σ_b HSIC₁(K_b, K_b) · Σ_b HSIC₁(L_b, L_b))

    each minibatch weighed by its size. Each term is unbiased whatever the size of a minibatch, so that the result is that of all samples as minibatches grow
    in number, provided that they are drawn evenly.

    >>> rows, found = np.random.default_rng(0).normal(size=(40, 3)), Minibatches()
    >>> found.add([rows], [2 * rows + 1])
    >>> float(found.similarity().round(6)[0, 0])
    1.0
    """

    _across: list[Array] = field(default_factory=list)
    _own: list[tuple[Array, Array]] = field(default_factory=list)
    _weights: list[int] = field(default_factory=list)

    def add(self, first: list[Array], second: list[Array] | None = None) -> None:
        """One minibatch: what each layer makes of its samples, (n, columns) each; `second` of the other network, None to compare
        the layers among themselves."""
        one = np.stack([centred_gram(rows) for rows in first])
        other = one if second is None else np.stack([centred_gram(rows) for rows in second])
        self.add_grams(one, other)

    def add_grams(self, first: Array, second: Array) -> None:
        """One minibatch by its centred matrices, (layers, n, n) each."""
        count = first.shape[-1]
        self._across.append(hsic(first, second))
        one, other = (np.square(part).sum(axis=(1, 2)) / (count * (count - 3)) for part in (first, second))
        self._own.append((one, other))
        self._weights.append(count)

    def __len__(self) -> int:
        return len(self._weights)

    def similarity(self) -> Array:
        """CKA (layers, layers): 1 where two representations are the same up to a turn and a scale, about 0 where they have nothing in common; NaN of a
        layer that answers the same to every sample."""
        return self._of(np.array(self._weights, np.float64))

    def error(self) -> Array:
        """Its standard error over minibatches by the jackknife, (layers, layers); NaN of a single one."""
        count = len(self)
        if count < 2:
            return np.full(self._across[0].shape, np.nan)
        weights = np.array(self._weights, np.float64)
        left = np.stack([self._of(np.where(np.arange(count) == out, 0.0, weights)) for out in range(count)])
        return np.asarray(np.sqrt((count - 1) / count * np.square(left - left.mean(axis=0)).sum(axis=0)))

    def _of(self, weights: Array) -> Array:
        across = np.tensordot(weights, np.stack(self._across), 1)
        first, second = (np.tensordot(weights, np.stack([own[side] for own in self._own]), 1) for side in (0, 1))
        scale = first[:, None] * second[None]
        return np.where(scale > 0, across / np.sqrt(np.where(scale > 0, scale, 1.0)), np.nan)


def full_cka(first: Array, second: Array) -> float:
    """Linear CKA of all samples at once, biased, as Kornblith et al. (2019, arXiv:1905.00414) write it: ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred rows (n, columns).

    >>> float(round(full_cka(np.eye(3), np.eye(3) * 5), 6))
    1.0
    """
    x, y = first - first.mean(axis=0), second - second.mean(axis=0)
    across = float(np.square(y.T @ x).sum())
    return across / float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
