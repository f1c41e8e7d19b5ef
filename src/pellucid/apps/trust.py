"""What `pellucid evaluate` does: open the network and the records, measure, write, print."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.api.evaluate import PANEL, evaluate
from pellucid.apps import arguments, console
from pellucid.apps.work import explanations_of, open_model, opened_for
from pellucid.apps.writing import write
from pellucid.core.evaluation import Record
from pellucid.core.records import Explanation
from pellucid.data.load import load
from pellucid.metrics import METRICS
from pellucid.store import load as load_records

BOX = re.compile(r"^\s*\d+\s*(,\s*\d+\s*){3}$")


def run(
    path: Path, records: Path, metrics: str | None, out: Path | None, options: Mapping[str, Any], pairs: Sequence[str], *, allow_unsafe: bool, lang: str
) -> None:
    """Measure every explanation of a file of records."""
    if out is not None:
        arguments.check_file(out, (".html", ".safetensors"))
    arguments.check_language(lang, out)
    names = list(PANEL) if metrics is None else arguments.parse_names(metrics, METRICS)
    settings = arguments.parse_settings(pairs, {name: METRICS.load(name) for name in names})
    stored = load_records(records)
    explanations = [one for record in explanations_of(stored, records) for one in record.split()]
    model = open_model(path, allow_unsafe)
    opened = _opened(options) | opened_for(model, options, explanations[0].packing)
    found = evaluate(model, explanations, settings, strict=metrics is not None, **opened)
    console.show_evaluations(found)
    if out is not None:
        rest: list[Record] = [record for record in stored if not isinstance(record, Explanation)]
        write([*rest, *(one for pair in zip(explanations, found, strict=True) for one in pair)], out, f"{path.name}: {records.name} evaluated", lang=lang)
        console.written(out)


def _opened(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are given, the truth as a mask or a box."""
    found = {name: value for name, value in options.items() if value is not None}
    if "truth" in found:
        text = found["truth"]
        found["truth"] = tuple(int(part) for part in text.split(",")) if BOX.match(text) else load(text, checked=False).inputs
    return found
