"""Regions and stretches that a text speaks of: drawn where they lie, numbered in their order, on the lines of their channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

import pellucid
import synthetic
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import ShapeError
from pellucid.figures import FIGURES, png_bytes
from pellucid.figures._canvas import AGAINST, FOR


def box(top: int, left: int, bottom: int, right: int, shape: tuple[int, int] = (28, 28)) -> np.ndarray:
    area = np.zeros(shape, dtype=bool)
    area[top:bottom, left:right] = True
    return area


def test_regions_are_outlined_on_their_elements_and_numbered_inside() -> None:
    areas = [box(2, 3, 6, 9), box(20, 20, 24, 22)]
    image, *rest = FIGURES.load("regions")(synthetic.explanation("saliency", 2), sample=1, areas=areas, signs=[1.0, -2.0])
    lines, texts = rest[::2], rest[1::2]
    np.testing.assert_array_equal(image.get_array(), synthetic.digits(2)[1, ..., 0])
    assert [text.get_text() for text in texts] == ["1", "2"]
    assert [to_hex(line.get_color()[0]) for line in lines] == [FOR, AGAINST]
    assert lines[0].get_linestyle() != lines[1].get_linestyle(), "the direction can be told without colour"
    corners = np.concatenate(lines[0].get_segments())
    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([2.5, 1.5], [8.5, 5.5])
    for text, area in zip(texts, areas, strict=True):
        column, row = text.get_position()
        assert area[int(row), int(column)]
    assert len(png_bytes(image.figure)) > 1000


def test_the_number_of_a_ring_lies_on_the_ring() -> None:
    ring = box(5, 5, 20, 20) & ~box(7, 7, 18, 18)
    *_rest, text = FIGURES.load("regions")(synthetic.explanation("saliency", 1), areas=[ring], signs=[1.0])
    column, row = text.get_position()
    assert ring[int(row), int(column)]


def test_regions_of_another_shape_and_signs_that_are_missing_are_refused() -> None:
    with pytest.raises(ShapeError, match="region 1"):
        FIGURES.load("regions")(synthetic.explanation("saliency", 1), areas=[box(0, 0, 2, 2, (14, 14))], signs=[1.0])
    with pytest.raises(ValueError, match="zip"):
        FIGURES.load("regions")(synthetic.explanation("saliency", 1), areas=[box(0, 0, 2, 2)], signs=[])


def of_channels_first() -> pellucid.core.records.Explanation:
    record = synthetic.explanation("saliency", 1)
    takes = {"takes": {"channels": "first"}}
    inputs, values = (np.moveaxis(array, -1, 1) for array in (record.inputs, record.values))
    return replace(record, inputs=inputs, values=values, error=0 * values, provenance=record.provenance | takes)


def test_channels_first_are_drawn_alike() -> None:
    image, *_rest = FIGURES.load("regions")(of_channels_first(), areas=[box(2, 3, 6, 9)], signs=[1.0])
    np.testing.assert_array_equal(image.get_array(), synthetic.digits(1)[0, ..., 0])


def test_stretches_are_shaded_on_the_lines_of_their_channels() -> None:
    raw = np.random.default_rng(0).normal(size=(1, 40, 2))
    record = pellucid.explain(NumpyModel(random_stack(1, (80, 8, 3)), (40, 2), softmax=True), raw, "saliency")
    plain = FIGURES.load("series_line")(record)
    one, both = box(10, 1, 15, 2, (40, 2)), box(20, 0, 21, 2, (40, 2))
    drawn = FIGURES.load("windows")(record, areas=[one, both], signs=[1.0, -1.0])
    added = drawn[len(plain) :]
    shades, texts = added[::2], added[1::2]
    assert [text.get_text() for text in texts] == ["1", "2", "2"]
    assert [to_hex(shade.get_facecolor()) for shade in shades] == [FOR, AGAINST, AGAINST]
    first, second = (artist.axes for artist in drawn if hasattr(artist, "get_segments"))
    assert [shade.axes for shade in shades] == [second, first, second]
    assert (shades[0].get_x(), shades[0].get_width()) == (9.5, 5.0)
    assert (shades[1].get_x(), shades[1].get_width()) == (19.5, 1.0)
    with pytest.raises(ShapeError, match="stretch 1"):
        FIGURES.load("windows")(record, areas=[np.ones((39, 2), dtype=bool)], signs=[1.0])
