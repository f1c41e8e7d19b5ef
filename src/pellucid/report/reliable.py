"""How far one explanation can be relied on and why, and what nobody checked, in a lay reader's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.evaluation import Evaluation
from pellucid.core.language import later, number, percent
from pellucid.core.language import said as _
from pellucid.core.outcome import Outcome
from pellucid.core.records import Explanation
from pellucid.core.verdict import CHECKED, MIXED, NOT_SUPPORTED, NUMERICAL, SUPPORTED, Fact
from pellucid.maths.correlation import spearman
from pellucid.report.choices import tried
from pellucid.report.reasons import Part, Reasons, directed, parts_of
from pellucid.report.trust import LOOKS, NOT_CHECKED
from pellucid.report.words import relative_error, title_of

Array = np.ndarray
AGREE, PARTLY = 0.7, 0.3
"""Rank correlations from which on two methods are said to agree, and to agree in part."""
SMALL = 0.001
"""A numerical error that is not told any closer."""
SQUARES = 7
"""Of a picture's side, where two maps of its elements are compared."""
HEADLINES = {
    SUPPORTED: later("As far as was measured, this explanation can be relied on."),
    MIXED: later("Take this explanation as a hint: the measurements disagree, or cannot tell it from chance."),
    NOT_SUPPORTED: later("Do not build on this explanation."),
    NOT_CHECKED: later("Nobody measured whether this explanation can be relied on."),
}
FACTS = {
    ("faithfulness", 1): later("What it names matters to the network more than parts picked at random"),
    ("faithfulness", 0): later("What it names matters to the network no more clearly than parts picked at random"),
    ("faithfulness", -1): later("What it names matters to the network less than parts picked at random"),
    ("sanity", 1): later("With its weights replaced by noise, the network gets another explanation: this one speaks of what the network learned"),
    ("sanity", 0): later("With its weights replaced by noise, the network gets an explanation that is still alike in part"),
    ("sanity", -1): later(
        "With its weights replaced by noise, the network gets the same explanation: this one shows the case, and not what the network learned"
    ),
    ("robustness", 1): later("Small changes of the case leave the explanation as it is"),
    ("robustness", 0): later("Small changes of the case change the explanation in part"),
    ("robustness", -1): later("Small changes of the case make another explanation"),
    ("localisation", 1): later("It lies where the reason is known to lie"),
    ("localisation", 0): later("It lies no more clearly where the reason is known to lie than elsewhere"),
    ("localisation", -1): later("It lies elsewhere than the reason is known to lie"),
}
"""What a vote of a group of measurements means."""
ENDS = {
    "exact": later("Its numbers are exact by the method's own definition."),
    "converged": later("Its numbers are within {error} of what unlimited computing by the same method would give."),
    "fixed": later("Its numbers come from as many steps as somebody asked for; the estimated error is {error}."),
    "budget_exhausted": later("The computing ended early: the numbers are off by about {error}, which is more than was asked for."),
    "poor_fit": later("The simple formula from which the numbers are read describes the network badly here."),
    "incomplete": later("The contributions do not add up to the network's score, so that a part of the reasons is missing."),
    "inefficient": later("The contributions do not add up to the network's score, so that a part of the reasons is missing."),
    "suspicious_range": later("The numbers of the case look as if they were not scaled as the network expects them."),
    "nothing_to_explain": later("There was nothing to explain: the case equals what it was compared with."),
}
"""How an explanation ended, by its code."""
OPEN = {
    "faithfulness": later("whether the network uses what is named, by taking it away"),
    "sanity": later("whether the explanation speaks of what the network learned, by replacing its weights with noise"),
    "robustness": later("whether small changes of the case change the explanation"),
    "localisation": later("whether it lies where the true reason lies, which nobody has marked"),
}
"""What was not checked, by group."""


@dataclass(frozen=True)
class Reliability:
    """A verdict's word, sign and key; what it means; why; and what was not checked."""

    word: str
    sign: str
    key: str
    headline: str
    facts: tuple[str, ...]
    unchecked: tuple[str, ...]


def reliability(rows: Sequence[tuple[Explanation, int]], trial: Evaluation | None, reasons: Reasons) -> Reliability:
    """Of the first explanation of a case, which has been evaluated in `trial`; the others are what it is compared with."""
    explanation, row = rows[0]
    verdict = None if trial is None else trial.verdicts[row]
    word = NOT_CHECKED if verdict is None else verdict.word
    facts = [] if trial is None else [fact_words(fact, trial, row) for fact in trial.verdicts[row].facts if fact.group != NUMERICAL]
    facts += end_words(explanation, row)
    facts += agreements(rows)
    facts += stability(explanation, row, reasons)
    groups = [group for group in CHECKED if group != NUMERICAL] if verdict is None else verdict.unchecked
    unchecked = [_(OPEN[group]) for group in groups if group in OPEN]
    if explanation.choices is None:
        unchecked.append(_("whether another reasonable choice of what to compare the case with gives other reasons"))
    if all(other.method == explanation.method for other, _row in rows):
        unchecked.append(_("what another method of explaining says"))
    return Reliability(word, *LOOKS[word], _(HEADLINES[word]), tuple(facts), tuple(unchecked))


