"""Outlines lie around the strongest elements of the map, and around nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import synthetic
from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, png_bytes
from pellucid.figures._canvas import AGAINST, FOR
from pellucid.figures.contours import outlines, strongest_part


def draw(*args: object, **keywords: object) -> tuple:
    return FIGURES.load("contours")(*args, **keywords)


def of(values: np.ndarray) -> Explanation:
    return replace(
        synthetic.explanation(count=1), inputs=np.full((1, *values.shape, 1), 0.5), values=values[None, ..., None], error=0 * values[None, ..., None]
    )


def planted() -> np.ndarray:
    """A rectangle for, one against at the corner, and weak values all over."""
    values = np.full((10, 10), 0.01)
    values[2:4, 3:6] = 1
    values[8:, 9:] = -2
    return values


def test_outlines_run_around_what_is_strongest_in_each_direction() -> None:
    image, spoke, against = draw(of(planted()), part=0.08)
    np.testing.assert_array_equal(image.get_array(), np.full((10, 10), 0.5))
    (around,) = spoke.get_segments()
    assert len(around) == 2 * (2 + 3) + 1
    assert (around[0] == around[-1]).all()
    ends = np.concatenate(spoke.get_segments())
    assert (ends.min(axis=0).tolist(), ends.max(axis=0).tolist()) == ([2.5, 1.5], [5.5, 3.5])
    assert [len(line) for line in against.get_segments()] == [2 * (2 + 1) + 1]
    ends = np.concatenate(against.get_segments())
    assert (ends.min(axis=0).tolist(), ends.max(axis=0).tolist()) == ([8.5, 7.5], [9.5, 9.5])
    assert tuple(spoke.get_colors()[0]) == to_rgba(FOR)
    assert tuple(against.get_colors()[0]) == to_rgba(AGAINST)
    assert spoke.get_linestyles() != against.get_linestyles()


def test_outlines_go_along_every_side_between_inside_and_outside_once() -> None:
    region = np.random.default_rng(0).random((12, 15)) < 0.4
    lines = outlines(region)
    assert all((line[0] == line[-1]).all() for line in lines)
    sides = [tuple(sorted(map(tuple, line[i : i + 2].tolist()))) for line in lines for i in range(len(line) - 1)]
    held = np.pad(region, 1)
    assert len(sides) == len(set(sides)) == (held[1:] != held[:-1]).sum() + (held[:, 1:] != held[:, :-1]).sum()
    for (left, top), (right, bottom) in sides:
        assert abs(right - left) + abs(bottom - top) == 1
        x, y = (left + right) / 2, (top + bottom) / 2
        near = [(y - 0.5, x), (y + 0.5, x)] if left != right else [(y, x - 0.5), (y, x + 0.5)]
        assert sum(held[int(row) + 1, int(column) + 1] for row, column in near) == 1


def test_the_legend_names_both_directions_and_the_target() -> None:
    record = of(planted())
    image = draw(record, part=0.08)[0]
    target = record.target.labels[0]
    assert [text.get_text() for text in image.axes.get_legend().get_texts()] == [f"for {target}", f"against {target}"]
    assert png_bytes(image.axes.figure).startswith(b"\x89PNG")


def test_the_part_is_of_all_elements_ties_too_and_zeros_never() -> None:
    values = np.random.default_rng(0).normal(size=(20, 20))
    assert strongest_part(values, 0.1).sum() == 40
    assert np.abs(values[strongest_part(values, 0.1)]).min() > np.abs(values[~strongest_part(values, 0.1)]).max()
    assert strongest_part(planted(), 0.03).sum() == 8
    assert strongest_part(np.eye(10), 0.5).sum() == 10
    with pytest.raises(SettingError, match=r"0\.1"):
        draw(of(values), part=0)


def test_values_without_a_direction_have_one_outline_and_a_blank_map_none() -> None:
    artists = draw(of(np.abs(planted())), part=0.08)
    assert len(artists) == 2
    assert [text.get_text() for text in artists[0].axes.get_legend().get_texts()] == ["strongest 8%"]
    assert len(draw(of(np.zeros((5, 5))))) == 1


def test_a_map_of_patches_is_outlined_by_whole_patches() -> None:
    record = synthetic.explanation("shap")
    _, *lines = draw(record, sample=1)
    corners = np.concatenate([around for line in lines for around in line.get_segments()]) + 0.5
    assert (np.isclose(corners[:, 0] % 4, 0) | np.isclose(corners[:, 1] % 4, 0)).all()
