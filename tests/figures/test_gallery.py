"""Samples side by side on one scale, and which classes are taken for which: the artists hold the numbers that were given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.text import Text

import synthetic
from pellucid.core.errors import SettingError, ShapeError
from pellucid.figures import FIGURES, panels, png_bytes

gallery, confusion = FIGURES.load("gallery"), FIGURES.load("confusion")
COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
NAMES = ("cat", "dog", "bird")


def images(artists: tuple) -> list[AxesImage]:
    return [artist for artist in artists if isinstance(artist, AxesImage)]


def test_inputs_stand_above_their_maps_on_one_scale() -> None:
    weak, strong = synthetic.explanation("integrated_gradients"), synthetic.explanation("integrated_gradients", seed=1)
    weak = replace(weak, values=weak.values / 10)
    artists = gallery([(weak, 1), (strong, 0)], titles=["one", "two"], below=["of one", "of two"])
    first, second, map_of_first, map_of_second = images(artists)
    np.testing.assert_allclose(first.get_array(), weak.inputs[1, ..., 0])
    np.testing.assert_allclose(second.get_array(), strong.inputs[0, ..., 0])
    np.testing.assert_allclose(map_of_first.get_array(), weak.values[1, ..., 0])
    reach = max(float(np.abs(weak.values[1]).max()), float(np.abs(strong.values[0]).max()))
    assert map_of_first.get_clim() == map_of_second.get_clim() == pytest.approx((-reach, reach))
    assert [image.axes.get_title() for image in (first, second, map_of_first, map_of_second)] == ["one", "two", "of one", "of two"]
    assert first.axes.get_position().x0 == pytest.approx(map_of_first.axes.get_position().x0)
    assert first.axes.get_position().y0 > map_of_first.axes.get_position().y1
    assert len(png_bytes(first.figure.figure)) > 1000


def test_a_gallery_goes_on_in_another_line() -> None:
    one = synthetic.explanation("integrated_gradients", 3)
    artists = gallery([(one, row) for row in range(3)], titles=["a", "b", "truck, answered automobile"], columns=2)
    inputs, maps = images(artists)[:3], images(artists)[3:]
    assert inputs[2].axes.get_title() == "truck, answered\nautomobile"
    boxes = [image.axes.get_position() for image in inputs]
    assert boxes[0].y0 == pytest.approx(boxes[1].y0)
    assert boxes[2].x0 == pytest.approx(boxes[0].x0)
    assert boxes[0].y0 > maps[0].axes.get_position().y1 > maps[0].axes.get_position().y0 > boxes[2].y1  # the first map before the next line
    np.testing.assert_allclose(maps[2].get_array(), one.values[2, ..., 0])
    empty = [ax for ax in inputs[0].figure.axes if not ax.images and not ax.get_label() and not ax.axison]
    assert len(empty) == 2  # the places beside the third
    with pytest.raises(SettingError, match="got 1 and 0"):
        gallery([(one, 0)], columns=0)


def test_a_gallery_of_nothing_or_with_a_text_too_few_is_refused() -> None:
    one = synthetic.explanation("saliency")
    with pytest.raises(SettingError, match="at least one"):
        gallery([])
    with pytest.raises(SettingError, match="titles has 1 texts for 2 samples"):
        gallery([(one, 0), (one, 1)], titles=["one"])
    with pytest.raises(SettingError, match="below has 3 texts"):
        gallery([(one, 0)], below=["a", "b", "c"])


def test_a_confusion_colours_wrong_answers_alone() -> None:
    image, *numbers = confusion(COUNTS, NAMES)
    np.testing.assert_array_equal(image.get_array(), [[0, 2, 0], [1, 0, 0], [0, 0, 0]])
    assert image.get_clim() == (0, 2)
    told = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in numbers if isinstance(text, Text)}
    assert told == {(0, 0): "8", (0, 1): "2", (1, 0): "1", (1, 1): "9"}
    white = {text.get_text() for text in numbers if to_rgb(text.get_color()) == (1, 1, 1)}
    assert white == {"2"}  # written on the darkest square
    ax = image.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(NAMES) == [label.get_text() for label in ax.get_xticklabels()]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "answer")


def test_a_confusion_is_drawn_where_it_is_asked_to_be() -> None:
    (ax,) = panels(("pairs",), 3.0)
    assert confusion(np.diag([3, 4]), ("a", "b"), ax=ax, title="none wrong")[0].axes is ax
    assert ax.get_title() == "none wrong"
    with pytest.raises(ShapeError, match=r"\(3, 3\) for 2 names"):
        confusion(COUNTS, ("a", "b"))
