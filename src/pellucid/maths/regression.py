"""Weighted least squares as sums over rows that come in pieces, with standard errors that respect pairs and controls that take out noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray

NUMBERS_AT_ONCE = 500_000
"""Numbers of one block of rows."""
ROUNDING = 1e-12
"""Scores that differ by less than this share of their size are one score: nothing is left to explain."""


@dataclass(frozen=True)
class Fit:
    """A weighted linear fit with intercept: coefficients (features,), their covariance, intercept, weighted R², degrees of freedom."""

    coefficients: Array
    covariance: Array
    intercept: float
    r_squared: float
    degrees: float


class Design:
    """What the rows x (n, columns) with weights w say by themselves: Σ w, Σ w x, Σ w x xᵀ. One serves many responses."""

    def __init__(self, columns: int) -> None:
        self.total = 0.0
        self.first, self.second = np.zeros(columns), np.zeros((columns, columns))

    def add(self, weighted: Array, rows: Array, weights: Array) -> None:
        """More rows; `weighted` is w x, which a caller needs for its responses too."""
        self.total += float(weights.sum())
        self.first += weighted.sum(axis=0)
        self.second += weighted.T @ rows

    @property
    def centre(self) -> Array:
        """The weighted mean of the rows."""
        return self.first / self.total

    def information(self, columns: int) -> Array:
        """Σ w (x − centre)(x − centre)ᵀ of the first columns."""
        first = self.first[:columns]
        return self.second[:columns, :columns] - np.outer(first, first) / self.total


@dataclass
class Response:
    """Sums of responses t (n, responses) over the rows of a design: Σ w t, Σ w x tᵀ, Σ w t tᵀ."""

    total: Array
    cross: Array
    square: Array

    @classmethod
    def of(cls, weighted: Array, weights: Array, responses: Array) -> Response:
        scaled = responses * weights[:, None]
        return cls(scaled.sum(axis=0), weighted.T @ responses, scaled.T @ responses)

    def __add__(self, other: Response) -> Response:
        return Response(self.total + other.total, self.cross + other.cross, self.square + other.square)


@dataclass(frozen=True)
class Line:
    """A fit without its error: score ≈ intercept + coefficientsᵀ z + nuisanceᵀ d + share · control. `gain` is the part of the variance left by z and d that
    the control takes away, `r_squared` that of intercept + coefficientsᵀ z for the score less nuisanceᵀ d."""

    coefficients: Array
    nuisance: Array
    share: float
    intercept: float
    r_squared: float
    gain: float


class Solver:
    """Minimises Σ w (t₀ − a − bᵀz − cᵀd − ρ t₁)² + ridge ‖b‖² for any number of responses on one design.

    The first `features` columns are z, those up to `columns` are d, of which nothing is asked. The second response t₁, where there is one, is a control,
    and so are the d: things whose own regression on z tends to nothing, so that they take noise out of b and move it nowhere.
    """

    def __init__(self, design: Design, features: int, columns: int, ridge: float = 0.0) -> None:
        self.design, self.features, self.columns = design, features, columns
        self.information = design.information(columns)
        penalty = ridge * (np.arange(columns) < features)
        self.inverse = np.linalg.pinv(self.information + np.diag(penalty), hermitian=True)
        own = slice(0, features)
        self.bread = self.inverse if features == columns else np.linalg.pinv(self.information[own, own] + ridge * np.eye(features), hermitian=True)

    def line(self, response: Response) -> Line:
        """The fit of one response, (1 or 2) wide."""
        design, features = self.design, self.features
        cross = response.cross[: self.columns] - np.outer(design.first[: self.columns], response.total) / design.total
        square = response.square - np.outer(response.total, response.total) / design.total
        slopes = self.inverse @ cross
        left = square - cross.T @ slopes - slopes.T @ cross + slopes.T @ self.information @ slopes
        share = gain = 0.0
        if len(left) > 1 and left[0, 0] > 0 and left[1, 1] > ROUNDING * square[1, 1] > 0:
            share, gain = float(left[0, 1] / left[1, 1]), float(left[0, 1] ** 2 / (left[0, 0] * left[1, 1]))
        solved, total = slopes[:, 0], float(response.total[0])
        if share:
            solved, total = solved - share * slopes[:, 1], total - share * float(response.total[1])
        b, c = solved[:features], solved[features:]
        intercept = total / design.total - float(design.centre[: self.columns] @ solved)
        freed = float(square[0, 0] - 2 * c @ cross[features:, 0] + c @ self.information[features:, features:] @ c)
        explained = cross[:features, 0] - self.information[:features, features:] @ c
        lost = freed - float(2 * b @ explained - b @ self.information[:features, :features] @ b)
        varies = freed > ROUNDING**2 * float(response.square[0, 0])
        return Line(b, c, share, intercept, 1 - max(lost, 0.0) / freed if varies else 1.0, gain)

    def covariance(self, meat: Array, clusters: int, parameters: int) -> tuple[Array, float]:
        """The sandwich A⁻¹ (Σ s sᵀ) A⁻¹ · n/(n − p) of b (Liang & Zeger 1986) and its degrees of freedom n − p, of n clusters and p parameters. Controls
        count among the parameters; being orthogonal to z in the limit, they have no part in A."""
        degrees = max(clusters - parameters, 1)
        return self.bread @ meat @ self.bread * (clusters / degrees), float(degrees)


class PairSandwich:
    """The middle of the sandwich for rows that come as pairs z, 1 − z: Σ s sᵀ with s the pair's sum of w e (z − centre), e what the fit leaves.

    With u = w₁e₁ − w₂e₂, v = w₂e₂ and t = w₁e₁ + w₂e₂, s = u z + v 1 − t centre, so that one product of (u z, v, t) with itself does.
    """

    def __init__(self, features: int) -> None:
        self.sums = np.zeros((features + 2, features + 2))

    def add(self, first: Array, weighted: Array) -> None:
        """More pairs: their first rows (pairs, features) and w e of both (pairs, 2)."""
        pieces = np.empty((len(first), first.shape[1] + 2))
        np.multiply(first, (weighted[:, 0] - weighted[:, 1])[:, None], out=pieces[:, :-2])
        pieces[:, -2], pieces[:, -1] = weighted[:, 1], weighted.sum(axis=1)
        self.sums += pieces.T @ pieces

    def meat(self, centre: Array) -> Array:
        shape = np.concatenate([np.eye(len(centre)), np.ones((1, len(centre))), -centre[None]])
        return np.asarray(shape.T @ self.sums @ shape)


def weighted_regression(rows: Array, scores: Array, weights: Array, ridge: float = 0.0) -> Line:
    """Minimise Σ w (y − a − bᵀx)² + ridge ‖b‖²; the intercept is not penalised. `rows` (n, features) of any number type, `scores` and `weights` (n,).

    Rows are taken in blocks, so that no copy of all of them is made.
    """
    features = rows.shape[1]
    design, level = Design(features), float(scores[0])
    response = Response(np.zeros(1), np.zeros((features, 1)), np.zeros((1, 1)))
    size = max(1, NUMBERS_AT_ONCE // max(features, 1))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        block = rows[part].astype(np.float64)
        weighted = block * weights[part, None]
        design.add(weighted, block, weights[part])
        response += Response.of(weighted, weights[part], scores[part, None] - level)
    found = Solver(design, features, features, ridge).line(response)
    return replace(found, intercept=found.intercept + level)


def lime_kernel(coalitions: Array, width: float) -> Array:
    """LIME's weight of a coalition: √exp(−d²/width²), d the cosine distance to the full coalition. Shape (n,)."""
    kept = coalitions.sum(axis=1) / coalitions.shape[1]
    distance = 1 - np.sqrt(kept)
    return np.sqrt(np.exp(-np.square(distance) / width**2))
