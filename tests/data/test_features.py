"""Features: every element in exactly one of them, labels without gaps, and clear words where there is no grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import FeatureMap
from pellucid.data.features.columns import Columns
from pellucid.data.features.given import Given
from pellucid.data.features.groups import Groups
from pellucid.data.features.patches import Patches
from pellucid.data.features.pixels import Pixels
from pellucid.data.features.superpixels import ALGORITHMS, Superpixels
from pellucid.data.features.windows import Windows


def partition(features: FeatureMap, inputs: np.ndarray) -> None:
    """Every element of every sample bears one label of 0 … count − 1, none of which is missing; there is a name for each."""
    assert len(features.labels) in (1, len(inputs))
    assert np.broadcast_shapes(features.labels.shape[1:], inputs.shape[1:]) == inputs.shape[1:]
    for labels, count in zip(features.labels, features.counts, strict=True):
        assert np.array_equal(np.unique(labels), np.arange(count))
    assert len(features.names) == features.counts.max()
    assert len(set(features.names)) == len(features.names)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 17), st.integers(1, 17), st.integers(0, 4), st.integers(1, 20))
def test_patches_part_the_grid(height: int, width: int, channels: int, size: int) -> None:
    inputs = np.zeros((2, height, width, channels)[: 4 if channels else 3], np.float32)
    features = Patches(size).label(inputs)
    partition(features, inputs)
    assert features.counts[0] == -(-height // size) * -(-width // size)
    sizes = np.bincount(features.labels.ravel())
    assert sizes.max() <= size**2
    assert sizes[0] == min(size, height) * min(size, width)


def test_patches_of_a_digit() -> None:
    features = Patches(4).label(np.zeros((5, 28, 28, 1), np.float32))
    assert features.labels.shape == (1, 28, 28, 1)
    assert features.counts.tolist() == [49]
    labels = features.of(3)[..., 0]
    assert features.names[labels[0, 13]] == "row 0, column 3"
    assert features.names[labels[27, 0]] == "row 6, column 0"


def test_patches_serve_rows_read_as_time_steps() -> None:
    assert Patches(4).label(np.zeros((2, 28, 28), np.float32)).labels.shape == (1, 28, 28)


def test_pixels_join_channels() -> None:
    inputs = np.zeros((2, 4, 5, 3), np.float32)
    features = Pixels().label(inputs)
    partition(features, inputs)
    assert features.counts.tolist() == [20]
    assert features.names[features.of(0)[3, 4, 0]] == "pixel (3, 4)"


def test_columns() -> None:
    features = Columns().label(np.zeros((6, 3), np.float32))
    partition(features, np.zeros((6, 3)))
    assert features.names == ("column 0", "column 1", "column 2")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_superpixels_part_the_grid(digits: np.ndarray, algorithm: str, channels: int) -> None:
    inputs = np.repeat(digits[:3], channels, axis=-1)
    features = Superpixels(algorithm, 30).label(inputs)
    assert features.labels.shape == (3, 28, 28, 1)
    partition(features, inputs)
    assert np.array_equal(features.labels, Superpixels(algorithm, 30).label(inputs).labels)


@pytest.mark.parametrize(("algorithm", "fewest", "explained"), [("slic", 20, 0.6), ("watershed", 25, 0.5), ("felzenszwalb", 10, 0.8), ("quickshift", 15, 0.7)])
def test_superpixels_follow_grayscale_digits(digits: np.ndarray, algorithm: str, fewest: int, explained: float) -> None:
    """About as many as asked for, and each of nearly one shade: the mean per superpixel explains most of the digit."""
    features = Superpixels(algorithm, 30).label(digits)
    assert fewest <= features.counts.min()
    assert features.counts.max() <= 45
    shares = []
    for index, digit in enumerate(digits):
        labels = features.of(index).ravel()
        means = np.bincount(labels, digit.ravel()) / np.bincount(labels)
        shares.append(1 - np.var(digit.ravel() - means[labels]) / np.var(digit))
    assert np.mean(shares) >= explained


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_superpixels_do_not_depend_on_the_scale_of_the_input(digits: np.ndarray, algorithm: str) -> None:
    small, large = (Superpixels(algorithm).label(digits[:2] * factor).labels for factor in (1, 256))
    assert np.array_equal(small, large)


def test_superpixels_of_a_blank_image() -> None:
    for algorithm in ALGORITHMS:
        partition(Superpixels(algorithm, 9).label(np.zeros((1, 12, 12, 1), np.float32)), np.zeros((1, 12, 12, 1)))


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (1, 28, 28, 1), (3, 28, 28), (3, 28, 28, 1)])
def test_given_labels_find_their_axes(shape: tuple[int, ...]) -> None:
    inputs = np.zeros((3, 28, 28, 1), np.float32)
    labels = np.zeros(shape, int)
    labels.reshape(-1, 28, 28)[:, 14:] = 1
    features = Given(labels).label(inputs)
    partition(features, inputs)
    assert features.of(2)[13:15, 0, 0].tolist() == [0, 1]


def test_given_labels_may_leave_elements_out() -> None:
    features = Given(np.array([-1, 0, 0, 1])).label(np.zeros((2, 4), np.float32))
    assert features.counts.tolist() == [2]
    assert features.spread(np.array([[5.0, 7.0]]), (4,)).tolist() == [[0, 5, 5, 7]]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((5, 5), int), r"shape \(5, 5\).*\(28, 28, 1\)"),
        (np.zeros((28, 28)), "integers.*astype"),
        (np.full((28, 28), 2), "without gaps.*unique"),
        (np.full((28, 28), -2), "without gaps"),
        (np.full((28, 28), -1), "without gaps"),
    ],
)
def test_given_labels_that_do_not_fit(labels: np.ndarray, words: str) -> None:
    with pytest.raises(CombinationError, match=words):
        Given(labels).label(np.zeros((2, 28, 28, 1), np.float32))


@pytest.mark.parametrize("features", [Patches(), Pixels(), Superpixels()])
def test_no_grid_in_a_table(features: Patches | Pixels | Superpixels) -> None:
    with pytest.raises(CombinationError, match=r"\(5, 3\).*expected \(samples, height, width.*columns"):
        features.label(np.zeros((5, 3), np.float32))


def test_no_columns_in_an_image() -> None:
    with pytest.raises(CombinationError, match=r"\(1, 8, 8, 1\).*patches:4"):
        Columns().label(np.zeros((1, 8, 8, 1), np.float32))


@pytest.mark.parametrize("make", [lambda: Patches(0), lambda: Patches(2.5), lambda: Superpixels("slic", 0), lambda: Superpixels("slick")])
def test_settings_are_checked_at_once(make: object) -> None:
    with pytest.raises(SettingError, match=r"expected a whole number|did you mean 'slic'"):
        make()  # type: ignore[operator]


GROUPS_OF_TABLE = [
    ("0-3,4,5-9", [0, 0, 0, 0, 1, 2, 2, 2, 2, 2], ("columns 0 to 3", "column 4", "columns 5 to 9")),
    ("age=9,place=0-2+5", [1, 1, 1, 2, 3, 1, 4, 5, 6, 0], ("age", "place", "column 3", "column 4", "column 6", "column 7", "column 8")),
    ("3-1", [1, 0, 0, 0, 2, 3, 4, 5, 6, 7], ("columns 1 to 3", "column 0", *(f"column {i}" for i in range(4, 10)))),
    ({"a": [0, 1], "b": 7}, [0, 0, 2, 3, 4, 5, 6, 1, 7, 8], ("a", "b", *(f"column {i}" for i in (2, 3, 4, 5, 6, 8, 9)))),
    ([range(5), [9, 5]], [0, 0, 0, 0, 0, 1, 2, 3, 4, 1], ("columns 0 to 4", "columns 9, 5", "column 6", "column 7", "column 8")),
]


@pytest.mark.parametrize(("groups", "labels", "names"), GROUPS_OF_TABLE)
def test_groups_join_columns(groups: object, labels: list[int], names: tuple[str, ...]) -> None:
    inputs = np.zeros((4, 10), np.float32)
    features = Groups(groups).label(inputs)  # type: ignore[arg-type]
    partition(features, inputs)
    assert features.labels.tolist() == [labels]
    assert features.names == names


@pytest.mark.parametrize("shape", [(2, 6, 5, 4), (2, 6, 4)])
def test_groups_join_channels_over_all_places(shape: tuple[int, ...]) -> None:
    inputs = np.zeros(shape, np.float32)
    features = Groups({"leads": [1, 3]}).label(inputs)
    partition(features, inputs)
    assert features.names == ("leads", "channel 0", "channel 2")
    spread = features.spread(np.array([[5.0, 7.0, 9.0]]), shape[1:])[0]
    assert (spread == np.array([7.0, 5.0, 9.0, 5.0])).all()


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ("0-", "'0-' cannot be read.*groups:0-3,4"),
        ("", "cannot be read"),
        ("a=b", "cannot be read"),
        ("0-2,2", r"\[2\] stand in more than one group"),
        ({"a": [0, 0]}, r"\[0\] stand"),
        ({"a": []}, "whole numbers from 0 on"),
        ({"a": [-1]}, "whole numbers from 0 on"),
        ({"a": [0.5]}, "whole numbers from 0 on"),
        ({"a": "0-2"}, "whole numbers from 0 on"),
        ([True], "whole numbers from 0 on"),
        (3, "expected names and numbers"),
    ],
)
def test_groups_that_cannot_be_read(groups: object, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Groups(groups)  # type: ignore[arg-type]


def test_groups_that_the_inputs_do_not_have() -> None:
    with pytest.raises(CombinationError, match=r"column 7, inputs of shape \(2, 4\) have columns 0 to 3"):
        Groups("7").label(np.zeros((2, 4), np.float32))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 4), st.integers(1, 70), st.booleans())
def test_windows_part_the_time(steps: int, channels: int, size: int, each: bool) -> None:
    inputs = np.zeros((2, steps, channels)[: 3 if channels else 2], np.float32)
    features = Windows(size, "each" if each else "together").label(inputs)
    partition(features, inputs)
    assert features.counts[0] == -(-steps // size) * (channels if each and channels else 1)
    lengths = np.bincount(features.of(0).reshape(steps, -1)[:, 0])
    assert (lengths[:-1] == size).all()
    assert lengths[-1] == (steps - 1) % size + 1


def test_windows_are_called_by_their_steps_or_times() -> None:
    inputs = np.zeros((1, 25, 2), np.float32)
    assert Windows(12).label(inputs).names == ("steps 0 to 11", "steps 12 to 23", "step 24")
    found = Windows(10, "each", 0.002, "s", ("left", "right")).label(inputs)
    assert found.names[4] == "right, 0.02–0.04 s"
    assert found.of(0)[12].tolist() == [1, 4]
    assert Windows(24, step=1.0, unit="day").label(inputs).names == ("0–24 day", "24–25 day")
    with pytest.raises(CombinationError, match=r"name 1 channels \(left\), and the inputs have 2"):
        Windows(10, "each", names=("left",)).label(inputs)
    with pytest.raises(CombinationError, match="expected series"):
        Windows().label(np.zeros((1, 8, 8, 1)))
    for wrong in ({"size": 0}, {"size": 2.5}, {"channels": "both"}, {"step": -1.0}):
        with pytest.raises(SettingError, match="features 'windows'"):
            Windows(**wrong)  # type: ignore[arg-type]
