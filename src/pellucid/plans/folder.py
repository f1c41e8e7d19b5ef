"""A plan's folder: its manifest, its shards, and a journal of what was done when.

manifest.json                what is explained, how, by which model and versions; and, at the end, how it ended. The same in every run of a plan
shard-00000.safetensors …    records of the samples, whole or absent. The same bytes in every run of a plan
journal.jsonl                a line for each start and each shard: seconds, dates, checksums. All that differs between runs is here and nowhere else
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pellucid.core.errors import DataNotFoundError, FormatError, OutputError, PellucidError, PlanError
from pellucid.core.files import write_whole
from pellucid.plans.shards import Done, Shard
from pellucid.store.file import from_bytes, notes_of

MANIFEST, JOURNAL = "manifest.json", "journal.jsonl"
VERSION = 1
COMPARED = ("type", "version", "plan", "data", "model", "versions")
"""Parts of the manifest that must agree where a plan goes on."""
OUTPUTS = "outputs"
"""What the manifest's model gave at the first sample: it tells a black box, of whose weights nothing is known, from another."""
_SHARD = re.compile(r"shard-(\d{5,})\.safetensors")
Json = dict[str, Any]


def shard_name(number: int) -> str:
    """The file of a shard.

    >>> shard_name(7)
    'shard-00007.safetensors'
    """
    return f"shard-{number:05}.safetensors"


def read_manifest(folder: Path) -> Json:
    """The manifest of a folder; `DataNotFoundError` where there is none, `FormatError` for one that cannot be read or is of a newer release."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataNotFoundError(f"'{folder}' holds no plan: there is no {MANIFEST} in it; give the folder that a plan has written into.") from error
    except (OSError, ValueError) as error:
        raise FormatError(f"'{folder / MANIFEST}' cannot be read ({error}); it is damaged.") from error
    if not isinstance(manifest, dict) or manifest.get("type") != "plan" or not isinstance(manifest.get("version"), int):
        raise FormatError(f"'{folder / MANIFEST}' is not the manifest of a plan.")
    if manifest["version"] > VERSION:
        raise FormatError(f"'{folder}' was written by a newer release (version {manifest['version']}, this one reads {VERSION}): pip install -U pellucid.")
    return manifest


def read_entries(folder: Path, *, checked: bool = False) -> dict[int, Json]:
    """What is known of each whole shard: from its line in the journal where that fits the file, else from the file; a damaged file counts as absent.
    `checked`: a file of which the journal speaks is read, and must have the checksum that stands there."""
    told = {line["shard"]: line for line in _lines(folder / JOURNAL) if isinstance(line.get("shard"), int)}
    found = {}
    for number, path in _shards(folder):
        line = told.get(number)
        if checked and line is not None:
            entry = line if line.get("sha256") == _checksum(path) else None
        else:
            entry = line if line is not None and line.get("bytes") == path.stat().st_size else _entry_of(path, number)
        if entry is not None:
            found[number] = entry
    return dict(sorted(found.items()))


def read_mended(folder: Path) -> list[int]:
    """The shards that the last run found damaged and made again."""
    runs = [line for line in _lines(folder / JOURNAL) if "begun" in line]
    return list(runs[-1].get("damaged", [])) if runs else []


def _shards(folder: Path) -> Iterator[tuple[int, Path]]:
    """The files of shards, whole or not, with their numbers."""
    for path in folder.iterdir():
        match = _SHARD.fullmatch(path.name)
        if match is not None:
            yield int(match[1]), path


def _checksum(path: Path) -> str | None:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def _lines(path: Path) -> Iterator[Json]:
    """The lines of a journal; one that was cut off is passed over."""
    with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            with contextlib.suppress(ValueError):
                line = json.loads(text)
                if isinstance(line, dict):
                    yield line


def _entry_of(path: Path, number: int) -> Json | None:
    """What the file itself says; None where it is not a whole shard of this number."""
    try:
        content = path.read_bytes()
        notes = notes_of(content)
        from_bytes(content)
    except (OSError, PellucidError):
        return None
    if notes.get("shard") != number:
        return None
    return _line(number, content, {name: notes[name] for name in ("digest", "samples", "outcomes", "failed")}, None)


def _line(number: int, content: bytes, entry: Mapping[str, Any], seconds: float | None) -> Json:
    return {"shard": number, **entry, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "seconds": seconds, "at": _now()}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Folder:
    """A folder that one run writes into; others are kept out meanwhile. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[int, Json] = {}
        self._journal: IO[str] | None = None

    def __enter__(self) -> Folder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._journal = (self.path / JOURNAL).open("a+", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot write into '{self.path}': {error.strerror or error}. Give a folder that you may write to, or a path that is free."
            ) from error
        try:
            _lock(self._journal, self.path)
            self._end_line()
            for left in (*self.path.glob(".shard-*.part"), *self.path.glob(f".{MANIFEST}.*.part")):
                left.unlink(missing_ok=True)
        except BaseException:
            self._journal.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()

    @property
    def samples(self) -> int:
        """Samples in the shards that are there."""
        return sum(entry["samples"] for entry in self.entries.values())

    @property
    def failed(self) -> int:
        """Those among them that could not be explained."""
        return sum(entry["failed"] for entry in self.entries.values())

    def begin(self, manifest: Json) -> None:
        """Write the manifest, or see that the one that is there is of the same plan."""
        if (self.path / MANIFEST).exists():
            check_same(self.path, read_manifest(self.path), manifest)
            self.entries = read_entries(self.path, checked=True)
        elif any(_shards(self.path)):
            raise PlanError(f"'{self.path}' holds shards but no {MANIFEST}, so that it cannot be told of what they are; give another folder.")
        else:
            self._write_manifest(manifest)
        damaged = sorted(number for number, _ in _shards(self.path) if number not in self.entries)
        self._note({"begun": len(self.entries), "at": _now(), "process": os.getpid()} | ({"damaged": damaged} if damaged else {}))

    def holds(self, shard: Shard) -> bool:
        """Whether a shard is there; `PlanError` where it is of other samples."""
        entry = self.entries.get(shard.number)
        if entry is None:
            return False
        if entry.get("digest") != shard.digest:
            raise PlanError(
                f"'{self.path / shard_name(shard.number)}' was made of other samples than the data now gives (samples {shard.samples[0]} to "
                f"{shard.samples[-1]}); give the data in the same order each time (no shuffling), or another folder."
            )
        return True

    def keep(self, done: Done) -> None:
        """Write a shard, then its line in the journal."""
        write_whole(self.path / shard_name(done.number), done.content, durable=True)
        self.entries[done.number] = _line(done.number, done.content, done.entry, round(done.seconds, 4))
        self._note(self.entries[done.number])

    def finish(self, manifest: Json, shards: int) -> None:
        """Say in the manifest how the plan ended."""
        extra = [number for number in self.entries if number >= shards]
        if extra:
            raise PlanError(f"'{self.path}' holds {len(extra)} shards more than the data now gives; give the same data, or another folder.")
        ended = {"samples": self.samples, "explained": self.samples - self.failed, "failed": self.failed, "shards": shards}
        self._write_manifest(manifest | {"result": ended})
        self._note({"finished": shards, "at": _now()})

    def _write_manifest(self, manifest: Json) -> None:
        write_whole(self.path / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(), durable=True)

    def _note(self, line: Json) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._journal.flush()

    def _end_line(self) -> None:
        """A line that a kill has cut off must not spoil the next one."""
        text = (self.path / JOURNAL).read_bytes()[-1:]
        if text not in (b"", b"\n") and self._journal is not None:
            self._journal.write("\n")


