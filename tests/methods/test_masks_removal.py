"""Occlusion and feature ablation against their twins, Captum, and cases known by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import twins_masks

import pellucid
from pellucid.core.errors import SettingError
from pellucid.data.features.superpixels import Superpixels

ROUNDING = 1e-10
CAPTUM = 1e-6
"""Captum computes in float32."""

_generator = np.random.default_rng(0)
SHAPES = {"gray": (9, 10, 1), "colour": (9, 8, 3), "series": (13, 4), "table": (7,)}
_weights = {name: _generator.normal(size=(int(np.prod(shape)), 5)) / 3 for name, shape in SHAPES.items()}
INPUTS = {name: _generator.normal(size=(2, *shape)) for name, shape in SHAPES.items()}


def model(name: str):
    """Saturation and products of all elements."""

    def score(x: np.ndarray) -> np.ndarray:
        hidden = np.tanh(np.asarray(x, np.float64).reshape(len(x), -1) @ _weights[name])
        return hidden @ np.arange(1.0, 6) + hidden[:, 0] * hidden[:, 1] * 3

    return score


def rows(name: str, count: int) -> np.ndarray:
    return np.zeros((1, *SHAPES[name])) if count == 1 else np.random.default_rng(1).normal(size=(count, *SHAPES[name]))


WINDOWS = [
    ("gray", 3, 2, (3, 3, 1), (2, 2, 1)),
    ("gray", (4, 2), (1, 2), (4, 2, 1), (1, 2, 1)),
    ("gray", 9, 1, (9, 9, 1), (1, 1, 1)),
    ("gray", None, None, (1, 1, 1), (1, 1, 1)),
    ("colour", 4, 3, (4, 4, 3), (3, 3, 3)),
    ("colour", (4, 4, 1), (3, 3, 1), (4, 4, 1), (3, 3, 1)),
    ("series", (5, 1), (4, 1), (5, 1), (4, 1)),
    ("series", 6, 3, (6, 4), (3, 3)),
    ("series", None, None, (2, 1), (1, 1)),
    ("table", None, None, (1,), (1,)),
    ("table", 3, 2, (3,), (2,)),
]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("name", "window", "stride", "sizes", "steps"), WINDOWS)
def test_occlusion_is_its_twin(name: str, window: object, stride: object, sizes: tuple[int, ...], steps: tuple[int, ...], count: int) -> None:
    fill = rows(name, count)
    found = pellucid.explain(model(name), INPUTS[name], "occlusion", target=0, window=window, stride=stride, fill=fill)
    for i, x in enumerate(INPUTS[name]):
        np.testing.assert_allclose(found.values[i], twins_masks.occlusion(model(name), x, fill, sizes, steps), atol=ROUNDING)
        assert found.cost.evaluations[i] == count * len(list(twins_masks.windows(x.shape, sizes, steps)))
    assert found.values.shape == INPUTS[name].shape
    assert found.outcome.codes == ("exact", "exact")


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_ablation_is_its_twin(name: str, count: int) -> None:
    x, fill = INPUTS[name], rows(name, count)
    features = {"table": "columns", "series": [[0, 2]], "gray": "patches:4", "colour": Superpixels("slic", 6)}[name]
    found = pellucid.explain(model(name), x, "feature_ablation", target=0, features=features, fill=fill)
    for i in range(len(x)):
        labels = np.broadcast_to(found.features.of(i), x.shape[1:])
        twin = twins_masks.feature_ablation(model(name), x[i], labels, fill)
        np.testing.assert_allclose(found.values[i][: len(twin)], twin, atol=ROUNDING)
        assert not found.values[i][len(twin) :].any()
    assert found.outcome.codes == ("exact", "exact")


@pytest.fixture(scope="module")
def captum():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("captum.attr")


def as_torch(score):
    import torch

    return lambda x: torch.from_numpy(score(x.numpy()))


@pytest.mark.parametrize(("name", "window", "stride", "sizes", "steps"), [case for case in WINDOWS if case[1] is not None])
def test_occlusion_is_captums(captum, name: str, window: object, stride: object, sizes: tuple[int, ...], steps: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(INPUTS[name])
    theirs = captum.Occlusion(as_torch(model(name))).attribute(x, sizes, strides=steps, baselines=0.25).numpy()
    ours = pellucid.explain(model(name), INPUTS[name], "occlusion", target=0, window=window, stride=stride, fill=0.25)
    np.testing.assert_allclose(ours.values, theirs, atol=CAPTUM * np.abs(theirs).max())


@pytest.mark.parametrize("name", SHAPES)
def test_ablation_is_captums(captum, name: str) -> None:
    torch = pytest.importorskip("torch")
    features = {"table": "groups:0-2,5", "series": "patches:3", "gray": "patches:4", "colour": "patches:3"}[name]
    ours = pellucid.explain(model(name), INPUTS[name], "feature_ablation", target=0, features=features, fill=0.25)
    mask = torch.from_numpy(np.broadcast_to(ours.features.labels, (1, *SHAPES[name])).copy())
    theirs = captum.FeatureAblation(as_torch(model(name))).attribute(torch.from_numpy(INPUTS[name]), baselines=0.25, feature_mask=mask).numpy()
    np.testing.assert_allclose(ours.to_input(), theirs, atol=CAPTUM * np.abs(theirs).max())


def test_what_equals_the_fill_is_not_evaluated() -> None:
    x = np.zeros((1, 12, 12, 1))
    x[0, 2:4, 2:4] = 1
    seen = []

    def counting(points: np.ndarray) -> np.ndarray:
        seen.append(len(points))
        return points.sum(axis=(1, 2, 3))

    for method, settings in (("occlusion", {"window": 3, "stride": 3}), ("feature_ablation", {"features": "patches:3"})):
        seen.clear()
        found = pellucid.explain(counting, x, method, target=0, **settings)
        assert found.cost.evaluations.tolist() == [4]
        assert sum(seen[1:]) == 4, "the first call is the prediction"
        assert found.values.max() == 1
    blank = pellucid.explain(counting, 0 * x, "occlusion", target=0)
    assert blank.outcome.codes == ("nothing_to_explain",)
    assert not blank.values.any()


def test_rows_of_the_fill_that_a_feature_equals_are_not_evaluated() -> None:
    x, background = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [3.0, 0.0], [1.0, 2.0]])
    found = pellucid.explain(lambda points: points[:, 0] * points[:, 1], x, "feature_ablation", target=0, background=background)
    assert found.cost.evaluations.tolist() == [3]
    np.testing.assert_allclose(found.values, [[2 - (2 + 6 + 2) / 3, 2 - (0 + 0 + 2) / 3]])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 0}, "window is 0, expected a whole number above 0"),
        ({"window": (2, 0)}, "expected a whole number above 0"),
        ({"window": ()}, "expected a whole number above 0"),
        ({"stride": 1.5}, "stride must be|stride is 1.5"),
        ({"window": (2, 2, 2, 2)}, r"names 4 axes, inputs of shape \(9, 8, 3\) take 2"),
        ({"window": (10, 2)}, "window is 10 along axis 0"),
        ({"window": 2, "stride": 3}, "passes over what a window of 2 does not reach"),
        ({"features": "patches:4"}, "does not take features"),
        ({"fill": "inpainting"}, "paints over features, and there are none"),
        ({"max_evaluations": 3}, "too few: each of .* windows with 1 rows of the fill needs at least"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        pellucid.explain(model("colour"), INPUTS["colour"], "occlusion", target=0, **settings)


def test_a_small_stream_gives_the_same_as_a_wide_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.methods.coalition import _masks

    def values() -> list[np.ndarray]:
        return [
            pellucid.explain(model("gray"), INPUTS["gray"], method, target=0, fill=rows("gray", 3), **settings).values
            for method, settings in (("occlusion", {"window": 3, "stride": 2}), ("feature_ablation", {"features": "patches:2"}))
        ]

    wide = values()
    monkeypatch.setattr(_masks, "NUMBERS_AT_ONCE", 50)
    for small, other in zip(values(), wide, strict=True):
        np.testing.assert_allclose(small, other, atol=ROUNDING)
