"""Two explanations side by side on a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.comparison import TOP, Comparison
from pellucid.core.language import percent as share_words
from pellucid.core.language import said as _
from pellucid.core.told import named
from pellucid.report.pictures import Picture, difference_picture
from pellucid.report.words import in_figures, percent

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
    return Compared(_("{first}, compared with {second}").format(first=first, second=second), anchor, comparison.names, comparison.notes, samples)


def _pair(comparison: Comparison, row: int, name: str) -> Pair:
    targets = dict.fromkeys((comparison.a.target.labels[row], comparison.b.target.labels[row]))
    low, high = comparison.rank_interval[row]
    rank = in_figures(comparison.rank[row], ".3f")
    if np.isfinite(low) and low < high:
        rank = _("{rank}, {low} to {high} as far as errors leave it open").format(rank=rank, low=in_figures(low, ".3f"), high=in_figures(high, ".3f"))
    shares = tuple(
        (_("top {share} shared").format(share=share_words(share, 0)), percent(float(found))) for share, found in zip(TOP, comparison.overlap[row], strict=True)
    )
    parts = tuple(
        (named(part.name), in_figures(part.a, ".3g"), in_figures(part.b, ".3g"), _apart(part.difference, part.low, part.high))
        for part in comparison.parts(row, PARTS)
    )
    nothing = (
        _("They part nowhere for sure.")
        if np.isfinite(comparison.error[row]).all()
        else _("Errors are not known, so that nothing can be said of where they part.")
    )
    return Pair(
        _("Sample {number}: {target}").format(number=comparison.numbers[row], target=" / ".join(targets)),
        difference_picture(comparison, row, name),
        ((_("rank agreement"), rank), *shares, (_("apart"), percent(float(comparison.change[row])))),
        parts,
        nothing,
    )


def _apart(difference: float, low: float, high: float) -> str:
    """A difference with its interval."""
    ends = (in_figures(end, ".3g") for end in (difference, low, high))
    return _("{value} ({low} to {high})").format(**dict(zip(("value", "low", "high"), ends, strict=True)))
