"""Which samples of a plan's data are explained: their numbers, in words, and a digest of them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.api._resume import axes_of
from pellucid.core.errors import EmptyError, SettingError
from pellucid.core.packing import Packing
from pellucid.plans.shards import Shard, own_rows
from pellucid.plans.written import plain

Array = np.ndarray
Index = int | slice | Sequence[int] | None


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


def rows_fingerprint(shards: Iterable[Shard]) -> str:
    """A digest of shards, and of what belongs to each of their samples."""
    found = hashlib.sha256()
    for shard in shards:
        found.update(shard.digest.encode())
        for name, value in shard.own.items():
            found.update(name.encode() + json.dumps(plain(value, whole=False)).encode())
    return found.hexdigest()[:32]


class Chosen(ABC):
    """A source that gives its samples by number: `numbers` of `count` are chosen, `first` is one as the network takes it, `keywords` may hold a value for each
    sample of the data."""

    name: str
    numbers: Sequence[int]
    count: int
    samples: int | None
    keywords: Mapping[str, Any]
    first: Array
    packing: Packing | None

    @property
    def fraction(self) -> float | None:
        return None

    @abstractmethod
    def taken(self, numbers: Sequence[int]) -> Sequence[Any]:
        """The samples with these numbers."""

    @abstractmethod
    def digest(self, rows: Sequence[Any]) -> str:
        """A digest of samples."""

    def shards(self, size: int) -> Iterator[Shard]:
        for number, start in enumerate(range(0, len(self.numbers), size)):
            chosen = self.numbers[start : start + size]
            rows = self.taken(chosen)
            own = own_rows(self.keywords, chosen, self.count, axes_of(self.first[None], self.packing))
            yield Shard(number, tuple(chosen), tuple(rows), self.digest(rows), own)

    def fingerprint(self, size: int) -> str | None:
        """Of the samples and of what belongs to each of them."""
        return rows_fingerprint(self.shards(size))

    def chosen(self) -> str:
        return words_of(self.numbers)


def words_of(kept: Sequence[int]) -> str:
    """Which samples of the data were chosen, in words."""
    if isinstance(kept, range):
        return f"{kept.start}:{kept.stop}" + (f":{kept.step}" if kept.step != 1 else "")
    return f"{len(kept)} samples, sha256 {hashlib.sha256(np.array(kept, np.int64).tobytes()).hexdigest()[:16]}"
