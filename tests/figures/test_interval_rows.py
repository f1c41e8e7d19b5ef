"""Numbers with their intervals: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import SettingError, ShapeError
from pellucid.figures import FIGURES, png_bytes
from pellucid.figures.intervals import intervals

NAMES = ["good", "bad", "数字"]
ONE = np.array([[1.0, 0.5, 1.5], [-2.0, -2.5, -1.0], [np.nan, np.nan, np.nan]])
OTHER = np.array([[0.5, -np.inf, np.inf], [-1.0, -1.5, -0.5], [0.2, 0.1, 0.4]])


def test_marks_and_whiskers_are_what_was_given() -> None:
    marks, whiskers, others, other_whiskers = intervals(NAMES, {"one": ONE, "other": OTHER}, title="words", label="mean")
    np.testing.assert_array_equal(marks.get_xdata(), ONE[:2, 0])
    np.testing.assert_array_equal(others.get_xdata(), OTHER[:, 0])
    assert (marks.get_label(), others.get_label()) == ("one", "other")
    np.testing.assert_allclose([segment[:, 0] for segment in whiskers.get_segments()], ONE[:2, 1:])
    ax = marks.axes
    edges = ax.get_xlim()
    np.testing.assert_allclose([segment[:, 0] for segment in other_whiskers.get_segments()], [edges, *OTHER[1:, 1:]])
    assert edges[0] < -2.5
    assert edges[1] > 1.5
    for drawn, rows in ((marks, [0, 1]), (others, [0, 1, 2])):
        assert np.abs(np.asarray(drawn.get_ydata()) - rows).max() < 0.3
    assert (np.asarray(marks.get_ydata()) < np.asarray(others.get_ydata())[:2]).all()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == NAMES
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first name is not on top"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "other"]
    assert png_bytes(ax.figure).startswith(b"\x89PNG")


def test_one_series_has_no_legend_and_zero_may_lie_far_away() -> None:
    far = np.array([[0.7, 0.6, 0.8]])
    marks, _ = intervals(["accuracy"], {"one": far}, zero=False)
    assert marks.axes.get_legend() is None
    assert marks.axes.get_xlim()[0] > 0.5
    assert intervals(["accuracy"], {"one": far})[0].axes.get_xlim()[0] < 0
    assert "intervals" in FIGURES.names()


def test_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"'one' has shape \(3, 3\) for 2 names"):
        intervals(NAMES[:2], {"one": ONE})
    with pytest.raises(SettingError, match="1 to 4 series, got 0"):
        intervals(NAMES, {})
