"""How far a plan is and how long it will take, on a terminal and elsewhere."""

from __future__ import annotations

import plan_parts
import pytest

import pellucid
from pellucid.plans import progress


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    plan = pellucid.Plan(plan_parts.network(), plan_parts.samples(20), "integrated_gradients", shard_size=10)
    plan.run(tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    plan.run(tmp_path / "told", progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", ")[0] for line in lines] == ["Integrated Gradients: 10 of 20 samples", "Integrated Gradients: 20 of 20 samples"]
    assert all(line.endswith("left") for line in lines)


def test_what_was_there_before_does_not_count_for_the_pace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 100.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with progress.shown("plan", 10_000, 9_000, True) as tell:
        tell(9_100, 3, None)
    assert capsys.readouterr().err == "plan: 9,100 of 10,000 samples, 3 failed, 15:00 left\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with progress.shown("plan", None, 0, None) as tell:
        tell(50, 0, 0.25)
    assert "50 samples" in capsys.readouterr().err
