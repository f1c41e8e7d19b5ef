"""German credit in an applicant's words: what each column asks, what its values mean, and what a person could change.

The words of UCI's Statlog description stand at many wrong codes. Here every code has the meaning that the code table of UCI's South German Credit gives it
(Grömping 2019, South German Credit Data: Correcting a Widely Used Data Set, Report 4/2019, Beuth University of Applied Sciences Berlin). The numbers from 1
to 4 are steps there, and have their words too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.core.language import later
from pellucid.core.language import said as _
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.table import Column, Table

Array = np.ndarray
NEVER, LESS, ANY, MORE = "never", "less", "any", "more"
"""How an applicant could change a column: not at all (what a person is, or has done), to lower numbers, to any value, to words further down its list."""
SEX, AGE, FOREIGN = "personal status and sex", "age", "foreign worker"
PROTECTED = (SEX, AGE, FOREIGN)
"""Columns that a bank may not, or should not, decide by."""


@dataclass(frozen=True)
class Wording:
    """A column of the source: what it is called, the sentence that says what an applicant gave, its words in their order (none for a number), a number's
    unit, and how it could change."""

    source: str
    name: str
    yours: str
    words: Mapping[str, str]
    unit: str = ""
    change: str = NEVER


WORDINGS = (
    Wording(
        "status of existing checking account",
        later("checking account"),
        later("Your checking account: {value}."),
        {
            "... < 0 DM": later("none"),
            "0 <= ... < 200 DM": later("overdrawn"),
            "... >= 200 DM / salary assignments for at least 1 year": later("0 to 200 DM"),
            "no checking account": later("200 DM or more, or salary for a year"),
        },
        change=MORE,
    ),
    Wording("duration", later("duration of the loan"), later("Your loan would run for {value}."), {}, later("months"), ANY),
    Wording(
        "credit history",
        later("payment history"),
        later("Your payment history: {value}."),
        {
            "no credits taken/ all credits paid back duly": later("late with payments in the past"),
            "all credits at this bank paid back duly": later("critical, or loans elsewhere"),
            "existing credits paid back duly till now": later("no loans, or all paid on time"),
            "delay in paying off in the past": later("present loans paid on time so far"),
            "critical account/ other credits existing (not at this bank)": later("all loans here paid on time"),
        },
    ),
    Wording(
        "purpose",
        later("purpose"),
        later("Your loan is for: {value}."),
        {
            "car (used)": later("new car"),
            "furniture/equipment": later("used car"),
            "radio/television": later("furniture"),
            "domestic appliances": later("radio or television"),
            "repairs": later("household appliances"),
            "education": later("repairs"),
            "retraining": later("vacation"),
            "business": later("retraining"),
            "others": later("business"),
            "car (new)": later("something else"),
        },
    ),
    Wording("credit amount", later("amount of the loan"), later("You ask for {value}."), {}, later("DM"), LESS),
    Wording(
        "savings account and bonds",
        later("savings"),
        later("Your savings: {value}."),
        {
            "... < 100 DM": later("none, or not known"),
            "100 <= ... < 500 DM": later("under 100 DM"),
            "500 <= ... < 1000 DM": later("100 to 500 DM"),
            "... >= 1000 DM": later("500 to 1,000 DM"),
            "unknown/ no savings account": later("1,000 DM or more"),
        },
        change=MORE,
    ),
    Wording(
        "present employment since",
        later("time in the present job"),
        later("Time in your present job: {value}."),
        {
            "unemployed": later("without a job"),
            "... < 1 year": later("under 1 year"),
            "1 <= ... < 4 years": later("1 to 4 years"),
            "4 <= ... < 7 years": later("4 to 7 years"),
            "... >= 7 years": later("7 years or more"),
        },
    ),
    Wording(
        "installment rate in percentage of disposable income",
        later("share of income for instalments"),
        later("Instalments would take this share of your income: {value}."),
        {"1": later("35% or more"), "2": later("25 to 35%"), "3": later("20 to 25%"), "4": later("under 20%")},
    ),
    Wording(
        SEX,
        later("personal status and sex"),
        later("Your personal status and sex: {value}."),
        {
            "male : divorced/separated": later("divorced or separated man"),
            "female : divorced/separated/married": later("woman not single, or single man"),
            "male : single": later("married or widowed man"),
            "male : married/widowed": later("single woman"),
        },
    ),
    Wording(
        "other debtors or guarantors",
        later("who else answers for the loan"),
        later("Who else answers for your loan: {value}."),
        {"none": later("nobody"), "co-applicant": later("a second applicant"), "guarantor": later("a guarantor")},
        change=ANY,
    ),
    Wording(
        "present residence since",
        later("time at the present address"),
        later("Time at your present address: {value}."),
        {"1": later("under 1 year"), "2": later("1 to 4 years"), "3": later("4 to 7 years"), "4": later("7 years or more")},
    ),
    Wording(
        "property",
        later("most valuable property"),
        later("Your most valuable property: {value}."),
        {
            "real estate": later("none, or not known"),
            "building society savings agreement/ life insurance": later("car or other things"),
            "car or other, not in attribute Savings account/bonds": later("savings contract or life insurance"),
            "unknown / no property": later("house or land"),
        },
    ),
    Wording(AGE, later("age"), later("You are {value} old."), {}, later("years")),
    Wording(
        "other installment plans",
        later("other instalments to pay"),
        later("Other instalments that you pay: {value}."),
        {"bank": later("at another bank"), "stores": later("at stores"), "none": later("none")},
        change=MORE,
    ),
    Wording("housing", later("home"), later("Your home: {value}."), {"rent": later("free of rent"), "own": later("rented"), "for free": later("your own")}),
    Wording(
        "number of existing credits at this bank",
        later("loans at this bank so far"),
        later("Your loans at this bank so far, this one too: {value}."),
        {"1": "1", "2": later("2 or 3"), "3": later("4 or 5"), "4": later("6 or more")},
    ),
    Wording(
        "job",
        later("kind of job"),
        later("Your kind of job: {value}."),
        {
            "unemployed/ unskilled - non-resident": later("none or unskilled, not resident"),
            "unskilled - resident": later("unskilled, resident"),
            "skilled employee / official": later("skilled, or civil servant"),
            "management/ self-employed/ highly qualified employee/ officer": later("manager, self-employed or highly qualified"),
        },
    ),
    Wording(
        "number of people being liable to provide maintenance for",
        later("people to provide for"),
        later("People whom you provide for: {value}."),
        {"1": later("up to 2"), "2": later("3 or more")},
    ),
    Wording(
        "telephone",
        later("telephone"),
        later("A telephone in your name: {value}."),
        {"none": later("no"), "yes, registered under the customers name": later("yes")},
        change=MORE,
    ),
    Wording(FOREIGN, later("foreign worker"), later("Foreign worker: {value}."), {"yes": later("no"), "no": later("yes")}),
)
BY_SOURCE = {wording.source: wording for wording in WORDINGS}
CLASSES = (later("repaid"), later("not repaid"))
"""Of the source's "good" and "bad"."""


