"""Tables of comma-separated values, as they come from a folder, from a package, or packed with Pellucid."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pellucid.core.errors import InputError
from pellucid.data.datasets import _places

FILES = Path(__file__).parent / "files"
"""What comes with Pellucid."""


def read_columns(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """These columns of a table (UTF-8, packed where the name ends in .xz), row by row; `InputError` where the file is damaged."""
    opened = lzma.open if path.suffix == ".xz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file, strict=True)
        numbers = [names.index(column) for column in columns]
    except (OSError, EOFError, csv.Error, lzma.LZMAError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a data set ({error}); expected a table with the columns {', '.join(columns)}. {_places.ADVICE}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise InputError(f"{path}: row {number} has {len(row)} fields, the first line names {len(names)} columns. {_places.ADVICE}")
    return [tuple(row[number] for number in numbers) for row in rows]


def sentences(rows: Sequence[tuple[str, ...]], samples: int, classes: int, path: Path) -> _places.Raw:
    """Rows of a text and its class as data; `InputError` where they are not as many, or one has no text or no class."""
    texts, labels = np.array([row[0] for row in rows]), np.array([int(row[1]) if row[1].isdecimal() else -1 for row in rows])
    if len(rows) != samples:
        raise InputError(f"{path} holds {len(rows)} sentences, expected {samples}. {_places.ADVICE}")
    if not all(text.strip() for text in texts):
        raise InputError(f"{path} holds an empty sentence. {_places.ADVICE}")
    return texts, _places.classes_of(labels, samples, classes, str(path)), str(path)
