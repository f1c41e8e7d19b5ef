"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pellucid.core.errors import OutputError
from pellucid.core.files import write_whole


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    goal = write_whole(tmp_path / "a.bin", b"first")
    assert write_whole(goal, b"second").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("where", ["missing/a.bin", ".", "a\0b"])
def test_what_cannot_be_written_is_one_named_error_and_leaves_nothing(tmp_path: Path, where: str) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_whole(f"{tmp_path}/{where}", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_the_way_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goal = write_whole(tmp_path / "a.bin", b"old")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        write_whole(goal, b"new")
    assert goal.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