def key_of(value: object) -> str:
    """How a value of the source stands in a wording's list: steps are numbers there.

    >>> key_of(np.float64(2.0)), key_of(np.str_("none"))
    ('2', 'none')
    """
    return str(value) if isinstance(value, str) else f"{float(value):g}"  # type: ignore[arg-type]


def reworded(data: Dataset, without: tuple[str, ...] = ()) -> Dataset:
    """The applicants in the words and the language spoken now, without some of the source's columns; a word that is not known stays as it is."""
    shown = [wording for wording in WORDINGS if wording.source not in without]
    columns = {_(wording.name): _column(wording, data.inputs[wording.source]) for wording in shown}
    rows = np.empty(len(data), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    units = {_(wording.name): _(wording.unit) for wording in shown if wording.unit}
    return Dataset(data.name, data.split, rows, data.labels, tuple(_(name) for name in CLASSES), data.source, data.licence, tuple(columns), units)


def table_of(data: Dataset, without: tuple[str, ...] = ()) -> Table:
    """The preprocessing of reworded rows. Words have the order of their list, so that the same seed gives the same network in every language."""
    shown = [wording for wording in WORDINGS if wording.source not in without]
    fitted = {column.name: column for column in Table.fit(data.inputs, encoding="codes", units=data.units).columns}
    return Table(tuple(_ordered(wording, fitted[_(wording.name)]) for wording in shown), "codes")


def _ordered(wording: Wording, column: Column) -> Column:
    known = tuple(dict.fromkeys(_(word) for word in wording.words.values()))
    return Column(column.name, (*known, *(word for word in column.categories if word not in known))) if column.categories else column


def _column(wording: Wording, values: Array) -> Array:
    if not wording.words:
        return values.astype(np.float64)
    return np.array([_(wording.words[key]) if (key := key_of(value)) in wording.words else key for value in values.tolist()])


def choices_of(row: Array, training: Dataset, most: int = 20) -> dict[str, dict[object, float]]:
    """What an applicant (1,), in reworded columns, could change, and to what: values that occur among the training applicants. The weight of a word is its
    share of them, that of a number how few of them lie between it and the applicant's own; of a number `most` values are tried, spread evenly over them."""
    found: dict[str, dict[object, float]] = {}
    for wording in WORDINGS:
        name = _(wording.name)
        if wording.change == NEVER or name not in (row.dtype.names or ()):
            continue
        held, own = training.inputs[name], row[name][0]
        values = dict(_numbers(held, float(own), wording.change, most)) if not wording.words else dict(_words(held, str(own), wording))
        found[name] = values
    return found


def _numbers(held: Array, own: float, change: str, most: int) -> Iterator[tuple[object, float]]:
    values, places = np.unique(held), np.sort(held)
    allowed = values[values < own] if change == LESS else values[values != own]
    spread = np.linspace(0, max(len(allowed) - 1, 0), min(most, len(allowed))).round().astype(int)
    for value in allowed[spread]:
        between = abs(int(np.searchsorted(places, value, "right")) - int(np.searchsorted(places, own, "right")))
        yield float(value), 1 - between / len(places)


def _words(held: Array, own: str, wording: Wording) -> Iterator[tuple[object, float]]:
    words = list(dict.fromkeys(_(word) for word in wording.words.values()))
    after = words[words.index(own) + 1 :] if wording.change == MORE and own in words else words
    for word in after:
        share = float((held == word).mean())
        if share and word != own:
            yield word, share
