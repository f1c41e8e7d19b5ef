"""Where a plan's samples come from: an array of any kind, read piece by piece, or a stream of batches."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pellucid.api._stream import Stream, check_shared, is_stream, packed_rows
from pellucid.core.errors import EmptyError, SettingError
from pellucid.core.inputs import check_inputs, check_numbers, check_shape, on_host
from pellucid.core.model import Model
from pellucid.core.packing import Packing, takes_several
from pellucid.core.preprocessing import Preprocessing
from pellucid.data.fitting import laid_out
from pellucid.data.load import load
from pellucid.plans.chosen import Chosen, Index, numbers_of
from pellucid.plans.raw import Raw
from pellucid.plans.shards import Shard, digest_of

Array = np.ndarray


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


class Rows(Chosen):
    """Chosen samples of anything with a shape that gives rows: an array, a memory-mapped file, a tensor."""

    def __init__(self, array: Any, index: Index, keywords: Mapping[str, Any], name: str) -> None:
        self.array, self.keywords, self.name = array, keywords, name
        self.packing = array.packing if isinstance(array, _Packed) else None
        self.count = len(array)
        self.numbers = numbers_of(index, self.count)
        self.samples = len(self.numbers)
        self.first = self.taken(self.numbers[:1])[0]

    def digest(self, rows: Sequence[Any]) -> str:
        return digest_of(rows)

    def taken(self, numbers: Sequence[int]) -> list[Array]:
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


def open_source(data: Any, index: Index, keywords: Mapping[str, Any], model: Model, name: str | None) -> tuple[Source, Mapping[str, Any]]:
    """The source of a plan's data, and the keywords with labels and class names that a named data set brings along."""
    if isinstance(data, (str, os.PathLike)):
        found = load(data, checked=False)
        name = name or (str(data) if not isinstance(data, Path) else data.name)
        keywords = ({} if found.labels is None else {"labels": found.labels}) | dict(keywords)
        if "class_names" not in keywords and model.traits.output_shape == (len(found.class_names),):
            keywords = dict(keywords) | {"class_names": found.class_names}
        data = found.inputs if keywords.get("preprocessing") is not None else laid_out(found.inputs, model.traits)
    preprocessing = keywords.get("preprocessing")
    if isinstance(preprocessing, Preprocessing):
        if is_stream(data):
            raise SettingError("a plan applies a preprocessing to samples that it can count, and data is a stream; give the samples, or their numbers.")
        return Raw(data, index, keywords, model, preprocessing, name or "samples"), keywords
    if preprocessing is not None:
        raise SettingError(f"preprocessing must be one of pellucid.data.preprocessings, or your own Preprocessing; got {type(preprocessing).__name__}.")
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
