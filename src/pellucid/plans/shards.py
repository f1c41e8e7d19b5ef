"""One shard: some samples explained together, in whatever process, to the bytes of one file. The same shard gives the same bytes."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api._inputs import gather
from pellucid.api._resume import PER_SAMPLE, Axes, axes_of, of_rows
from pellucid.api.explain import explain
from pellucid.core.errors import DataNotFoundError, InputError, PlanError
from pellucid.core.inputs import check_inputs
from pellucid.core.method import Method
from pellucid.core.model import Model
from pellucid.core.packing import Packing
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.quiet import held_back
from pellucid.core.records import Explanation, concat, located
from pellucid.core.target import Several
from pellucid.store.file import to_bytes

Array = np.ndarray
NO_MEMORY = ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError")
"""Errors of Python, TensorFlow and PyTorch that say nothing of the sample: they end the run instead of being recorded."""
ROUGH = 1e6
"""A tolerance that every method meets with the least it can do."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Shard:
    """Samples that are explained together: the number of the shard, the samples' numbers in the data, the samples (*shape), a digest of them, and what of
    `explain`'s keywords holds an entry for each. Where a preprocessing is to be applied, a row is one sample as it was given, by itself."""

    number: int
    samples: tuple[int, ...]
    rows: tuple[Any, ...]
    digest: str
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A sample that was not explained: its number in the data, the kind of error and its text."""

    sample: int
    error: str
    text: str

    def __str__(self) -> str:
        return f"sample {self.sample}: {self.error}: {self.text}"


@dataclass(frozen=True)
class Job:
    """What every shard of a plan has in common; goes to each worker. `model` is a file, or, in the process that opened it, the model itself."""

    model: str | Model
    fingerprint: str
    framework: str
    allow_unsafe: bool
    method: str | Method
    keywords: Mapping[str, Any]
    data: str
    sample_shape: tuple[int, ...]
    packing: Packing | None = None

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What makes numbers of a shard's rows, which are then samples as they were given, one each."""
        found: Preprocessing | None = self.keywords.get("preprocessing")
        return found

    def opened(self) -> Model:
        """The model, once a process; a file that holds another one than the plan was made for is an error."""
        if isinstance(self.model, Model):
            return self.model
        found = _opened(self.model, _stamp(self.model), self.allow_unsafe, self.packing)
        if (found.traits.framework, found.traits.fingerprint) != (self.framework, self.fingerprint):
            raise PlanError(
                f"a worker opened '{self.model}' as {found.traits.framework}, fingerprint {found.traits.fingerprint}; the plan was made with "
                f"{self.framework}, {self.fingerprint}. Set KERAS_BACKEND for all processes, and leave the file alone while the plan runs."
            )
        return found


@dataclass(frozen=True)
class Done:
    """A finished shard: the content of its file, what the manifest's journal says of it, and how long it took."""

    number: int
    content: bytes
    entry: Mapping[str, Any]
    seconds: float


def explain_shard(job: Job, shard: Shard) -> Done:
    """Explain the samples of a shard. One that fails is recorded with its error; the others are explained without it."""
    job.opened()
    began = time.perf_counter()
    record, failures = explained(job, shard)
    outcomes = Counter() if record is None else Counter(record.outcome.codes)
    entry = {"digest": shard.digest, "samples": len(shard.samples), "outcomes": dict(sorted(outcomes.items())), "failed": len(failures)}
    notes = {"shard": shard.number, "failures": [vars(failure) for failure in failures]} | entry
    return Done(shard.number, to_bytes([] if record is None else [record], notes), entry, time.perf_counter() - began)


def try_one(job: Job, shard: Shard) -> None:
    """Explain one sample, roughly, so that a mistake in the call is an error before any work is done and not one for each sample. Raises what went wrong
    where no sample of the shard can be explained, unless their own values are at fault."""
    asked = job.keywords.get("tolerance")
    rough = {} if asked is not None and not (isinstance(asked, (int, float)) and asked >= 0) else {"tolerance": ROUGH}
    rough_job, model, errors = replace(job, keywords={**job.keywords, **rough}), job.opened(), []
    for place in _checked(job, model, shard)[0]:
        try:
            _together(rough_job, model, shard, [place])
            return
        except Exception as error:
            if type(error).__name__ in NO_MEMORY:
                raise
            errors.append(error)
    if errors:
        raise errors[0]


