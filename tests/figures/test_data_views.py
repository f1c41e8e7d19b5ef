"""Figures of embeddings, similarities and decision boundaries, on the data of what they draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnknownLayerError
from pellucid.core.view import View
from pellucid.figures import FIGURES, png_bytes
from pellucid.figures._canvas import panels
from pellucid.figures._classes import COLOURS, style
from pellucid.figures.decision_boundary import shades
from pellucid.report.views import caption, view_pictures

Array = np.ndarray


def dense(width: int, classes: int, inputs: tuple[int, ...]) -> NumpyModel:
    generator = np.random.default_rng(0)
    size = int(np.prod(inputs))
    return NumpyModel(
        [Dense(generator.normal(size=(size, width)), np.zeros(width)), Dense(generator.normal(size=(width, classes)), np.zeros(classes))], inputs, softmax=True
    )


def embedded(classes: int = 3, *, pictures: bool = False, **settings: Any) -> View:
    generator = np.random.default_rng(1)
    x = generator.random((60, 8, 8, 1)) if pictures else generator.normal(size=(60, 4))
    labels = np.arange(60) % classes
    return pellucid.visualize(dense(6, classes, x.shape[1:]), x, "embedding", labels=labels, class_names=[f"kind {i}" for i in range(classes)], **settings)


def draw(name: str, view: View, **keywords: Any) -> tuple[Any, ...]:
    artists = FIGURES.load(name)(view, **keywords)
    assert len(png_bytes(artists[0].figure)) > 1_000
    return artists


def test_an_embedding_has_a_collection_a_class_with_a_colour_and_a_marker_of_its_own() -> None:
    view = embedded()
    groups = draw("embedding", view)
    points, labels = view.values["dense_0"], view.details["dense_0"]["label"]
    assert len(groups) == 3
    for number, group in enumerate(groups):
        np.testing.assert_allclose(group.get_offsets(), points[labels == number])
        assert to_hex(group.get_facecolor()[0]) == style(number)[0]
        assert group.get_label() == f"kind {number}"
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 3
    predicted = draw("embedding", view, colour="prediction")
    assert sum(len(group.get_offsets()) for group in predicted) == 60
    assert "trustworthiness" in groups[0].axes.get_title()


def test_errors_stand_out_and_probabilities_share_a_scale_from_nought_to_one() -> None:
    view = embedded()
    error = view.details["dense_0"]["error"]
    right, wrong = draw("embedding", view, colour="error")
    np.testing.assert_allclose(wrong.get_offsets(), view.values["dense_0"][error == 1])
    assert right.get_label() == f"right ({int((error == 0).sum())})"
    (dots,) = draw("embedding", view, colour="probability")
    np.testing.assert_allclose(dots.get_array(), view.details["dense_0"]["probability"])
    assert dots.get_clim() == (0.0, 1.0)


def test_points_that_were_left_out_are_not_drawn_and_t_sne_has_no_scale() -> None:
    pytest.importorskip("sklearn")
    view = embedded(projection="tsne", most=30)
    groups = draw("embedding", view)
    assert sum(len(group.get_offsets()) for group in groups) == 30
    assert not len(groups[0].axes.get_xticks())
    assert groups[0].axes.get_xlabel() == "distances between groups mean nothing here"


def test_many_classes_share_what_a_legend_has_room_for() -> None:
    groups = draw("embedding", embedded(20))
    assert len(groups) == 15
    assert groups[-1].get_label() == "other classes"
    assert sum(len(group.get_offsets()) for group in groups) == 60


def test_pictures_lie_within_the_axes_and_not_on_each_other() -> None:
    artists = draw("embedding", embedded(pictures=True))
    boxes = [artist for artist in artists if isinstance(artist, AnnotationBbox)]
    assert len(boxes) == 12
    axes = boxes[0].axes
    assert axes is not None
    renderer: Any = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for box in boxes:
        box.update_positions(renderer)
    extents = [box.offsetbox.get_window_extent(renderer) for box in boxes]
    frame = axes.get_window_extent()
    for one in extents:
        assert frame.x0 <= one.x0 <= one.x1 <= frame.x1
        assert frame.y0 <= one.y0 <= one.y1 <= frame.y1
    overlaps = [i for i in range(12) for j in range(i) if extents[i].overlaps(extents[j])]
    assert len(overlaps) <= 1


def test_a_figure_refuses_what_its_view_does_not_hold_and_draws_where_it_is_told() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4))
    view = pellucid.visualize(dense(6, 3, (4,)), x, "embedding")
    with pytest.raises(SettingError, match="holds no label"):
        FIGURES.load("embedding")(view, colour="label")
    with pytest.raises(SettingError, match="colour"):
        FIGURES.load("embedding")(view, colour="red")
    with pytest.raises(UnknownLayerError):
        FIGURES.load("embedding")(view, layer="dense_7")
    (ax,) = panels(("scatter",), 3.0)
    artists = FIGURES.load("embedding")(view, ax=ax, title="mine")
    assert {artist.axes for artist in artists} == {ax}
    assert ax.get_title() == "mine"


def test_a_similarity_is_a_square_of_squares_on_a_scale_from_nought_to_one() -> None:
    x = np.random.default_rng(0).normal(size=(80, 4))
    view = pellucid.visualize(dense(6, 3, (4,)), x, "similarity")
    image, *numbers = draw("similarity", view)
    assert isinstance(image, AxesImage)
    np.testing.assert_array_equal(image.get_array(), view.values["network"])
    assert image.get_clim() == (0.0, 1.0)
    assert [text.get_text() for text in image.axes.get_yticklabels()] == ["dense_0", "dense_1"]
    assert len(numbers) == 4
    other = pellucid.visualize(dense(6, 3, (4,)), x, "similarity", other=dense(5, 3, (4,)))
    assert draw("similarity", other)[0].axes.get_xlabel() == "layers of the other network"


def test_a_plane_is_coloured_by_class_and_lighter_where_less_sure() -> None:
    x = np.random.default_rng(2).normal(size=(3, 4))
    view = pellucid.visualize(dense(6, 3, (4,)), x, "decision_boundary", points=24)
    found, values = view.details["network"], view.values["network"]
    image, *rest = draw("decision_boundary", view)
    np.testing.assert_allclose(image.get_array(), shades(values, found["class numbers"], {i: style(i)[0] for i in range(3)}))
    left, right, bottom, top = image.get_extent()
    step = view.provenance["resolved"]["step"]
    np.testing.assert_allclose([left, right, bottom, top], np.ravel([found[axis][[0, -1]] + [-step / 2, step / 2] for axis in ("across", "down")]))
    marks = [artist for artist in rest if isinstance(artist, PathCollection)]
    np.testing.assert_allclose(marks[0].get_offsets(), found["positions"])


def test_shades_go_from_white_at_even_odds_to_the_colour() -> None:
    sure, open_ = np.array([[[1.0, 0.0]]]), np.array([[[0.5, 0.5]]])
    colours = {0: COLOURS[0], 1: COLOURS[1]}
    light, full = shades(open_, np.array([0, 1]), colours)[0, 0], shades(sure, np.array([0, 1]), colours)[0, 0]
    assert (light > 0.85).all()
    assert np.abs(full - to_rgb(COLOURS[0])).max() < 0.11


def test_a_line_has_a_curve_a_class() -> None:
    x = np.random.default_rng(2).normal(size=(2, 4))
    view = pellucid.visualize(dense(6, 3, (4,)), x, "decision_boundary", points=24)
    curves = [artist for artist in draw("decision_boundary", view) if isinstance(artist, Line2D) and len(np.atleast_1d(artist.get_xdata())) == 24]
    for curve in curves:
        number = int(str(curve.get_label()))
        np.testing.assert_allclose(curve.get_ydata(), view.values["network"][:, number])
        assert to_hex(str(curve.get_color())) == style(number)[0]


def test_reports_show_them_with_what_to_read_in_them() -> None:
    view = embedded()
    names = [picture.name for picture in view_pictures(view, 0, "view")]
    assert names == ["view-dense_0-label", "view-dense_0-error"]
    assert "neighbours" in caption(view, None)
    x = np.random.default_rng(0).normal(size=(80, 4))
    for name, data in (("similarity", x), ("decision_boundary", x[:3])):
        shown = pellucid.visualize(dense(6, 3, (4,)), data, name)
        assert [picture.name for picture in view_pictures(shown, 0, "view")] == ["view-network"]
        assert "{" not in caption(shown, None)
