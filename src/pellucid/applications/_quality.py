"""How good a network is on what it has not seen, with an interval, beside an answer that knows nothing."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from pellucid.applications._intervals import drawn, share
from pellucid.core.errors import SettingError
from pellucid.report.story import Quality

Array = np.ndarray


def accuracy(network: str, outputs: Array, labels: Array) -> Quality:
    """The share of right answers, outputs (samples, classes), with Wilson's interval, beside that of the commonest class.

    >>> accuracy("net", np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 0, 1])).value
    0.75
    """
    held = len(labels)
    value, low, high = share(int((outputs.argmax(axis=1) == labels).sum()), held)
    return Quality(network, "accuracy", value, (low, high), float(np.bincount(labels).max() / held), held)


def auc(network: str, scores: Array, labels: Array, *, seed: int = 0) -> Quality:
    """How often a sample of class 1 gets a higher score (samples,) than one of class 0, with a bootstrap interval (percentiles, both classes drawn apart).

    >>> auc("net", np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value
    0.75
    """
    high, low = scores[labels == 1], scores[labels == 0]
    if not len(high) or not len(low):
        raise SettingError("an AUC needs samples of both classes.")

    value, *interval = drawn((high, low), auc_of, seed=seed)
    return Quality(network, "AUC", value, (interval[0], interval[1]), 0.5, len(labels))


def auc_of(high: Array, low: Array, axis: int = -1) -> Array:
    """How often a score of the first is above one of the second, ties half: Mann and Whitney's U by the number of pairs."""
    count = high.shape[axis]
    ranks = rankdata(np.concatenate([high, low], axis=axis), axis=axis)
    of_high = np.take(ranks, np.arange(count), axis=axis).sum(axis=axis)
    return np.asarray((of_high - count * (count + 1) / 2) / (count * low.shape[axis]))
