"""Fills: the right shape and the right numbers, also once they are mixed with the sample."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import CombinationError, EmptyError, NonFiniteError, SettingError, ShapeError
from pellucid.core.features import FeatureMap, Fill
from pellucid.core.model import MaskRows
from pellucid.data.features.given import Given as GivenFeatures
from pellucid.data.features.groups import Groups
from pellucid.data.features.patches import Patches
from pellucid.data.features.superpixels import Superpixels
from pellucid.data.fills.background import Background
from pellucid.data.fills.blur import Blur
from pellucid.data.fills.constant import Constant
from pellucid.data.fills.given import Given
from pellucid.data.fills.inpainting import Inpainting
from pellucid.data.fills.mean import Mean
from pellucid.data.fills.noise import Noise

IMAGES = np.random.default_rng(0).random((3, 8, 8, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("fill", "shape"),
    [
        (Constant(0.5), (1, 1, 8, 8, 2)),
        (Mean(), (3, 1, 8, 8, 2)),
        (Blur(1.5), (3, 1, 8, 8, 2)),
        (Noise(1.0, 4), (3, 4, 8, 8, 2)),
        (Background(IMAGES[:2]), (1, 2, 8, 8, 2)),
        (Given(IMAGES[0]), (1, 1, 8, 8, 2)),
        (Given(IMAGES), (1, 3, 8, 8, 2)),
    ],
)
def test_shapes(fill: Fill, shape: tuple[int, ...]) -> None:
    rows = fill.rows(IMAGES)
    assert rows.shape == shape
    assert rows.dtype == np.float32


def test_mean_is_of_each_sample_and_channel() -> None:
    rows = Mean().rows(IMAGES)
    assert rows[2, 0, 3, 4, 1] == pytest.approx(IMAGES[2, :, :, 1].mean(), rel=1e-5)
    assert np.ptp(rows[2, 0, :, :, 1]) == 0


def test_mean_of_a_series_is_over_time() -> None:
    series = np.random.default_rng(1).random((2, 6, 3)).astype(np.float32)
    assert Mean().rows(series)[1, 0, 4] == pytest.approx(series[1].mean(axis=0), rel=1e-5)


def test_blur_keeps_the_sum_and_never_mixes_channels_or_samples() -> None:
    sharp = np.zeros((2, 21, 21, 2), np.float32)
    sharp[0, 10, 10, 0] = 1
    rows = Blur(2.0).rows(sharp)
    assert rows[0, 0, :, :, 0].sum() == pytest.approx(1, abs=1e-4)
    assert rows[0, 0, 10, 10, 0] == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    assert not rows[1].any()
    assert not rows[0, 0, :, :, 1].any()


def test_composition_keeps_what_is_present_and_fills_the_rest() -> None:
    features = Patches(4).label(IMAGES)
    masks = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], np.float32)
    rows = MaskRows(IMAGES, Background(IMAGES[1:]).rows(IMAGES), features.labels, masks, np.array([0, 1, 2]), np.array([1, 0, 1]))
    composed = rows.compose(slice(None))
    assert np.array_equal(composed[0, :4, :4], IMAGES[0, :4, :4])
    assert np.array_equal(composed[0, :4, 4:], IMAGES[2, :4, 4:])
    assert np.array_equal(composed[1], IMAGES[1])
    assert np.array_equal(composed[2], IMAGES[2])


@pytest.mark.parametrize("fill", [Mean(), Blur(), Noise()])
def test_tables_have_no_mean_no_blur_and_no_noise(fill: Fill) -> None:
    with pytest.raises(CombinationError, match=r"\(4, 3\).*background=samples"):
        fill.rows(np.zeros((4, 3), np.float32))


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        (IMAGES[0], ShapeError, r"background has shape \(8, 8, 2\).*background\[None\]"),
        (np.zeros((3, 8, 9, 2)), ShapeError, "background has shape"),
        (np.zeros((0, 8, 8, 2)), EmptyError, "no sample"),
        (np.full((1, 8, 8, 2), np.nan), NonFiniteError, "NaN"),
    ],
)
def test_backgrounds_that_do_not_fit(samples: np.ndarray, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Background(samples).rows(IMAGES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(float("nan")),
        lambda: Constant("a"),
        lambda: Blur(0),
        lambda: Blur(float("inf")),
        lambda: Noise(0),
        lambda: Noise(1, 0),
        lambda: Noise(1, 2, -1),
    ],
)  # type: ignore[arg-type]
def test_settings_are_checked_at_once(make: object) -> None:
    with pytest.raises(SettingError, match="expected a"):
        make()  # type: ignore[operator]


def test_noise_has_the_mean_and_spread_of_each_sample_and_channel_and_the_same_draws_for_all() -> None:
    images = np.random.default_rng(2).random((2, 40, 40, 2)).astype(np.float32) * np.array([1, 10], np.float32) + np.array([0, 5], np.float32)
    images[1] += 3
    rows = Noise(0.5, count=8, seed=3).rows(images)
    for i in range(2):
        for channel in range(2):
            drawn, seen = rows[i, ..., channel], images[i, ..., channel]
            assert drawn.mean() == pytest.approx(float(seen.mean()), abs=0.02 * float(seen.std()))
            assert drawn.std() == pytest.approx(0.5 * float(seen.std()), rel=0.02)
    assert np.array_equal(rows, Noise(0.5, count=8, seed=3).rows(images))
    assert np.array_equal(rows[:1], Noise(0.5, count=8, seed=3).rows(images[:1])), "company changes nothing"
    assert not np.array_equal(rows, Noise(0.5, count=8, seed=4).rows(images))
    standard = [(rows[i] - images[i].mean(axis=(0, 1))) / images[i].std(axis=(0, 1)) for i in range(2)]
    np.testing.assert_allclose(standard[0], standard[1], atol=1e-4)


def solved(sample: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The slow twin of biharmonic inpainting in one place: Δ²u = 0 at hidden places with u given elsewhere, as one dense system; the interior only."""
    places = [tuple(place) for place in np.argwhere(hidden)]
    stencil = {(0, 0): 20.0, (1, 0): -8.0, (0, 1): -8.0, (1, 1): 2.0, (1, -1): 2.0, (2, 0): 1.0, (0, 2): 1.0}
    stencil |= {(-i, -j): weight for (i, j), weight in stencil.items()}
    matrix, right = np.zeros((len(places), len(places))), np.zeros(len(places))
    for row, (y, x) in enumerate(places):
        for (dy, dx), weight in stencil.items():
            at = (y + dy, x + dx)
            if at in places:
                matrix[row, places.index(at)] += weight
            else:
                right[row] -= weight * sample[at]
    out = sample.astype(np.float64)
    out[tuple(np.transpose(places))] = np.linalg.solve(matrix, right)
    return out


