"""Checks of an explanation by itself, one file each: a function of the file's name, explanation → one finding or None per sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pellucid.core.catalogue import Catalogue
from pellucid.core.outcome import Check
from pellucid.core.records import Explanation

DIAGNOSTICS = Catalogue("diagnostic", "pellucid.diagnostics", Path(__file__).parent, plain=True)


class Diagnostic(Protocol):
    """What each file of this room holds."""

    def __call__(self, explanation: Explanation) -> Sequence[Check | None]:
        """One finding, or None where all is well, per sample."""


def examine(explanation: Explanation) -> list[list[Check]]:
    """Every finding of every diagnostic, per sample."""
    found: list[list[Check]] = [[] for _ in range(len(explanation))]
    for name in DIAGNOSTICS:
        diagnostic: Diagnostic = DIAGNOSTICS.load(name)
        for findings, check in zip(found, diagnostic(explanation), strict=True):
            if check is not None:
                findings.append(check)
    return found
