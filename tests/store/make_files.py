"""Writes the record file of this format's version 0.1. Run once a release; files of earlier releases stay as they are."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import synthetic
from pellucid.core.view import View
from pellucid.store import save

FOLDER = Path(__file__).parent / "files"


def records() -> list:
    """One record of every kind, small."""
    full = synthetic.view(1)
    small = View(full.view, {"dense": full.values["dense"]}, {"dense": full.axes["dense"]}, full.inputs, full.provenance)
    return [synthetic.explanation("integrated_gradients", 1), synthetic.explanation("lime", 1), small, synthetic.inspection()]


if __name__ == "__main__":
    save(records(), FOLDER / "records-0.1.safetensors")
