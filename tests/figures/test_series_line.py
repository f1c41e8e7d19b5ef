"""A series in the colours of its attribution: positions, colours, bands and limits are the record's numbers."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

import pellucid
import synthetic
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, panels, png_bytes

HALF = NormalDist().inv_cdf(0.975)


def draw(*args: object, **keywords: object) -> tuple:
    return FIGURES.load("series_line")(*args, **keywords)


def series(channels: int, kind: str = "bound") -> Explanation:
    """Two series of 30 steps."""
    made, generator = synthetic.explanation(count=2), np.random.default_rng(channels)
    shape = (2, 30, channels) if channels else (2, 30)
    values = generator.normal(size=shape)
    return replace(made, inputs=generator.normal(size=shape), values=values, error=0.1 * np.abs(values), error_kind=kind, baseline=None,
                   axes=("sample", "step", "channel")[: len(shape)])  # fmt: skip


def test_each_step_lies_where_it_was_measured_in_the_colour_of_its_attribution() -> None:
    record = series(0)
    line, curve, band = draw(record, sample=1)
    assert isinstance(line, LineCollection)
    pieces = np.array([piece[1] for piece in line.get_segments()])
    np.testing.assert_allclose(pieces, np.stack([np.arange(30), record.inputs[1]], 1))
    ends = np.array([piece[2] for piece in line.get_segments()])
    np.testing.assert_allclose(ends[:-1, 0], np.arange(29) + 0.5)
    np.testing.assert_array_equal(line.get_array(), record.values[1])
    reach = np.abs(record.values[1]).max()
    assert line.get_clim() == (-reach, reach)
    np.testing.assert_allclose(curve.get_ydata(), record.values[1])
    box = band.get_paths()[0].vertices[1:31]
    np.testing.assert_allclose(box, np.stack([np.arange(30), record.values[1] - HALF * record.error[1]], 1), rtol=1e-4)
    half = HALF * record.error[1]
    assert f"± {half.max():.2g}" in curve.axes.get_xlabel()
    low, high = curve.axes.get_ylim()
    assert low == -high
    assert high >= (np.abs(record.values[1]) + half).max()


def test_line_and_attribution_share_the_time_axis() -> None:
    line, curve, _ = draw(series(0))
    assert line.axes.get_xlim() == curve.axes.get_xlim() == (-0.5, 29.5)
    assert curve.axes.get_xlabel().startswith("time step")


def test_channels_are_small_multiples_on_one_scale() -> None:
    record = series(3)
    record.values[0, 4, 2] = -5
    artists = draw(record, channels=["心电图", "b", "c"])
    lines, curves = artists[::3], artists[1::3]
    assert len(lines) == 3
    for channel, (line, curve) in enumerate(zip(lines, curves, strict=True)):
        np.testing.assert_allclose(line.get_array(), record.values[0, :, channel])
        np.testing.assert_allclose(curve.get_ydata(), record.values[0, :, channel])
    reach = np.abs(record.values[0]).max()
    assert {line.get_clim() for line in lines} == {(-reach, reach)}
    assert len({line.axes.get_ylim() for line in lines}) == len({curve.axes.get_ylim() for curve in curves}) == 1
    assert [line.axes.get_ylabel() for line in lines] == ["心电图", "b", "c"]
    assert draw(record, limit=9.0)[0].get_clim() == (-9, 9)
    with pytest.raises(SettingError, match="3"):
        draw(record, channels=["a"])


def test_channels_are_called_as_the_preprocessing_calls_them() -> None:
    record = series(1)
    assert draw(record)[0].axes.get_ylabel() == ""
    assert draw(record, channels=["beat"])[0].axes.get_ylabel() == "beat"
    raw = np.random.default_rng(0).normal(size=(4, 6, 2))
    read = pellucid.Series.fit(raw, names=("lead I", "lead II"))
    found = pellucid.explain(NumpyModel(random_stack(0, (12, 4, 2)), (6, 2)), raw[:1], "integrated_gradients", preprocessing=read, target=0, baseline=0.0)
    lines = [artist for artist in draw(found) if isinstance(artist, LineCollection)]
    assert [line.axes.get_ylabel() for line in lines] == ["lead I", "lead II"]
    np.testing.assert_allclose(lines[1].get_array(), found.values[0, :, 1])


def test_of_many_channels_the_strongest_are_shown_in_their_order() -> None:
    record = series(9)
    record.values[0, 0, [7, 2]] = -50, 40
    artists = draw(record, count=2)
    for line, channel in zip(artists[::3], (2, 7), strict=True):
        np.testing.assert_allclose(line.get_array(), record.values[0, :, channel])
        assert line.axes.get_ylabel() == f"channel {channel}"
    (title,) = {artist.axes.figure.axes[0].get_title() for artist in artists}
    assert "2 of 9 channels" in title


def test_channels_first_are_drawn_as_channels() -> None:
    record = series(3)
    first = replace(record, inputs=np.moveaxis(record.inputs, 2, 1), values=np.moveaxis(record.values, 2, 1), error=np.moveaxis(record.error, 2, 1),
                    provenance=dict(record.provenance) | {"takes": {"channels": "first"}})  # fmt: skip
    for one, other in zip(draw(first)[::3], draw(record)[::3], strict=True):
        np.testing.assert_array_equal(one.get_array(), other.get_array())


def test_windows_are_painted_on_their_steps() -> None:
    record, windows = series(1), np.random.default_rng(0).normal(size=(2, 3))
    labels = (np.arange(30) // 10)[None, :, None]
    cut = replace(record, values=windows, error=0.1 * np.abs(windows), features=FeatureMap(labels, ("a", "b", "c"), "given"), axes=("sample", "feature"))
    line, curve, band = draw(cut, sample=1)
    np.testing.assert_allclose(line.get_array(), np.repeat(windows[1], 10))
    np.testing.assert_allclose(curve.get_ydata(), np.repeat(windows[1], 10))
    np.testing.assert_allclose(band.get_paths()[0].vertices[1:31, 1], np.repeat(windows[1] - HALF * 0.1 * np.abs(windows[1]), 10), rtol=1e-4)


def test_values_without_a_direction_start_at_zero_and_exact_ones_have_no_band() -> None:
    record = series(0, "exact")
    artists = draw(replace(record, values=np.abs(record.values)))
    assert len(artists) == 2
    assert artists[0].get_clim() == (0, np.abs(record.values[0]).max())
    assert artists[1].axes.get_ylim()[0] > -0.1 * artists[1].axes.get_ylim()[1]
    assert artists[1].axes.get_xlabel() == "time step"


def test_an_image_is_no_series_and_nothing_is_drawn_as_nothing() -> None:
    with pytest.raises(UnsupportedError, match="attribution_map"):
        draw(synthetic.explanation())
    record = series(2)
    blank = replace(record, values=0 * record.values, error=0 * record.error, inputs=0 * record.inputs)
    (ax,) = panels(("series",), 3.0)
    line = draw(blank, ax=ax)[0]
    assert line.axes in ax.child_axes
    assert png_bytes(ax.figure).startswith(b"\x89PNG")


def measured(steps: int, **settings: Any) -> Explanation:
    raw = np.random.default_rng(0).normal(3.0, 1.0, (1, steps, 1))
    read = pellucid.Series(steps, ("pressure",), (3.0,), (2.0,), **settings)
    network = NumpyModel(random_stack(0, (steps, 4, 2)), (steps, 1))
    return pellucid.explain(network, raw, "integrated_gradients", preprocessing=read, target=0, tolerance=0.3)


def test_time_runs_in_its_unit_and_the_series_is_shown_as_measured() -> None:
    found = measured(60, units=("mmHg",), step=0.02)
    line, curve, *_band = draw(found)
    np.testing.assert_allclose(np.array([piece[1][1] for piece in line.get_segments()]), found.inputs[0, :, 0] * 2 + 3, rtol=1e-5)
    assert line.axes.get_ylabel() == "pressure\n(mmHg)"
    assert line.axes.yaxis.label.get_gid() == "pressure (mmHg)"
    assert curve.axes.get_xlabel().startswith("time (s)  (95 % error")
    png_bytes(curve.axes.figure.figure)
    ticks = {float(label.get_text().replace("−", "-")): at for label, at in zip(curve.axes.get_xticklabels(), curve.axes.get_xticks(), strict=True)}
    assert len(ticks) >= 4
    assert max(ticks) > 0.9, "over the whole of the 1.2 seconds"
    for time, at in ticks.items():
        assert time == pytest.approx(at * 0.02), "a tick stands at the step of its time"
    assert draw(measured(60, step=1.0, time_unit="day"))[1].axes.get_xlabel().startswith("time (day)")
    assert draw(measured(60))[1].axes.get_xlabel().startswith("time step")


def test_of_many_samples_no_spike_and_no_attribution_is_lost() -> None:
    record = series(0)
    n, generator = 20_000, np.random.default_rng(1)
    inputs, values = generator.normal(size=(2, n)), 0.01 * generator.normal(size=(2, n))
    inputs[0, 12_345], values[0, 777] = 40.0, -9.0
    line, curve, band = draw(replace(record, inputs=inputs, values=values, error=0.001 + 0 * values))
    points = np.array([piece[1] for piece in line.get_segments()])
    assert 900 <= len(points) <= 1400
    assert [12_345, 40.0] in points.tolist()
    assert (points[:, 1] == inputs[0, points[:, 0].astype(int)]).all(), "each point is a sample"
    near = int(np.abs(points[:, 0] - 777).argmin())
    assert -9.0 in np.asarray(line.get_array())[near - 1 : near + 2], "the colour is the strongest of the stretch"
    assert [777.0, -9.0] in np.stack(curve.get_data(), axis=1).tolist()
    assert curve.get_ydata().max() == values[0].max()
    assert line.axes.get_ylim()[1] >= 40
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(-9 - HALF * 0.001, rel=1e-4)


def test_channels_of_other_units_have_scales_of_their_own() -> None:
    raw = np.random.default_rng(0).normal(size=(1, 30, 2)) * [10, 0.1] + [80, 0]
    network = NumpyModel(random_stack(0, (60, 4, 2)), (30, 2))

    def ends(*units: str) -> list[tuple[float, float]]:
        read = pellucid.Series(30, ("a", "b"), (80.0, 0.0), (10.0, 0.1), units=units, step=0.5)
        found = draw(pellucid.explain(network, raw, "gradient_x_input", preprocessing=read, target=0))
        png_bytes(found[0].axes.figure.figure)
        return [artist.axes.get_ylim() for artist in found if isinstance(artist, LineCollection)]

    first, second = ends("mmHg", "mV")
    assert first[0] > 20
    assert -1 < second[0] < second[1] < 1
    assert len(set(ends("mV", "mV"))) == 1, "of one unit they can be compared"
    assert len(set(ends())) == 2, "and of units that nobody told nothing is known"
