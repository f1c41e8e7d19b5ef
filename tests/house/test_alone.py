"""What an installation without frameworks does, and what it says where one is needed: `pip install pellucid` alone serves black boxes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ALONE = Path(__file__).parents[1] / "alone"


def alone(code: str, *arguments: str, framework: str = "none") -> subprocess.CompletedProcess[str]:
    """Python in a process in which this framework alone is installed."""
    environment = {**os.environ, "PELLUCID_ALONE": framework, "PYTHONPATH": str(ALONE)}
    environment.pop("KERAS_BACKEND", None)
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False)


COMMAND = "import sys\nfrom pellucid.apps.cli import main\nsys.exit(main(sys.argv[1:]))"


def test_a_black_box_is_explained_and_reported(tmp_path: Path) -> None:
    code = f"""
import sys
import numpy as np, pellucid
box, x = (lambda x: x.reshape(len(x), -1) @ np.arange(32.0).reshape(16, 2)), np.random.default_rng(0).random((2, 4, 4, 1))
calls = {{"lime": {{}}, "shap": {{"features": "patches:2"}}, "occlusion": {{}}}}
records = [pellucid.explain(box, x, name, target=0, max_evaluations=200, **settings) for name, settings in calls.items()]
pellucid.report(records, {str(tmp_path / "report.html")!r})
pellucid.save(records, {str(tmp_path / "records.safetensors")!r})
assert len(pellucid.load({str(tmp_path / "records.safetensors")!r})) == 3
assert pellucid.inspect(box).methods["shap"] == ""
print(sorted({{"tensorflow", "keras", "jax", "torch", "onnx", "onnxruntime", "sklearn", "pandas"}} & set(sys.modules)))
"""
    ran = alone(code)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("line", ["list methods", "list networks", "--version"])
def test_the_command_line_lists(line: str) -> None:
    ran = alone(COMMAND, *line.split())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip()


@pytest.mark.parametrize(
    ("suffix", "extra"),
    [(".keras", "tensorflow"), (".h5", "tensorflow"), (".onnx", "onnx"), (".pt2", "torch"), (".pt", "torch"), ("", "tensorflow")],
)
def test_a_missing_framework_is_one_line_with_what_to_install(tmp_path: Path, suffix: str, extra: str) -> None:
    file = tmp_path / f"model{suffix}"
    if suffix:
        file.write_bytes(b"anything")
    else:
        file.mkdir()
        (file / "saved_model.pb").write_bytes(b"anything")
    ran = alone(COMMAND, "inspect", str(file), "--allow-unsafe")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
    assert re.search(rf"pip install '?(pellucid\[{extra}\]|torch)", ran.stderr), ran.stderr


@pytest.mark.parametrize("framework", ["none", "torch"])
def test_hidden_is_as_never_installed(framework: str) -> None:
    code = """
import importlib.metadata, importlib.util, sys
for name in ("tensorflow", "keras", "jax", "onnxruntime"):
    assert importlib.util.find_spec(name) is None
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert error.name == name
    else:
        raise SystemExit(name)
assert not {"keras", "jax"} & {found.name for found in importlib.metadata.distributions()}
print(importlib.util.find_spec("torch") is not None)
"""
    ran = alone(code, framework=framework)
    assert ran.returncode == 0, ran.stderr
    if framework == "none":
        assert ran.stdout.strip() == "False"


def test_a_framework_that_is_not_known_is_refused() -> None:
    assert "tensorfow is none of" in alone("", framework="tensorfow").stderr
