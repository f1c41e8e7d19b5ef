"""Statistics in one pass are those of all numbers at once."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths import streams
from pellucid.maths.streams import Histogram, Moments

CLOSE = 1e-12


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 500], [999]])
def test_merged_moments_are_those_of_all_rows(cuts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "AT_ONCE", 64)
    rows = np.random.default_rng(0).normal(1e4, 1.0, (1000, 5)) * np.array([1, 1e-3, 0, 1e3, 1])
    moments = Moments(5)
    for part in np.split(rows, cuts):
        moments.add(part)
    assert moments.count == 1000
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=CLOSE)
    np.testing.assert_allclose(moments.deviation, rows.std(axis=0), rtol=1e-9, atol=0)
    np.testing.assert_array_equal(moments.low, rows.min(axis=0))
    np.testing.assert_array_equal(moments.high, rows.max(axis=0))


def test_float32_far_from_zero_loses_no_digits() -> None:
    rows = (1e4 + np.random.default_rng(1).normal(size=(5000, 1))).astype(np.float32)
    moments = Moments(1)
    moments.add(rows)
    np.testing.assert_allclose(moments.deviation, rows.astype(np.float64).std(axis=0), rtol=1e-9)


def test_bins_are_those_of_numpy_and_what_lies_outside_is_counted() -> None:
    draw = np.random.default_rng(2)
    first, second = draw.normal(size=1000), draw.normal(0, 9, 1000)
    histogram = Histogram(20)
    histogram.add(first)
    edges = histogram.edges.copy()
    histogram.add(second)
    np.testing.assert_array_equal(histogram.edges, edges)
    both = np.concatenate([first, second])
    np.testing.assert_array_equal(histogram.counts[1:-1], np.histogram(both, edges)[0])
    assert histogram.counts[0] == (both < edges[0]).sum() > 0
    assert histogram.counts[-1] == (both > edges[-1]).sum() > 0
    assert edges[0] < first.min() < first.max() < edges[-1]


def test_ends_that_are_given_are_the_ends_and_the_last_belongs_to_the_last_bin() -> None:
    histogram = Histogram(4, 0.0, 1.0)
    histogram.add(np.array([0.0, 0.2, 1.0, 1.0, np.nan, np.inf]))
    assert histogram.counts.tolist() == [0, 2, 0, 0, 2, 0]
    constant = Histogram(3)
    constant.add(np.full(5, 7.0))
    assert constant.counts.sum() == 5 == constant.counts[1:-1].sum()
