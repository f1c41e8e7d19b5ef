"""Whether an explanation deserves belief, in words: votes of what was measured, and the rule that counts them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.core.errors import SettingError
from pellucid.core.outcome import Outcome
from pellucid.core.records import t_quantile

if TYPE_CHECKING:
    from pellucid.core.evaluation import Score

SUPPORTED, MIXED, NOT_SUPPORTED = "supported", "mixed", "not supported"
DECIDING = ("faithfulness", "sanity")
"""Groups without whose vote nothing is called supported, where they can be checked at all."""
NUMERICAL = "numerical error"
CHECKED = (NUMERICAL, "faithfulness", "sanity", "robustness", "localisation")
"""What a verdict rests on; groups that are not in it (complexity, axioms) describe."""


@dataclass(frozen=True)
class Thresholds:
    """Where a vote turns. Between two limits, or where an interval straddles one, a metric votes for neither.

    `level`: of the intervals, and of the lead over random importances. `similarity`: at most so similar to the map of a network with random weights speaks for
    an explanation, at least so similar against it. `change`: at most such a relative change under perturbations that leave the prediction speaks for it, at
    least such a one against it.
    """

    level: float = 0.95
    similarity: tuple[float, float] = (0.5, 0.8)
    change: tuple[float, float] = (0.5, 1.5)

    def __post_init__(self) -> None:
        if not _is_number(self.level) or not 0 < self.level < 1:
            raise SettingError(f"level must lie between 0 and 1, got {self.level!r}; for 95 % write 0.95.")
        for name in ("similarity", "change"):
            pair = getattr(self, name)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(map(_is_number, pair)) or not pair[0] <= pair[1]:
                raise SettingError(f"{name} must be (low, high) with low ≤ high, got {pair!r}.")
            object.__setattr__(self, name, tuple(pair))


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Fact:
    """What one metric says of one sample: `vote` is 1 for, −1 against, 0 undecided; `weight` orders facts, the clearest first."""

    metric: str
    group: str
    vote: int
    text: str
    weight: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """`word` is "supported", "mixed" or "not supported"; `facts` are those that decided it, two at most, the clearest first; `unchecked` says what nobody
    looked at; `votes` are those of all groups."""

    word: str
    facts: tuple[Fact, ...]
    unchecked: tuple[str, ...]
    votes: Mapping[str, int]

    def __str__(self) -> str:
        facts = " ".join(fact.text for fact in self.facts)
        left = f" Not checked: {', '.join(self.unchecked)}." if self.unchecked else ""
        return f"{self.word.capitalize()}. {facts}{left}"


def judge(scores: Mapping[str, Score], outcome: Outcome, sample: int, limits: Thresholds) -> Verdict:
    """The verdict on one sample: *not supported* where faithfulness or sanity votes against the explanation; *supported* where those of the two that were
    checked vote for it, faithfulness among them, and nothing votes against it; else *mixed*."""
    facts = [_numerical(outcome), *(fact for score in scores.values() if (fact := fact_of(score, sample, limits)) is not None)]
    votes = {group: _vote([fact for fact in facts if fact.group == group]) for group in CHECKED if any(fact.group == group for fact in facts)}
    if any(votes.get(group) == -1 for group in DECIDING):
        word = NOT_SUPPORTED
    elif votes.get("faithfulness") == 1 and all(votes.get(group, 1) == 1 for group in DECIDING) and -1 not in votes.values():
        word = SUPPORTED
    else:
        word = MIXED
    return Verdict(word, _deciding(facts, word), tuple(group for group in CHECKED if group not in votes), votes)


def fact_of(score: Score, sample: int, limits: Thresholds) -> Fact | None:
    """What a metric says of a sample; None for a metric that only describes."""
    if score.group not in CHECKED or not score.better or not math.isfinite(float(score.values[sample])):
        return None
    if score.limits in ("similarity", "change"):
        return _by_limits(score, sample, getattr(limits, score.limits), limits.level)
    return _by_chance(score, sample, limits.level) if score.chance.shape[1] > 1 else None


def _by_chance(score: Score, sample: int, level: float) -> Fact:
    lead, error = float(score.lead[sample]), float(score.lead_error[sample])
    reach = float(t_quantile((1 + level) / 2, score.chance.shape[1] - 1)) * error
    vote = 0 if abs(lead) <= reach else 1 if lead > 0 else -1
    said = {1: "better than random importances", 0: "no clearer than random importances", -1: "worse than random importances"}[vote]
    text = f"{score.title} is {said}: {score.values[sample]:.2g} against {score.chance[sample].mean():.2g} ({score.better} is better)."
    return Fact(score.metric, score.group, vote, text, abs(lead) / reach if reach else math.inf if lead else 0.0)


def _by_limits(score: Score, sample: int, limits: tuple[float, float], level: float) -> Fact:
    value, (low, high) = float(score.values[sample]), limits
    reach = float(t_quantile((1 + level) / 2, 30.0)) * float(score.error[sample])
    vote = 1 if value + reach <= low else -1 if value - reach >= high else 0
    said = {
        ("similarity", 1): "With random weights in the network the map is another one",
        ("similarity", 0): "With random weights in the network the map changes only in part",
        ("similarity", -1): "The map hardly changes when the network's weights are replaced by noise: it shows the input, not the network",
        ("change", 1): "Small changes of the input leave the map as it is",
        ("change", 0): "Small changes of the input change the map in part",
        ("change", -1): "Small changes of the input make another map",
    }[(score.limits, vote)]
    bound = {1: f"at most {low:g}", 0: f"for it at most {low:g}, against it from {high:g}", -1: f"at least {high:g}"}[vote]
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9)
    return Fact(score.metric, score.group, vote, f"{said} ({score.title.lower()} {value:.2g}, {bound}).", abs(value - middle) / half)


def _numerical(outcome: Outcome) -> Fact:
    """The explanation's own error control."""
    worst = outcome.worst
    vote = {0: 1, 1: 0}.get(worst.severity, -1)
    return Fact("outcome", NUMERICAL, vote, "Its numbers are computed as precisely as was asked." if vote == 1 else str(worst), 0.0)


def _vote(facts: Sequence[Fact]) -> int:
    """Of a group: for or against where those that decide agree, else undecided."""
    votes = {fact.vote for fact in facts} - {0}
    return votes.pop() if len(votes) == 1 else 0


def _deciding(facts: Sequence[Fact], word: str) -> tuple[Fact, ...]:
    """Two facts at most, of different groups where there are such: those against it for "not supported", for it for "supported", one of each for "mixed"."""
    wanted = {SUPPORTED: (1,), NOT_SUPPORTED: (-1, 0), MIXED: (-1, 0, 1)}[word]

    def rank(fact: Fact) -> tuple[bool, int, bool, float]:
        return fact.group == NUMERICAL and fact.vote >= 0, wanted.index(fact.vote), fact.group not in DECIDING, -fact.weight

    order = sorted((fact for fact in facts if fact.vote in wanted), key=rank)
    chosen = order[:1]
    chosen += [fact for fact in order[1:] if fact.group != chosen[0].group and (word != MIXED or fact.vote != chosen[0].vote)][:1]
    chosen += [fact for fact in order[1:] if fact not in chosen][: 2 - len(chosen)]
    return tuple(chosen)
