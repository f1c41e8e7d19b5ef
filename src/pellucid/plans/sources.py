"""Where a plan's samples come from: an array of any kind, read piece by piece, or a stream of batches."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pellucid.api._resume import axes_of
from pellucid.api._stream import Stream, check_shared, is_stream, packed_rows
from pellucid.core.errors import EmptyError, SettingError
from pellucid.core.inputs import check_inputs, check_numbers, check_shape, on_host
from pellucid.core.model import Model
from pellucid.core.packing import Packing, takes_several
from pellucid.data.fitting import laid_out
from pellucid.data.load import load
from pellucid.plans.shards import Shard, digest_of, own_rows
from pellucid.plans.written import plain

Array = np.ndarray
Index = int | slice | Sequence[int] | None


class Source(Protocol):
    """Samples in shards. `samples` is how many there are, None where only the end will tell; `first` is one of them, to know their shape and type."""

    name: str
    samples: int | None
    first: Array
    packing: Packing | None

    @property
    def fraction(self) -> float | None:
        """How much has been read, where `samples` is not known and this is."""

    def shards(self, size: int) -> Iterator[Shard]:
        """The samples, `size` at a time."""

    def fingerprint(self, size: int) -> str | None:
        """A digest of all the samples; None where they can be read only once."""

    def chosen(self) -> str:
        """Which samples of the data these are, in words."""


class Rows:
    """Chosen samples of anything with a shape that gives rows: an array, a memory-mapped file, a tensor."""

    def __init__(self, array: Any, index: Index, keywords: Mapping[str, Any], name: str) -> None:
        self.array, self.keywords, self.name = array, keywords, name
        self.packing: Packing | None = array.packing if isinstance(array, _Packed) else None
        self.numbers = numbers_of(index, len(array))
        self.samples: int | None = len(self.numbers)
        self.first = self._rows(self.numbers[:1])[0]

    @property
    def fraction(self) -> float | None:
        return None

    def shards(self, size: int) -> Iterator[Shard]:
        for number, start in enumerate(range(0, len(self.numbers), size)):
            chosen = self.numbers[start : start + size]
            rows = self._rows(chosen)
            own = own_rows(self.keywords, chosen, len(self.array), axes_of(self.first[None], self.packing))
            yield Shard(number, tuple(chosen), tuple(rows), digest_of(rows), own)

    def fingerprint(self, size: int) -> str | None:
        """Of the samples and of what belongs to each of them."""
        found = hashlib.sha256()
        for shard in self.shards(size):
            found.update(shard.digest.encode())
            for name, value in shard.own.items():
                found.update(name.encode() + json.dumps(plain(value, whole=False)).encode())
        return found.hexdigest()[:32]

    def chosen(self) -> str:
        kept = self.numbers
        if isinstance(kept, range):
            return f"{kept.start}:{kept.stop}" + (f":{kept.step}" if kept.step != 1 else "")
        return f"{len(kept)} samples, sha256 {hashlib.sha256(np.array(kept, np.int64).tobytes()).hexdigest()[:16]}"

    def _rows(self, numbers: Sequence[int]) -> list[Array]:
        """Read in one go where they follow each other, which files on disk are quick at."""
        if isinstance(numbers, range) and numbers.step == 1:
            return list(np.asarray(on_host(self.array[numbers.start : numbers.stop])))
        return [np.asarray(on_host(self.array[number])) for number in numbers]


class _Packed:
    """Several inputs as one array, packed piece by piece."""

    def __init__(self, data: Any, packing: Packing) -> None:
        self.packing = packing
        self._arrays = {name: value if hasattr(value, "chunks") else np.asarray(on_host(value)) for name, value in packing.listed(data, "data").items()}

    def __len__(self) -> int:
        return max(len(array) for array in self._arrays.values())

    def __getitem__(self, index: int | slice) -> Array:
        if isinstance(index, slice):
            return packed_rows(self.packing, {name: array[index] for name, array in self._arrays.items()})
        row: Array = self[index : index + 1][0]
        return row


class Streamed:
    """The samples of a stream, in the order in which they come."""

    def __init__(self, stream: Any, keywords: Mapping[str, Any], model: Model, name: str) -> None:
        self.name = name
        self.samples: int | None = None
        self._stream = Stream(stream, model)
        self._rest = iter(self._stream)
        found = next(self._rest, None)
        if found is None:
            raise EmptyError("the data is a stream without a single sample; a generator can be read only once.")
        self.first = found
        self.packing = self._stream.packing
        check_shared(keywords, self.first)
        for word in ("target", "labels"):
            if isinstance(on_host(keywords.get(word)), (list, np.ndarray)) and np.ndim(keywords[word]):
                raise SettingError(f"{word} holds an entry for each sample, which a plan takes for an array of samples only, not for a stream.")

    @property
    def fraction(self) -> float | None:
        return self._stream.fraction

    def shards(self, size: int) -> Iterator[Shard]:
        rest, start = itertools.chain([self.first], self._rest), 0
        for number in itertools.count():
            rows = list(itertools.islice(rest, size))
            if not rows:
                return
            yield Shard(number, tuple(range(start, start + len(rows))), tuple(rows), digest_of(rows))
            start += len(rows)

    def fingerprint(self, size: int) -> str | None:
        return None

    def chosen(self) -> str:
        return "all, in the order in which they come"


def numbers_of(index: Index, count: int) -> Sequence[int]:
    """The numbers of the chosen samples, out of `count`; a range where they are one.

    >>> numbers_of(slice(2, None), 5), numbers_of([0, -1], 5), numbers_of(None, 3)
    (range(2, 5), range(0, 5, 4), range(0, 3))
    """
    if isinstance(index, (slice, type(None))):
        chosen: Sequence[int] = range(count)[index or slice(None)]
    else:
        given = [int(i) for i in np.ravel(index)]
        wrong = next((i for i in given if not -count <= i < count), None)
        if wrong is not None:
            raise SettingError(f"index: there is no sample {wrong}; the data has {count}, 0 to {count - 1}.")
        chosen = _as_range(tuple(i % count for i in given))
    if not len(chosen):
        raise EmptyError(f"index {index} chooses no sample; the data has {count}.")
    return chosen


def _as_range(numbers: tuple[int, ...]) -> Sequence[int]:
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    found = range(numbers[0], numbers[-1] + (1 if step > 0 else -1), step) if numbers and step else range(0)
    return found if found and tuple(found) == numbers else numbers


def open_source(data: Any, index: Index, keywords: Mapping[str, Any], model: Model, name: str | None) -> tuple[Source, Mapping[str, Any]]:
    """The source of a plan's data, and the keywords with labels and class names that a named data set brings along."""
    if isinstance(data, (str, os.PathLike)):
        found = load(data, checked=False)
        name = name or (str(data) if not isinstance(data, Path) else data.name)
        keywords = ({} if found.labels is None else {"labels": found.labels}) | dict(keywords)
        if "class_names" not in keywords and model.traits.output_shape == (len(found.class_names),):
            keywords = dict(keywords) | {"class_names": found.class_names}
        data = laid_out(found.inputs, model.traits)
    if is_stream(data):
        if index is not None:
            raise SettingError("index chooses samples of an array; a stream is explained from its first sample to its last. Cut it with itertools.islice.")
        return Streamed(data, keywords, model, name or type(data).__name__), keywords
    if (model.packing is not None and not isinstance(data, np.ndarray)) or takes_several(model.traits.inputs, data):
        return Rows(_Packed(data, model.packing or Packing.of(data, model.traits.inputs)), index, keywords, name or "arrays"), keywords
    array = data if isinstance(data, np.ndarray) or hasattr(data, "chunks") else _in_memory(data)
    if isinstance(array, np.ndarray):
        check_numbers(array, "data")
    if model.traits.input_shape is not None:
        check_shape(array, model.traits.input_shape, "data")
    elif not len(array.shape):
        raise SettingError("data is a single number, expected an array of samples.")
    if not len(array):
        raise EmptyError("data holds no sample. Give at least one.")
    return Rows(array, index, keywords, name or "array"), keywords


def _in_memory(data: Any) -> Array:
    """A tensor, table or list as an array, in its own type; what lies on a disk (h5py, zarr, dask: these have `chunks`) is never read as a whole."""
    array = on_host(data)
    return array if isinstance(array, np.ndarray) and array.dtype.kind in "fiub" else check_inputs(array, None, "data", finite=False)


def described(source: Source, size: int) -> dict[str, Any]:
    """What the manifest says of the data."""
    first = source.first
    told = {"name": source.name, "index": source.chosen(), "samples": source.samples, "sample_shape": list(first.shape), "dtype": str(first.dtype)}
    several = {} if source.packing is None else {"inputs": dict(zip(source.packing.names, map(list, source.packing.shapes), strict=True))}
    return told | several | {"fingerprint": source.fingerprint(size)}


def first_shard(shards: Iterable[Shard]) -> tuple[Shard, Iterator[Shard]]:
    """The first shard, and all of them."""
    rest = iter(shards)
    first = next(rest)
    return first, itertools.chain([first], rest)
