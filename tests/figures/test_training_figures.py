"""What the figures of a training draw is what the record holds; a film has one scale, a frame an epoch, and its ends held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pellucid.core.errors import OutputError, SettingError, UnknownLayerError
from pellucid.core.view import View

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from pellucid.figures import FIGURES
from pellucid.figures.film import FILM, frames, write_film
from pellucid.report.page import render
from pellucid.views._training_log import PICTURE_AXES

Array = np.ndarray
EPOCHS = 5


def record(moments: int = EPOCHS + 1, *, colours: int = 1, sign: bool = False) -> View:
    """A training of a convolution that is pictured, and of a layer that does not move."""
    draw = np.random.default_rng(0)
    told = np.r_[np.nan, np.linspace(2, 0.5, moments - 1)]
    network = {"loss": told, "val_loss": told + 0.2, "accuracy": 1 - told / 4, "epoch": np.arange(moments, dtype=float), "step": np.arange(moments) * 10}
    network |= {"learning_rate": told * 0 + 0.01, "probe": np.zeros((2, 8, 8, colours)), "frame_epoch": np.arange(moments, dtype=float)}
    maps = np.linspace(0, 1, moments)[:, None, None, None, None] * (draw.standard_normal((moments, 2, 6, 6, 3)) if sign else draw.random((moments, 2, 6, 6, 3)))
    ratio = np.r_[np.nan, np.geomspace(0.3, 0.01, moments - 1)]
    conv = {"weight_norm": np.ones(moments), "update_norm": ratio, "update_ratio": ratio, "gradient_norm": ratio * 2, "dead": np.linspace(0, 0.5, moments)}
    conv |= {"maps": maps, "channels": np.array([0, 4, 7]), "filters": draw.standard_normal((moments, 3, 3, colours, 4))}
    still = {"weight_norm": np.ones(moments), "update_norm": 0 * ratio, "update_ratio": 0 * ratio, "dead": np.zeros(moments)}
    values = {"network": told, "conv": ratio, "still": 0 * ratio}
    axes = dict.fromkeys(values, ("epoch",))
    return View("training", values, axes, np.zeros(0, np.float32), {}, {"network": network, "conv": conv, "still": still}, PICTURE_AXES, ())


def test_lines_and_heat_maps_hold_the_record() -> None:
    view = record()
    loss, validation, accuracy, ratio, gradient, dead = FIGURES.load("training")(view)
    assert np.array_equal(np.column_stack(loss.get_data()), np.column_stack([np.arange(1, 6), view.values["network"][1:]]))
    assert np.array_equal(validation.get_ydata(), view.details["network"]["val_loss"][1:])
    assert np.array_equal(accuracy.get_ydata(), view.details["network"]["accuracy"][1:])
    shown = ratio.get_array()
    assert shown.shape == (2, EPOCHS + 1)
    assert np.asarray(shown[0, 1:]) == pytest.approx(np.log10(view.values["conv"][1:]))
    assert shown.mask[1].all()  # a layer that does not move has no logarithm
    assert shown.mask[0].tolist() == [True, *[False] * EPOCHS]
    assert np.asarray(gradient.get_array())[0, 1:] == pytest.approx(np.log10(view.details["conv"]["gradient_norm"][1:]))
    assert [label.get_text() for label in gradient.axes.get_yticklabels()] == ["conv"]  # the only layer whose gradient is known
    assert np.array_equal(np.asarray(dead.get_array()), [view.details["conv"]["dead"], view.details["still"]["dead"]])
    assert dead.get_clim() == (0, 1)
    assert {one.axes.get_xlim() for one in (loss, accuracy, ratio, gradient, dead)} == {(-0.5, EPOCHS + 0.5)}


def test_one_layer_shows_its_norms_and_shares() -> None:
    view = record()
    weights, update, gradient, dead = FIGURES.load("training")(view, layer="conv")
    assert np.array_equal(weights.get_ydata(), view.details["conv"]["weight_norm"])
    assert np.array_equal(update.get_ydata(), view.details["conv"]["update_norm"][1:])
    assert np.array_equal(gradient.get_ydata(), view.details["conv"]["gradient_norm"][1:])
    assert np.array_equal(dead.get_ydata(), view.details["conv"]["dead"])
    assert weights.axes.get_yscale() == "log"
    with pytest.raises(UnknownLayerError, match="conv, still"):
        FIGURES.load("training")(view, layer="other")


@pytest.mark.parametrize("name", ["training", "film"])
def test_both_draw_in_axes_that_are_given(name: str) -> None:
    axes = Figure(figsize=(6, 6)).add_subplot()
    artists = FIGURES.load(name)(record(), ax=axes)
    assert all(one.axes.figure is axes.figure for one in artists)


def test_frames_side_by_side_share_one_scale() -> None:
    view = record()
    image, *texts = FIGURES.load("film")(view, sample=1)
    maps = view.details["conv"]["maps"][:, 1]
    assert image.get_clim() == (0, pytest.approx(maps.max()))
    assert [text.get_text() for text in texts] == [*(f"epoch {epoch}" for epoch in range(6)), "0", "4", "7"]
    shown = np.asarray(image.get_array())
    assert np.nanmax(shown) == pytest.approx(maps.max())
    assert set(np.unique(maps).round(9)) == set(np.unique(shown[np.isfinite(shown)]).round(9))
    signed = FIGURES.load("film")(record(sign=True))[0]
    assert signed.get_clim()[0] == -signed.get_clim()[1]


def test_a_film_has_a_frame_an_epoch_on_one_scale_and_its_ends_held(tmp_path: Path) -> None:
    view = record()
    written = write_film(view, tmp_path / "film.gif", layer="conv")
    with Image.open(written) as film:
        assert film.n_frames == EPOCHS + 1
        pictures, times = [], []
        for place in range(film.n_frames):
            film.seek(place)
            pictures.append(np.asarray(film.convert("RGB")).copy())
            times.append(film.info["duration"])
    assert times[0] > times[1] == times[-2]
    assert times[-1] > times[0]
    assert (pictures[0][0, 0] == 255).all()
    bars = [picture[:, -60:] for picture in pictures]  # the scale with its numbers, at the right
    assert all(np.array_equal(bars[0], bar) for bar in bars)
    dark = [np.mean(picture[60:, :-80].sum(axis=-1) > 300) for picture in pictures]
    assert dark[-1] > dark[0]  # maps that grow from 0 get lighter on a scale that stays
    write_film(view, tmp_path / "again.gif", layer="conv")
    assert (tmp_path / "again.gif").read_bytes() == written.read_bytes()


def test_a_long_training_makes_a_film_of_bounded_length() -> None:
    found = frames(record(301))
    chosen = found.chosen(FILM)
    assert len(chosen) == FILM
    assert (chosen[0], chosen[-1]) == (0, 300)


def test_states_run_over_time_and_say_so() -> None:
    view, states = record(), np.random.default_rng(1).uniform(-1, 1, (EPOCHS + 1, 2, 7, 5))
    view.details["conv"]["states"] = states
    image, *texts = FIGURES.load("film")(view, what="states", sample=1)
    assert [text.get_text() for text in texts] == [*(f"epoch {epoch}" for epoch in range(6)), "time step", "unit"]
    shown = np.asarray(image.get_array())
    top = np.flatnonzero(np.isfinite(shown).any(axis=1))[0]
    assert shown[top, : 7 * 4 : 4] == pytest.approx(states[0, 1, :, 0])  # the first row is the first unit step after step, four pixels each


def test_kernels_over_three_colours_are_shown_in_them() -> None:
    view = record(colours=3)
    (image, *_) = FIGURES.load("film")(view, what="filters")
    kernels = view.details["conv"]["filters"]
    assert image.get_array().shape[-1] == 3
    reach = np.abs(kernels).max()
    top = int(FIGURES.load("film")(view, what="filters")[1].get_position()[1]) + 1
    assert np.asarray(image.get_array())[top, 0] == pytest.approx(kernels[0, 0, 0, :, 0] / (2 * reach) + 0.5, abs=1e-3)


def test_what_is_no_training_or_has_no_pictures_is_refused(tmp_path: Path) -> None:
    view = record()
    other: Any = View("activation_map", {}, {}, np.zeros((1, 2)))
    with pytest.raises(SettingError, match="record of a training"):
        FIGURES.load("training")(other)
    with pytest.raises(SettingError, match="needs a record of a training with pictures"):
        FIGURES.load("film")(other)
    with pytest.raises(UnknownLayerError, match="conv"):
        FIGURES.load("film")(view, layer="still")
    with pytest.raises(SettingError, match="no 'states' of layer 'conv'; there are maps, filters"):
        FIGURES.load("film")(view, what="states")
    with pytest.raises(OutputError, match=r"written as \.gif"):
        write_film(view, tmp_path / "film.mp4")


def test_a_report_shows_curves_and_frames() -> None:
    page = render([record()])
    assert page.count("data:image/png;base64,") >= 3
    assert "the training loss went from 2 to 0.5" in page
    assert "Filters of conv, epoch by epoch" in page