def fact_words(fact: Fact, trial: Evaluation, row: int) -> str:
    """What a measurement says, with its number, and what the same values get by chance."""
    score = trial.scores[fact.metric]
    sentence, title, value = _(FACTS[fact.group, fact.vote]), _(score.title), number(float(score.values[row]), 2)
    if not score.chance.shape[1]:
        return _("{sentence} ({measure}: {value}).").format(sentence=sentence, measure=title, value=value)
    chance = number(float(score.chance[row].mean()), 2)
    better = _("higher is better") if score.better == "higher" else _("lower is better")
    told = _("{sentence} ({measure}: {value}, by chance {chance}; {better}).")
    return told.format(sentence=sentence, measure=title, value=value, chance=chance, better=better)


def end_words(explanation: Explanation, row: int) -> Iterator[str]:
    """How its computing ended, and what its own checks found, by their codes and numbers."""
    outcome: Outcome = explanation.outcome[row]
    for check in outcome.checks:
        error = check.numbers.get("relative_error", relative_error(explanation, row))
        yield _(ENDS[check.code]).format(error=percent(float(error)) if not error < SMALL else _("less than {part}").format(part=percent(SMALL)))


def agreements(rows: Sequence[tuple[Explanation, int]]) -> Iterator[str]:
    """Whether other methods rank the same reasons alike, on this case, for the same answer."""
    (first, place), *others = rows
    for other, row in others:
        found = agreement((first, place), (other, row))
        if found is None:
            continue
        said = _("{method} largely agrees") if found >= AGREE else _("{method} agrees in part") if found >= PARTLY else _("{method} does not agree")
        sentence = said.format(method=title_of(other))
        yield _("{sentence} (rank correlation {value}).").format(sentence=sentence, value=number(round(found, 2)))


def agreement(first: tuple[Explanation, int], other: tuple[Explanation, int]) -> float | None:
    """Spearman's correlation of two explanations of one sample over what they have in common: columns, words, or the features of one of them on which the
    other's map is added up. None where they are of other answers, or have nothing in common."""
    if first[0].target.labels[first[1]] != other[0].target.labels[other[1]]:
        return None
    pair = [one[row] for one, row in (first, other)]
    found = [parts_of(one, 0) for one in pair]
    kinds = [kind for kind, _parts, _totals in found]
    if kinds[0] != kinds[1]:
        return None
    named = [{part.key: part.value for part in parts if part.key is not None} for _kind, parts, _totals in found]
    if _maps(pair):
        values = _on_squares(pair)
    else:
        common = [key for key in named[0] if key in named[1]]
        values = [np.array([one[key] for key in common]) for one in named]
    if not all(map(directed, pair)):
        values = [np.abs(one) for one in values]
    return _rank(*values)


def _rank(first: Array, other: Array) -> float | None:
    if len(first) < 3 or not (np.ptp(first) > 0 and np.ptp(other) > 0):
        return None
    return float(np.ravel(spearman(first[None], other[None]))[0])


def _maps(pair: Sequence[Explanation]) -> bool:
    """Whether both lie on one picture or series."""
    return all(one.packing is None and one.on_grid and not one.of_pairs and one.inputs.ndim > 2 for one in pair)


def _on_squares(pair: Sequence[Explanation]) -> list[Array]:
    """Both maps added up over the features of the one that has fewest, else over squares."""
    cut = [one for one in pair if one.features is not None and one.values.ndim == 2]
    shape = pair[0].inputs.shape[1:]
    if cut:
        features = min(cut, key=lambda one: one.values.shape[1]).features
        labels = np.broadcast_to(features.of(0), shape).ravel() if features is not None else np.zeros(0, int)
    else:
        sides = [np.arange(size) * min(SQUARES, size) // size for size in shape]
        grid = np.zeros(shape, dtype=int)
        for axis, side in enumerate(sides):
            grid = grid * SQUARES + side.reshape([-1 if axis == i else 1 for i in range(len(shape))])
        labels = np.unique(grid.ravel(), return_inverse=True)[1]
    inside = labels >= 0
    return [np.bincount(labels[inside], weights=_even(one).ravel()[inside]) for one in pair]


def _even(one: Explanation) -> Array:
    """A map over the input that adds up to its values: a feature's value is spread evenly over its elements."""
    if one.features is None:
        return np.asarray(one.to_input()[0], dtype=float)
    labels = np.broadcast_to(one.features.of(0), one.inputs.shape[1:])
    sizes = np.bincount(labels[labels >= 0], minlength=one.values.shape[1])
    return np.where(labels >= 0, (one.values[0] / np.maximum(sizes, 1))[np.maximum(labels, 0)], 0.0)


def stability(explanation: Explanation, row: int, reasons: Reasons) -> Iterator[str]:
    """Whether the reasons depend on choices, where other choices were tried."""
    choices = None if explanation.choices is None else explanation.choices.of(np.array([row]))
    if choices is None:
        return
    change = float(choices.change.max())
    yield _("With other reasonable choices ({choices}) it changes by at most {change}.").format(choices=tried(choices), change=percent(change))
    survives, parts = choices.survives[0].ravel(), [reason.part for reason in reasons.all]
    single = [part for part in parts if _is_number(part, survives.size)]
    if single and len(single) == len(parts):
        kept = [part.name for part in single if survives[int(str(part.key))]]
        named = _(", ").join(kept) if kept else _("none")
        yield _("Of the reasons named, these are among the strongest whatever is chosen: {names}.").format(names=named)


def _is_number(part: Part, size: int) -> bool:
    """Whether a part is one value of the explanation."""
    return isinstance(part.key, int) and 0 <= part.key < size
