"""What the three parts of the medical application share: which cases are told, means and shares with their intervals, and how they are said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.applications import _intervals
from pellucid.applications._work import Work
from pellucid.core.errors import DataNotFoundError
from pellucid.core.evaluation import Evaluation
from pellucid.core.language import later, number, percent, speaking
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.maths.correlation import spearman
from pellucid.report.languages import language
from pellucid.report.story import Chapter

Array = np.ndarray
SCORE = "centered_logit"
"""Of two classes half of what speaks for one beyond the other."""
RIGHT, UNSURE, FALSE_ALARM, MISSED, MIXED_UP = later("right"), later("right, least sure"), later("false alarm"), later("missed"), later("taken for another")


@dataclass(frozen=True)
class Case:
    """A held-out sample that is told: its row, why it was chosen, what it is and what the network answered, and with which probability."""

    row: int
    kind: str
    true: int
    answer: int
    probability: float


@dataclass
class Part:
    """One of the three data sets: its cases, the explanations of these (the first method's are those whose reasons are told), and what is said of it."""

    name: str
    title: str
    held: Dataset
    outputs: Array
    cases: list[Case]
    told: list[Explanation]
    found: dict[str, Any]
    chapters: Callable[[], list[Chapter]]
    actions: Callable[[], list[str]]
    trials: list[Evaluation] = field(default_factory=list)


def loaded(work: Work, name: str, left_out: str) -> tuple[Dataset, Dataset] | None:
    """A data set, or None where it is not to be had, which is noted: `left_out` is what the report then lacks."""
    try:
        return work.load(name)
    except DataNotFoundError:
        with speaking(language(work.lang)):
            note = _("{name} was not found, so this report says nothing of {what}. To get it, see docs/data-sets.md.").format(name=name, what=_(left_out))
        work.notes.append(note)
        return None


def spoken(work: Work, names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes or columns in the report's language."""
    with speaking(language(work.lang)):
        return tuple(_(name) for name in names)


def choose(outputs: Array, labels: Array, healthy: int, *, quick: bool = False) -> list[Case]:
    """Cases worth telling, outputs (samples, classes): of each class the right answer that is surest, of all right ones the least sure; of the mistakes of each
    kind the surest and the least sure. `quick` leaves out what is least sure."""
    answers, sure = outputs.argmax(axis=1), outputs.max(axis=1)
    kinds = np.where(answers == labels, RIGHT, np.where(labels == healthy, FALSE_ALARM, np.where(answers == healthy, MISSED, MIXED_UP)))
    order = np.argsort(-sure, kind="stable")
    groups = [order[(kinds == RIGHT)[order] & (labels == label)[order]][:1] for label in range(outputs.shape[1])]
    for kind, most in ((RIGHT, 0), (FALSE_ALARM, 1), (MISSED, 1), (MIXED_UP, 1)):
        rows = order[(kinds == kind)[order]]
        groups += [rows[:most], rows[:0] if quick else rows[most:][-1:]]
    chosen = dict.fromkeys(int(row) for group in groups for row in group)
    least = None if quick or not (kinds == RIGHT).any() else int(order[(kinds == RIGHT)[order]][-1])
    return [Case(row, UNSURE if row == least else str(kinds[row]), int(labels[row]), int(answers[row]), float(sure[row])) for row in chosen]


def by_class(outputs: Array, labels: Array, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each class that is there the share of right answers with its interval, and how many there are; names in English."""
    hits = outputs.argmax(axis=1) == labels
    return {
        name: {"right": _intervals.share(hits[labels == i].sum(), (labels == i).sum()), "of": int((labels == i).sum())}
        for i, name in enumerate(names)
        if (labels == i).any()
    }


def spread(labels: Array, each: int, seed: int) -> list[int]:
    """Rows drawn at random, `each` of every class as far as there are so many, in order."""
    draw = np.random.default_rng([seed, 7])
    return sorted(int(row) for label in np.unique(labels) for row in draw.permutation(np.flatnonzero(labels == label))[:each])


def composed(inputs: Array, hidden: Array, fill: Array) -> Array:
    """Inputs (samples, *shape) with the fill (*shape) where `hidden` (*shape) is true."""
    return np.where(hidden, fill, inputs).astype(inputs.dtype)


def ranks_agree(first: Array, second: Array) -> Array:
    """Rank correlation of two lists of values, both (samples, features), sample by sample; NaN where all of one are equal."""
    known = (np.ptp(first, axis=1) > 0) & (np.ptp(second, axis=1) > 0)
    found = np.full(len(first), np.nan)
    if known.any():
        found[known] = spearman(first[known], second[known])
    return found


def zero_in(span: Sequence[float]) -> bool:
    """Whether nothing is shown: the interval includes zero."""
    return _intervals.side(span) == 0


def percent_span(span: Sequence[float]) -> str:
    """A share with its interval."""
    return _("{value} (95% interval {low} to {high})").format(value=percent(span[0]), low=percent(span[1]), high=percent(span[2]))


def percent_cell(span: Sequence[float]) -> str:
    """A share with its interval, short, for a table that says what stands in brackets."""
    return _("{value} ({low} to {high})").format(value=percent(span[0]), low=percent(span[1]), high=percent(span[2]))


def points(span: Sequence[float]) -> str:
    """A difference of shares with its interval, in percentage points."""
    value, low, high = (_fixed(100 * one) for one in span)
    return _("{value} percentage points (95% interval {low} to {high})").format(value=value, low=low, high=high)


def _fixed(value: float) -> str:
    """To a tenth."""
    return number(round(value, 1) + 0.0)


def number_span(span: Sequence[float], digits: int = 2) -> str:
    """A number with its interval."""
    value, low, high = (number(one, digits) for one in span)
    return _("{value} (95% interval {low} to {high})").format(value=value, low=low, high=high)


def number_cell(span: Sequence[float], digits: int = 2) -> str:
    """A number with its interval, short, for a table that says what stands in brackets."""
    value, low, high = (number(one, digits) for one in span)
    return _("{value} ({low} to {high})").format(value=value, low=low, high=high)


def listed(names: Sequence[str]) -> str:
    """Names one after the other."""
    return _(", ").join(names)
