"""Every combination of features, fill, coalition method and kind of input works, or fails with one error that says why; channels first as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import CombinationError, PellucidError, SettingError
from pellucid.data import FEATURES, FILLS

_generator = np.random.default_rng(0)
INPUTS = {
    "gray": _generator.random((2, 8, 8, 1)),
    "colour": _generator.random((2, 8, 8, 3)),
    "series": _generator.random((2, 12, 3)),
    "table": _generator.random((2, 6)),
}
_weights = {name: _generator.normal(size=(x[0].size, 3)) for name, x in INPUTS.items()}

BUDGET = 12_000
METHODS: dict[str, dict[str, Any]] = {
    "feature_ablation": {},
    "occlusion": {},
    "rise": {"max_evaluations": BUDGET, "tolerance": 0.5},
    "sobol": {"max_evaluations": BUDGET, "tolerance": 0.5},
    "hsic": {"max_evaluations": BUDGET, "tolerance": 0.5},
    "lime": {"max_evaluations": BUDGET, "tolerance": 0.5},
    "shap": {"max_evaluations": BUDGET, "tolerance": 0.5},
}
WITHOUT_FEATURES = ("occlusion", "rise")
CUT: dict[str, Callable[[np.ndarray], Any]] = {
    "columns": lambda x: "columns",
    "given": lambda x: np.arange(int(np.prod(x.shape[1:3]))).reshape(x.shape[1:3]) // 9 if x.ndim > 2 else np.arange(x.shape[1]) // 2,
    "groups": lambda x: [[0, 1]] if x.shape[-1] > 1 else "groups:0",
    "patches": lambda x: "patches:4",
    "pixels": lambda x: "pixels",
    "superpixels": lambda x: "superpixels:slic:6",
    "windows": lambda x: "windows:2",
}
HELD: dict[str, Callable[[np.ndarray], Any]] = {
    "background": lambda x: None,
    "blur": lambda x: "blur:1.5",
    "constant": lambda x: "constant:0.5",
    "deletion": lambda x: "deletion:0",
    "given": lambda x: np.full(x.shape[1:], 0.25),
    "inpainting": lambda x: "inpainting",
    "mean": lambda x: "mean",
    "noise": lambda x: "noise:1:2",
}


def refusal(method: str, features: str, fill: str, kind: str) -> str | None:
    """What must be said where a combination has no meaning; None where it works."""
    if method in WITHOUT_FEATURES:
        if features != "none":
            return "does not take features"
        if fill == "inpainting":
            return "there are none here"
    table = kind == "table"
    if features == "columns" and not table:
        return "expected a table"
    if features in ("patches", "pixels", "superpixels") and table:
        return "expected \\(samples, height, width"
    if features == "windows" and kind not in ("table", "series"):
        return "expected series"
    if fill == "deletion":
        return "expected tokens"
    if fill in ("mean", "blur", "noise", "inpainting") and table:
        return "background=samples"
    if fill == "inpainting" and features == "groups":
        return "with nothing around it"
    return None


def model(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.tanh(np.asarray(x, np.float64).reshape(len(x), -1) @ _weights[kind] / 3) @ np.array([[1.0], [-2.0], 0.5 * np.ones(1)]).reshape(3, 1)


def test_the_grid_names_every_part() -> None:
    assert sorted(CUT) == FEATURES.names()
    assert sorted(HELD) == FILLS.names()


PAIRS = [(method, features) for method in METHODS for features in (*CUT, *(("none",) if method in WITHOUT_FEATURES else ()))]


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("fill", HELD)
@pytest.mark.parametrize(("method", "features"), PAIRS)
def test_each_combination_works_or_says_why_not(method: str, features: str, fill: str, kind: str) -> None:
    x, asked = INPUTS[kind], dict(METHODS[method])
    if features != "none":
        asked["features"] = CUT[features](x)
    if fill == "background":
        asked["background"] = np.random.default_rng(1).random((2, *x.shape[1:]))
    else:
        asked["fill"] = HELD[fill](x)
    words = refusal(method, features, fill, kind)
    if words is not None:
        with pytest.raises((CombinationError, SettingError), match=words):
            pellucid.explain(model(kind), x, method, target=0, **asked)
        return
    found = pellucid.explain(model(kind), x, method, target=0, **asked)
    assert np.isfinite(found.values).all()
    assert (found.error >= 0).all()
    assert found.to_input().shape == x.shape
    assert np.abs(found.values).max() > 0


def first(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("occlusion", {"window": 4, "stride": 2, "fill": 0.25}),
        ("occlusion", {"window": 4, "stride": 2, "fill": "blur:1"}),
        ("feature_ablation", {"features": "patches:4", "fill": "inpainting"}),
        ("rise", {"cells": 3, "fill": 0.0, "max_evaluations": 640, "tolerance": 0.0}),
        ("sobol", {"features": "patches:4", "fill": 0.0, "max_evaluations": 2000, "tolerance": 0.0}),
        ("hsic", {"features": "patches:4", "fill": 0.0}),
    ],
)
def test_channels_first_give_what_channels_last_give(method: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=(4, 3, 3, 3)) / 3)

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, dtype=torch.float64)
            self.conv.weight.data = weights

        def forward(self, x: Any) -> Any:
            return torch.tanh(self.conv(x.double())).flatten(1)[:, ::7].sum(1, keepdim=True)

    network = Network().eval()

    def last(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(np.ascontiguousarray(first(x)))).numpy()

    x = INPUTS["colour"].astype(np.float32)
    mine = pellucid.explain(network, np.ascontiguousarray(first(x)), method, target=0, **settings)
    theirs = pellucid.explain(last, x, method, target=0, **settings)
    np.testing.assert_allclose(mine.to_input(), first(theirs.to_input()), atol=2e-5 * np.abs(theirs.values).max())


def test_groups_of_as_many_as_there_are_samples_are_not_taken_for_one_a_sample() -> None:
    """Refining some of the samples keeps the whole list of groups."""
    x = INPUTS["table"]
    found = pellucid.explain(model("table"), x, "sobol", target=0, features=[[0, 1], [2, 3]], tolerance=0.5)
    again = found[1].refine(tolerance=0.4)
    assert again.values.shape == (1, 4)
    assert again.features.names == found.features.names


def test_every_refusal_is_of_one_tree() -> None:
    with pytest.raises(PellucidError):
        pellucid.explain(model("table"), INPUTS["table"], "rise", target=0, features="columns")
