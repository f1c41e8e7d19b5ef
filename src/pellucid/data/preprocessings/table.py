"""Rows of a table: numbers standardised, categories spread over columns or numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from pellucid.core.errors import DtypeError, EmptyError, InputError, NonFiniteError, SettingError, ShapeError, unknown
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import on_host
from pellucid.core.preprocessing import Preprocessing

Array = np.ndarray
ENCODINGS = ("onehot", "codes")
MISSING = ("error", "mean")
NUMBERS, CATEGORIES = "numbers", "categories"
"""What the two inputs of a network are called that takes categories as numbers."""


@dataclass(frozen=True)
class Column:
    """One column: a number, of this mean and deviation and perhaps a unit, or, where it has `categories`, one of these words."""

    name: str
    categories: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Table(Preprocessing):
    """Rows as a person writes them, numeric and categorical columns by name, and the arrays a network takes.

    `raw`: a pandas DataFrame, a mapping name → values, a list of mappings (one a row), a NumPy structured array, or numbers (rows, columns) where all columns
    are numbers. Columns may come in any order; those that the network does not take are left out.

    encoding: "onehot" gives one array (rows, total), a number standardised, a category as many columns as it has words; "codes" gives two inputs,
    "numbers" (rows, numeric columns) and "categories" (rows, categorical columns, whole numbers from 0), or one of them where there is but one kind.
    missing: "error" refuses a row in which a number is missing (NaN, None, an empty text), "mean" takes the column's mean instead. A category that was not
    there when the table was fitted is always an error, and so is a missing one unless "" was among them.

    A person's feature is a column, however many elements it is spread over.

    >>> rows = {"age": [20.0, 40.0], "home": ["own", "rent"]}
    >>> table = Table.fit(rows, units={"age": "years"})
    >>> table.inputs(rows).tolist(), table.features(rows).names
    ([[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]], ('age', 'home'))
    >>> table.given(rows)[1]["data"]
    ['40 years', 'rent']
    """

    columns: tuple[Column, ...]
    encoding: str = "onehot"
    missing: str = "error"
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        if not self.columns:
            raise EmptyError("a table needs at least one column.")
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingError(f"the table names {', '.join(twice)} twice; give each column a name of its own.")
        for word, value, known in (("encoding", self.encoding, ENCODINGS), ("missing", self.missing, MISSING)):
            if value not in known:
                raise SettingError(unknown(word, value, known))

    @classmethod
    def fit(cls, raw: Any, *, encoding: str = "onehot", missing: str = "error", units: Mapping[str, str] | None = None) -> Self:
        """The preprocessing of such rows: means and deviations of numbers, the words of each category in alphabetical order. Text is a category."""
        columns = []
        given = _by_name(raw)
        for name in units or {}:
            if name not in given:
                raise SettingError(unknown("column with a unit", name, given))
        for name, values in given.items():
            if values.dtype.kind in "biuf":
                known = values[np.isfinite(values.astype(float))].astype(float)
                if not len(known):
                    raise NonFiniteError(f"column '{name}' holds no number; leave it out.")
                columns.append(Column(name, (), float(known.mean()), float(known.std()) or 1.0, (units or {}).get(name, "")))
            else:
                columns.append(Column(name, tuple(sorted({_word(value) for value in values}))))
        return cls(tuple(columns), encoding, missing)

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        columns = tuple(Column(**{**column, "categories": tuple(column.get("categories", ()))}) for column in settings["columns"])
        return super().of_settings({**settings, "columns": columns})

    @property
    def numeric(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if not column.categories)

    @property
    def categorical(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.categories)

    def inputs(self, raw: Any) -> Array | dict[str, Array]:
        given = self._named(raw)
        if self.encoding == "onehot":
            parts = [self._onehot(column, given[column.name]) if column.categories else self._number(column, given[column.name]) for column in self.columns]
            return np.concatenate(parts, axis=1)
        found: dict[str, Array] = {}
        if self.numeric:
            found[NUMBERS] = np.concatenate([self._number(column, given[column.name]) for column in self.numeric], axis=1)
        if self.categorical:
            found[CATEGORIES] = np.stack([self._codes(column, given[column.name]) for column in self.categorical], axis=1)
        return found if len(found) > 1 else next(iter(found.values()))

    def given(self, raw: Any) -> list[dict[str, Any]]:
        given = self._named(raw)
        rows = len(next(iter(given.values())))
        names, of = [column.name for column in self._in_order], self.features(raw).labels[0].tolist()
        return [{"names": names, "data": [_read(column, given[column.name][row]) for column in self._in_order], "of": of} for row in range(rows)]

    def features(self, raw: Any) -> FeatureMap:
        widths = [len(column.categories) if column.categories and self.encoding == "onehot" else 1 for column in self._in_order]
        labels = np.repeat(np.arange(len(widths)), widths)[None]
        return FeatureMap(labels, tuple(column.name for column in self._in_order), "columns")

    @property
    def joins(self) -> bool:
        return self.encoding == "onehot" and bool(self.categorical)

    def restored(self, inputs: Array) -> Array:
        """The rows as a structured array, numbers with their units' scale and categories as words."""
        inputs = np.asarray(inputs)
        fields = [(column.name, f"U{max(map(len, column.categories))}" if column.categories else "f8") for column in self.columns]
        found, place = np.empty(len(inputs), dtype=fields), 0
        for column in self._in_order:
            width = len(column.categories) if column.categories and self.encoding == "onehot" else 1
            part = inputs[:, place : place + width]
            place += width
            if column.categories:
                code = part.argmax(axis=1) if width > 1 or self.encoding == "onehot" else part[:, 0].round().astype(int)
                found[column.name] = np.array(column.categories)[np.clip(code, 0, len(column.categories) - 1)]
            else:
                found[column.name] = part[:, 0].astype(float) * column.deviation + column.mean
        return found

    def compared(self, raw: Any) -> Array | dict[str, Array]:
        """Categories side by side: their numbers say nothing of how unlike they are."""
        return replace(self, encoding="onehot").inputs(raw)

    @property
    def _in_order(self) -> tuple[Column, ...]:
        """Columns as the network's inputs lie: numbers before categories where they are two inputs."""
        return self.columns if self.encoding == "onehot" else (*self.numeric, *self.categorical)

    def _named(self, raw: Any) -> dict[str, Array]:
        """The table's own columns, checked."""
        given = _by_name(raw, [column.name for column in self.columns])
        for column in self.columns:
            if column.name not in given:
                raise InputError(
                    f"column '{column.name}' is missing; the rows have {', '.join(given)}, the table takes {', '.join(one.name for one in self.columns)}."
                )
        return {column.name: given[column.name] for column in self.columns}

    def _number(self, column: Column, values: Array) -> Array:
        """Standardised, (rows, 1)."""
        numbers = np.array([_number(value, column.name, row) for row, value in enumerate(values)])
        gone = np.flatnonzero(np.isnan(numbers))
        if len(gone) and self.missing == "error":
            raise NonFiniteError(
                f"row {gone[0]} has no number in column '{column.name}' (missing in {len(gone)} of {len(values)} rows); "
                "fill it in, leave the row out, or fit the table with missing='mean'."
            )
        if np.isinf(numbers).any():
            raise NonFiniteError(f"row {np.flatnonzero(np.isinf(numbers))[0]} has infinity in column '{column.name}'; give a number.")
        numbers = np.where(np.isnan(numbers), column.mean, numbers)
        return np.asarray((numbers - column.mean) / column.deviation, dtype=np.float32)[:, None]

    def _codes(self, column: Column, values: Array) -> Array:
        """The number of each row's category, (rows,)."""
        places = {word: place for place, word in enumerate(column.categories)}
        found = np.empty(len(values), dtype=np.int64)
        for row, value in enumerate(values):
            word = _word(value)
            if word not in places:
                what = "is empty" if not word else f"is '{word}'"
                raise InputError(
                    f"column '{column.name}' {what} in row {row}, which the network was not trained on; it knows {', '.join(map(repr, column.categories))}."
                )
            found[row] = places[word]
        return found

    def _onehot(self, column: Column, values: Array) -> Array:
        return np.eye(len(column.categories), dtype=np.float32)[self._codes(column, values)]


