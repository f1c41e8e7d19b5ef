"""The command line on files that are no Keras model: ONNX, a SavedModel's folder, a pickle; without a framework being started for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnx_graphs

Command = Callable[[str], Any]


@pytest.fixture
def onnx_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a graph that reads channels first, and images with them last."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "net.onnx").write_bytes(onnx_graphs.cnn().SerializeToString())
    np.savez(tmp_path / "images.npz", x_test=np.random.default_rng(0).random((4, 12, 12, 1)).astype("float32"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process: exit code, standard output, standard error."""
    from pellucid.apps.cli import main

    def ran(line: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(line.split())
        return code, *capfd.readouterr()

    return ran


def test_onnx(onnx_place: Path, run: Command) -> None:
    code, shown, _ = run("inspect net.onnx")
    assert code == 0
    for word in ("ONNX", "conv_b", "222", "needs gradients, which ONNX does not give"):
        assert word in shown, word
    code, _, said = run("explain net.onnx images.npz:x_test --index 0:2 --method shap,occlusion --features patches:4 --out out.safetensors")
    assert (code, said) == (0, "")
    assert (onnx_place / "out.safetensors").stat().st_size > 1000
    code, _, said = run("explain net.onnx images.npz:x_test --method integrated_gradients --out none.html")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "These can: " in said
    code, _, said = run("visualize net.onnx images.npz:x_test --view activation_map --layer conv_b --out view.png")
    assert (code, said) == (0, "")


def test_a_damaged_file_is_one_line(onnx_place: Path, run: Command) -> None:
    (onnx_place / "bad.onnx").write_bytes(b"nothing of the kind")
    (onnx_place / "model.joblib").write_bytes(b"nothing of the kind")
    for name, words in (("bad.onnx", "not a readable ONNX file"), ("model.joblib", "is a pickle"), ("missing.onnx", "no model file")):
        code, _, said = run(f"inspect {name}")
        assert (code, len(said.splitlines())) == (2, 1)
        assert words in said


def alone(line: str) -> subprocess.CompletedProcess[str]:
    """A command line in a process of its own, which ends by saying which frameworks it has loaded."""
    code = "import sys\nfrom pellucid.apps.cli import main\nmain(sys.argv[1:])\nprint(sorted({'tensorflow', 'torch', 'jax', 'keras'} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_onnx_starts_no_framework(onnx_place: Path) -> None:
    ran = alone("inspect net.onnx")
    assert (ran.stdout.splitlines()[-1], ran.stderr) == ("[]", "")


@pytest.mark.slow
def test_a_saved_model(cnn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("images.npz", x_test=np.random.default_rng(0).random((4, 12, 12, 1)).astype("float32"))
    assert "Conv2D" in alone(f"inspect {cnn_folder}").stdout
    ran = alone(f"explain {cnn_folder} images.npz:x_test --index 0:2 --method integrated_gradients,shap --features patches:4 --out out.safetensors")
    assert not ran.stderr
    assert Path("out.safetensors").stat().st_size > 1000
