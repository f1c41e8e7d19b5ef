"""`pellucid evaluate` on the command line: what it measures, writes and refuses, and thresholds that turn its verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

Command = Callable[[str], Any]


@pytest.fixture(scope="module")
def records(place: Path) -> str:
    x = np.load(place / "data.npz")["x_test"][:2]
    pellucid.save([pellucid.explain(place / "tiny.keras", x, "gradient_x_input")], place / "to_evaluate.safetensors")
    return "to_evaluate.safetensors"


def test_numbers_are_those_of_the_verb_and_go_into_records_and_reports(pellucid_command: Command, records: str, place: Path) -> None:
    options = "--metrics deletion,weight_randomisation --features patches:4 --fill 0.5 --draws 3 --seed 2 --set deletion.steps=5"
    ran = pellucid_command(f"evaluate tiny.keras {records} {options} --out evaluated.safetensors")
    assert ran.code == 0, ran.err
    explanation, found = pellucid.load(place / "evaluated.safetensors")
    metrics = {"deletion": {"steps": 5}, "weight_randomisation": {}}
    want = pellucid.evaluate(place / "tiny.keras", explanation, metrics, features="patches:4", fill=0.5, draws=3, seed=2)
    for name in metrics:
        np.testing.assert_array_equal(found[name].values, want[name].values)
        np.testing.assert_array_equal(found[name].chance, want[name].chance)
    assert [verdict.word for verdict in found.verdicts] == [verdict.word for verdict in want.verdicts]
    ran = pellucid_command(f"evaluate tiny.keras {records} --metrics deletion --draws 3 --out evaluated.html")
    assert ran.code == 0, ran.err
    assert "Deletion" in (place / "evaluated.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("limits", "vote"), [("-2,-1.5", -1), ("1.5,2", 1), ("-2,2", 0)])
def test_thresholds_turn_the_verdict(pellucid_command: Command, records: str, place: Path, limits: str, vote: int) -> None:
    """Similarities lie between −1 and 1: below all of them, above, and between limits that none reaches."""
    ran = pellucid_command(
        f"evaluate tiny.keras {records} --metrics weight_randomisation --threshold similarity={limits} --threshold level=0.9 --out turned.safetensors"
    )
    assert ran.code == 0, ran.err
    found = pellucid.load(place / "turned.safetensors")[1]
    assert [verdict.votes["sanity"] for verdict in found.verdicts] == [vote, vote]
    assert [verdict.word for verdict in found.verdicts] == ["not supported" if vote < 0 else "mixed"] * 2
    low, high = (float(one) for one in limits.split(","))
    assert found.provenance["thresholds"] == {"level": 0.9, "similarity": (low, high), "change": (0.5, 1.5)}


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--threshold similarty=0.1,0.2", "unknown threshold 'similarty'; did you mean 'similarity'"),
        ("--threshold level", "write --threshold similarity=0.3,0.7"),
        ("--threshold level=1.5", "level must lie between 0 and 1, got 1.5"),
        ("--threshold level=high", "level must lie between 0 and 1, got 'high'"),
        ("--threshold change=0.5", "change must be (low, high)"),
        ("--threshold change=2,1", "change must be (low, high)"),
        ("--metrics deletoin", "unknown metric 'deletoin'"),
        ("--out map.png", "no suffix that says what to write"),
    ],
)
def test_mistakes_are_one_line(pellucid_command: Command, records: str, option: str, says: str) -> None:
    ran = pellucid_command(f"evaluate tiny.keras {records} {option}")
    assert ran.code
    assert says in " ".join(ran.err.split())
