"""Whether to believe an explanation: its verdict on a page, or that nobody looked, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation, Score, identity_of
from pellucid.core.language import later, number
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.core.verdict import CHECKED, MIXED, NOT_SUPPORTED, NUMERICAL, SUPPORTED
from pellucid.report.groups import NetworkGroup
from pellucid.report.speech import told_html
from pellucid.report.words import in_figures

NOT_CHECKED = later("not checked")
LOOKS = {SUPPORTED: ("✓", "good"), MIXED: ("i", "note"), NOT_SUPPORTED: ("!", "warning"), NOT_CHECKED: ("–", "none")}
"""Sign and key of each word."""
MEANINGS = (
    (
        later("supported"),
        later(
            "the network uses what the map calls important, more than by chance; with noise for its weights the map is another one; nothing speaks against it."
        ),
    ),
    (later("mixed"), later("measures disagree, or cannot tell the map from chance. Take it as a hint, and see what another method says.")),
    (
        later("not supported"),
        later("the network uses what the map calls important less than by chance, or the map stays with noise for its weights. Do not build on it."),
    ),
    (NOT_CHECKED, later("nobody looked; the text says why, and what to run.")),
)
"""What each word means, for readers."""
LEFT_OUT = "it was not asked for"


@dataclass(frozen=True)
class Trust:
    """Whether to believe one answer: the verdict's word, sign and key, what decided it, what nobody looked at, what was measured, and notes."""

    word: str
    sign: str
    key: str
    facts: tuple[str, ...]
    unchecked: str
    rows: tuple[tuple[str, str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trials:
    """The evaluations of a page's explanations, and why others have none, both by `identity_of`."""

    evaluations: Mapping[str, Evaluation]
    reasons: Mapping[str, str] = field(default_factory=dict)
    _identities: dict[int, str] = field(default_factory=dict)

    def of(self, explanation: Explanation, row: int) -> Trust:
        """Of one sample."""
        trial = self.trial(explanation)
        if trial is not None:
            return _trust(trial, row)
        unchecked = _(", ").join(_(group) for group in CHECKED if group != NUMERICAL)
        reason = self.reasons.get(self._identity(explanation), LEFT_OUT)
        facts = (f"{reason[:1].upper()}{reason[1:].rstrip('.')}.",)
        return Trust(NOT_CHECKED, *LOOKS[NOT_CHECKED], facts, unchecked)

    def trial(self, explanation: Explanation) -> Evaluation | None:
        """The evaluation of an explanation, where there is one."""
        return self.evaluations.get(self._identity(explanation))

    def _identity(self, explanation: Explanation) -> str:
        """`identity_of`, which reads all arrays, once an explanation; the explanations live as long as the page that is made of them."""
        key = id(explanation)
        if key not in self._identities:
            self._identities[key] = identity_of(explanation)
        return self._identities[key]

    def check(self, groups: Sequence[NetworkGroup]) -> None:
        """Raise for an evaluation whose explanation is not there."""
        known = {identity_of(explanation) for found in groups for explanation in found.explanations}
        for identity, trial in self.evaluations.items():
            if identity not in known:
                raise SettingError(f"an evaluation of {trial.method} came without its explanation; give both: report([explanation, evaluation], path).")

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Where votes turned, in words; more than one text where evaluations had others."""
        said = (trial.provenance.get("thresholds") for trial in self.evaluations.values())
        return tuple(dict.fromkeys(threshold_words(one) for one in said if one))


def threshold_words(limits: Mapping[str, Any]) -> str:
    """
    >>> threshold_words({"level": 0.95, "similarity": [0.5, 0.8], "change": [0.5, 1.5]})[:60]
    'intervals at 95 %; the map of a network of noise is alike up'
    """
    (like, alike), (little, much) = limits["similarity"], limits["change"]
    return _(
        "intervals at {level} %; the map of a network of noise is alike up to {like} (for) or from {alike} on (against); "
        "the map changes with small changes of the input by up to {little} of its size (for) or from {much} on (against)"
    ).format(level=number(limits["level"] * 100), like=number(like), alike=number(alike), little=number(little), much=number(much))


def believed(named: Sequence[tuple[str, Trust]]) -> str:
    """One line over all methods of a sample, by title: "supported: SHAP, LIME; mixed: Saliency"; empty where none was looked at."""
    words = {word: [title for title, trust in named if trust.word == word] for word in LOOKS}
    if len(words[NOT_CHECKED]) == len(named):
        return ""
    return _("; ").join(_("{word}: {titles}").format(word=_(word), titles=_(", ").join(titles)) for word, titles in words.items() if titles)


def _trust(trial: Evaluation, row: int) -> Trust:
    """What an evaluation says of one sample."""
    verdict, scores = trial.verdicts[row], trial.scores.values()
    notes: list[str] = [told_html(f"{name} was not measured: it {reason}.") for name, reason in trial.refused.items()]
    passes = sum(int(score.evaluations[row]) * (1 + score.chance.shape[1]) for score in scores)
    by_chance = _("By chance: the same values given to other places at random. All of this took {count} evaluations.")
    notes += [by_chance.format(count=number(passes))] if passes else []
    facts = tuple(fact.text for fact in verdict.facts)
    return Trust(verdict.word, *LOOKS[verdict.word], facts, _(", ").join(map(_, verdict.unchecked)), tuple(_row(score, row) for score in scores), tuple(notes))


def _row(score: Score, row: int) -> tuple[str, str, str, str]:
    """Title, number, range by chance, and which way is better."""
    error = f" ± {in_figures(score.error[row], '.1g')}" if score.error[row] > 0 else ""
    chance = "–"
    if score.chance.shape[1]:
        chance = _("{low} to {high}").format(low=in_figures(score.chance[row].min(), ".2g"), high=in_figures(score.chance[row].max(), ".2g"))
    return _(score.title), f"{in_figures(score.values[row], '.3g')}{error}", chance, _(score.better) or "–"
