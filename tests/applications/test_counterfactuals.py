"""The fewest changes that turn an answer, beside a slow twin that tries every row there is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from pellucid.applications import counterfactuals as changes
from pellucid.applications.counterfactuals import smallest_changes
from pellucid.core.errors import SettingError, ShapeError

Array = np.ndarray
FIELDS = [("amount", "f8"), ("months", "f8"), ("savings", "U4"), ("age", "f8")]
CHOICES: dict[str, dict[Any, float]] = {
    "amount": {1.0: 0.5, 2.0: 0.9, 3.0: 0.7},
    "months": {6.0: 0.3, 12.0: 0.8, 24.0: 1.0},
    "savings": {"none": 0.6, "some": 0.3, "much": 0.1},
}
WORTH = {"none": 0.0, "some": 0.7, "much": 1.4}


def rows_of(*rows: tuple[Any, ...]) -> Array:
    return np.array(list(rows), dtype=FIELDS)


def risk(weights: tuple[float, ...]) -> Callable[[Array], Array]:
    """A network written down: a bent sum with one pair of columns that count together."""

    def score(rows: Array) -> Array:
        worth = np.array([WORTH[word] for word in rows["savings"]])
        raw = weights[0] * rows["amount"] + weights[1] * rows["months"] / 12 - weights[2] * worth - weights[3] * worth * (rows["amount"] < 2) - weights[4]
        return np.asarray(1 / (1 + np.exp(-raw)))

    return score


def twin(score: Callable[[Array], Array], row: Array, limit: float, most: int) -> dict[frozenset[str], tuple[float, dict[str, Any]]]:
    """Every row of the choices, one at a time; of the fewest columns that suffice, each set with its likeliest values."""
    found: dict[frozenset[str], tuple[float, dict[str, Any]]] = {}
    for values in product(*({**CHOICES[column], row[column][0]: 1.0} for column in CHOICES)):
        new = row.copy()
        for column, value in zip(CHOICES, values, strict=True):
            new[column] = value
        changed = {column: value for column, value in zip(CHOICES, values, strict=True) if value != row[column][0]}
        if not changed or len(changed) > most or score(new)[0] >= limit:
            continue
        weight = float(np.prod([CHOICES[column][value] for column, value in changed.items()]))
        key = frozenset(changed)
        if key not in found or weight > found[key][0]:
            found[key] = (weight, changed)
    least = min(map(len, found), default=0)
    return {key: one for key, one in found.items() if len(key) == least}


@pytest.mark.parametrize("seed", range(30))
def test_the_fewest_changes_are_those_of_the_twin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the network and the row; also where rows are answered a few at a time."""
    draw = np.random.default_rng(seed)
    score = risk((*draw.uniform(0.2, 1.5, 4), float(draw.uniform(-1, 3))))
    row = rows_of((draw.choice([1.0, 2.0, 3.0]), draw.choice([6.0, 24.0]), draw.choice(list(WORTH)), 30.0))
    limit = float(draw.uniform(0.3, 0.6))
    found = smallest_changes(score, row, CHOICES, limit=limit, count=10)
    if found.before < limit:
        assert found.found == ()
        return
    wanted = twin(score, row, limit, 3)
    assert {frozenset(one.values): one.weight for one in found.found} == pytest.approx({key: weight for key, (weight, _) in wanted.items()})
    assert [one.weight for one in found.found] == sorted((one.weight for one in found.found), reverse=True)
    for one in found.found:
        new = row.copy()
        for column, value in one.values.items():
            new[column] = value
        assert one.score == pytest.approx(float(score(new)[0]))
        assert one.score < limit
    monkeypatch.setattr(changes, "AT_ONCE", 2)
    assert smallest_changes(score, row, CHOICES, limit=limit, count=10) == found


def test_the_draws_reach_one_two_and_three_columns() -> None:
    """The twin is compared where it takes one column, two, three, and where nothing suffices."""
    sizes = [smallest_changes(risk((1.0, 0.8, 0.9, 0.6, shift)), rows_of((3.0, 24.0, "none", 30.0)), CHOICES).size for shift in (4.0, 1.2, 0.2, -4.0)]
    assert sizes == [1, 2, 3, 0]


def test_what_is_as_it_should_be_needs_no_change_and_fewer_are_kept_on_request() -> None:
    score, row = risk((1.0, 0.8, 0.9, 0.6, 4.4)), rows_of((3.0, 24.0, "none", 30.0))
    assert smallest_changes(score, row, CHOICES, limit=0.99).found == ()
    every, two = (smallest_changes(score, row, CHOICES, count=count) for count in (10, 2))
    assert len(every.found) == 3
    assert two.found == every.found[:2]
    assert row.tolist() == [(3.0, 24.0, "none", 30.0)]


def test_bad_rows_and_columns() -> None:
    score, row = risk((1.0, 0.8, 0.9, 0.6, 4.5)), rows_of((3.0, 24.0, "none", 30.0))
    with pytest.raises(SettingError, match="unknown column 'saving'"):
        smallest_changes(score, row, {"saving": {"some": 1.0}})
    with pytest.raises(ShapeError, match="expected one row of a structured array"):
        smallest_changes(score, np.repeat(row, 2), CHOICES)
