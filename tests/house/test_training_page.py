"""The examples of docs/training.md run, one after the other, and leave the files that they name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"


@pytest.mark.slow
@pytest.mark.once
def test_the_examples_run(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"training.safetensors", "training.png", "edges.png", "parts.gif", "training.html"}
