"""Quality on held-out samples: known values, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from pellucid.applications._quality import accuracy, auc
from pellucid.core.errors import SettingError


def test_accuracy_beside_the_commonest_class() -> None:
    labels = np.repeat([0, 1], [70, 30])
    answers = np.where(np.arange(100) < 90, labels, 1 - labels)
    found = accuracy("net", np.eye(2)[answers], labels)
    assert (found.value, found.baseline, found.held_out) == (0.9, 0.7, 100)
    assert found.interval == pytest.approx((0.8256, 0.9448), abs=1e-4)  # Wilson's interval of 90 in 100, from Wilson 1927's formula


def test_wilson_intervals_cover() -> None:
    """By the binomial distribution itself, not by draws."""
    labels, hits = np.zeros(200, int), np.arange(201)
    within = [low <= 0.85 <= high for one in hits for low, high in [accuracy("net", np.eye(2)[(np.arange(200) >= one).astype(int)], labels).interval]]
    assert 0.93 <= binom.pmf(hits, 200, 0.85) @ within <= 0.97


def test_auc_is_scikit_learns_and_its_interval_holds_it() -> None:
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 2, 200)
    scores = np.round(labels + draw.normal(0, 1.2, 200), 1)  # with ties
    found = auc("net", scores, labels)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.interval[0] < found.value < found.interval[1] < 1
    assert found.baseline == 0.5
    assert auc("net", scores, labels) == found


def test_auc_intervals_cover() -> None:
    draw = np.random.default_rng(2)
    truth = 0.76025  # of two normal distributions one deviation apart: Φ(1/√2)
    covered = []
    for _ in range(200):
        found = auc("net", np.concatenate([draw.normal(1, 1, 60), draw.normal(0, 1, 140)]), np.repeat([1, 0], [60, 140]))
        covered.append(found.interval[0] <= truth <= found.interval[1])
    assert 0.90 <= np.mean(covered) <= 0.98


def test_one_class_has_no_auc() -> None:
    with pytest.raises(SettingError, match="both classes"):
        auc("net", np.array([0.1, 0.2]), np.array([1, 1]))
