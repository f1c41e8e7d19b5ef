"""Which method the panel prefers: planted cases, ties, budgets, and what is left out and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.apps.cli import main
from pellucid.core.errors import PellucidError, UnsupportedError
from pellucid.maths.ranking import mean_ranks

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(0.1, 1.0, size=(3, 12)) * np.where(np.arange(12) < 6, 10.0, 0.1)
LINEAR = NumpyModel([Dense(np.where(np.arange(12) < 6, 0.1, 1.0)[:, None], np.zeros(1))], (12,))
"""Columns with small weights hold large numbers: what counts is their product, which the gradient alone does not show."""


def test_ranks_count_ties_as_their_mean() -> None:
    lower = (np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 5.0]]), "lower")
    higher = (np.array([[9.0, 9.0], [9.0, 9.0], [1.0, 1.0]]), "higher")
    np.testing.assert_allclose(mean_ranks([lower]), [1.25, 1.75, 3.0])
    np.testing.assert_allclose(mean_ranks([(np.array([[np.nan], [0.9], [0.5]]), "higher")]), [3, 1, 2])
    np.testing.assert_allclose(mean_ranks([lower, higher]), [(1.25 + 1.5) / 2, (1.75 + 1.5) / 2, 3.0])


def test_the_gradient_alone_loses_where_inputs_differ_in_size() -> None:
    found = pellucid.recommend(LINEAR, X, ["saliency", "gradient_x_input", "integrated_gradients"])
    assert found.best == "gradient_x_input"
    assert found.methods[-1] == "saliency"
    assert found.ranks["gradient_x_input"] == found.ranks["integrated_gradients"] < found.ranks["saliency"]
    assert found.cost["gradient_x_input"] < found.cost["integrated_gradients"]


def test_what_cannot_serve_is_left_out_with_its_reason() -> None:
    found = pellucid.recommend(lambda x: x @ np.ones((12, 2)), X, samples=2)
    assert {"saliency", "grad_cam", "integrated_gradients", "expected_gradients"} <= set(found.left_out)
    assert "gradients" in found.left_out["saliency"]
    assert "background" in found.left_out["expected_gradients"]
    assert set(found.methods) == {"occlusion", "lime", "shap"}
    assert len(found.rows()) == 3


def test_the_budget_ends_the_trial_and_says_so() -> None:
    found = pellucid.recommend(LINEAR, X, ["gradient_x_input", "saliency", "integrated_gradients", "lime"], budget=10)
    assert found.methods == ("gradient_x_input", "saliency")
    assert all("budget" in found.left_out[name] for name in ("integrated_gradients", "lime"))


def test_targets_of_each_sample_go_with_the_samples_that_are_tried() -> None:
    model = NumpyModel([Dense(GENERATOR.normal(size=(12, 3)), np.zeros(3))], (12,))
    found = pellucid.recommend(model, X, ["saliency", "gradient_x_input"], samples=2, options={"target": [0, 1, 2], "labels": [0, 1, 2]})
    assert found.evaluations[found.best].labels == ("0", "1")


def test_the_same_call_gives_the_same_numbers() -> None:
    one, two = (pellucid.recommend(LINEAR, X, ["lime", "shap", "gradient_x_input"], seed=3) for _ in range(2))
    assert one.rows() == two.rows()


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"methods": ["lime"]}, "at least two"), ({"methods": ["lime", "limes"]}, "limes"), ({"metrics": ["sparseness"]}, "compares methods")],
)
def test_mistakes(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(PellucidError, match=said):
        pellucid.recommend(LINEAR, X, **{"methods": ["lime", "gradient_x_input"]} | changed)


def test_nothing_to_try_is_an_error() -> None:
    with pytest.raises(UnsupportedError, match="none of the methods"):
        pellucid.recommend(lambda x: x @ np.ones((12, 2)), X, ["saliency", "grad_cam"])


def test_best_from_the_command_line(small_cnn: Any, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_cnn.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", images[:2])
    out = tmp_path / "best.safetensors"
    assert main(["explain", str(tmp_path / "m.keras"), str(tmp_path / "x.npy"), "--method", "best", "--index", ":", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    (record,) = pellucid.load(out)
    assert f"taken: {record.method}" in printed
    assert "mean rank" in printed


def test_targets_by_a_list_with_best_and_a_folder(small_cnn: Any, images: np.ndarray, tmp_path: Path) -> None:
    """The targets go with the chosen samples, which are not the first of the data."""
    small_cnn.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", images)
    call = ["explain", str(tmp_path / "m.keras"), str(tmp_path / "x.npy"), "--method", "best", "--index", "4,2", "--target", "[0, 3]"]
    assert main([*call, "--out", str(tmp_path / "out")]) == 0
    assert [record.target.labels[0] for record in pellucid.Explanations(tmp_path / "out")] == ["0", "3"]