def _by_name(raw: Any, names: Sequence[str] = ()) -> dict[str, Array]:
    """Column → its values, (rows,), of whatever a table is given as."""
    if hasattr(raw, "columns") and hasattr(raw, "to_numpy"):
        found = {str(name): raw[name].to_numpy() for name in raw.columns}
    elif isinstance(raw, Mapping):
        found = {str(name): np.asarray(values) for name, values in raw.items()}
        if found and all(values.ndim == 0 for values in found.values()):
            found = {name: values[None] for name, values in found.items()}
    elif isinstance(raw, (list, tuple)) and raw and all(isinstance(row, Mapping) for row in raw):
        missing = [(number, name) for number, row in enumerate(raw) for name in raw[0] if name not in row]
        if missing:
            raise InputError(f"row {missing[0][0]} has no column '{missing[0][1]}', which row 0 has; give the same columns in every row.")
        found = {str(name): np.array([row[name] for row in raw], dtype=None if _numbers(raw, name) else object) for name in raw[0]}
    else:
        array = np.asarray(on_host(raw))
        if array.dtype.names:
            array = np.atleast_1d(array)
            found = {name: array[name] for name in array.dtype.names or ()}
        elif array.ndim == 2 and array.dtype.kind in "biuf" and (not names or array.shape[1] == len(names)):
            found = {names[i] if names else f"column {i}": array[:, i] for i in range(array.shape[1])}
        else:
            takes = f"{len(names)} columns, {', '.join(names)}" if names else "rows with names"
            raise InputError(f"got {type(raw).__name__} of shape {array.shape}, expected {takes}: a DataFrame, a mapping name → values, or a list of mappings.")
    counts = {name: len(values) for name, values in found.items() if values.ndim == 1}
    if len(counts) != len(found) or len(set(counts.values())) > 1:
        raise ShapeError(f"the columns have different lengths or axes ({ {name: values.shape for name, values in found.items()} }); give one value a row.")
    if not found or not next(iter(counts.values())):
        raise EmptyError("the table has no rows; give at least one.")
    return found


def _numbers(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(row[name], (int, float, np.number)) for row in rows)


def _number(value: Any, name: str, row: int) -> float:
    """A cell as a number, NaN where it is missing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DtypeError(f"column '{name}' holds '{value}' in row {row}, expected a number.") from None


def _word(value: Any) -> str:
    """A cell as a category; what is missing is the empty word."""
    missing = value is None or (isinstance(value, (float, np.floating)) and np.isnan(value))
    return "" if missing else str(value).strip()


def _read(column: Column, value: Any) -> str:
    """A cell as a person reads it."""
    if column.categories:
        return _word(value)
    number = _number(value, column.name, 0)
    return "missing" if np.isnan(number) else f"{number:.6g} {column.unit}".strip()
