"""What `pellucid report` does: open records, put them into one page or a folder of pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.apps import arguments, console
from pellucid.core.evaluation import Evaluation, Record
from pellucid.core.records import Explanation
from pellucid.core.view import View
from pellucid.plans.explanations import Explanations
from pellucid.report import report
from pellucid.store import load


def run(paths: Sequence[Path], out: Path, *, lang: str, title: str | None, evaluate: bool) -> None:
    """Write the records of all files as a page, or as a folder with an index and a page for each case."""
    arguments.check_language(lang)
    folder = arguments.is_folder(out)
    if folder:
        arguments.check_folder(out)
    else:
        arguments.check_file(out, (".html",))
    records = [record for path in paths for record in _opened(path)]
    told = title or (paths[0].stem if len(paths) == 1 else None)
    written = report(records, out, title=told, lang=lang, evaluate=evaluate)
    cases = len({identity for record in records if isinstance(record, Explanation) for identity in _cases(record)})
    judged = any(isinstance(record, Evaluation) for record in records)
    explained = f", {cases} sample{'s' * (cases != 1)}" if cases else ""
    advice = "; without evaluations: pellucid evaluate MODEL RECORDS --out FILE.safetensors" if cases and not judged else ""
    console.say(f"{len(records)} record{'s' * (len(records) != 1)}{explained}{advice}")
    if any(isinstance(record, View) and record.view == "graph" for record in records):
        console.say("what was seen inside, as a page by layer: pellucid report RECORDS --inside --out FILE.html")
    console.written(written)


def _opened(path: Path) -> list[Record]:
    """The records of a file, or of the folder of a plan."""
    return [Explanations(path).load()] if path.is_dir() else list(load(path))


def _cases(record: Explanation) -> list[bytes]:
    return [row.tobytes() for row in record.inputs]
