"""The figure of feature images: what it draws are the images, in their own colours, with what is known of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from pellucid.core.errors import SettingError, UnknownLayerError
from pellucid.core.view import View
from pellucid.figures.feature_visualization import feature_visualization

GENERATOR = np.random.default_rng(0)


def view_of(shape: tuple[int, ...], low: Any, high: Any, kind: str = "class", names: list[str] | None = None, **details: Any) -> View:
    values = np.asarray(low) + (np.asarray(high) - np.asarray(low)) * GENERATOR.random(shape)
    resolved = {"low": low, "high": high, "kind": {"output": kind}}
    told = {"number": np.arange(shape[0]) + 3, **{name: np.asarray(value) for name, value in details.items()}}
    provenance = {"resolved": resolved, "class_names": names}
    return View("feature_visualization", {"output": values}, {"output": ("feature", *"abcd"[: len(shape) - 1])}, np.zeros(0), provenance, {"output": told})


def test_images_in_colour_are_shown_in_shares_of_their_range() -> None:
    low, high = [-2.0, -1.0, 0.0], [2.0, 1.0, 8.0]
    view = view_of((4, 6, 5, 3), low, high, score=[1.0, 2.0, 3.0, 4.0], percentile=[99.96, 100.0, 0.0, 50.0], probability=[0.9999, 1.0, 0.5, 0.0])
    artists = feature_visualization(view)
    images, texts = [one for one in artists if isinstance(one, AxesImage)], [one.get_text() for one in artists if isinstance(one, Text)]
    assert len(images) == 4
    for image, value in zip(images, view.values["output"], strict=True):
        np.testing.assert_allclose(image.get_array(), (value - low) / (np.array(high) - low), atol=1e-12)
    assert texts[0] == "class 3\n1 (99.9 %)\nprobability 0.999"
    assert texts[1].endswith("probability 1.000")
    assert "brackets" in texts[-1]


def test_one_channel_is_gray_on_the_range_of_all_and_has_a_bar() -> None:
    view = view_of((7, 4, 4, 1), [0.0], [2.0], kind="channel", silent=[1, 0, 0, 0, 0, 0, 0], score=np.arange(7.0))
    artists = feature_visualization(view, title="a layer")
    images = [one for one in artists if isinstance(one, AxesImage)]
    assert {image.get_clim() for image in images} == {(0.0, 2.0)}
    assert {image.get_cmap().name for image in images} == {"gray"}
    texts = [one.get_text() for one in artists if isinstance(one, Text)]
    assert texts[0] == "channel 3\nno gradient found"
    assert texts[1] == "channel 4\nscore 1"
    figure = images[0].figure
    assert figure.axes[0].get_title() == "a layer"
    rows = {round(image.axes.get_position().y0, 6) for image in images}
    assert len(rows) == 2


def test_series_are_lines_or_maps_and_rows_of_a_table_bars() -> None:
    lines = feature_visualization(view_of((2, 30, 2), [-1.0, -1.0], [1.0, 1.0]))
    assert [type(one) for one in lines[:2]] == [Line2D, Line2D]
    assert len(lines[0].axes.lines) == 2
    many = view_of((1, 30, 9), [-1.0] * 9, [1.0] * 9)
    image = feature_visualization(many)[0]
    assert isinstance(image, AxesImage)
    np.testing.assert_allclose(image.get_array(), many.values["output"][0].T)
    assert image.get_clim()[0] == -image.get_clim()[1]
    table = view_of((1, 5), [-1.0], [1.0])
    first = feature_visualization(table)[0]
    assert isinstance(first, Rectangle)
    (bars,) = (one for one in first.axes.containers if isinstance(one, BarContainer))
    np.testing.assert_allclose([bar.get_height() for bar in bars], table.values["output"][0])


def test_it_draws_where_it_is_told_and_names_classes() -> None:
    ax = Figure().add_subplot()
    view = view_of((1, 4, 4, 3), [0.0] * 3, [1.0] * 3, names=["ant", "bee", "cat", "dog, a very long name"])
    artists = feature_visualization(view, ax=ax)
    assert artists[0].axes in ax.child_axes
    assert next(one.get_text() for one in artists if isinstance(one, Text)).startswith("dog")


def test_the_layer_must_be_said_where_there_are_several() -> None:
    one = view_of((1, 4, 4, 1), [0.0], [1.0])
    two = View(one.view, {"a": one.values["output"], "b": one.values["output"]}, {}, one.inputs, one.provenance)
    with pytest.raises(SettingError, match="say which"):
        feature_visualization(two)
    with pytest.raises(UnknownLayerError):
        feature_visualization(two, layer="c")
    assert feature_visualization(two, layer="b")


def test_an_image_whose_climb_was_cut_short_says_so() -> None:
    artists = feature_visualization(view_of((3, 4, 4, 1), [0.0], [1.0], kind="channel", score=[1.0, 2.0, 3.0], end=[0, 2, 1]))
    texts = [one.get_text() for one in artists if isinstance(one, Text)]
    assert [text.splitlines()[-1] for text in texts] == ["score 1", "cut short, still rising", "score 3"]
