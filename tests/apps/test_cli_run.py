"""`pellucid run`: mistakes in one line before any work, and a whole run on a file of one's own."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pellucid.data.datasets import german_credit

MISTAKES = {
    "unknown application": ("run finanse", "did you mean 'finance'"),
    "unknown language": ("run finance --lang xx", "'xx'"),
    "into a file": ("run finance --out a_file", "a_file"),
    "no such folder of data": ("run finance --data nowhere", "nowhere is no folder"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(pellucid_command: Callable[[str], Any], place: Path, name: str) -> None:
    line, said = MISTAKES[name]
    ran = pellucid_command(line)
    assert ran.code == 2, ran
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (place / "pellucid-finance" / "result.json").exists()


def test_applications_are_listed(pellucid_command: Callable[[str], Any]) -> None:
    ran = pellucid_command("list applications")
    assert [name in ran.out for name in ("finance", "image", "language", "medical")] == [True] * 4


@pytest.mark.slow
def test_a_run_on_a_file_of_one_s_own(pellucid_command: Callable[[str], Any], place: Path) -> None:
    pytest.importorskip("tensorflow")
    (place / "mine").mkdir()
    (place / "mine" / german_credit.FILE).write_bytes(lzma.decompress(german_credit.EMBEDDED.read_bytes()))
    before = os.environ.get("PELLUCID_DATA")
    ran = pellucid_command("run finance --quick --lang zh --data mine")
    assert ran.code == 0, ran
    assert os.environ.get("PELLUCID_DATA") == before
    assert "AUC" in ran.out
    said = json.loads((place / "pellucid-finance" / "result.json").read_text(encoding="utf-8"))
    assert "mine" in said["data"]["german_credit"]["source"]
    assert '<html lang="zh' in (place / "pellucid-finance" / "index.html").read_text(encoding="utf-8")
