"""Carrying a plan out: see that it can be, go through its shards, write what is missing, say how it ended."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pellucid.api._parts import split_output
from pellucid.api._provenance import versions
from pellucid.api._stream import together
from pellucid.core.errors import PlanError, StrictError
from pellucid.core.inputs import check_inputs
from pellucid.core.method import Method
from pellucid.core.model import Model
from pellucid.core.outcome import SEVERITY
from pellucid.methods import METHODS
from pellucid.plans.chosen import Index
from pellucid.plans.executors import Executor, find_executor
from pellucid.plans.explanations import Explanations
from pellucid.plans.folder import MANIFEST, OUTPUTS, VERSION, Folder, Json
from pellucid.plans.progress import shown
from pellucid.plans.raw import Raw
from pellucid.plans.shards import Failure, Job, Shard, explain_shard, try_one
from pellucid.plans.sources import Source, described, first_shard, open_source
from pellucid.plans.written import plain

Array = np.ndarray
PROBED = 16
"""How many outputs at the first sample the manifest keeps."""


class Planned(Protocol):
    """What a plan says."""

    @property
    def model(self) -> Any: ...
    @property
    def data(self) -> Any: ...
    @property
    def method(self) -> str | Method: ...
    @property
    def index(self) -> Index: ...
    @property
    def shard_size(self) -> int | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def keywords(self) -> Mapping[str, Any]: ...


def carry_out(plan: Planned, out: Path, model: Model, *, executor: Any = "serial", strict: bool = False, progress: bool | None = None) -> Explanations:
    """Explain what is missing in the folder `out`, by a model that is open already."""
    chosen = find_executor(executor)
    source, keywords = open_source(plan.data, plan.index, plan.keywords, model, plan.name)
    model = model if source.packing in (None, model.packing) else model.packed(source.packing)
    size = plan.shard_size or together(source.first)
    first, shards = first_shard(source.shards(size))
    sample = check_inputs(source.first[None], None) if isinstance(source, Raw) else _first_sound(first)
    read = split_output(model, plan.keywords.get("target"))[0]
    if sample is not None:
        read.meet(sample)
    shared = {name: value for name, value in keywords.items() if name not in first.own}
    job = _job(plan, model, shared, chosen, source)
    manifest = _manifest(plan, job, read, size, sample) | {"data": described(source, size), "versions": versions(model)}
    if not (out / MANIFEST).exists():
        try_one(job, first)
    with Folder(out) as folder:
        folder.begin(manifest)
        title = (plan.method if isinstance(plan.method, Method) else METHODS.load(plan.method)).title
        with shown(title, source.samples, folder.samples, progress) as tell:
            seen = _Seen()
            for done in chosen.run(functools.partial(explain_shard, job), seen.missing(folder, shards)):
                folder.keep(done)
                tell(folder.samples, folder.failed, source.fraction)
        folder.finish(manifest, seen.shards)
    found = Explanations(out)
    _judge(found, strict)
    return found


class _Seen:
    """Counts shards as they go by."""

    def __init__(self) -> None:
        self.shards = 0

    def missing(self, folder: Folder, shards: Iterator[Shard]) -> Iterator[Shard]:
        """Those that the folder does not hold."""
        for shard in shards:
            self.shards += 1
            if not folder.holds(shard):
                yield shard


def _first_sound(shard: Shard) -> Array | None:
    """The first sample that holds finite numbers, (1, *shape), as a network takes it."""
    found = next((row for row in shard.rows if row.dtype.kind in "fiub" and row.size and np.isfinite(row).all()), None)
    return None if found is None else check_inputs(found[None], None)


def _job(plan: Planned, model: Model, shared: Mapping[str, Any], executor: Executor, source: Source) -> Job:
    file = os.fspath(plan.model) if isinstance(plan.model, (str, os.PathLike)) else None
    if not executor.here and file is None:
        raise PlanError(
            f"the model is {model.traits.framework} in this process's memory, which another process cannot open. Save it to a file "
            "(model.save('model.keras'), torch.export.save(program, 'model.pt2')) and give its path, or leave executor out and explain in this process."
        )
    used: str | Model = file if not executor.here and file is not None else model
    unsafe = bool(shared.get("allow_unsafe", False))
    return Job(used, model.traits.fingerprint, model.traits.framework, unsafe, plan.method, shared, source.name, source.first.shape, model.packing)


def _manifest(plan: Planned, job: Job, model: Model, size: int, sample: Array | None) -> Json:
    """What is explained, how, and by which model."""
    shared = {name: plain(value, whole=False) for name, value in sorted(job.keywords.items()) if value is not None}
    told = {"method": plain(plan.method, whole=False), "seed": 0} | shared | {"shard_size": size}
    traits = model.traits
    known = {
        "framework": traits.framework,
        "fingerprint": traits.fingerprint,
        "batch_size": model.batch_size,
        OUTPUTS: _probe(model, sample),
    }
    file = {"file": os.path.basename(plan.model)} if isinstance(plan.model, (str, os.PathLike)) else {}
    return {"type": "plan", "version": VERSION, "plan": told, "model": file | known}


def _probe(model: Model, sample: Array | None) -> list[float | None] | None:
    """The model's first outputs at the first sample that holds numbers."""
    if sample is None:
        return None
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in model.predict(sample).ravel()[:PROBED].astype(float)]


def reasons(failures: Sequence[Failure]) -> list[str]:
    """Why samples failed: each kind of error with its count and its first sample.

    >>> reasons([Failure(4, "NonFiniteError", "NaN."), Failure(9, "NonFiniteError", "NaN.")])
    ['2 × NonFiniteError, first sample 4: NaN.']
    """
    counts, first = Counter(failure.error for failure in failures), {failure.error: failure for failure in reversed(failures)}
    return [f"{count:,} × {error}, first sample {first[error].sample}: {first[error].text}" for error, count in counts.most_common()]


def _judge(found: Explanations, strict: bool) -> None:
    """Raise where nothing could be explained, or, where `strict`, not everything was good."""
    failures = found.failures
    if not len(found):
        raise PlanError(f"none of the {len(failures):,} samples could be explained ({'; '.join(reasons(failures))}). All is recorded in '{found.folder}'.")
    warned = {code: count for code, count in found.outcomes.items() if SEVERITY.get(code, 2)}
    if strict and (failures or warned):
        told = [*(f"{count:,} × {code}" for code, count in warned.items()), *reasons(failures)]
        raise StrictError(f"{'; '.join(told)} (strict=True). All is recorded in '{found.folder}'.")
