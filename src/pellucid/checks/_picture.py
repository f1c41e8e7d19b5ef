"""The picture that goes with an expectation that was not kept: the worst sample, its input and its map."""

from __future__ import annotations

import re
from pathlib import Path

from pellucid.checks._expectation import Result
from pellucid.figures import FIGURES, save


def save_picture(result: Result, folder: Path, name: str) -> Path:
    """Write the picture of the worst sample into a folder, and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    artists = FIGURES.load("comparison")([result.explanation[result.worst]])
    return save(artists[0].figure, folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:80]}.png")
