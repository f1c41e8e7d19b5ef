"""Where the reason is known to lie: every way to write it gives the mask that it means, and what means nothing is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pellucid
import two_inputs
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api.truth import truth_of
from pellucid.api.units import units_of
from pellucid.core.errors import InputError, SettingError, ShapeError
from pellucid.core.features import FeatureMap
from pellucid.core.metric import Trial, elements_of, summed
from pellucid.core.records import Explanation


def explained(shape: tuple[int, ...], samples: int = 3) -> Explanation:
    x = np.random.default_rng(0).normal(size=(samples, *shape))
    return pellucid.explain(NumpyModel([Dense(np.ones((int(np.prod(shape)), 1)), np.zeros(1))], shape), x, "saliency")


def first(explanation: Explanation) -> Explanation:
    """The same of a network that takes channels first."""
    takes = {**explanation.provenance["takes"], "channels": "first"}
    return replace(explanation, provenance={**explanation.provenance, "takes": takes})


def mask_of(truth: Any, explanation: Explanation, columns: tuple[str, ...] = (), features: Any = None) -> np.ndarray:
    return truth_of(truth, explanation, units_of(explanation, features), columns)


IMAGE = explained((4, 6, 2))
FIRST = first(explained((2, 4, 6)))
BOX = (1, 2, 3, 5)
FLAT = np.zeros((4, 6))
FLAT[1:3, 2:5] = 1


@pytest.mark.parametrize(
    "truth",
    [
        BOX,
        [BOX],
        [BOX] * 3,
        [[BOX]] * 3,
        [[(1, 2, 2, 5), (2, 2, 3, 5)]] * 3,
        [list(BOX)],
        np.array(BOX),
        np.array([BOX] * 3),
        FLAT,
        FLAT.astype(bool),
        FLAT.astype(np.uint8),
        FLAT.tolist(),
        FLAT[None],
        np.stack([FLAT] * 3),
        FLAT[..., None],
        np.repeat(FLAT[..., None], 2, axis=-1),
        np.stack([FLAT] * 3)[..., None],
    ],
    ids=str,
)
def test_boxes_and_masks_lie_over_images(truth: Any) -> None:
    want = np.broadcast_to(FLAT[None, ..., None], (3, 4, 6, 2))
    np.testing.assert_array_equal(mask_of(truth, IMAGE), want)


@pytest.mark.parametrize(
    "truth", [BOX, FLAT, np.stack([FLAT] * 3), FLAT[None], np.repeat(FLAT[None], 2, axis=0), np.stack([FLAT] * 3)[:, None]], ids=lambda t: str(np.shape(t))
)
def test_channels_first(truth: Any) -> None:
    np.testing.assert_array_equal(mask_of(truth, FIRST), np.broadcast_to(FLAT, (3, 2, 4, 6)))


def test_each_image_its_own() -> None:
    boxes = [(0, 0, 1, 1), (1, 1, 3, 3), (3, 5, 4, 6)]
    want = np.zeros((3, 4, 6, 2))
    for row, (top, left, bottom, right) in enumerate(boxes):
        want[row, top:bottom, left:right] = 1
    np.testing.assert_array_equal(mask_of(boxes, IMAGE), want)
    np.testing.assert_array_equal(mask_of(want[..., 0], IMAGE), want)


def test_a_mask_of_one_image_is_not_taken_for_masks_of_as_many_samples() -> None:
    square = explained((3, 3, 1))
    mask = np.zeros((3, 3, 1))
    mask[0, 2] = 1
    np.testing.assert_array_equal(mask_of(mask, square), np.stack([mask] * 3))


def test_tables() -> None:
    table = explained((4,))
    want = np.broadcast_to([0.0, 1, 0, 1], (3, 4))
    names = ("age", "sex", "income", "place")
    for truth in (["sex", "place"], {"sex", "place"}, np.array(["sex", "place"]), ("sex", "place"), {1, 3}, {1, "place"}, [0, 1, 0, 1], want, want[:1]):
        np.testing.assert_array_equal(mask_of(truth, table, names), want)
    np.testing.assert_array_equal(mask_of("sex", table, names), mask_of({1}, table))
    each = mask_of([{0}, {1, 2}, ["place"]], table, names)
    np.testing.assert_array_equal(each, [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]])


def test_names_of_the_explained_features() -> None:
    model = lambda x: x.sum(axis=1, keepdims=True)  # noqa: E731
    found = pellucid.explain(model, np.ones((2, 3)), "shap", features={"place": [0, 2], "age": [1]})
    np.testing.assert_array_equal(mask_of(["place"], found), [[1, 0, 1]] * 2)


def test_series_steps_and_channels() -> None:
    series = explained((5, 2))
    want = np.zeros((3, 5, 2))
    want[:, [1, 4]] = 1
    steps = want[0, :, 0]
    for truth in ({1, 4}, steps, np.stack([steps] * 3), want[0], want):
        np.testing.assert_array_equal(mask_of(truth, series), want)
    np.testing.assert_array_equal(mask_of({1, 4}, first(explained((2, 5)))), want.swapaxes(1, 2))


def test_several_inputs() -> None:
    w = two_inputs.samples(3)
    found = pellucid.explain(two_inputs.in_numpy, w, "shap", features={"image": "patches:3", "meta": "columns"}, tolerance=0.5, target=0)
    mask = mask_of({"image": (0, 0, 3, 3), "meta": {1, 4}}, found)
    parts = found.packing.unpack(mask)
    want = np.zeros((3, 6, 6, 3))
    want[:, :3, :3] = 1
    np.testing.assert_array_equal(parts["image"], want)
    np.testing.assert_array_equal(parts["meta"], [[0, 1, 0, 0, 1]] * 3)
    only = found.packing.unpack(mask_of({"meta": ["column 2"]}, found))
    assert not only["image"].any()
    np.testing.assert_array_equal(only["meta"], [[0, 0, 1, 0, 0]] * 3)
    with pytest.raises(InputError, match="unknown input 'picture'"):
        mask_of({"picture": BOX}, found)
    with pytest.raises(ShapeError, match="input 'image'"):
        mask_of({"image": (0, 0, 9, 9)}, found)


def test_shares_of_units() -> None:
    truth = mask_of((0, 0, 1, 3), IMAGE)
    units = FeatureMap(np.array([[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [2, 2, 2, -1, -1, -1], [2, 2, 2, -1, -1, -1]])[None, ..., None], ("a", "b", "c"))
    trial = object.__new__(Trial)
    object.__setattr__(trial, "truth", truth)
    object.__setattr__(trial, "units", units)
    np.testing.assert_allclose(trial.known_truth(), [[2 / 4, 1 / 8, 0]] * 3)
    np.testing.assert_allclose(summed(truth / elements_of(units, truth.shape), units), trial.known_truth())


@pytest.mark.parametrize(
    ("truth", "explanation", "error", "says"),
    [
        (np.zeros((4, 6)), IMAGE, SettingError, "marks nothing of sample 0"),
        (255 * FLAT, IMAGE, SettingError, r"truth runs from 0 to 255. Write truth=mask > 0"),
        (FLAT - 1, IMAGE, SettingError, "runs from -1"),
        (FLAT * np.nan, IMAGE, SettingError, "a mask holds"),
        (FLAT.T, IMAGE, ShapeError, r"truth has shape \(6, 4\)"),
        (np.ones((1, 1)), IMAGE, ShapeError, "does not lie over"),
        ([BOX] * 2, IMAGE, ShapeError, "2 boxes for 3 images"),
        ((1, 2, 1, 5), IMAGE, ShapeError, "does not lie in an image of 4 × 6"),
        ((0, 0, 5, 5), IMAGE, ShapeError, "does not lie in an image"),
        ((-1, 0, 3, 3), IMAGE, ShapeError, "does not lie in an image"),
        ({2}, IMAGE, ShapeError, "two axes of places"),
        (["nose"], IMAGE, SettingError, "unknown unit or column 'nose'"),
        ("elsewhere", explained((4,)), SettingError, "By number"),
        ({7}, explained((4,)), SettingError, "there are 4, counted from 0"),
        ({-1}, explained((4,)), SettingError, "there are 4"),
        ([{0}, {1}], explained((4,)), ShapeError, "columns of 2 samples, and there are 3"),
        ([{0}, {1}, set()], explained((4,)), SettingError, "names nothing of sample 2"),
        (BOX, explained((4,)), ShapeError, "is a box"),
        (object(), IMAGE, SettingError, "truth must be a mask"),
        ([[1, 2], [3]], IMAGE, SettingError, "truth must be a mask"),
        ({"image": BOX}, IMAGE, InputError, "has one input"),
    ],
    ids=str,
)
def test_what_is_refused(truth: Any, explanation: Explanation, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        mask_of(truth, explanation)


def test_a_mask_over_what_belongs_to_no_unit_marks_nothing() -> None:
    labels = np.where(FLAT, -1, 0).astype(int)
    with pytest.raises(SettingError, match="marks nothing"):
        mask_of(FLAT, IMAGE, features=labels)


def test_no_truth() -> None:
    assert mask_of(None, IMAGE) is None
