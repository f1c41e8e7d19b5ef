"""The front of a case: what it is, what the network answered, the strongest reasons, how reliable they are, and what nobody checked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.evaluation import Evaluation
from pellucid.core.exports import held_at
from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.layout import of_columns
from pellucid.core.naming import given_of
from pellucid.core.records import Explanation
from pellucid.core.told import named
from pellucid.report.drawn import case_picture, front_picture
from pellucid.report.groups import SampleGroup
from pellucid.report.pictures import Picture, text_of, worded
from pellucid.report.reasons import REGIONS, WINDOWS, Reasons, directed, reasons_of
from pellucid.report.reliable import Reliability, reliability
from pellucid.report.tokens import token_text
from pellucid.report.words import class_number, class_word, relative_error, scale_words, title_of

RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"
MOST_COLUMNS = 60
"""Of a row without names, more than this say nothing."""


@dataclass(frozen=True)
class Front:
    """What a person of the trade reads of a case, on one sheet. `row` holds the columns of a table with what the case has there, `sentence` its words with
    what they were worth, as HTML in which all is escaped."""

    name: str
    source: str
    answer: str
    confidence: float
    outcome: str
    truth: str
    text: str
    row: tuple[tuple[str, str], ...]
    sentence: str
    picture: Picture | None
    inputs: Picture | None
    method: str
    reasons: Reasons
    unit: str
    notes: tuple[str, ...]
    reliability: Reliability
    error: float
    short: str
    """The answer in a word or two, for a list."""

    @property
    def beside(self) -> bool:
        """Whether the picture stands beside the reasons, which are numbered in it."""
        return self.reasons.kind == REGIONS

    @property
    def wide(self) -> bool:
        """Whether the picture is a line over time."""
        return self.reasons.kind == WINDOWS

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for picture in (self.inputs, self.picture) if picture is not None)


def led(found: SampleGroup) -> SampleGroup:
    """The case with the explanation in front whose reasons are told: the first that says what spoke for and what against, else the first."""
    place = next((i for i, (explanation, _row) in enumerate(found.rows) if directed(explanation)), 0)
    return replace(found, rows=[found.rows[place], *found.rows[:place], *found.rows[place + 1 :]])


def front_of(found: SampleGroup, trial: Evaluation | None, name: str, noun: str = "") -> Front:
    """The front of one case: its reasons are those of the first explanation, which `trial` is of, and the others say how far they agree. `name` begins the
    names of its pictures, `noun` is what a case is called."""
    explanation, row = found.first
    reasons = reasons_of(explanation, row)
    outcome, truth = _truth(found)
    answer, short, confidence = _answer(explanation, row)
    sentence = worded(explanation, row)
    return Front(
        _("{noun} {number}").format(noun=noun or _("Sample"), number=case_number(found)),
        _source(explanation, row),
        answer,
        confidence,
        outcome,
        truth,
        text_of(explanation, row),
        _row(explanation, row),
        "" if sentence is None else token_text(sentence[0], tokens=sentence[1]),
        front_picture(explanation, row, reasons, f"{name}-reasons"),
        case_picture(explanation, row, reasons, f"{name}-case"),
        title_of(explanation),
        reasons,
        _unit(explanation, reasons),
        tuple(_notes(explanation, row, reasons)),
        reliability(found.rows, trial, reasons),
        relative_error(explanation, row) if explanation.error_kind not in ("exact", "none") else 0.0 if explanation.error_kind == "exact" else math.nan,
        short,
    )


def case_number(found: SampleGroup) -> int:
    """The number of a case in its data, where the record knows it, else its place in the report."""
    explanation, row = found.first
    indices = explanation.provenance.get("indices")
    return int(indices[row]) if isinstance(indices, list) and len(indices) == len(explanation) else found.number


def _source(explanation: Explanation, row: int) -> str:
    """Where the case comes from."""
    data, indices = explanation.provenance.get("data"), explanation.provenance.get("indices")
    if not isinstance(data, str) or not data:
        return ""
    if not isinstance(indices, list) or len(indices) != len(explanation):
        return _("From {data}.").format(data=data)
    return _("From {data}, number {number} there, counted from 0.").format(data=data, number=number(int(indices[row])))


def _answer(explanation: Explanation, row: int) -> tuple[str, str, float]:
    """The network's answer as a sentence and in short, and its probability (NaN where it gives none)."""
    output = np.asarray(explanation.prediction[row], dtype=float)
    if output.ndim != 1 or output.size < 2:
        said = _(", ").join(number(value) for value in np.ravel(output)[:4])
        return _("The network's answer is {value}.").format(value=said), said, math.nan
    place = int(output.argmax())
    name = class_word(explanation, place)
    if output.min() >= 0 and abs(output.sum() - 1) < 1e-3:
        share = float(output[place])
        return _("The network's answer is “{name}”, with a probability of {share}.").format(name=name, share=percent(share)), name, share
    return _("The network's answer is “{name}”.").format(name=name), name, math.nan


def _truth(found: SampleGroup) -> tuple[str, str]:
    """Whether the answer is right, as a key and a sentence."""
    explanation, row = found.first
    output = np.asarray(explanation.prediction[row])
    true = None if found.true is None or output.ndim != 1 or output.size < 2 else class_number(explanation, found.true)
    if true is None:
        return UNKNOWN, _("Whether that is right is not known here.")
    if int(output.argmax()) == true:
        return RIGHT, _("That is right.")
    return WRONG, _("That is wrong: in truth it is “{name}”.").format(name=class_word(explanation, true))


def _row(explanation: Explanation, row: int) -> tuple[tuple[str, str], ...]:
    """The columns of a table with what the case holds there."""
    told = given_of(explanation, row)
    if told.get("data"):
        return tuple((str(name), str(data)) for name, data in zip(told["names"], told["data"], strict=True))
    one = explanation[row]
    held = held_at(one) if of_columns(one) and one.values.ndim == 2 and one.on_grid else None
    if held is None or held.shape[1] > MOST_COLUMNS:
        return ()
    return tuple((named(one.feature_name(i)), number(float(held[0, i]), 4)) for i in range(held.shape[1]))


def _unit(explanation: Explanation, reasons: Reasons) -> str:
    """What the numbers are parts of."""
    if reasons.directed:
        said = _("Numbers in brackets: contributions to the {scale} of “{target}”, by {method}.")
    else:
        said = _("Numbers in brackets: how much each mattered for the {scale} of “{target}”, by {method}.")
    told = said.format(scale=scale_words(explanation), target=reasons.target, method=title_of(explanation))
    if reasons.kind in (REGIONS, WINDOWS) and explanation.features is None and explanation.error_kind not in ("exact", "none"):
        return _("{sentence} {next}").format(sentence=told, next=_("The interval of a region is as wide as the errors of its points can make it together."))
    return told


def _notes(explanation: Explanation, row: int, reasons: Reasons) -> Iterator[str]:
    """What a reader stumbles over: strong values that are no reasons, and an answer that more spoke against than for."""
    if reasons.unsure:
        yield _("Not told apart from 0, and so no reasons: {names}.").format(names=_(", ").join(reasons.unsure))
    output = np.asarray(explanation.prediction[row])
    predicted = output.ndim == 1 and output.size > 1 and class_word(explanation, int(output.argmax())) == reasons.target
    if predicted and reasons.directed and reasons.totals[1] > reasons.totals[0]:
        yield _("More spoke against this answer than for it, measured from what the case was compared with; all other answers scored lower still.")
