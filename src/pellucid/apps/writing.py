"""Records into the file that the user named: what is written follows from its suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.apps import tables
from pellucid.core.comparison import Comparison
from pellucid.core.evaluation import Record
from pellucid.core.files import write_whole
from pellucid.core.language import ENGLISH
from pellucid.core.records import Explanation


def write(records: Sequence[Record], out: Path, title: str, *, evaluate: bool = True, lang: str = ENGLISH.tag) -> Path:
    """A report (.html), records (.safetensors), a table (.csv, .parquet), JSON (.json), or one figure of the records (.png); `evaluate` and `lang` as in
    `pellucid.report`."""
    suffix = out.suffix.lower()
    if suffix == ".html":
        from pellucid.report import report

        report(records, out, title=title, evaluate=evaluate, lang=lang)
    elif suffix == ".safetensors":
        from pellucid.store import save

        save(records, out)
    elif suffix == ".json":
        explained = [record for record in records if isinstance(record, Explanation)]
        write_whole(out, f"[{', '.join(record.to_json() for record in explained)}]\n".encode())
    elif suffix in tables.SUFFIXES:
        tables.write([record for record in records if isinstance(record, (Explanation, Comparison))], out)
    else:
        _figure(records, out)
    return out


def _figure(records: Sequence[Record], out: Path) -> None:
    """Samples × methods and targets, samples × layers of a view, or the samples of a comparison."""
    from pellucid.figures import FIGURES, save

    if isinstance(records[0], Comparison):
        save(FIGURES.load("difference")(records[0], sample=None)[0].figure, out)
        return
    explanations = [one for record in records if isinstance(record, Explanation) for one in record.split()]
    artists = FIGURES.load("comparison")(explanations) if explanations else FIGURES.load("layers")(records[0])
    save(artists[0].figure, out)
