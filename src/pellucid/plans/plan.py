"""A plan: one call of `explain` for any number of samples, streamed to disk, which goes on where it was broken off."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api.explain import explain
from pellucid.core.errors import FormatError, SettingError
from pellucid.core.inputs import on_host
from pellucid.core.method import Method
from pellucid.plans.chosen import Index
from pellucid.plans.executors import Executor
from pellucid.plans.explanations import Explanations
from pellucid.plans.running import carry_out
from pellucid.plans.written import plain, restored

VERSION = 1
OF_THE_RUN = {
    "x": "data",
    "strict": "plan.run(out, strict=True)",
    "progress": "plan.run(out, progress=...)",
    "resume": "plan.run(out) again, which goes on by itself",
}
"""Keywords of `explain` that a plan does not take, and what to write instead."""


@dataclass(frozen=True, init=False, eq=False)
class Plan:
    """One call of `explain` for any number of samples: written down first, then carried out to a folder.

    A noun beside the four verbs: it explains nothing that `explain` would not, and takes its keywords.

        plan = pellucid.Plan("cnn.keras", "mnist:test", "integrated_gradients", index=slice(0, 10_000), seed=0)
        found = plan.run("explained", executor="processes:4")
        found[17].values, len(found), found.failures

    `model`: whatever `explain` takes; for processes and other machines the path of a file. `data`: an array, a memory-mapped one, the name of a data set or a
    file, or a stream as `explain` takes it (read once; it must give the same samples in the same order when the plan goes on). `index`: which samples of an
    array. `shard_size`: samples explained together and kept in one file; 100, fewer where they are large. `name`: what records call the data.
    With `preprocessing`, `data` are samples as a person gives them, rows, sentences, images or series, in memory or in a file that is loaded; each shard makes
    its own into numbers, and a sample that cannot be is a failure by itself.
    Keywords that hold an entry a sample (target, labels, baseline, features) hold one for every sample of `data`, chosen or not.

    Shards are files of `pellucid.save`, whole or absent; a run that was killed and started again ends in the same bytes as one that was not, with any
    number of workers. Does not keep times in them: those are in the journal beside them.
    """

    model: Any
    data: Any
    method: str | Method
    index: Index
    shard_size: int | None
    name: str | None
    keywords: Mapping[str, Any]

    def __init__(
        self, model: Any, data: Any, method: str | Method, *, index: Index = None, shard_size: int | None = None, name: str | None = None, **keywords: Any
    ) -> None:
        for word, instead in OF_THE_RUN.items():
            if word in keywords:
                raise SettingError(f"a plan does not take {word}: write {instead}.")
        if shard_size is not None and (isinstance(shard_size, bool) or not isinstance(shard_size, (int, np.integer)) or shard_size < 1):
            raise SettingError(f"shard_size must be a whole number above 0, got {shard_size!r}.")
        defaults = {key: parameter.default for key, parameter in inspect.signature(explain).parameters.items()}
        told = {key: on_host(value) for key, value in keywords.items()}
        kept = {key: value for key, value in told.items() if isinstance(value, np.ndarray) or key not in defaults or value != defaults[key]}
        chosen = {"model": model, "data": data, "method": method, "index": index, "shard_size": shard_size, "name": name, "keywords": kept}
        for key, value in chosen.items():
            object.__setattr__(self, key, value)

    def run(
        self, out: str | os.PathLike[str], *, executor: str | Executor | Any = "serial", strict: bool = False, progress: bool | None = None
    ) -> Explanations:
        """Carry the plan out into the folder `out`, from its first missing shard on, and open what is there then.

        executor: "serial", "processes:4", an `Executor`, or anything with the `submit` of concurrent.futures (Dask's `client.get_executor()`).
        strict: raise `StrictError` at the end where a sample failed or a check found something. progress: None shows a bar on a terminal.

        A sample that cannot be explained (NaN, refused by the method) is recorded in `failures` with its error, and the rest goes on. `PlanError` where none
        could be explained, where the folder holds another plan, or where a worker died.
        """
        model = adapt(self.model, allow_unsafe=bool(self.keywords.get("allow_unsafe", False)))
        return carry_out(self, Path(out), model, executor=executor, strict=strict, progress=progress)

    def to_json(self) -> str:
        """The plan as text, for another process or machine; `SettingError` where model and data are not given by name or path."""
        for word, value in (("model", self.model), ("data", self.data)):
            if not isinstance(value, (str, os.PathLike)):
                raise SettingError(f"a plan is written with the path of its {word}, but it holds a {type(value).__name__}; save that to a file first.")
        index = {"slice": [self.index.start, self.index.stop, self.index.step]} if isinstance(self.index, slice) else self.index
        told = {"model": os.fspath(self.model), "data": os.fspath(self.data), "shard_size": self.shard_size, "name": self.name}
        settings = {key: plain(value, whole=True) for key, value in self.keywords.items()}
        chosen = index if isinstance(index, dict) else plain(list(map(int, np.ravel(index))) if index is not None else None, whole=True)
        written = {"type": "plan", "version": VERSION} | told | {"method": plain(self.method, whole=True), "index": chosen, "keywords": settings}
        return json.dumps(written, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote; `FormatError` for any other text."""
        try:
            told = json.loads(text)
            if (told["type"], told["version"]) != ("plan", VERSION):
                raise FormatError(f"a plan of version {told['version']} is not known, this release reads {VERSION}: pip install -U pellucid.")
            index = told["index"]
            chosen = slice(*index["slice"]) if isinstance(index, dict) else index
            keywords = {key: restored(value) for key, value in told["keywords"].items()}
            method = restored(told["method"])
            return cls(told["model"], told["data"], method, index=chosen, shard_size=told["shard_size"], name=told["name"], **keywords)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, (FormatError, SettingError)):
                raise
            raise FormatError(f"this is not the text of a plan ({type(error).__name__}: {error}).") from error
