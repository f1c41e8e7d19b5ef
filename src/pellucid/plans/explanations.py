"""What a plan has written, read one shard at a time."""

from __future__ import annotations

import bisect
import hashlib
import html
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import EmptyError, FormatError
from pellucid.core.records import Explanation, concat
from pellucid.plans.folder import read_entries, read_manifest, read_mended, shard_name
from pellucid.plans.shards import Failure
from pellucid.store.file import from_bytes, notes_of

Array = np.ndarray


class Explanations:
    """The explanations in a folder that `Plan.run` has written, finished or not: a sequence that holds one shard in memory at a time.

    `len` counts the samples that were explained, `[i]` is the explanation of one of them and `[2:50]` or `[[3, 1]]` that of some, joined, as with an
    `Explanation` itself; iterating gives one after the other, `shards()` whole shards, `load()` all joined in memory. `numbers` says which samples of the
    data they are, `failures` which could not be explained and why, `outcomes` how the explanations ended, `complete` whether the plan was carried out,
    `mended` which shards the last run found damaged and made again. A shard whose checksum is no longer the journal's is a `FormatError` when it is read.

    `cost.seconds` is what the journal says that the shard took, for a sample its share; the shards' own files hold no times.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.manifest: Mapping[str, Any] = read_manifest(self.folder)
        self._entries = read_entries(self.folder)
        self._shards = list(self._entries)
        self._ends = list(accumulate(entry["samples"] - entry["failed"] for entry in self._entries.values()))
        self._last: tuple[int, Explanation | None] = (-1, None)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int | slice | Sequence[int] | Array) -> Explanation:
        """The explanation of one sample or of some; the sample axis stays."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"explanation {index} of {len(self)}")
            index = [int(index) % len(self)]
        rows = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        if not len(rows):
            raise EmptyError(f"{index} chooses none of the {len(self)} explanations.")
        parts = list(self._parts(rows))
        return parts[0] if len(parts) == 1 else concat(parts)

    def _parts(self, rows: Array) -> Iterator[Explanation]:
        """The explanations of some samples, those that follow each other in one shard together."""
        places = [bisect.bisect_right(self._ends, int(row)) for row in rows]
        edges = [0, *(i for i in range(1, len(rows)) if places[i] != places[i - 1]), len(rows)]
        for start, stop in pairwise(edges):
            place = places[start]
            found = self._shard(place)
            if found is not None:
                yield found[rows[start:stop] - (self._ends[place - 1] if place else 0)]

    def __iter__(self) -> Iterator[Explanation]:
        return (one for shard in self.shards() for one in shard)

    def shards(self) -> Iterator[Explanation]:
        """Whole shards, one after the other; a shard in which every sample failed is passed over."""
        for place in range(len(self._shards)):
            found = self._shard(place)
            if found is not None:
                yield found

    def load(self) -> Explanation:
        """All explanations in memory, joined to one."""
        parts = list(self.shards())
        if not parts:
            raise EmptyError(f"'{self.folder}' holds no explanation yet.")
        return concat(parts)

    @property
    def numbers(self) -> list[int]:
        """The number in the data of each explained sample."""
        return [int(number) for shard in self.shards() for number in shard.provenance["indices"]]

    @property
    def failures(self) -> list[Failure]:
        """The samples that could not be explained, with the error of each."""
        failed = [number for number, entry in self._entries.items() if entry["failed"]]
        return [Failure(**failure) for number in failed for failure in notes_of(self._content(number))["failures"]]

    @property
    def outcomes(self) -> dict[str, int]:
        """How many explanations ended with each outcome code."""
        return dict(sum((Counter(entry["outcomes"]) for entry in self._entries.values()), Counter()))

    @property
    def complete(self) -> bool:
        """Whether every shard is there."""
        result = self.manifest.get("result")
        return result is not None and result["shards"] == len(self._shards)

    @property
    def mended(self) -> list[int]:
        """The shards that were damaged when the last run began, and were explained again."""
        return read_mended(self.folder)

    def _shard(self, place: int) -> Explanation | None:
        """The explanation in a shard, with its time; the last one that was read is kept."""
        if self._last[0] != place:
            number = self._shards[place]
            records = from_bytes(self._content(number))
            found = next((record for record in records if isinstance(record, Explanation)), None)
            seconds = self._entries[number].get("seconds")
            if found is not None and seconds is not None:
                found = replace(found, cost=replace(found.cost, seconds=seconds))
            self._last = (place, found)
        return self._last[1]

    def _content(self, number: int) -> bytes:
        path = self.folder / shard_name(number)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise FormatError(f"'{path}' cannot be read: {error.strerror or error}. Run the plan again: it makes what is missing.") from error
        if hashlib.sha256(content).hexdigest() != self._entries[number]["sha256"]:
            raise FormatError(f"'{path}' is damaged: its checksum is not the one that was noted when it was written. Run the plan again: it explains it anew.")
        return content

    def __repr__(self) -> str:
        failed = sum(entry["failed"] for entry in self._entries.values())
        state = "" if self.complete else ", not complete"
        return f"Explanations({str(self.folder)!r}, explained={len(self)}, failed={failed}, shards={len(self._shards)}{state})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(code)}</td><td>{count}</td></tr>" for code, count in self.outcomes.items())
        return f"<b>{html.escape(repr(self))}</b><table><tr><th>outcome</th><th>samples</th></tr>{rows}</table>"
