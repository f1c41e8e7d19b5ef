"""Numbers on tiles: set from letters that are drawn once, they must lie where matplotlib's own texts do."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from pellucid.figures import pixels
from pellucid.figures._canvas import panels, words
from pellucid.figures._labels import labelled

pytestmark = pytest.mark.once
TEXTS = ["0", "17", "1280 ∅", "3  0.45", "255 ▲"]
CORNERS = [(10 + 30 * row, 4) for row in range(len(TEXTS))]


def _axes():
    (ax,) = panels(("picture",), 3.0)
    ax.set_xlim(0, 100)
    ax.set_ylim(150, 0)
    ax.set_axis_off()
    return ax


def _sheet(stamped: bool) -> np.ndarray:
    ax = _axes()
    if stamped:
        labelled(ax, TEXTS, CORNERS, 9)
    else:
        for text, (top, left) in zip(TEXTS, CORNERS, strict=True):
            ax.text(left, top - 1, text, va="bottom", ha="left", **words(9))
    return 255 - pixels(ax.figure, 100).astype(int).mean(axis=-1)


def test_labels_lie_where_texts_of_matplotlib_do() -> None:
    stamped, own = _sheet(True), _sheet(False)
    for one, other in zip((stamped, own), (own, stamped), strict=True):
        rows, columns = np.nonzero(one > 90)
        assert len(rows) > 100
        near = np.max([np.roll(other, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)], axis=0)
        assert (near[rows, columns] > 40).mean() > 0.99
    assert stamped.sum() == pytest.approx(own.sum(), rel=0.05)


def test_labels_say_what_and_where_and_can_be_hidden() -> None:
    ax = _axes()
    found = labelled(ax, TEXTS, CORNERS, 9)
    assert [one.get_text() for one in found] == TEXTS
    assert [one.get_position() for one in found] == [(left, top - 1) for top, left in CORNERS]
    assert all(one.axes is ax and one.figure is ax.figure for one in found)
    assert (pixels(ax.figure, 80) != 255).any()
    for one in found:
        one.set_visible(False)
    assert (pixels(ax.figure, 80) == 255).all()


def test_labels_are_letters_in_a_drawing() -> None:
    ax = _axes()
    labelled(ax, ["1234567"], [(1, 0)], 9)
    written = io.BytesIO()
    ax.figure.savefig(written, format="svg", metadata={"Date": None})
    assert b"1234567" in written.getvalue()
