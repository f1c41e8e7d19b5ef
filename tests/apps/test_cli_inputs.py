"""The command line on a network with several inputs: one .npz file, options by input, records and reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import two_inputs
from pellucid.apps.several import by_name

Command = Callable[[str], Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its data with labels and class names, and data of which one array has another name."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("several")
    two_inputs.in_keras().save(folder / "two.keras")
    x = two_inputs.samples()
    np.savez(folder / "data.npz", **x, y=np.array([0, 1, 2, 1]), class_names=np.array(["low", "middle", "high"]))
    np.savez(folder / "other.npz", image=x["image"], table=x["meta"])
    np.savez(folder / "usual.npz", **two_inputs.samples(20, seed=9))
    return folder


def test_inspect_shows_the_inputs(pellucid_command: Command, files: Path) -> None:
    ran = pellucid_command(f"inspect {files}/two.keras")
    assert ran.code == 0, ran.err
    for words in ("2 inputs", "image 6 × 6 × 3 float32", "meta 5 float32", "rise no serves one input; this network takes 2: image, meta"):
        assert words in ran.out, words


def test_explain_equals_the_call_in_python(pellucid_command: Command, files: Path, tmp_path: Path) -> None:
    out, call = tmp_path / "out.safetensors", f"explain {files}/two.keras {files}/data.npz --index 1:3 --out {tmp_path}/out.safetensors"
    ran = pellucid_command(f"{call} --method shap,integrated_gradients --features image=patches:3,meta=groups:first=0,rest=1-4 --fill image=blur:2,meta=0.5")
    assert ran.code == 0, ran.err
    shap, gradients = pellucid.load(out)
    x = {name: rows[1:3] for name, rows in two_inputs.samples().items()}
    features, fill = {"image": "patches:3", "meta": "groups:first=0,rest=1-4"}, {"image": "blur:2", "meta": 0.5}
    wanted = pellucid.explain(two_inputs.in_keras(), x, "shap", features=features, fill=fill, class_names=["low", "middle", "high"])
    np.testing.assert_allclose(shap.values, wanted.values, atol=1e-6)
    assert shap.features.names[-2:] == ("meta: first", "meta: rest")
    assert shap.provenance["labels"] == [1, 2]
    assert shap.target.labels == wanted.target.labels
    assert gradients.by_input["image"].values.shape == (2, 6, 6, 3)


def test_reports_figures_backgrounds_and_views(pellucid_command: Command, files: Path, tmp_path: Path) -> None:
    call = f"explain {files}/two.keras {files}/data.npz --index 0:2"
    background = f"--background {files}/usual.npz[0:10] --tolerance 0.5"
    assert pellucid_command(f"{call} --method expected_gradients,lime {background} --out {tmp_path}/r.html").code == 0
    assert "Of the input meta" in (tmp_path / "r.html").read_text()
    assert pellucid_command(f"{call} --method integrated_gradients --baseline image=0.5,meta=0 --out {tmp_path}/r.png").code == 0
    ran = pellucid_command(f"visualize {files}/two.keras {files}/data.npz --view activation_map --layer conv --index 0 --out {tmp_path}/v.html")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        ("other.npz", "", "holds image, table, and no 'meta'; the network takes image, meta"),
        ("data.npz:image", "", "takes 2 inputs, image, meta; give an .npz file that holds an array for each"),
        ("data.npz", "--features meta=patches:2", "input 'meta': features 'patches'"),
        ("data.npz", "--background mnist:train[0:3]", "there is no archive"),
        ("data.npz", "--index 9", "there is no sample 9"),
    ],
)
def test_mistakes_are_one_line(pellucid_command: Command, files: Path, tmp_path: Path, data: str, more: str, words: str) -> None:
    ran = pellucid_command(f"explain {files}/two.keras {files}/{data} --method exact_shap {more} --out {tmp_path}/o.html")
    assert ran.code == 2
    assert words in ran.err
    assert not list(tmp_path.iterdir())


def test_what_is_said_by_input() -> None:
    assert by_name("image=patches:4,meta=groups:a=0,b=1-3", ["image", "meta"]) == {"image": "patches:4", "meta": "groups:a=0,b=1-3"}
    assert by_name("groups:image=0,meta=1", ["image", "meta"]) == {}
    assert by_name("meta=0.5", ["image", "meta"]) == {"meta": "0.5"}
