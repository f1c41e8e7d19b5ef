"""What an application gathers on its way from data to report, so that each application says only what is its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api._inputs import gather
from pellucid.api.explain import explain
from pellucid.core.errors import DataNotFoundError
from pellucid.core.evaluation import Record
from pellucid.core.files import made, write_whole
from pellucid.core.language import said as _
from pellucid.core.language import speaking
from pellucid.core.model import Model
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.records import Explanation, located
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.data.preprocessing import save_preprocessing
from pellucid.recipes.save import save as save_network
from pellucid.recipes.schedule import Schedule
from pellucid.recipes.train import train
from pellucid.report import report
from pellucid.report.languages import language
from pellucid.report.story import Quality, Story
from pellucid.store import save as save_records

Array = np.ndarray
Watch = Callable[[str], AbstractContextManager[Any]]
Tell = Callable[[str], None]
VERSION = 1


@dataclass(frozen=True)
class Result:
    """Where everything of an application is, and how good its networks are. `found` holds the numbers that the report's sentences rest on."""

    folder: Path
    report: Path
    file: Path
    records: Path
    networks: Mapping[str, Path]
    qualities: Sequence[Quality]
    notes: Sequence[str]
    found: Mapping[str, Any]
    seconds: float

    def lines(self) -> tuple[str, ...]:
        """Where the files are and what they say."""
        told = [
            f"{one.network}: {one.measure} {one.value:.3f} on {one.held_out:,} held-out samples "
            f"(95 %: {one.interval[0]:.3f} to {one.interval[1]:.3f}; by the commonest answer {one.baseline:.3f})."
            for one in self.qualities
        ]
        where = f"The report is {self.report}; {self.file.name}, {self.records.name} and the networks lie beside it. {self.seconds:.0f} s in all."
        return (*self.notes, *told, where)


@dataclass
class Work:
    """One run: `Work.start` makes the folder; data, networks and explanations are asked of it and kept; `finish` writes report, records and `result.json`.

    `quick` asks for a try: fewer passes and fewer cases, said in the report.
    """

    name: str
    folder: Path
    seed: int
    lang: str
    quick: bool
    watch: Watch | None
    tell: Tell
    started: float
    notes: list[str] = field(default_factory=list)
    data: dict[str, Dataset] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    networks: dict[str, Path] = field(default_factory=dict)
    qualities: list[Quality] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    """Numbers for `result.json`, plain JSON."""

    @classmethod
    def start(cls, name: str, out: str | os.PathLike[str], *, seed: int, lang: str, quick: bool, watch: Watch | None = None, tell: Tell | None = None) -> Work:
        """Check what can be checked before any work is done."""
        language(lang)
        return cls(name, made(out), seed, lang, quick, watch, tell or (lambda line: None), time.perf_counter())

    def load(self, *names: str) -> tuple[Dataset, Dataset]:
        """Training and held-out part of the first of these data sets that is to be had; where it is not the first, that is told."""
        missing: list[str] = []
        for name in names:
            try:
                parts = load(f"{name}:train"), load(f"{name}:test")
            except DataNotFoundError:
                missing.append(name)
                continue
            if missing:
                with speaking(language(self.lang)):
                    note = _("{missing} was not found, so this is {name}, which comes with the program. To get it, see docs/data-sets.md.")
                self.notes.append(note.format(missing=", ".join(missing), name=name))
            self.data[name] = parts[1]
            return parts
        raise DataNotFoundError(f"none of the data sets {', '.join(names)} was found.")

    def spoken(self, parts: tuple[Dataset, Dataset]) -> tuple[Dataset, Dataset]:
        """Both parts with their classes called as the report's language calls them, where it knows their names."""
        with speaking(language(self.lang)):
            first, second = (replace(part, class_names=tuple(map(_, part.class_names))) for part in parts)
        return first, second

    def train(
        self,
        name: str,
        network: str | Callable[..., Any],
        data: tuple[Dataset, Dataset],
        *,
        preprocessing: Preprocessing | None = None,
        schedule: Schedule | None = None,
        quick_epochs: int = 2,
    ) -> Model:
        """Train a network and write it, its preprocessing beside it."""
        with self.watch(f"training the {name} on {data[0].name}") if self.watch else nullcontext() as progress:
            epochs = quick_epochs if self.quick else None
            trained = train(network, data, epochs=epochs, seed=self.seed, progress=progress, preprocessing=preprocessing, schedule=schedule)
        return self.keep(name, trained.model, preprocessing)

    def keep(self, name: str, model: Any, preprocessing: Preprocessing | None = None) -> Model:
        """Write a Keras model, its preprocessing beside it."""
        self.networks[name] = save_network(model, self.folder / f"{name}.keras")
        if preprocessing is not None:
            save_preprocessing(preprocessing, self.networks[name])
        self.models[name] = adapt(model)
        return self.models[name]

    def outputs(self, name: str, samples: Dataset, preprocessing: Preprocessing | None = None) -> Array:
        """What a network answers for every sample, (samples, classes)."""
        fed = samples.inputs if preprocessing is None else preprocessing.inputs(samples.inputs)
        model, rows = gather(self.models[name], fed)
        return model.predict(rows)

    def explain(self, name: str, method: str, samples: Dataset, rows: Sequence[int], *, case: bool = True, **options: Any) -> Explanation:
        """Explain rows of a data set to a network; with `case` the explanation goes into the report as cases."""
        chosen = samples.take(list(rows))
        given = {"class_names": chosen.class_names or None, "labels": chosen.labels, "network": name, "seed": self.seed} | options
        found = located(explain(self.models[name], chosen.inputs, method, **given), f"{samples.name}:{samples.split}", list(rows))
        if case:
            self.records.append(found)
        return found

    def finish(self, story: Callable[[], Story]) -> Result:
        """Write everything; `story` tells what was found, in the language that is spoken while it is called."""
        self.tell("writing the report")
        records = save_records(self.records, self.folder / "records.safetensors")
        with speaking(language(self.lang)):
            told = story()
        page = report(self.records, self.folder, title=told.title, lang=self.lang, story=told)
        seconds = time.perf_counter() - self.started
        said = {
            "application": self.name,
            "version": VERSION,
            "seed": self.seed,
            "quick": self.quick,
            "data": {name: {"source": data.source, "licence": data.licence, "held_out": len(data)} for name, data in self.data.items()},
            "quality": [one.as_json() for one in self.qualities],
            "found": self.found,
            "actions": list(told.actions),
            "notes": list(dict.fromkeys([*self.notes, *told.notes])),
            "seconds": round(seconds, 1),
        }
        file = write_whole(self.folder / "result.json", json.dumps(said, ensure_ascii=False, indent=1, allow_nan=False).encode())
        return Result(self.folder, page, file, Path(records), self.networks, self.qualities, self.notes, self.found, seconds)
