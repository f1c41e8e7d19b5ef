"""Sound over time and frequency: pictures, scales and ticks are the record's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pellucid
import synthetic
from pellucid.core.errors import ShapeError, UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, panels, png_bytes
from pellucid.report.pictures import explanation_picture

RATE = 8000


def draw(*args: object, **keywords: object) -> tuple:
    return FIGURES.load("spectrogram")(*args, **keywords)


def record(method: str = "shap", *, first: bool = False, picture: str = "spectrogram") -> Explanation:
    at = np.arange(RATE) / RATE
    sound = 0.01 * np.random.default_rng(0).normal(size=RATE) + np.sin(2 * np.pi * 2000 * at) * ((at > 0.5) & (at < 0.6))
    read = pellucid.Audio(RATE, mean=(-50.0,), deviation=(10.0,), rate=RATE, picture=picture, frame=256, hop=128, first=first)
    axis = (1, 2, 3)
    return pellucid.explain(lambda x: np.square(x).mean(axis=axis)[:, None], [(RATE, sound)], method, preprocessing=read, fill=0.0)


@pytest.mark.parametrize("first", [False, True])
def test_both_pictures_hold_the_records_numbers(first: bool) -> None:
    found = record(first=first)
    loud, shown, *_borders = draw(found)
    (inputs,) = found.inputs[0] if first else np.moveaxis(found.inputs[0], -1, 0)
    np.testing.assert_allclose(loud.get_array(), inputs * 10 - 50, rtol=1e-5)
    (values,) = found.to_input()[0] if first else np.moveaxis(found.to_input()[0], -1, 0)
    np.testing.assert_array_equal(shown.get_array(), values)
    reach = np.abs(values).max()
    assert shown.get_clim() == (-reach, reach)
    assert draw(found, limit=7.0)[1].get_clim() == (-7, 7)
    assert loud.get_extent() == shown.get_extent()
    assert loud.origin == shown.origin == "lower"
    assert loud.axes.get_ylabel() == shown.axes.get_ylabel() == "frequency (Hz)"
    assert shown.axes.get_xlabel() == "time (s)"


def test_areas_are_outlined_and_numbered_where_they_lie() -> None:
    found = record()
    area = np.zeros(found.inputs.shape[1:3], bool)
    area[60:70, 20:30] = True
    loud, _shown, *more = draw(found, areas=[area], signs=[1.0])
    (number,) = [artist for artist in more if hasattr(artist, "get_text")]
    assert number.get_text() == "1"
    assert number.axes is loud.axes
    column, row = number.get_position()
    assert area[int(row), int(column)]
    with pytest.raises(ShapeError, match="region 1 has the shape"):
        draw(found, areas=[area.T], signs=[1.0])


@pytest.mark.parametrize("picture", ["spectrogram", "mel"])
def test_a_tick_stands_where_its_time_and_frequency_lie(picture: str) -> None:
    found = record(picture=picture)
    read = pellucid.Audio(RATE, rate=RATE, picture=picture, frame=256, hop=128)
    loud, shown, *_borders = draw(found)
    png_bytes(shown.axes.figure.figure)
    for axis, places in ((shown.axes.xaxis, read.times), (loud.axes.yaxis, read.frequencies)):
        ticks = {float(label.get_text()): at for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)}
        assert len(ticks) >= 3
        for said, at in ticks.items():
            assert np.interp(at, np.arange(len(places)), places) == pytest.approx(said, rel=1e-6, abs=1e-6)
    row = np.asarray(loud.get_array())[:, int(np.argmin(np.abs(read.times - 0.55)))].argmax()
    assert read.frequencies[row] == pytest.approx(2000, rel=0.06)


def test_what_is_no_spectrogram_is_one_error_and_a_report_draws_one() -> None:
    with pytest.raises(UnsupportedError, match="series_line"):
        draw(synthetic.explanation())
    found = record()
    picture = explanation_picture(found, 0, None, "p")
    assert "spectrogram" in picture.alt
    blank = replace(found, values=0 * found.values, error=0 * found.error)
    (ax,) = panels(("series",), 3.0)
    assert draw(blank, ax=ax)[0].axes in ax.child_axes
