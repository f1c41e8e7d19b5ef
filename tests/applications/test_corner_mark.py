"""The page on the mark in the corner: its code runs, finds the mark, and shows it mended."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "applications" / "corner-mark.md"
FULL, SMALL = "samples, epochs = 4000, 6", "samples, epochs = 2500, 5"
ADDED, REMOVED = "others with the mark taken for 4", "right, 4 without it"


@pytest.mark.slow
@pytest.mark.once
def test_the_code_of_the_page_finds_the_mark_and_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("mlxtend")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert code.count(FULL) == 1
    script = tmp_path / "page.py"
    script.write_text(code.replace(FULL, SMALL).replace("count=50", "count=20"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(script))
    assert found["suspect"] == 4
    others = [found["found"][digit] for digit in range(10) if digit != 4]
    assert found["found"][4][1] > 2 * max(high for _, _, high in others)  # its interval lies far above every other digit's
    before, after = found["flawed_numbers"], found["mended_numbers"]
    assert before[REMOVED] < after[REMOVED] - 0.08
    assert before[ADDED] > 2.5 * after[ADDED]
    assert after["in the ring"] < 0.2 * before["in the ring"]
    assert after["in the ring, interval"][1] < before["in the ring, interval"][0]
    assert (tmp_path / "corner-mark.png").read_bytes().startswith(b"\x89PNG")
    assert "Why is this a 4?" in (tmp_path / "corner.html").read_text(encoding="utf-8")
