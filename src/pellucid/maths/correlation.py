"""Correlations of paired draws, with the standard error that comes from how few there are."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

Array = np.ndarray
LEFT_OUT = 200
"""Enough pairs to know a standard error to within a tenth."""
ROUNDING = 1e-12
"""Values that spread by less than this share of the largest are constant."""


def pearson(a: Array, b: Array) -> Array:
    """Pearson's correlation along the last axis of two arrays (…, n), (…,); NaN where one of them is constant.

    >>> float(pearson(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 4.0])).round(2))
    0.8
    """
    x, y = _centred(a), _centred(b)
    return _ratio((x * x).sum(axis=-1), (y * y).sum(axis=-1), (x * y).sum(axis=-1))


def pearson_error(a: Array, b: Array) -> Array:
    """The standard error of `pearson` for independent pairs of any distribution, (…,): the jackknife's, each pair left out in turn.

    >>> float(pearson_error(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 4.0])).round(2))
    0.34
    """
    x, y, n = _centred(a), _centred(b), np.shape(a)[-1]
    if n < 3:
        return np.full(np.shape(a)[:-1], np.nan)
    return _jackknifed(_ratio(*(two.sum(axis=-1, keepdims=True) - n / (n - 1) * two for two in (x * x, y * y, x * y))))


def spearman(a: Array, b: Array) -> Array:
    """Spearman's correlation of ranks along the last axis of two arrays (…, n), equal values sharing the mean of theirs, (…,); NaN where one is constant.

    >>> float(spearman(np.array([1.0, 2.0, 30.0]), np.array([1.0, 3.0, 2.0])).round(2))
    0.5
    """
    return pearson(rankdata(a, axis=-1), rankdata(b, axis=-1))


def spearman_error(a: Array, b: Array) -> float:
    """The standard error of `spearman` of two lists (n,) of independent pairs: the jackknife's, each of the first `LEFT_OUT` pairs left out in turn, so that
    the others' ranks move. The order of the pairs must not tell of them.

    >>> x = np.random.default_rng(0).normal(size=(2, 400))
    >>> round(spearman_error(x[0], x.sum(axis=0)), 2)
    0.03
    """
    if len(a) < 3:
        return float("nan")
    each = pearson(_ranks_without_each(a), _ranks_without_each(b))
    return float(_jackknifed(each) * np.sqrt((len(a) - 1) / (len(each) - 1)))


def _ranks_without_each(values: Array) -> Array:
    """The ranks of all values but one, (pairs left out, n − 1): row j is without value j."""
    out = np.arange(min(len(values), LEFT_OUT))[:, None]
    ranks = rankdata(values) - (values[out] < values) - (values[out] == values) / 2
    return np.asarray(ranks[np.arange(len(values)) != out].reshape(len(out), -1))


def _jackknifed(each: Array) -> Array:
    return np.asarray(np.sqrt((each.shape[-1] - 1) * each.var(axis=-1)))


def _centred(values: Array) -> Array:
    """The values less their mean; zeros where they are constant."""
    centred = values - np.mean(values, axis=-1, keepdims=True)
    size = np.abs(values).max(axis=-1, keepdims=True)
    return np.where(np.abs(centred).max(axis=-1, keepdims=True) <= ROUNDING * size, 0.0, centred)


def _ratio(xx: Array, yy: Array, xy: Array) -> Array:
    """xy / √(xx · yy); NaN where one of the two is nothing."""
    size = np.sqrt(np.maximum(xx, 0) * np.maximum(yy, 0))
    return np.divide(xy, size, out=np.full(np.shape(size), np.nan), where=size > 0)
