"""What would have to change in a row for a network's answer to be another: the fewest columns, and of their values the most likely ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError, ShapeError, unknown

Array = np.ndarray
AT_ONCE = 20_000
"""Rows that are answered at a time."""


@dataclass(frozen=True)
class Change:
    """New values by column, the score of the row with them, and how likely they are: the product of the weights of the values."""

    values: Mapping[str, Any]
    score: float
    weight: float


@dataclass(frozen=True)
class Changes:
    """The changes of the fewest columns that suffice, the likeliest first; none where up to `most` columns do not. `before` is the score of the row as it
    is, `tried` how many changed rows were answered."""

    before: float
    found: tuple[Change, ...]
    most: int
    tried: int

    @property
    def size(self) -> int:
        """How many columns it takes; 0 where none was found, or none is needed."""
        return len(self.found[0].values) if self.found else 0


@dataclass
class _Search:
    """One row, and the answer to rows that differ from it."""

    score: Callable[[Array], Array]
    row: Array
    limit: float
    tried: int = field(default=0)

    def best(self, columns: Sequence[str], choices: Mapping[str, Mapping[Any, float]]) -> Change | None:
        """The likeliest values of just these columns that bring the score below the limit; of equally likely ones those of the lowest score."""
        shape = [len(choices[column]) for column in columns]
        values = [list(choices[column]) for column in columns]
        weights = [np.array(list(choices[column].values()), dtype=float) for column in columns]
        best: tuple[float, float, int] | None = None
        for first in range(0, prod(shape), AT_ONCE):
            places = np.arange(first, min(first + AT_ONCE, prod(shape)))
            picks = np.unravel_index(places, shape)
            rows = np.repeat(self.row, len(places))
            for column, chosen, pick in zip(columns, values, picks, strict=True):
                rows[column] = np.array(chosen, dtype=self.row.dtype[column])[pick]
            scores = np.asarray(self.score(rows), dtype=float)
            self.tried += len(rows)
            likely = np.prod([one[pick] for one, pick in zip(weights, picks, strict=True)], axis=0)
            for place in np.flatnonzero(scores < self.limit):
                one = (float(likely[place]), -float(scores[place]), int(-places[place]))
                best = one if best is None or one > best else best
        if best is None:
            return None
        picked = np.unravel_index(-best[2], shape)
        return Change({column: chosen[int(pick)] for column, chosen, pick in zip(columns, values, picked, strict=True)}, -best[1], best[0])


def smallest_changes(
    score: Callable[[Array], Array], row: Array, choices: Mapping[str, Mapping[Any, float]], *, limit: float = 0.5, most: int = 3, count: int = 5
) -> Changes:
    """The fewest columns whose change brings a row's score below `limit`, every combination of the values in `choices` tried.

    `score` takes rows of a structured array (n,) and gives numbers (n,); `row` is one such row, (1,). `choices` holds for each column that may change the
    values it may take with a weight each, such as how common the value is; the row's own value is passed over. Sets of one column are tried first, then of two,
    up to `most`; where sets of one size suffice, no larger ones are tried. Of each set the likeliest values are kept, and of the sets the `count` likeliest.

    It is the score that changes, not the world: whether a person can change a column, and what else would change with it, nobody asks here. `SettingError` for
    a column that the row does not have, `ShapeError` for more than one row.

    >>> row = np.array([(1000.0, "none")], dtype=[("amount", "f8"), ("guarantor", "U4")])
    >>> risk = lambda rows: rows["amount"] / 1000 - (rows["guarantor"] == "yes")
    >>> found = smallest_changes(risk, row, {"amount": {800.0: 0.9, 400.0: 0.2}, "guarantor": {"none": 0.9, "yes": 0.1}})
    >>> found.size, [dict(change.values) for change in found.found], found.tried
    (1, [{'amount': 400.0}, {'guarantor': 'yes'}], 3)
    """
    if row.shape != (1,) or row.dtype.names is None:
        raise ShapeError(f"row has shape {row.shape} and dtype {row.dtype}, expected one row of a structured array, (1,); take rows[i : i + 1].")
    for column in choices:
        if column not in row.dtype.names:
            raise SettingError(unknown("column", column, row.dtype.names))
    before = float(score(row)[0])
    if before < limit:
        return Changes(before, (), most, 0)
    other = {column: {value: weight for value, weight in values.items() if value != row[column][0]} for column, values in choices.items()}
    other = {column: values for column, values in other.items() if values}
    search = _Search(score, row, limit)
    for size in range(1, most + 1):
        sets = [search.best(columns, other) for columns in combinations(other, size)]
        found = sorted((one for one in sets if one is not None), key=lambda one: (-one.weight, one.score))
        if found:
            return Changes(before, tuple(found[:count]), most, search.tried)
    return Changes(before, (), most, search.tried)