def check_same(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise where a folder holds another plan, and say in what they differ."""
    differing = [difference for part in COMPARED for difference in _differences(part, there.get(part), here.get(part))]
    if not differing and not _alike(*(manifest.get("model", {}).get(OUTPUTS) for manifest in (there, here))):
        differing = ["the model's outputs at the first sample are others than they were"]
    if differing:
        shown = "; ".join(differing[:6]) + (f"; and {len(differing) - 6} more" if len(differing) > 6 else "")
        raise PlanError(f"'{folder}' holds another plan ({shown}). Repeat the call as it was to go on with it, or give another folder.")


def _differences(name: str, there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys((*there, *here)):
            if name != "model" or key not in ("file", OUTPUTS):
                yield from _differences(f"{name}.{key}" if name != "plan" else str(key), there.get(key), here.get(key))
    elif there != here:
        yield f"{name}: {there!r} there, {here!r} here"


def _alike(there: list[float | None] | None, here: list[float | None] | None) -> bool:
    """Outputs that are equal but for their last digits, in which the same network may differ."""
    if there is None or here is None or len(there) != len(here):
        return there is here
    pairs = [(one, other) for one, other in zip(there, here, strict=True) if one is not None and other is not None]
    return all(abs(one - other) <= 1e-3 * max(abs(one), abs(other)) + 1e-5 for one, other in pairs)


def _lock(file: IO[str], folder: Path) -> None:
    """Keep other runs out as long as the file is open; where the system has no such locks, they are not kept out."""
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PlanError(f"another process is writing into '{folder}'; wait until it has ended, or give another folder.") from error
    except OSError:
        return