def test_inpainting_makes_each_feature_from_all_the_others() -> None:
    smooth = np.add.outer(np.sin(np.arange(14) / 3), np.cos(np.arange(14) / 4)).astype(np.float32)
    labels = np.full((14, 14), 2)
    labels[3:6, 3:6], labels[3:6, 6:9] = 0, 1
    labels[0], labels[-1] = -1, -1
    row = Inpainting().rows_for(smooth[None, ..., None], GivenFeatures(labels).label(smooth[None, ..., None]))[0, 0, ..., 0]
    for feature in (0, 1):
        hidden = labels == feature
        np.testing.assert_allclose(row[hidden], solved(smooth, hidden)[hidden], atol=1e-5)
        assert np.abs(row[hidden] - smooth[hidden]).max() < 0.05, "a smooth image is nearly what its surroundings say"
    assert np.array_equal(row[labels < 0], smooth[labels < 0])


def test_inpainting_is_per_sample_and_knows_nothing_of_the_feature_itself() -> None:
    images = IMAGES.copy()
    features = Superpixels("slic", 6).label(images)
    rows = Inpainting().rows_for(images, features)
    assert rows.shape == (3, 1, 8, 8, 2)
    changed = images[1:2].copy()
    hidden = features.of(1)[..., 0] == 2
    changed[0, hidden] += 9
    again = Inpainting().rows_for(changed, features[1:2])[0, 0]
    np.testing.assert_array_equal(again[hidden], rows[1, 0][hidden])


def test_inpainting_of_series_and_channels_is_along_time() -> None:
    series = np.stack([np.arange(9.0), np.zeros(9)], axis=1)[None].astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])[:, None] + np.array([0, 3])
    row = Inpainting().rows_for(series, GivenFeatures(labels).label(series))[0, 0]
    np.testing.assert_allclose(row[3:6], series[0, 3:6], atol=1e-5)
    assert np.ptp(row[:, 1]) == 0


@pytest.mark.parametrize(
    ("inputs", "features", "words"),
    [
        (np.zeros((2, 5)), FeatureMap(np.arange(5)[None], tuple("abcde")), "a table has no surroundings.*background=samples"),
        (IMAGES, FeatureMap(np.zeros((1, 8, 8, 1), int), ("all",)), "all covers everything"),
        (IMAGES, Groups({"red": [0]}).label(IMAGES), "red covers all of channel 0"),
        (IMAGES, None, "paints over features, and there are none"),
    ],
)
def test_inpainting_needs_surroundings(inputs: np.ndarray, features: FeatureMap | None, words: str) -> None:
    with pytest.raises(CombinationError, match=words):
        Inpainting().rows_for(inputs, features)
