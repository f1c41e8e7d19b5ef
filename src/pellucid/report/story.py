"""What is told around the cases of a report: what was asked, how good the network is, what was found, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pellucid.report.pictures import Picture


@dataclass(frozen=True)
class Quality:
    """How good a network is on samples that it has not seen.

    `measure` is "accuracy" or "AUC"; `value` lies in `interval` (low, high; 95 %) as far as `held_out` samples can tell. `baseline` is what always giving the
    commonest answer reaches (an AUC of .5).
    """

    network: str
    measure: str
    value: float
    interval: tuple[float, float]
    baseline: float
    held_out: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, for `result.json`."""
        return asdict(self) | {"interval": list(self.interval)}


@dataclass(frozen=True)
class Grid:
    """A table: the heads of its columns, and its rows as they are read; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Chapter:
    """One question and its answer: paragraphs, then pictures, then tables."""

    heading: str
    paragraphs: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class Story:
    """All that stands around the cases, in the language that is spoken.

    `noun` is what one case is called ("Applicant"), `lead` says in a sentence what was asked of which data, `notes` what the reader must know first (that the
    first choice of data was not there), `actions` what an engineer could do next, each drawn from what was measured. `beside` holds chapters that stand on the
    page of one case, by the network's name and the case's number in its data.
    """

    title: str
    lead: str
    noun: str
    qualities: tuple[Quality, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    actions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    beside: Mapping[tuple[str, int], tuple[Chapter, ...]] = field(default_factory=dict)

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, in order."""
        return [picture for chapter in self.chapters for picture in chapter.pictures]
