"""Figures show the record's numbers: image arrays, limits, bar lengths, tiles."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

import synthetic
from pellucid.core.errors import CombinationError, OutputError, SettingError, UnknownLayerError, UnknownPartError, UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, panels, png_bytes, save

HALF_OF_95 = 1.959964


def draw(name: str, *args: object, **keywords: object) -> tuple:
    return FIGURES.load(name)(*args, **keywords)


def test_catalogue_lists_every_figure_without_matplotlib() -> None:
    code = "import sys; from pellucid.figures import FIGURES; print(*FIGURES); sys.exit('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wanted = {"activation_map", "attribution_map", "comparison", "error_map", "feature_bars", "input_image", "layers", "overlay", "probabilities"}
    assert wanted <= set(done.stdout.split())
    with pytest.raises(UnknownPartError, match="attribution_map"):
        FIGURES.load("attribution")


def test_the_page_of_figures_names_every_one() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    assert [name for name in FIGURES if f"`{name}`" not in page] == []


def test_nothing_global_changes() -> None:
    before = dict(mpl.rcParams)
    code = "import sys; from pellucid.figures import FIGURES\nfor n in FIGURES: FIGURES.load(n)\nsys.exit('matplotlib.pyplot' in sys.modules)"
    for method in ("integrated_gradients", "shap"):
        png_bytes(draw("attribution_map", synthetic.explanation(method))[0].figure)
    assert dict(mpl.rcParams) == before
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_input_image_is_the_sample() -> None:
    record = synthetic.explanation()
    (image,) = draw("input_image", record, sample=1)
    np.testing.assert_array_equal(image.get_array(), record.inputs[1, ..., 0])
    (image,) = draw("input_image", synthetic.view(), sample=-1)
    np.testing.assert_array_equal(image.get_array(), synthetic.view().inputs[1, ..., 0])


def test_input_image_in_colour_and_as_a_sequence() -> None:
    colour = np.random.default_rng(0).uniform(0, 255, (1, 6, 5, 3)).astype(np.float32)
    (image,) = draw("input_image", replace(synthetic.view(1), inputs=colour))
    np.testing.assert_allclose(image.get_array(), colour[0] / 255, rtol=1e-6)
    sequence = np.random.default_rng(0).normal(size=(1, 9, 4)).astype(np.float32)
    (image,) = draw("input_image", replace(synthetic.view(1), inputs=sequence))
    shown = image.get_array()
    assert (shown.shape, shown.min(), shown.max()) == ((9, 4), 0, 1)
    assert (image.axes.get_ylabel(), image.axes.get_xlabel()) == ("time step", "feature")
    (image,) = draw("input_image", replace(synthetic.view(1), inputs=sequence[:, 0]))
    assert image.get_array().shape == (1, 4)


def test_signed_map_is_the_values_on_a_symmetric_scale() -> None:
    record = synthetic.explanation("integrated_gradients")
    image = draw("attribution_map", record, sample=2)[0]
    np.testing.assert_allclose(image.get_array(), record.values[2, ..., 0])
    low, high = image.get_clim()
    assert low == -high == -np.abs(record.values[2]).max()
    assert draw("attribution_map", record, limit=0.7)[0].get_clim() == (-0.7, 0.7)


def test_channels_are_summed_where_signed_and_the_largest_otherwise() -> None:
    values = np.random.default_rng(0).normal(size=(1, 6, 6, 3))
    record = replace(synthetic.explanation(count=1), values=values, error=0.1 * np.abs(values), inputs=np.abs(values))
    np.testing.assert_allclose(draw("attribution_map", record)[0].get_array(), values[0].sum(axis=-1))
    half = HALF_OF_95 * np.sqrt(np.square(0.1 * values[0]).sum(axis=-1))
    np.testing.assert_allclose(draw("error_map", record)[0].get_array(), half, rtol=1e-5)
    image = draw("attribution_map", replace(record, values=np.abs(values)))[0]
    np.testing.assert_allclose(image.get_array(), np.abs(values[0]).max(axis=-1))
    assert image.get_clim()[0] == 0


def test_coalition_map_paints_features_and_draws_their_borders() -> None:
    record = synthetic.explanation("shap")
    image, borders, outline = draw("attribution_map", record, sample=1)
    np.testing.assert_allclose(image.get_array(), np.kron(record.values[1].reshape(7, 7), np.ones((4, 4))))
    assert len(borders.get_segments()) == 2 * 6 * 28
    assert len(outline.get_segments()) > 0
    low, high = image.get_clim()
    assert low == -high


def test_the_outline_runs_around_what_is_bright() -> None:
    inputs = np.zeros((1, 12, 12, 1), np.float32)
    inputs[0, 3:8, 2:6] = 1
    record = replace(synthetic.explanation(count=1), inputs=inputs, values=inputs - 0.5, error=inputs)
    _, outline = draw("attribution_map", record)
    assert len(outline.get_segments()) == 2 * (5 + 4)
    ends = np.concatenate(outline.get_segments())
    assert (ends.min(axis=0).tolist(), ends.max(axis=0).tolist()) == ([1.5, 2.5], [5.5, 7.5])


def test_a_map_of_nothing_is_drawn() -> None:
    record = synthetic.explanation(count=1)
    blank = replace(record, values=0 * record.values, error=0 * record.error, inputs=0 * record.inputs)
    for name in ("attribution_map", "error_map", "overlay"):
        artists = draw(name, blank)
        assert artists[-1].get_clim()[1] == 1
        assert png_bytes(artists[0].figure).startswith(b"\x89PNG")


def test_error_map_is_half_the_interval() -> None:
    record = synthetic.explanation("smooth_grad")
    image = draw("error_map", record, sample=1)[0]
    lower, upper = record.interval(0.95)
    np.testing.assert_allclose(image.get_array(), ((upper - lower) / 2)[1, ..., 0], rtol=1e-4, atol=1e-6)
    assert image.get_clim()[0] == 0


@pytest.mark.parametrize(("kind", "text"), [("exact", "exact"), ("none", "no error")])
def test_error_map_without_an_error_says_so(kind: str, text: str) -> None:
    record = synthetic.explanation("saliency")
    (note,) = draw("error_map", replace(record, error_kind=kind))
    assert text in note.get_text()
    assert not note.axes.images


def test_overlay_is_as_opaque_as_the_map_is_strong() -> None:
    record = synthetic.explanation("grad_cam")
    below, above = draw("overlay", record, sample=1)
    np.testing.assert_allclose(below.get_array(), 0.75 * record.inputs[1, ..., 0])
    shown = record.to_input()[1, ..., 0]
    np.testing.assert_allclose(above.get_array(), shown)
    np.testing.assert_allclose(above.get_alpha(), 0.85 * np.sqrt(shown / shown.max()), rtol=1e-5)


def test_bars_are_the_strongest_features_with_their_intervals() -> None:
    record = synthetic.explanation("lime")
    *bars, whiskers = draw("feature_bars", record, sample=1, count=5)
    order = np.argsort(-np.abs(record.values[1]))[:5]
    np.testing.assert_allclose([bar.get_width() for bar in bars], record.values[1, order], rtol=1e-6)
    lower, upper = record.interval(0.95)
    ends = np.array([segment[:, 0] for segment in whiskers.get_segments()])
    np.testing.assert_allclose(ends, np.stack([lower[1, order], upper[1, order]], 1), rtol=1e-5)
    assert [label.get_text() for label in bars[0].axes.get_yticklabels()] == [record.features.names[i] for i in order]
    assert len({bar.get_facecolor() for bar in bars}) == len(np.unique(np.sign(record.values[1, order])))


def test_bars_need_features() -> None:
    with pytest.raises(UnsupportedError, match="attribution_map"):
        draw("feature_bars", synthetic.explanation("saliency"))


def test_probabilities_mark_the_predicted_and_the_true_class() -> None:
    record = synthetic.explanation()
    artists = draw("probabilities", record, sample=0, true=record.provenance["labels"][0])
    np.testing.assert_allclose([bar.get_width() for bar in artists[:10]], record.prediction[0])
    labels = [label.get_text() for label in artists[0].axes.get_yticklabels()]
    assert labels[int(record.prediction[0].argmax())].startswith("predicted  ")
    assert labels[record.provenance["labels"][0]].startswith("true  ")
    agreed = draw("probabilities", record, sample=1, true=record.provenance["labels"][1])
    assert any(label.get_text().startswith("predicted, true") for label in agreed[0].axes.get_yticklabels())


def test_probabilities_of_many_classes_show_the_strongest_and_the_true_one() -> None:
    output = np.random.default_rng(0).dirichlet(np.ones(100), 1)
    record = replace(synthetic.explanation(count=1), prediction=output, class_names=())
    weakest = int(output.argmin())
    bars = [artist for artist in draw("probabilities", record, true=weakest) if hasattr(artist, "get_width")]
    assert len(bars) == 11
    np.testing.assert_allclose(sorted(bar.get_width() for bar in bars)[1:], np.sort(output[0])[-10:])


def test_every_channel_has_a_numbered_tile_on_one_scale() -> None:
    view = synthetic.view()
    image, *numbers = draw("activation_map", view, layer="conv", sample=1)
    assert [number.get_text() for number in numbers] == [str(k) for k in range(12)]
    assert image.get_clim() == (0, view.values["conv"][1].max())
    for k, number in enumerate(numbers):
        left, top = number.get_position()
        tile = image.get_array()[int(top) + 1 : int(top) + 27, int(left) : int(left) + 26]
        np.testing.assert_allclose(tile, view.values["conv"][1, ..., k])
    image = draw("activation_map", view, layer="conv_1")[0]
    low, high = image.get_clim()
    assert low == -high == -np.abs(view.values["conv_1"][0]).max()


def test_states_run_over_time_and_units_are_a_strip() -> None:
    states = synthetic.states()
    (image,) = draw("activation_map", states)
    np.testing.assert_allclose(image.get_array(), states.values["lstm"][0].T)
    assert image.get_clim()[0] == -image.get_clim()[1]
    assert (image.axes.get_xlabel(), image.axes.get_ylabel()) == ("time step", "unit")
    image, *numbers = draw("activation_map", synthetic.view(), layer="dense")
    np.testing.assert_allclose(np.ravel(image.get_array()), synthetic.view().values["dense"][0], rtol=1e-6)
    assert [number.get_text().split("\n")[0] for number in numbers] == [str(k) for k in range(len(numbers))]


def test_an_unknown_layer_or_sample_is_named() -> None:
    with pytest.raises(UnknownLayerError, match="did you mean 'conv'"):
        draw("activation_map", synthetic.view(), layer="konv")
    with pytest.raises(SettingError, match="say which"):
        draw("activation_map", synthetic.view())
    with pytest.raises(SettingError, match="no class 10"):
        draw("probabilities", synthetic.explanation(), true=10)
    with pytest.raises(SettingError, match="numbered 0 to 2"):
        draw("attribution_map", synthetic.explanation(), sample=3)


def test_comparison_has_a_row_a_sample_and_a_map_a_method() -> None:
    records = [synthetic.explanation(method, 2) for method in ("saliency", "shap")]
    images = [artist for artist in draw("comparison", records) if isinstance(artist, AxesImage)]
    assert len(images) == 2 * (1 + 2)
    np.testing.assert_array_equal(images[3].get_array(), records[0].inputs[1, ..., 0])
    np.testing.assert_allclose(images[4].get_array(), records[0].values[1, ..., 0])
    with pytest.raises(CombinationError, match="different samples"):
        draw("comparison", [records[0], synthetic.explanation("lime", 1)])
    with pytest.raises(CombinationError, match="at least one"):
        draw("comparison", [])


def test_comparison_gives_methods_of_the_same_units_one_scale_within_a_row() -> None:
    records = [synthetic.explanation(method, 2) for method in ("saliency", "lime", "shap")]
    images = [artist for artist in draw("comparison", records) if isinstance(artist, AxesImage)]
    for row in range(2):
        saliency, lime, shap = images[4 * row + 1 : 4 * row + 4]
        largest = max(np.abs(image.get_array()).max() for image in (lime, shap))
        assert lime.get_clim() == shap.get_clim() == pytest.approx((-largest, largest))
        assert saliency.get_clim() != lime.get_clim()


def test_layers_has_a_row_a_sample_and_a_column_a_layer() -> None:
    view = synthetic.view(2)
    artists = draw("layers", view)
    assert len({artist.axes for artist in artists}) == 2 * 3
    strips = [artist for artist in artists if hasattr(artist, "get_clim")]
    np.testing.assert_allclose(np.ravel(strips[-1].get_array())[:64], view.values["dense"][1], rtol=1e-6)


def test_a_figure_draws_on_given_axes() -> None:
    left, right = panels(("map", "bars"), 2.0)
    record = synthetic.explanation("shap")
    assert draw("attribution_map", record, ax=left)[0].axes is left
    assert draw("feature_bars", record, ax=right)[0].axes is right
    assert isinstance(left.figure, Figure)
    assert left.figure is right.figure


def test_save_writes_the_same_bytes_and_leaves_nothing_behind(tmp_path) -> None:
    figure = draw("attribution_map", synthetic.explanation())[0].figure
    first, second = save(figure, tmp_path / "a.png"), save(figure, tmp_path / "b.png")
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(OutputError, match="nowhere"):
        save(figure, tmp_path / "nowhere" / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_names_of_any_script_and_with_signs_of_mathematics_are_drawn() -> None:
    names = ("数字零", "$\\frac{", "<b>", "ж", *"456789")
    record = synthetic.explanation("shap", class_names=names)
    artists = draw("probabilities", record)
    assert artists[0].axes.get_yticklabels()[1].get_text().endswith("$\\frac{")
    assert png_bytes(artists[0].figure).startswith(b"\x89PNG")


def at_layer(shape: tuple[int, ...]) -> Explanation:
    """Values at a layer's output."""
    record = synthetic.explanation()
    values = np.random.default_rng(2).normal(size=(3, *shape)).astype(np.float32)
    provenance = {**record.provenance, "resolved": {"at": "hidden"}}
    return replace(record, values=values, error=np.abs(values) / 5, axes=tuple(f"a{i}" for i in range(values.ndim)), provenance=provenance)


def test_units_of_a_layer_are_bars_and_its_maps_lie_over_the_input() -> None:
    dense, maps = at_layer((12,)), at_layer((5, 5, 4))
    assert not dense.on_grid
    bars = FIGURES.load("feature_bars")(dense, sample=1)
    assert next(label.get_text() for label in bars[0].axes.get_yticklabels()) == f"unit {np.abs(dense.values[1]).argmax()}"
    assert maps.to_input().shape == maps.inputs.shape
    np.testing.assert_allclose(maps.to_input()[0, 0, 0, 0], maps.values[0, 0, 0].sum(), rtol=1e-5)
    assert len(FIGURES.load("comparison")([dense, maps])) > 6
    with pytest.raises(UnsupportedError, match="no grid"):
        dense.to_input()
