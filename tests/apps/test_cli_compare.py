"""`pellucid compare`, and choices varied by `--vary`, as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

Command = Callable[[str], Any]
EXPLAIN = "explain tiny.keras data.npz:x_test --index 0:2"


@pytest.fixture
def stored(pellucid_command: Command, tmp_path: Path) -> Path:
    """Two methods in one file, another class in another."""
    assert pellucid_command(f"{EXPLAIN} --method integrated_gradients,saliency --target 0 --out {tmp_path / 'a.safetensors'}").code == 0
    assert pellucid_command(f"{EXPLAIN} --method integrated_gradients --target 1 --out {tmp_path / 'b.safetensors'}").code == 0
    return tmp_path


@pytest.mark.parametrize("suffix", ["png", "html", "safetensors", "csv"])
def test_two_classes_are_compared(pellucid_command: Command, stored: Path, suffix: str) -> None:
    if suffix == "csv":
        pytest.importorskip("pandas")
    out = stored / f"out.{suffix}"
    ran = pellucid_command(f"compare {stored / 'a.safetensors'} {stored / 'b.safetensors'} --method integrated_gradients --out {out}")
    assert ran.code == 0, ran.err
    assert "a: 0; b: 1" in ran.out
    for heading in ("rank agreement", "top 5% shared", "where they part"):
        assert heading in ran.out
    assert str(out) in ran.out
    assert out.stat().st_size > 500
    if suffix == "safetensors":
        (found,) = pellucid.load(out)
        a, b = (pellucid.load(stored / f"{name}.safetensors")[0] for name in "ab")
        np.testing.assert_allclose(found.difference, a.values.astype(float) - b.values, atol=1e-6)
        assert found.names == ("0", "1")


def test_two_methods_of_one_file_and_one_sample(pellucid_command: Command, stored: Path) -> None:
    file = stored / "a.safetensors"
    ran = pellucid_command(f"compare {file} {file} --method integrated_gradients,saliency --index 1 --features patches:4")
    assert ran.code == 0, ran.err
    assert "a: Integrated Gradients; b: Saliency" in ran.out
    assert "divided by its L2 norm" in ran.out
    assert "added up over the features that were given" in ran.out
    plain = pellucid_command(f"compare {file} {file} --method integrated_gradients,saliency --as-they-are")
    assert "left as they are, as was asked" in plain.out


def test_one_of_several_targets(pellucid_command: Command, tmp_path: Path) -> None:
    file = tmp_path / "both.safetensors"
    assert pellucid_command(f"{EXPLAIN} --method saliency --target 0 --target 1 --out {file}").code == 0
    ran = pellucid_command(f"compare {file} {file} --target 0,1")
    assert ran.code == 0, ran.err
    assert "a: 0; b: 1" in ran.out
    assert "say which: --target 0" in pellucid_command(f"compare {file} {file}").err


def test_mistakes(pellucid_command: Command, stored: Path) -> None:
    a, b = stored / "a.safetensors", stored / "b.safetensors"
    for line, word in {
        f"compare {a} {b}": "say which: --method integrated_gradients,saliency",
        f"compare {a} {b} --method shap": "unknown method 'shap'",
        f"compare {a} {b} --method a,b,c": "give one for both files, or two",
        f"compare {a} nowhere.safetensors": "holds 2 explanations",
        f"compare {b} nowhere.safetensors": "nowhere.safetensors",
        f"compare {b} {b} --out o.pdf": ".safetensors",
        f"{EXPLAIN} --method saliency --vary base --out o.html": "did you mean 'baseline'",
        f"{EXPLAIN} --method saliency --vary baseline --out o.html": "does not take baseline",
        f"{EXPLAIN} --method saliency --vary , --out o.html": "names no option",
    }.items():
        ran = pellucid_command(line)
        assert ran.code == 2, line
        assert word in ran.err, ran.err


def test_choices_are_varied_for_the_methods_that_have_them(pellucid_command: Command, tmp_path: Path) -> None:
    out = tmp_path / "varied.safetensors"
    ran = pellucid_command(f"{EXPLAIN} --method integrated_gradients,lime,grad_cam --vary baseline,fill,seed --out {out}")
    assert ran.code == 0, ran.err
    gradients, lime, cam = pellucid.load(out)
    assert [choice.option for choice in gradients.choices.options] == ["baseline"]
    assert [choice.option for choice in lime.choices.options] == ["fill", "seed"]
    assert cam.choices is None
    assert "which choice matters most" in ran.out
    assert "The baseline matters most: with " in ran.out


def test_a_folder_is_varied_too(pellucid_command: Command, tmp_path: Path) -> None:
    out = tmp_path / "folder"
    assert pellucid_command(f"{EXPLAIN} --method integrated_gradients --vary baseline --out {out}").code == 0
    assert pellucid.Explanations(out).load().choices.options[0].names == ("mean", "blur:1")
