"""What `pellucid check` does: every expectation of a file, a line each, a picture of each that was not kept."""

from __future__ import annotations

from pathlib import Path

from pellucid.apps import console
from pellucid.apps.quiet import start_for
from pellucid.checks._file import CheckFile
from pellucid.checks._picture import save_picture

NOT_KEPT = 1


def run(path: Path, out: Path) -> int:
    """0 where all are kept, else 1."""
    file = CheckFile.read(path)
    if file.model is not None:
        start_for(file.model)
    kept = 0
    for number in range(len(file)):
        result = file.result(number)
        console.say(f"{file.name(number)}: {result}")
        if file.passes(result):
            kept += 1
        else:
            console.written(save_picture(result, out, file.name(number)))
    console.say(f"{kept} of {len(file)} expectations kept")
    return 0 if kept == len(file) else NOT_KEPT
