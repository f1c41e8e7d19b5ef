"""One `.safetensors` file with one or more records: arrays as tensors, all else as JSON in the file's header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from pellucid.core.choices import Choices
from pellucid.core.comparison import Comparison
from pellucid.core.errors import DataNotFoundError, FormatError, SettingError
from pellucid.core.evaluation import Evaluation, Record
from pellucid.core.files import write_whole
from pellucid.core.records import Explanation
from pellucid.core.view import View
from pellucid.store.codec import RECORDS, Reader, Writer, check_version

Array = np.ndarray
KEY = "pellucid"
VERSION = 1


def save(records: Record | Sequence[Record], path: str | os.PathLike[str]) -> Path:
    """Write one record or several to one file; `load` gives them back. The same records give the same bytes.

    The file is written whole or not at all.
    """
    chosen = [records] if isinstance(records, Record) else list(records) if isinstance(records, Sequence) else [records]
    for record in chosen:
        if not isinstance(record, Record):
            raise SettingError(f"save takes explanations, views, inspections, evaluations and comparisons, got {type(record).__name__}.")
    if not chosen:
        raise SettingError("save needs at least one record, got none.")
    return write_whole(path, to_bytes(chosen))


def load(path: str | os.PathLike[str]) -> list[Record]:
    """The records of a file, in the order in which they were saved."""
    place = Path(path)
    try:
        content = place.read_bytes()
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no file {str(place)!r}; check the path.") from error
    except IsADirectoryError as error:
        raise FormatError(
            f"{str(place)!r} is a folder and cannot be read as one file; open what a plan has written with pellucid.Explanations({str(place)!r})."
        ) from error
    except OSError as error:
        raise FormatError(f"{str(place)!r} cannot be read: {error.strerror or error}. Give a file that pellucid.save wrote.") from error
    try:
        return from_bytes(content)
    except FormatError as error:
        raise FormatError(f"{str(place)!r}: {error}") from error


def to_bytes(records: Sequence[Record], notes: Mapping[str, Any] | None = None) -> bytes:
    """The file's content. `notes` (plain JSON) lie beside the records in its header: what a plan says of a shard."""
    writer = Writer()
    stored = [writer.encode(record, f"{i}") for i, record in enumerate(records)]
    header = {"type": "records", "version": VERSION, "records": stored} | ({} if notes is None else {"notes": notes})
    text = json.dumps(header, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return tensor_bytes(writer.tensors, metadata={KEY: text})


def from_bytes(content: bytes) -> list[Record]:
    """The records that a file's content holds."""
    header = _header(content)
    try:
        tensors = read_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"the arrays cannot be read ({error}); the file is damaged or cut short.") from error
    check_version(header.get("type"), header.get("version"), VERSION if header.get("type") == "records" else None)
    stored = header.get("records")
    if not isinstance(stored, list) or not all(isinstance(item, dict) and item.get("type") in RECORDS for item in stored):
        raise FormatError(f"the file should hold a list of {', '.join(RECORDS)}, but does not; it is damaged or of a newer release: upgrade pellucid.")
    try:
        records = [Reader(tensors).decode(item) for item in stored]
    except RecursionError as error:
        raise FormatError("its elements are nested too deep; the file is damaged.") from error
    for record in records:
        _check_lengths(record)
    return records


def notes_of(content: bytes) -> dict[str, Any]:
    """The notes that `to_bytes` was given; empty where there were none."""
    notes = _header(content).get("notes", {})
    return notes if isinstance(notes, dict) else {}


def _header(content: bytes) -> dict[str, Any]:
    """The JSON that `save` put into the header of a safetensors file."""
    foreign = "expected a .safetensors file that pellucid.save wrote"
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise FormatError(f"not a safetensors file, or cut short ({len(content)} bytes); {foreign}.")
    try:
        outer = json.loads(content[8 : 8 + size])
        text = outer["__metadata__"][KEY]
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not a safetensors file; {foreign}.") from error
    except (KeyError, TypeError, IndexError) as error:
        raise FormatError(f"a safetensors file, but without records of Pellucid (weights of a network?); {foreign}.") from error
    try:
        header = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"its description of the records cannot be read ({error}); the file is damaged.") from error
    if not isinstance(header, dict):
        raise FormatError("its description of the records is no object; the file is damaged.")
    return header


def _check_lengths(record: Record) -> None:
    """One row a sample in every array of a record."""
    if isinstance(record, Explanation):
        e = record
        rows: tuple[Array | Sized, ...] = (
            e.error,
            e.inputs,
            e.prediction,
            e.score,
            e.target.labels,
            e.cost.evaluations,
            e.cost.gradients,
            e.outcome,
            e.degrees,
            *e.statistics.values(),
            *(() if e.choices is None else _rows_of(e.choices)),
        )
        samples, shape_fits = _length(e.values), e.error.shape == e.values.shape
    elif isinstance(record, View):
        rows = tuple(array for name, array in record.values.items() if record.by_sample(name))
        samples, shape_fits = _length(record.inputs), True
    elif isinstance(record, Evaluation):
        scores = record.scores.values()
        rows = (record.verdicts, *(row for score in scores for row in (score.values, score.error, score.chance, score.evaluations, score.gradients)))
        samples, shape_fits = len(record.labels), True
    elif isinstance(record, Comparison):
        for one in (record.a, record.b):
            _check_lengths(one)
        rows, samples = (record.b, record.rank, record.rank_interval, record.overlap), len(record)
        shape_fits = record.error.shape == record.degrees.shape == record.a.values.shape == record.b.values.shape
    else:
        return
    if not shape_fits or any(_length(row) != samples for row in rows):
        raise FormatError("its arrays do not agree in length; the file is damaged.")


def _rows_of(choices: Choices) -> tuple[Array, ...]:
    """Every array of choices that has one row a sample."""
    apart = [array for choice in choices.options for array in (choice.values, choice.error)]
    return (choices.values, choices.error, choices.evaluations, choices.gradients, *apart)


def _length(rows: Array | Sized) -> int:
    """The number of rows; −1 for a single number."""
    return -1 if isinstance(rows, np.ndarray) and rows.ndim == 0 else len(rows)
