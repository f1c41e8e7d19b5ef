"""What `pellucid film` does: open the record of a training, write a film of a layer."""

from __future__ import annotations

from pathlib import Path

from pellucid.apps import arguments, console
from pellucid.core.errors import SettingError
from pellucid.core.view import View
from pellucid.store import load


def run(record: Path, out: Path, *, layer: str | None, sample: int, what: str | None) -> None:
    """Write the film of the first training that the file holds."""
    from pellucid.figures.film import write_film

    arguments.check_file(out, (".gif",))
    view = next((found for found in load(record) if isinstance(found, View) and found.view == "training"), None)
    if view is None:
        raise SettingError(f"'{record}' holds no training; record one: pellucid train NETWORK DATASET --out FILE.keras --record FILE.safetensors")
    write_film(view, out, layer=layer, sample=sample, what=what)
    console.written(out)
