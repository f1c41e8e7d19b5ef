"""Figures of activations, their statistics and of weights hold the records' numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.view import View

pytest.importorskip("matplotlib")

from pellucid.figures import FIGURES
from pellucid.figures.activation_map import DEAD, SATURATED

_draw = np.random.default_rng(0)


def draw(name: str, view: View, **options: Any) -> tuple[Any, ...]:
    artists = FIGURES.load(name)(view, **options)
    artists[0].figure.canvas.draw()
    return artists


def within(artist: Any) -> None:
    """Everything that is drawn lies on the figure."""
    figure = artist.figure.figure
    box = figure.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= figure.get_figwidth() + 0.01
    assert box.y1 <= figure.get_figheight() + 0.01


def maps(shape: tuple[int, ...], axes: tuple[str, ...], **details: np.ndarray) -> View:
    values = {"layer": np.abs(_draw.normal(size=(2, *shape)))}
    return View("activation_map", values, {"layer": axes}, np.zeros((2, 3)), {}, {"layer": details}, dict.fromkeys(details, ("sample", "channel")))


def test_marks_stand_at_the_channels_they_belong_to_in_the_order_of_strength() -> None:
    dead, saturated = np.array([[False, True, False]] * 2), np.array([[0.9, 0.0, 0.2]] * 2)
    order = np.array([[2, 0, 1], [1, 2, 0]])
    view = maps((4, 5, 3), ("sample", "row", "column", "channel"), dead=dead, saturated=saturated, order=order)
    image, *texts = draw("activation_map", view, sample=1)
    assert [text.get_text() for text in texts] == [f"1 {DEAD}", "2", f"0 {SATURATED}"]
    left, top = (int(number) for number in texts[0].get_position())
    np.testing.assert_allclose(image.get_array()[top + 1 : top + 26 : 6, left : left + 25 : 5][:4, :5], view.values["layer"][1, ..., 1])
    said = [" ".join(text.get_text().split()) for text in image.axes.texts]
    assert f"{DEAD} zero everywhere: 1 of 3 {SATURATED} at an end of its range: 1 of 3" in said
    within(image)


def test_a_strip_is_wrapped_and_every_cell_has_its_unit() -> None:
    order = np.stack([_draw.permutation(70), np.arange(70)])
    view = maps((70,), ("sample", "unit"), order=order, dead=np.arange(140).reshape(2, 70) % 7 == 0)
    image, *texts = draw("activation_map", view)
    cells = np.ma.filled(image.get_array(), np.nan)
    assert cells.shape == (3, 32)
    np.testing.assert_allclose(cells.ravel()[:70], view.values["layer"][0][order[0]])
    assert np.isnan(cells.ravel()[70:]).all()
    assert [text.get_text() for text in texts] == [f"{k}{DEAD if k % 7 == 0 else ''}" for k in order[0]]
    within(image)
    image, *texts = draw("activation_map", maps((3000,), ("sample", "unit")))
    assert image.get_array().shape == (47, 64)
    assert texts == []
    within(image)


def test_slices_of_a_volume_lie_below_each_other() -> None:
    view = maps((2, 13, 26, 3), ("sample", "depth", "row", "column", "channel"))
    image, *texts = draw("activation_map", view)
    left, top = (int(number) for number in texts[1].get_position())
    np.testing.assert_allclose(image.get_array()[top + 1 : top + 27, left : left + 26], view.values["layer"][0, ..., 1].reshape(26, 26))


def test_tokens_have_their_words_and_units_their_marks() -> None:
    view = maps((3, 6), ("sample", "token", "unit"), saturated=np.array([[0, 0.8, 0, 0, 0, 0.6]] * 2))
    view.provenance.update(given=[{"names": ["good", "extraordinary"], "of": [0, 1, -1]}] * 2)
    image, *marks = draw("activation_map", view)
    np.testing.assert_allclose(image.get_array(), view.values["layer"][0].T)
    assert [label.get_text() for label in image.axes.get_xticklabels()] == ["good", "extraordina…", "·"]
    assert image.axes.get_xlabel().startswith("token")
    assert [mark.xy[1] for mark in marks] == [1, 5]
    assert {mark.get_text() for mark in marks} == {SATURATED}
    within(image)


@pytest.fixture(scope="module")
def statistics() -> View:
    draw = np.random.default_rng(1)
    first = Dense(draw.normal(size=(6, 10)), np.where(np.arange(10) < 3, -1e3, 0.1), "relu")
    model = NumpyModel([first, Dense(draw.normal(0, 4, (10, 8)), np.zeros(8), "tanh"), Dense(draw.normal(size=(8, 2)), np.zeros(2))], (6,))
    return pellucid.visualize(model, draw.normal(size=(300, 6)), "activation_statistics")


def test_layers_lie_below_each_other_on_one_scale_beside_their_shares(statistics: View) -> None:
    artists = draw("activation_statistics", statistics)
    patches = [one for one in artists if hasattr(one, "get_data")]
    assert len(patches) == 3
    assert len({patch.axes for patch in patches}) == 1
    for patch, name in zip(patches, statistics.values, strict=True):
        values, edges, base = patch.get_data()
        np.testing.assert_array_equal(edges, statistics.details[name]["edges"])
        counts = statistics.details[name]["histogram"][1:-1].astype(float)
        counts[np.flatnonzero(edges <= 0)[-1]] -= round(statistics.details[name]["zero"].mean() * 300 * len(statistics.values[name]))
        np.testing.assert_allclose((values - base) / (values - base).max(), counts / counts.max(), atol=1e-12)
    widths = sorted(one.get_width() for one in artists if hasattr(one, "get_width"))
    wanted = [statistics.details[name].get(kind, np.zeros(1)).mean() for name in statistics.values for kind in ("dead", "zero", "saturated")]
    np.testing.assert_allclose(widths, sorted(wanted))
    within(artists[0])


def test_one_layer_shows_every_unit_and_marks_the_dead(statistics: View) -> None:
    artists = draw("activation_statistics", statistics, layer="dense_0")
    dead = next(one for one in artists if getattr(one, "get_label", str)() == "dead")
    assert dead.get_xdata().tolist() == [0, 1, 2]
    means = next(one for one in artists if hasattr(one, "get_ydata") and len(one.get_ydata()) == 10)
    np.testing.assert_allclose(means.get_ydata(), statistics.values["dense_0"])
    within(artists[0])


def weights(shape: tuple[int, ...], axes: tuple[str, ...], **details: np.ndarray) -> View:
    return View("filters", {"layer": _draw.normal(size=shape)}, {"layer": axes}, np.zeros(0), {}, {"layer": details})


CONVOLUTION = ("row", "column", "input", "output")


def test_filters_of_colour_are_in_colour_about_gray() -> None:
    view = weights((4, 4, 3, 5), CONVOLUTION, norm=np.arange(5.0))
    image, *texts = draw("filters", view)
    values = view.values["layer"]
    left, top = (int(number) for number in texts[2].get_position())
    tile = np.asarray(image.get_array())[top + 1 : top + 25 : 6, left : left + 24 : 6]
    np.testing.assert_allclose(tile, 0.5 + values[..., 2] / (2 * np.abs(values).max()))
    assert [text.get_text() for text in texts] == [f"{k}  {k}" for k in range(5)]
    within(image)


def test_deeper_filters_are_their_components_the_strongest_first() -> None:
    view = weights((3, 3, 8, 4), CONVOLUTION, norm=np.array([1.0, 3, 2, 4]), component=_draw.normal(size=(3, 3, 4)), share=np.full(4, 0.5))
    image, *texts = draw("filters", view)
    assert [text.get_text().split()[0] for text in texts] == ["3", "1", "2", "0"]
    left, top = (int(number) for number in texts[0].get_position())
    np.testing.assert_allclose(image.get_array()[top + 1 : top + 25 : 8, left : left + 24 : 8], view.details["layer"]["component"][..., 3])
    assert image.get_clim()[0] == -image.get_clim()[1]
    within(image)


def test_many_filters_show_the_largest_and_say_so() -> None:
    norm = _draw.random(300)
    image, *texts = draw("filters", weights((3, 3, 1, 300), CONVOLUTION, norm=norm))
    assert {int(text.get_text().split()[0]) for text in texts} == set(np.argsort(-norm)[:256].tolist())
    assert any("the 256 of 300 with the largest norm" in " ".join(text.get_text().split()) for text in image.axes.texts)


def test_places_without_neighbours_and_dense_weights_are_a_map() -> None:
    view = weights((1, 1, 7, 4), CONVOLUTION, norm=np.ones(4))
    (image,) = draw("filters", view)
    np.testing.assert_array_equal(image.get_array(), view.values["layer"][0, 0].T)
    view = weights((7, 4), ("input", "output"), norm=np.ones(4))
    (image,) = draw("filters", view)
    np.testing.assert_array_equal(image.get_array(), view.values["layer"].T)
    within(image)


def test_gates_stand_above_their_recurrent_parts_on_one_scale() -> None:
    view = weights((3, 5, 4), ("part", "input", "unit"), recurrent=_draw.normal(size=(3, 4, 4)))
    view.provenance.update(resolved={"parts of layer": ["update", "reset", "candidate"]})
    images = draw("filters", view)
    for image, matrix in zip(images, [*view.values["layer"], *view.details["layer"]["recurrent"]], strict=True):
        np.testing.assert_array_equal(image.get_array(), matrix.T)
    assert len({image.get_clim() for image in images}) == 1
    assert [image.axes.get_title() for image in images[:3]] == ["update gate", "reset gate", "candidate"]
    within(images[0])


def test_entries_of_an_embedding_are_points_and_the_largest_are_named() -> None:
    plane, norm = _draw.normal(size=(30, 2)), _draw.random(30)
    points, *texts = draw("filters", weights((30, 6), ("entry", "size"), plane=plane, norm=norm))
    np.testing.assert_array_equal(points.get_offsets(), plane)
    np.testing.assert_array_equal(points.get_array(), norm)
    assert [int(text.get_text()) for text in texts] == np.argsort(-norm)[:12].tolist()
    within(points)
