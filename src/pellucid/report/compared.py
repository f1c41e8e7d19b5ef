"""Two explanations side by side on a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.comparison import TOP, Comparison
from pellucid.report.pictures import Picture, difference_picture
from pellucid.report.words import percent

PARTS = 8


@dataclass(frozen=True)
class Pair:
    """One sample of a comparison: `parts` are name, value in a, value in b and the interval of the difference."""

    heading: str
    picture: Picture
    facts: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str, str, str], ...]
    nothing: str


@dataclass(frozen=True)
class Compared:
    """One comparison."""

    title: str
    anchor: str
    names: tuple[str, str]
    notes: tuple[str, ...]
    samples: tuple[Pair, ...]


def side_by_side(comparison: Comparison, anchor: str) -> Compared:
    """What a page says of a comparison."""
    first, second = comparison.names
    samples = tuple(_pair(comparison, row, f"{anchor}-sample-{comparison.numbers[row]}") for row in range(len(comparison)))
    return Compared(f"{first}, compared with {second}", anchor, comparison.names, comparison.notes, samples)


def _pair(comparison: Comparison, row: int, name: str) -> Pair:
    targets = dict.fromkeys((comparison.a.target.labels[row], comparison.b.target.labels[row]))
    low, high = comparison.rank_interval[row]
    rank = f"{comparison.rank[row]:.3f}" + (f", {low:.3f} to {high:.3f} as far as errors leave it open" if np.isfinite(low) and low < high else "")
    shares = tuple((f"top {share:.0%} shared", percent(float(found))) for share, found in zip(TOP, comparison.overlap[row], strict=True))
    parts = tuple(
        (part.name, f"{part.a:.3g}", f"{part.b:.3g}", f"{part.difference:.3g} ({part.low:.3g} to {part.high:.3g})") for part in comparison.parts(row, PARTS)
    )
    nothing = (
        "They part nowhere for sure." if np.isfinite(comparison.error[row]).all() else "Errors are not known, so that nothing can be said of where they part."
    )
    return Pair(
        f"Sample {comparison.numbers[row]}: {' / '.join(targets)}",
        difference_picture(comparison, row, name),
        (("rank agreement", rank), *shares, ("apart", percent(float(comparison.change[row])))),
        parts,
        nothing,
    )
