"""Two explanations and their difference: what is shown are the comparison's numbers, on one scale where that is honest."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.image import AxesImage
from test_channels import channels_first, coloured

import synthetic
from pellucid.api.compare import compare
from pellucid.core.comparison import Comparison
from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, png_bytes


def draw(*args: object, **keywords: object) -> tuple:
    return FIGURES.load("difference")(*args, **keywords)


def images(artists: tuple) -> list[AxesImage]:
    return [artist for artist in artists if isinstance(artist, matplotlib.image.AxesImage)]


def table(seed: int) -> Explanation:
    """A table of twelve columns, standard errors of a tenth."""
    record, draws = synthetic.explanation("integrated_gradients", 2), np.random.default_rng(seed)
    values = draws.normal(size=(2, 12))
    fields = {"inputs": np.ones((2, 12)), "baseline": None, "error": np.full((2, 12), 0.1), "axes": ("sample", "feature")}
    return replace(record, values=values, error_kind="standard_error", degrees=np.full(2, 20.0), **fields)


@pytest.mark.parametrize("methods", [("integrated_gradients", "gradient_x_input"), ("shap", "lime")])
def test_maps_are_the_values_and_the_third_is_their_difference(methods: tuple[str, str]) -> None:
    found = compare(synthetic.explanation(methods[0]), synthetic.explanation(methods[1], seed=1))
    assert found.same_units
    a, b, apart = images(draw(found, sample=1))
    np.testing.assert_allclose(a.get_array() - b.get_array(), apart.get_array(), atol=1e-6)
    np.testing.assert_allclose(a.get_array(), found.a.to_input()[1, ..., 0])
    assert a.get_clim() == b.get_clim()
    for image in (a, b, apart):
        low, high = image.get_clim()
        assert low == -high
        assert image.get_cmap().name == "RdBu_r"
    assert apart.get_clim()[1] == pytest.approx(np.abs(found.difference[1]).max())


def test_one_scale_only_where_units_are_the_same() -> None:
    left, right = synthetic.explanation("integrated_gradients"), synthetic.explanation("saliency")
    mixed = compare(left, replace(right, values=50 * right.values), scaled=False)
    a, b, _ = images(draw(mixed))
    assert a.get_clim() != b.get_clim()
    a, b, _ = images(draw(compare(left, right)))
    assert a.get_clim() == b.get_clim()


@pytest.mark.parametrize("methods", [("integrated_gradients", "gradient_x_input"), ("lime", "shap"), ("integrated_gradients", "lime")])
def test_the_layout_of_channels_does_not_matter(methods: tuple[str, str]) -> None:
    left, right = (coloured(synthetic.explanation(method, seed=i)) for i, method in enumerate(methods))
    last = images(draw(compare(left, right)))
    first = images(draw(compare(channels_first(left), channels_first(right))))
    for mine, theirs in zip(first, last, strict=True):
        np.testing.assert_allclose(mine.get_array(), theirs.get_array(), atol=1e-6)
    np.testing.assert_allclose(last[0].get_array() - last[1].get_array(), last[2].get_array(), atol=1e-6)


def test_tables_are_bars_with_the_intervals_of_the_difference() -> None:
    found = compare(table(0), table(1))
    artists = draw(found, sample=1, count=5)
    figure = artists[0].figure
    axes = [ax for ax in figure.axes if ax.patches]
    assert len(axes) == 3
    order = np.argsort(-np.abs(found.difference[1]))[:5]
    for ax, values in zip(axes, (found.a.values, found.b.values, found.difference), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], values[1, order])
    assert axes[0].get_xlim() == axes[1].get_xlim()
    low, high = found.interval()
    segments = axes[2].collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 0] for segment in segments], np.stack([low[1, order], high[1, order]], axis=1), rtol=1e-6)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [f"feature {i}" for i in order]


def test_each_of_several_inputs_has_a_row() -> None:
    found = compare(synthetic.several("integrated_gradients"), synthetic.several("lime"))
    artists = draw(found)
    assert len(images(artists)) == 3
    assert sum(bool(ax.patches) for ax in artists[0].figure.axes) == 3
    titles = [ax.get_title() for ax in artists[0].figure.axes]
    assert any(title.endswith("\nmeta") for title in titles)


def test_all_samples_stand_below_each_other() -> None:
    found = compare(synthetic.explanation("shap"), synthetic.explanation("lime", seed=1))
    shown = images(draw(found, sample=None))
    assert len(shown) == 9
    np.testing.assert_allclose(shown[8].get_array(), shown[6].get_array() - shown[7].get_array())
    np.testing.assert_allclose(shown[3].get_array(), found.a.to_input()[1, ..., 0])
    assert shown[5].axes.get_title() == "sample 1: a − b"


def test_what_is_no_comparison_is_refused_and_titles_are_plain_text() -> None:
    with pytest.raises(SettingError, match="compare"):
        draw(synthetic.explanation())
    record: Comparison = replace(synthetic.compared(), names=("$a_1$ " + 40 * "x", "b"))
    assert png_bytes(draw(record)[0].figure).startswith(b"\x89PNG")