def explained(job: Job, shard: Shard) -> tuple[Explanation | None, list[Failure]]:
    """The explanation of the samples that can be explained, without times, and the failures of the others."""
    model = job.opened()
    sound, failures = _checked(job, model, shard)
    parts, refused = _halved(job, model, shard, sound) if sound else ([], [])
    failures = sorted(failures + refused, key=lambda failure: shard.samples.index(failure.sample))
    if not parts:
        return None, failures
    failed = {failure.sample for failure in failures}
    record = located(parts[0] if len(parts) == 1 else concat(parts), job.data, [number for number in shard.samples if number not in failed])
    return replace(record, cost=replace(record.cost, seconds=float("nan"))), failures


def _checked(job: Job, model: Model, shard: Shard) -> tuple[list[int], list[Failure]]:
    """Places of the samples that the model can take, and the failures of the others."""
    sound, failures = [], []
    for place, row in enumerate(shard.rows):
        try:
            row = row if job.preprocessing is None else gather(model, job.preprocessing.inputs(row))[1][0]
            if row.shape != job.sample_shape:
                raise InputError(f"the sample has shape {row.shape}, the first one {job.sample_shape}; give samples of one shape.")
            check_inputs(row[None], model.traits.input_shape, "the sample")
            sound.append(place)
        except (InputError, DataNotFoundError) as error:
            failures.append(_failure(shard, place, error))
    return sound, failures


def _halved(job: Job, model: Model, shard: Shard, places: Sequence[int]) -> tuple[list[Explanation], list[Failure]]:
    """Explanations of all that can be explained, in order: all together, or, where that fails, each half by itself, down to the single sample that fails."""
    try:
        return [_together(job, model, shard, places)], []
    except Exception as error:
        if type(error).__name__ in NO_MEMORY:
            raise
        if len(places) == 1:
            return [], [_failure(shard, places[0], error)]
    middle = len(places) // 2
    (first, refused), (second, more) = (_halved(job, model, shard, part) for part in (places[:middle], places[middle:]))
    return first + second, refused + more


def _together(job: Job, model: Model, shard: Shard, places: Sequence[int]) -> Explanation:
    chosen = [shard.rows[place] for place in places]
    inputs = np.stack(chosen) if job.preprocessing is None else together_again(chosen)
    own = own_rows(shard.own, places, len(shard.rows), 1 + len(job.sample_shape) if job.packing is None else axes_of(chosen[0], job.packing))
    return explain(model, inputs, job.method, **{**job.keywords, **shard.own, **own, "progress": False})


def together_again(rows: Sequence[Any]) -> Any:
    """Rows of one kind as a preprocessing takes several."""
    if isinstance(rows[0], Mapping):
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    if isinstance(rows[0], np.ndarray):
        return np.concatenate(rows)
    return [row[0] for row in rows]


def _failure(shard: Shard, place: int, error: Exception) -> Failure:
    return Failure(shard.samples[place], type(error).__name__, _ADDRESS.sub("", " ".join(str(error).split())))


def own_rows(keywords: Mapping[str, Any], rows: Sequence[int], samples: int, axes: Axes) -> dict[str, Any]:
    """Of `explain`'s keywords those that hold an entry for each of `samples` samples with `axes` axes, for some of them."""
    taken = of_rows(keywords, np.array(rows), samples, axes)
    return {name: taken[name] for name in PER_SAMPLE if name in keywords and not _same(taken[name], keywords[name])}


def _same(taken: Any, given: Any) -> bool:
    """Whether nothing was cut out: the value itself, or a mapping of the inputs' own values themselves."""
    if isinstance(taken, Mapping) and isinstance(given, Mapping):
        return all(_same(taken[name], given[name]) for name in given)
    if isinstance(taken, Several) and isinstance(given, Several):
        return all(one is other for one, other in zip(taken.targets, given.targets, strict=True))
    return taken is given


def digest_of(rows: Sequence[Array]) -> str:
    """SHA-256 over samples: their types, shapes and values."""
    found = hashlib.sha256()
    for row in rows:
        found.update(f"{row.dtype.str}{row.shape}".encode())
        found.update(np.ascontiguousarray(row).data)
    return found.hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    """What changes when a file is written anew."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=1)
def _opened(path: str, stamp: tuple[int, int], allow_unsafe: bool, packing: Packing | None) -> Model:
    """A worker opens its file once; `stamp` makes a file that has been written anew another one."""
    with held_back():
        found = adapt(Path(path), allow_unsafe=allow_unsafe)
    return found if packing is None else found.packed(packing)
