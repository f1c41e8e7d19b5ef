"""Samples as a person gives them, in shards: each shard is made into the network's numbers where it is explained."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.api._inputs import gather
from pellucid.core.errors import DataNotFoundError, EmptyError, InputError, PellucidError, ShapeError
from pellucid.core.inputs import on_host
from pellucid.core.model import Model
from pellucid.core.packing import Packing
from pellucid.core.preprocessing import Preprocessing
from pellucid.plans.chosen import Chosen, Index, numbers_of

Array = np.ndarray


class Raw(Chosen):
    """Chosen samples of what a preprocessing takes: an array, a mapping name → values or a DataFrame, or a list. `first` is the first that it can use, as the
    network takes it; `InputError` where it can use none."""

    def __init__(self, data: Any, index: Index, keywords: Mapping[str, Any], model: Model, preprocessing: Preprocessing, name: str) -> None:
        self.data, self.keywords, self.name = _by_rows(data), keywords, name
        self.count = _count(self.data)
        self.numbers = numbers_of(index, self.count)
        self.samples = len(self.numbers)
        self.first, self.packing = self._first(model, preprocessing)

    def taken(self, numbers: Sequence[int]) -> tuple[Any, ...]:
        return tuple(_row(self.data, number) for number in numbers)

    def digest(self, rows: Sequence[Any]) -> str:
        return raw_digest(rows)

    def _first(self, model: Model, preprocessing: Preprocessing) -> tuple[Array, Packing | None]:
        refused: PellucidError | None = None
        for number in self.numbers:
            try:
                met, inputs = gather(model, preprocessing.inputs(_row(self.data, number)))
                return inputs[0], met.packing
            except (InputError, DataNotFoundError) as error:
                refused = refused or error
        raise refused or EmptyError("data holds no sample. Give at least one.")


def raw_digest(rows: Sequence[Any]) -> str:
    """SHA-256 over samples as they are given; of a file its content."""
    found = hashlib.sha256()
    for row in rows:
        for name, values in row.items() if isinstance(row, Mapping) else [("", row)]:
            found.update(name.encode())
            for value in values:
                found.update(_bytes(value))
    return found.hexdigest()


def _by_rows(data: Any) -> Any:
    """Data as what rows are taken of: an array, a mapping of arrays, or a list."""
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return {str(name): data[name].to_numpy() for name in data.columns}
    if isinstance(data, Mapping):
        return {str(name): np.atleast_1d(np.asarray(values)) for name, values in data.items()}
    if isinstance(data, str):
        return [data]
    if isinstance(data, (list, tuple)):
        return list(data)
    array = np.asarray(on_host(data))
    return array[None] if array.dtype.names and not array.ndim else array


def _count(data: Any) -> int:
    """How many samples there are."""
    lengths = {name: len(values) for name, values in data.items()} if isinstance(data, Mapping) else {"": len(data)}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"the columns have different lengths ({lengths}); give one value a row.")
    count = next(iter(lengths.values()), 0)
    if not count:
        raise EmptyError("data holds no sample. Give at least one.")
    return count


def _row(data: Any, number: int) -> Any:
    """One sample, as what several of them are."""
    return {name: values[number : number + 1] for name, values in data.items()} if isinstance(data, Mapping) else data[number : number + 1]


def _bytes(value: Any) -> bytes:
    """What tells one sample's value from another."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.void) and value.dtype.names:
        return json.dumps([str(value[name]) for name in value.dtype.names]).encode()
    if isinstance(value, (str, os.PathLike)) and len(os.fspath(value)) < 1000 and Path(value).is_file():
        return hashlib.sha256(Path(value).read_bytes()).digest()
    if isinstance(value, Mapping):
        return json.dumps([[str(name), str(item)] for name, item in value.items()]).encode()
    if isinstance(value, (list, tuple)):
        return b"".join(_bytes(item) for item in value)
    return f"{type(value).__name__}:{value}\n".encode()
