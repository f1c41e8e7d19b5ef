"""The verdict: which votes make which word, and the facts that are given for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Score
from pellucid.core.outcome import Check, Outcome
from pellucid.core.verdict import Thresholds, judge

FINE = Outcome(Check("converged", "Computed to within 2 %."))
SPENT = Outcome(Check("budget_exhausted", "The budget ended at 9 %."))
CHANCE = np.linspace(0.4, 0.6, 21)[None]


def score(metric: str, group: str, value: float, better: str = "higher", **more: Any) -> Score:
    """A score of one sample; by chance .4 to .6."""
    none = np.zeros(1)
    given = {"chance": CHANCE} | more
    return Score(
        metric, metric.capitalize(), group, better, np.array([value]), more.pop("error", none), given["chance"], none, none, 0.0, limits=more.get("limits", "")
    )


def faithful(value: float, name: str = "insertion") -> Score:
    return score(name, "faithfulness", value)


def sane(similarity: float, error: float = 0.0) -> Score:
    return score("weights", "sanity", similarity, "lower", chance=np.zeros((1, 0)), limits="similarity", error=np.array([error]))


@pytest.mark.parametrize(
    ("scores", "outcome", "word"),
    [
        ([faithful(0.9), sane(0.2)], FINE, "supported"),
        ([faithful(0.9)], FINE, "supported"),
        ([faithful(0.55), sane(0.2)], FINE, "mixed"),  # within chance
        ([faithful(0.9), sane(0.7)], FINE, "mixed"),  # between the limits
        ([faithful(0.9), sane(0.45, error=0.1)], FINE, "mixed"),  # the interval straddles the limit
        ([faithful(0.9), sane(0.95)], FINE, "not supported"),
        ([faithful(0.1), sane(0.2)], FINE, "not supported"),
        ([faithful(0.9), faithful(0.1, "deletion"), sane(0.2)], FINE, "mixed"),  # faithfulness against itself
        ([faithful(0.9), sane(0.2)], SPENT, "mixed"),
        ([sane(0.2)], FINE, "mixed"),  # nobody asked whether the network uses it
        ([], FINE, "mixed"),
    ],
)
def test_the_word(scores: list[Score], outcome: Outcome, word: str) -> None:
    assert judge({one.metric: one for one in scores}, outcome, 0, Thresholds()).word == word


def test_two_facts_of_the_groups_that_decided() -> None:
    verdict = judge({one.metric: one for one in (faithful(0.9), sane(0.97))}, FINE, 0, Thresholds())
    assert [fact.vote for fact in verdict.facts] == [-1]
    assert "shows the input, not the network" in verdict.facts[0].text
    assert verdict.unchecked == ("robustness", "localisation")
    both = judge({one.metric: one for one in (faithful(0.9), sane(0.1))}, FINE, 0, Thresholds())
    assert [fact.group for fact in both.facts] == ["sanity", "faithfulness"]  # the clearer first
    assert str(both).startswith("Supported. ")


def test_mixed_gives_one_fact_for_and_one_against_or_undecided() -> None:
    verdict = judge({one.metric: one for one in (faithful(0.9), sane(0.7))}, FINE, 0, Thresholds())
    assert {fact.vote for fact in verdict.facts} == {0, 1}


def stable(change: float) -> Score:
    return score("nearby", "robustness", change, "lower", chance=np.zeros((1, 0)), limits="change")


@pytest.mark.parametrize(
    ("scores", "limits", "word"),
    [
        # the mean by chance is .5, its spread .062 from 21 draws: a lead of .12 is sure at a level of .9 and not at .95
        ([faithful(0.62)], {}, "mixed"),
        ([faithful(0.62)], {"level": 0.9}, "supported"),
        ([faithful(0.38)], {}, "mixed"),
        ([faithful(0.38)], {"level": 0.9}, "not supported"),
        # an interval of the similarity from .28 to .52, or at .5 from .33 to .47
        ([faithful(0.9), sane(0.4, error=0.06)], {}, "mixed"),
        ([faithful(0.9), sane(0.4, error=0.06)], {"level": 0.5}, "supported"),
        ([faithful(0.9), sane(0.499)], {}, "supported"),
        ([faithful(0.9), sane(0.501)], {}, "mixed"),
        ([faithful(0.9), sane(0.799)], {}, "mixed"),
        ([faithful(0.9), sane(0.801)], {}, "not supported"),
        ([faithful(0.9), sane(0.501)], {"similarity": (0.55, 0.8)}, "supported"),
        ([faithful(0.9), sane(0.499)], {"similarity": (0.45, 0.8)}, "mixed"),
        ([faithful(0.9), sane(0.799)], {"similarity": (0.5, 0.75)}, "not supported"),
        ([faithful(0.9), sane(0.801)], {"similarity": (0.5, 0.85)}, "mixed"),
        ([faithful(0.9), stable(1.499)], {}, "supported"),
        ([faithful(0.9), stable(1.501)], {}, "mixed"),
        ([faithful(0.9), stable(1.499)], {"change": (0.5, 1.4)}, "mixed"),
        ([faithful(0.9), stable(1.501)], {"change": (0.5, 1.6)}, "supported"),
    ],
    ids=str,
)
def test_every_threshold_turns_the_verdict_on_either_side(scores: list[Score], limits: dict[str, Any], word: str) -> None:
    assert judge({one.metric: one for one in scores}, FINE, 0, Thresholds(**limits)).word == word


@pytest.mark.parametrize(("change", "limits", "vote"), [(0.499, {}, 1), (0.501, {}, 0), (0.501, {"change": (0.6, 1.5)}, 1), (1.501, {}, -1)])
def test_the_lower_limit_of_change_turns_a_vote_and_no_verdict(change: float, limits: dict[str, Any], vote: int) -> None:
    assert judge({"nearby": stable(change)}, FINE, 0, Thresholds(**limits)).votes["robustness"] == vote


def test_describing_groups_have_no_vote() -> None:
    scores = {one.metric: one for one in (faithful(0.9), score("sparseness", "complexity", 0.0))}
    verdict = judge(scores, FINE, 0, Thresholds())
    assert verdict.word == "supported"
    assert "complexity" not in verdict.votes


@pytest.mark.parametrize(
    "wrong", [{"level": 1.0}, {"level": "high"}, {"similarity": (0.9, 0.1)}, {"similarity": 0.5}, {"change": (2.0, 1.0)}, {"change": (1.0,)}, {"change": "ab"}]
)
def test_thresholds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Thresholds(**wrong)
