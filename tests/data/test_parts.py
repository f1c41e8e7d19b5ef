"""Features and fills by the words that users write."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import CombinationError, SettingError, UnknownPartError
from pellucid.data import FEATURES, FILLS
from pellucid.data.features.columns import Columns
from pellucid.data.features.groups import Groups
from pellucid.data.features.patches import Patches
from pellucid.data.features.superpixels import Superpixels
from pellucid.data.fills.blur import Blur
from pellucid.data.fills.constant import Constant
from pellucid.data.fills.inpainting import Inpainting
from pellucid.data.fills.noise import Noise
from pellucid.data.parts import default_features, parse_features, parse_fill

IMAGES = np.zeros((2, 28, 28, 1), np.float32)


def test_every_name_is_a_part() -> None:
    assert FEATURES.names() == ["columns", "given", "groups", "patches", "pixels", "superpixels", "windows"]
    assert FILLS.names() == ["background", "blur", "constant", "deletion", "given", "inpainting", "mean", "noise"]
    for catalogue in (FEATURES, FILLS):
        for name in catalogue:
            assert catalogue.load(name).__doc__


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("patches", Patches(4)),
        ("patches:7", Patches(7)),
        ("superpixels", Superpixels("slic", 30)),
        ("superpixels:watershed", Superpixels("watershed", 30)),
        ("superpixels:quickshift:12", Superpixels("quickshift", 12)),
        (Patches(3), Patches(3)),
        ("groups:0-3,4,5-9", Groups("0-3,4,5-9")),
        ({"place": [1, 2]}, Groups({"place": [1, 2]})),
        ([[0, 1], [2]], Groups([[0, 1], [2]])),
    ],
)
def test_features(spec: str | Patches, part: object) -> None:
    assert parse_features(spec) == part


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("constant:0.5", Constant(0.5)),
        ("blur:2", Blur(2.0)),
        (0, Constant(0.0)),
        (np.float32(0.25), Constant(0.25)),
        ("noise:0.5:8:3", Noise(0.5, 8, 3)),
        ("inpainting", Inpainting()),
    ],
)
def test_fills(spec: str | float, part: object) -> None:
    assert parse_fill(spec) == part


def test_arrays() -> None:
    labels = np.repeat([0, 1], 14)[:, None] * np.ones((1, 28), int)
    assert parse_features(labels).label(IMAGES).counts.tolist() == [2]
    assert parse_fill(np.ones((28, 28, 1))).rows(IMAGES).shape == (1, 1, 28, 28, 1)
    assert parse_fill(np.ones((5, 28, 28, 1))).rows(IMAGES).shape == (1, 5, 28, 28, 1)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("patchs:4", UnknownPartError, "did you mean 'patches'.*Known: columns, given, groups, patches, pixels, superpixels"),
        ("patches:four", SettingError, "size must be a whole number, got 'four'"),
        ("patches:4:5", SettingError, "has 2 settings, 'patches' takes 1"),
        ("pixels:4", SettingError, "takes no setting"),
        ("patches:0", SettingError, "from 1 on"),
        ("superpixels:slik", SettingError, "did you mean 'slic'"),
        ("given", SettingError, "pass the array itself"),
        ("given:3", SettingError, "pass the array itself"),
        ("groups", SettingError, "needs groups: write groups:groups"),
        (3, SettingError, "expected one of columns"),
    ],
)
def test_features_that_are_none(spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_features(spec)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("median", UnknownPartError, "unknown fill.*Known: background, blur"),
        ("blur:much", SettingError, "sigma must be a number"),
        ("blur:-1", SettingError, "above 0"),
        ("background", SettingError, "pass the array itself"),
        (None, SettingError, "expected one of background"),
        (True, SettingError, "expected one of background"),
    ],
)
def test_fills_that_are_none(spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_fill(spec)


def test_defaults_follow_the_shape() -> None:
    assert default_features(IMAGES) == Patches(4)
    assert default_features(np.zeros((1, 224, 224, 3))) == Patches(32)
    assert default_features(np.zeros((1, 3, 3, 1))) == Patches(1)
    assert default_features(np.zeros((1, 28, 28))) == Patches(4)
    assert default_features(np.zeros((1, 5))) == Columns()
    assert parse_features(None, IMAGES) == Patches(4)
    with pytest.raises(CombinationError, match="label map"):
        default_features(np.zeros((1, 2, 3, 4, 5)))
