"""Fills: the right shape and the right numbers, also once they are mixed with the sample."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import CombinationError, EmptyError, NonFiniteError, SettingError, ShapeError
from pellucid.core.features import Fill
from pellucid.core.model import MaskRows
from pellucid.data.features.patches import Patches
from pellucid.data.fills.background import Background
from pellucid.data.fills.blur import Blur
from pellucid.data.fills.constant import Constant
from pellucid.data.fills.given import Given
from pellucid.data.fills.mean import Mean

IMAGES = np.random.default_rng(0).random((3, 8, 8, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("fill", "shape"),
    [
        (Constant(0.5), (1, 1, 8, 8, 2)),
        (Mean(), (3, 1, 8, 8, 2)),
        (Blur(1.5), (3, 1, 8, 8, 2)),
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


@pytest.mark.parametrize("fill", [Mean(), Blur()])
def test_tables_have_no_mean_and_no_blur(fill: Fill) -> None:
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


@pytest.mark.parametrize("make", [lambda: Constant(float("nan")), lambda: Constant("a"), lambda: Blur(0), lambda: Blur(float("inf"))])  # type: ignore[arg-type]
def test_settings_are_checked_at_once(make: object) -> None:
    with pytest.raises(SettingError, match="expected a"):
        make()  # type: ignore[operator]
