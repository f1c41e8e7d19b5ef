"""Inversions drawn: a column a layer on the scale of the input, spreads on one of their own, numbers below."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import UnknownLayerError
from pellucid.core.view import View
from pellucid.figures.inversion import inversion
from pellucid.report.views import caption, view_pictures

RNG = np.random.default_rng(0)


def view(*shape: int, channels: str = "last") -> View:
    """Two layers of two samples, three starts each."""
    last = shape if channels == "last" else (*shape[1:], shape[0])
    values = {name: RNG.random((2, 3, *last)) for name in ("first", "second")}
    details = {
        name: {
            "residual": np.full((2, 3), 0.0123),
            "correlation": np.full((2, 3), 0.5),
            "spread": (1 + k) * RNG.random((2, *(last[:-1] or last))),
        }
        for k, name in enumerate(values)
    }
    axes = dict.fromkeys(values, ("sample", "restart", *(f"axis_{i}" for i in range(len(last)))))
    return View("inversion", values, axes, RNG.random((2, *shape)), {"takes": {"channels": channels}}, details)


@pytest.mark.parametrize("channels", ["last", "first"])
def test_images_stand_by_layer_on_one_scale(channels: str) -> None:
    one = view(*((8, 6, 1) if channels == "last" else (1, 8, 6)), channels=channels)
    artists = inversion(one, sample=1)
    assert len(artists) == 1 + 2 * 4
    low = min(float(array.min()) for array in (one.inputs[1], one.values["first"][1], one.values["second"][1]))
    high = max(float(array.max()) for array in (one.inputs[1], one.values["first"][1], one.values["second"][1]))
    np.testing.assert_allclose(artists[0].get_array(), (one.inputs[1].reshape(8, 6) - low) / (high - low))
    np.testing.assert_allclose(artists[6].get_array(), (one.values["second"][1, 1, ..., 0] - low) / (high - low))
    np.testing.assert_allclose(artists[8].get_array(), one.details["second"]["spread"][1])
    assert artists[4].get_clim() == artists[8].get_clim() == (0.0, one.details["second"]["spread"][1].max())
    assert artists[1].axes.get_title() == "first"
    assert artists[1].axes.get_xlabel() == "residual 1.2%\nlikeness 0.5"
    assert len(inversion(one, layer="second")) == 5


def test_series_and_tables_are_lines_beside_the_real_one() -> None:
    table = view(7)
    lines = inversion(table)
    np.testing.assert_allclose(lines[2].get_ydata(), table.values["first"][0, 1])
    np.testing.assert_allclose(lines[2].axes.lines[0].get_ydata(), table.inputs[0])
    series = view(9, 2)
    lines = inversion(series)
    assert len(lines) == 2 + 2 * (3 * 2 + 1)
    np.testing.assert_allclose(lines[3].get_ydata(), series.values["first"][0, 0, :, 1])


def test_a_report_shows_all_layers_in_one_picture() -> None:
    assert [picture.name for picture in view_pictures(view(8, 6, 1), 0, "x")] == ["x-inversion"]
    assert "what they share is what the layer knows" in caption(view(8, 6, 1), 2)
    with pytest.raises(UnknownLayerError, match="did you mean 'second'"):
        inversion(view(7), layer="secund")
