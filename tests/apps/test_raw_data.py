"""Sentences and rows with words in them, handed to a network as they are: one error that says so, on every way in, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import DtypeError, InputError
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.recipes.train import train

RAW = {"sentences": "holds text, expected numbers: a network takes what a preprocessing makes", "german_credit": "holds rows of 20 columns by name"}
LINES = {
    "explain": "explain tiny.keras {} --method saliency --out o.html",
    "explain into a folder": "explain tiny.keras {} --method saliency --out o",
    "visualize": "visualize tiny.keras {} --view activation_map --out o.html",
    "baseline": "explain tiny.keras data.npz:x_test --method integrated_gradients --baseline {} --out o.html",
    "background": "explain tiny.keras data.npz:x_test --method shap --background {} --out o.html",
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("way", LINES)
def test_the_command_line_refuses_it_in_one_line(pellucid_command: Callable[[str], Any], place: Path, way: str, name: str) -> None:
    before = sorted(place.rglob("*"))
    ran = pellucid_command(LINES[way].format(name))
    assert ran.code == 2, ran
    assert RAW[name] in ran.err
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert sorted(place.rglob("*")) == before


def test_training_fits_a_preprocessing_and_writes_it_beside(pellucid_command: Callable[[str], Any], place: Path) -> None:
    pytest.importorskip("tensorflow")
    trained = pellucid_command("train mlp german_credit --epochs 2 --out credit.keras")
    assert trained.code == 0, trained
    assert "credit.preprocessing.json, beside it" in trained.out
    explained = pellucid_command("explain credit.keras german_credit --method saliency --index 3 --out why.csv")
    assert explained.code == 0, explained
    assert "duration" in (place / "why.csv").read_text()


@pytest.mark.parametrize("name", RAW)
def test_python_refuses_it(oracle: Any, name: str, tmp_path: Path) -> None:
    data = load(name)
    for refused in (
        lambda: pellucid.explain(oracle, data.inputs[:2], "saliency"),
        lambda: pellucid.Plan(oracle, name, "saliency").run(tmp_path / "out"),
        lambda: pellucid.Plan(oracle, data.inputs, "saliency").run(tmp_path / "out"),
        lambda: train("cnn", data, epochs=1),
        lambda: train("cnn", (data, data), epochs=1),
    ):
        with pytest.raises(DtypeError, match=RAW[name]):
            refused()
    assert not (tmp_path / "out").exists()


def test_files_of_text_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "text.npz", x=np.array(["good", "bad"]), y=np.array([1, 0]))
    with pytest.raises(InputError, match=r"text\.npz:x holds text.*preprocessing\.inputs\(array\)"):
        load(tmp_path / "text.npz:x")


def test_rows_of_numbers_pass(oracle: Any) -> None:
    """A data set of numbers by name is refused for nothing but its shape."""
    with pytest.raises(InputError, match="30"):
        pellucid.explain(oracle, load("breast_cancer").inputs, "saliency")
    data = load("breast_cancer")
    assert isinstance(data, Dataset)
    assert pellucid.explain(lambda x: x[:, :2], data.inputs[:2], "feature_ablation").values.shape == (2, 30)
