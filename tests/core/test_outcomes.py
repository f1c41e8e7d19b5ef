"""Outcomes: severity, the worst of many, words and numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pellucid.core
from pellucid.core.outcome import SEVERITY, Check, Outcome, Outcomes
from pellucid.methods import _stopping

GOOD = Outcome(Check("converged", "Fine.", numbers={"relative_error": 0.01}))
WARNED = GOOD.with_finding(Check("incomplete", "A gap.", "Lower it.", {"completeness_gap": 0.5}))
BAD = WARNED.with_finding(Check("poor_fit", "Poor.", "Use shap."))


def test_the_worst_check_speaks() -> None:
    assert (GOOD.code, WARNED.code, BAD.code) == ("converged", "incomplete", "poor_fit")
    assert (GOOD.ok, WARNED.ok, BAD.ok) == (True, False, False)
    assert BAD.advice == "Use shap."
    assert BAD.numbers == {"relative_error": 0.01, "completeness_gap": 0.5}
    assert str(WARNED) == "Fine. A gap. Lower it."


def test_findings_are_added_without_changing_the_old_outcome() -> None:
    assert GOOD.findings == ()
    assert [check.code for check in BAD.checks] == ["converged", "incomplete", "poor_fit"]


def test_the_worst_sample_is_found_and_the_first_of_equals() -> None:
    outcomes = Outcomes((GOOD, WARNED, BAD, BAD))
    assert outcomes.worst is outcomes[2]
    assert outcomes.codes == ("converged", "incomplete", "poor_fit", "poor_fit")
    assert isinstance(outcomes[:2], Outcomes)
    assert len(list(outcomes)) == len(outcomes) == 4
    assert Outcomes((GOOD, GOOD)).worst is GOOD


def test_every_code_that_is_used_has_a_severity() -> None:
    package = Path(pellucid.core.__file__).parents[1]
    used = {code for path in package.rglob("*.py") for code in re.findall(r"Check\(\s*\"(\w+)\"", path.read_text(encoding="utf-8"))}
    assert used
    assert used <= set(SEVERITY)
    with pytest.raises(KeyError):
        _ = Check("made_up", "").severity


def test_errors_are_relative_to_the_size_of_the_answer_or_of_the_scores() -> None:
    assert _stopping.relative(0.1, 2.0, 0.0) == pytest.approx(0.05)
    assert _stopping.relative(0.1, 0.0, 50.0) == pytest.approx(0.2)
    assert _stopping.relative(0.0, 0.0, 0.0) == 0
    assert _stopping.relative(0.1, 0.0, 0.0) == float("inf")


@pytest.mark.parametrize(("power", "needed"), [(1, "2,000"), (0.5, "4,000")])
def test_a_budget_that_ended_names_the_one_that_would_do(power: float, needed: str) -> None:
    check = _stopping.exhausted(0.04, 0.02, 1000, "evaluations", power)
    assert f"about {needed}," in check.advice
    assert "tolerance=0.04" in check.advice
    assert check.severity == 2


def test_a_stop_says_definition_never_truth() -> None:
    text = _stopping.converged(0.015, 0.02, 40, "gradients").text
    assert text == "Computed to within 2 % of this method's definition (40 gradients)."
    assert _stopping.percent(float("nan")) == "an unknown part"
    assert _stopping.percent(3.2) == "320 %"
