"""Images of every kind that a person has: files of 8 and 16 bits, one to many channels, first or last; the planted patch is found in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import DataNotFoundError, InputError, ShapeError
from pellucid.figures import FIGURES, png_bytes

Array = np.ndarray
SIZE = 12
MAPS = ("attribution_map", "overlay", "contours", "input_image")


def planted(channels: int, *, first: bool = False) -> NumpyModel:
    """A network that sums the last channel of one patch of four by four: row 1, column 2."""
    weights = np.zeros((SIZE, SIZE, channels))
    weights[4:8, 8:12, -1] = 1.0
    laid = np.moveaxis(weights, -1, 0) if first else weights
    return NumpyModel([Dense(laid.reshape(-1, 1), np.zeros(1))], laid.shape)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_any_number_of_channels_is_explained_and_drawn(channels: int) -> None:
    shades = np.random.default_rng(channels).integers(60, 256, (2, SIZE, SIZE, channels)).astype(np.uint8)
    read = pellucid.Image((SIZE, SIZE), channels)
    truth = shades[:, 4:8, 8:12, -1].sum(axis=(1, 2)) / 255
    for method, options in (("exact_shap", {"features": "patches:4"}), ("feature_ablation", {"features": "patches:4"}), ("integrated_gradients", {})):
        found = pellucid.explain(planted(channels), shades, method, preprocessing=read, **{"max_evaluations": 20_000} | options)
        if options:
            assert [found.strongest(1, sample=i).names for i in (0, 1)] == [("row 1, column 2",)] * 2
            np.testing.assert_allclose(found.values.max(axis=1), truth, rtol=1e-5)
        else:
            np.testing.assert_allclose(found.values[:, 4:8, 8:12, -1].sum(axis=(1, 2)), truth, rtol=1e-4)
            assert found.values.shape == (2, SIZE, SIZE, channels)
        for name in MAPS:
            artists = FIGURES.load(name)(found, sample=1)
            assert png_bytes(artists[0].figure.figure).startswith(b"\x89PNG")
        shown = np.asarray(FIGURES.load("attribution_map")(found, sample=0)[0].get_array())
        assert shown.shape == (SIZE, SIZE)
        inside = shown[4:8, 8:12]
        assert np.abs(inside).min() > 0
        np.testing.assert_allclose(np.delete(np.delete(shown, slice(4, 8), 0), slice(8, 12), 1), 0, atol=1e-6)
    regions = pellucid.explain(planted(channels), shades[:1], "feature_ablation", preprocessing=read, features="superpixels:slic:9")
    assert regions.values.sum() == pytest.approx(truth[0], rel=1e-4)


def test_channels_first_are_the_same_image() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 4)).astype(np.uint8)
    last, first = (pellucid.Image((SIZE, SIZE), 4, first=one) for one in (False, True))
    np.testing.assert_array_equal(np.moveaxis(first.inputs(shades), 1, -1), last.inputs(shades))
    np.testing.assert_array_equal(first.restored(first.inputs(shades)), last.restored(last.inputs(shades)))


def saved(folder: Path, kind: str) -> tuple[Path, Array]:
    """A picture in a file, and the shades that it holds."""
    shades = np.random.default_rng(1).random((SIZE, SIZE, 3))
    if kind == "gray16.png":
        stored = (shades[..., 0] * 65535).astype(np.uint16)
        Image.fromarray(stored).save(folder / kind)
        return folder / kind, (stored / 65535)[..., None]
    if kind == "alpha.png":
        stored = (np.concatenate([shades, shades[..., :1]], axis=-1) * 255).astype(np.uint8)
        Image.fromarray(stored, "RGBA").save(folder / kind)
        colours, alpha = stored[..., :3] / 255, stored[..., 3:] / 255
        return folder / kind, colours * alpha + 1 - alpha
    stored = (shades * 255).astype(np.uint8)
    stored = stored[..., 0] if kind.startswith("gray") else np.full_like(stored, 150) if kind.endswith("jpg") else stored
    Image.fromarray(stored).save(folder / kind)
    return folder / kind, (stored if stored.ndim == 3 else stored[..., None]) / 255


@pytest.mark.parametrize("kind", ["gray.png", "gray16.png", "colour.png", "alpha.png", "gray.jpeg", "flat.jpg"])
def test_a_file_is_explained_as_what_it_holds(kind: str, tmp_path: Path) -> None:
    path, shades = saved(tmp_path, kind)
    channels = shades.shape[-1]
    read = pellucid.Image((SIZE, SIZE), channels)
    within = 0.3 if kind == "gray.jpeg" else 0.01 if kind == "flat.jpg" else 1e-5
    np.testing.assert_allclose(read.inputs([path])[0], shades, atol=within)
    found = pellucid.explain(planted(channels), [path], "exact_shap", preprocessing=read, features="patches:4", max_evaluations=20_000)
    assert found.strongest(1).names == ("row 1, column 2",)
    assert found.values.max() == pytest.approx(shades[4:8, 8:12, -1].sum(), rel=0.05)
    if channels == 1:
        wide = pellucid.Image((SIZE, SIZE), 3).inputs([path])
        np.testing.assert_array_equal(wide[0], np.repeat(read.inputs([path])[0], 3, axis=-1))


def test_files_that_are_no_images_are_one_error_each(tmp_path: Path) -> None:
    read = pellucid.Image((SIZE, SIZE))
    (tmp_path / "cut.png").write_bytes(saved(tmp_path, "gray.png")[0].read_bytes()[:60])
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(tmp_path / "moving.gif")
    (tmp_path / "moving.gif").rename(tmp_path / "moving.png")
    cases: list[tuple[Any, type[Exception], str]] = [
        (tmp_path / "cut.png", InputError, "cannot be read"),
        (tmp_path / "moving.png", InputError, "cannot be read"),
        (tmp_path / "nowhere.png", DataNotFoundError, "does not exist"),
        (saved(tmp_path, "colour.png")[0], ShapeError, "has 3 channels, the network takes 1"),
    ]
    for path, error, says in cases:
        with pytest.raises(error, match=says):
            pellucid.explain(planted(1), [path], "exact_shap", preprocessing=read)
