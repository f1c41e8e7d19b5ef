"""Shapley values as a weighted regression on coalitions drawn with their complements (KernelSHAP), and the error of that.

The Shapley values of v are the coefficients of the best additive approximation of v under the weights 1/(s(n − s)) by coalition size s, held to
Σ φ = v(all) − v(∅) (Charnes et al. 1988; Lundberg & Lee 2017). Of v only u(S) = (v(S) − v(∁S))/2 matters, which a pair of complements gives without what v has
of even order. Pairs are drawn with sizes 1, …, n − 1 equally often: the weighted regression's leverage scores (Musco & Witter 2025, arXiv:2410.01917).
"""

from __future__ import annotations

import numpy as np

from pellucid.maths.strata import Estimate

Array = np.ndarray

NUMBERS_AT_ONCE = 1_000_000
NORMAL_FOURTH = 3.0
"""The fourth moment of a normal variable over the square of its variance."""
MOST_LEVERAGE = 0.999


class PairedRegression:
    """One regression a stratum; the answer is the mean of their coefficients. `information` (strata, features, features), `moment` (strata, features).

    Coalitions are (strata, pairs, features) of zeros and ones, differences (strata, pairs) are u, totals (strata, pairs or 1) v(all) − v(∅).
    """

    def __init__(self, strata: int, features: int) -> None:
        self.features = features
        self.information, self.moment = np.zeros((strata, features, features)), np.zeros((strata, features))
        self.pairs = 0

    def add(self, coalitions: Array, differences: Array, totals: Array) -> None:
        """More pairs, equally many of each stratum."""
        for part in self._parts(coalitions.shape):
            signs, left, weights = self._reduced(coalitions[:, part], differences[:, part], totals if totals.shape[1] == 1 else totals[:, part])
            weighted = (signs * weights[..., None]).transpose(0, 2, 1)
            self.information += weighted @ signs
            self.moment += (weighted @ left[..., None])[..., 0]
        self.pairs += coalitions.shape[1]

    def solve(self) -> tuple[Array, Array]:
        """Coefficients less their mean (strata, features), and the inverse of the information where it has one: the direction of ones is not asked for."""
        scale = np.trace(self.information, axis1=1, axis2=2)[:, None, None] / self.features
        inverse = np.linalg.pinv(self.information / scale + 1 / self.features, hermitian=True) / scale
        return (inverse @ self.moment[..., None])[..., 0], inverse

    def spread(self, solved: tuple[Array, Array], coalitions: Array, differences: Array, totals: Array) -> tuple[Array, Array]:
        """Σ a aᵀ (features, features) and Σ a⁴ (features,) over pairs, a being what a pair's residual adds to the answer, each residual over √(1 − leverage)
        (the sandwich HC2 of MacKinnon & White 1985). To be summed over all pairs that were added."""
        coefficients, inverse = solved
        square, fourth = np.zeros((self.features, self.features)), np.zeros(self.features)
        for part in self._parts(coalitions.shape):
            signs, left, weights = self._reduced(coalitions[:, part], differences[:, part], totals if totals.shape[1] == 1 else totals[:, part])
            pull = signs @ inverse
            leverage = np.minimum((pull * signs).sum(axis=2) * weights, MOST_LEVERAGE)
            residuals = (left - (signs @ coefficients[..., None])[..., 0]) * weights / np.sqrt(1 - leverage) / len(coefficients)
            share = (pull * residuals[..., None]).reshape(-1, self.features)
            square += share.T @ share
            fourth += np.square(np.square(share)).sum(axis=0)
        return square, fourth

    def estimate(self, coefficients: Array, square: Array, fourth: Array, total: float) -> Estimate:
        """The mean over strata, held to the total; a few pairs that make most of the error leave few degrees of freedom."""
        seen = fourth > 0
        effective = NORMAL_FOURTH * np.square(np.diag(square)[seen]) / fourth[seen]
        most = len(coefficients) * max(self.pairs - self.features + 1, 1)
        degrees = min(float(np.median(effective)), most) if seen.any() else float(most)
        return Estimate(coefficients.mean(axis=0) + total / self.features, square, degrees)

    def _reduced(self, coalitions: Array, differences: Array, totals: Array) -> tuple[Array, Array, Array]:
        """Coalitions as ±½ less their mean, differences less what the total alone explains, and the kernel's weights where sizes are equally often."""
        features = self.features
        members = coalitions.sum(axis=2, dtype=np.int64)
        signs = coalitions - (members / features)[..., None]
        left = differences - (members / features - 0.5) * totals
        return signs, left, (features**2 / 4) / (members * (features - members))

    def _parts(self, shape: tuple[int, ...]) -> list[slice]:
        step = max(1, NUMBERS_AT_ONCE // (shape[0] * shape[2]))
        return [slice(start, start + step) for start in range(0, shape[1], step)]
