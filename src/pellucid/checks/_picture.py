"""The picture that goes with an expectation that was not kept: the worst sample, its input, its map, what it was held against, and the figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pellucid.api.truth import truth_of
from pellucid.api.units import units_of
from pellucid.checks._expectation import Result
from pellucid.core.layout import channels_of, of_columns, to_last
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, headed, panels, save

TRUTH = "#1b9e3e"


def save_picture(result: Result, folder: Path, name: str) -> Path:
    """Write the picture of the worst sample into a folder, and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    worst, expectation = result.explanation[result.worst], result.expectation
    earlier, truth = getattr(expectation, "since", None), getattr(expectation, "truth", None)
    before = [earlier[result.worst]] if isinstance(earlier, Explanation) else []
    artists = _columns([worst, *before]) if of_columns(worst) and worst.values.ndim == 2 else FIGURES.load("comparison")([worst, *before])
    axes = list(dict.fromkeys(artist.axes for artist in artists if artist.axes is not None))
    for ax, word in zip(axes[-2:], ("now", "before") if before else (), strict=False):
        ax.set_title(f"{word}, {ax.get_title()}", fontsize=7)
    if truth is not None:
        _mark(axes, result)
    headed(artists[0].figure, str(result))
    return save(artists[0].figure, folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:80]}.png")


def _columns(explanations: list[Explanation]) -> list[Any]:
    """Of rows of a table the strongest columns, by their names."""
    found: list[Any] = []
    for explanation, ax in zip(explanations, panels(("columns",) * len(explanations), 2.2), strict=True):
        found += FIGURES.load("feature_bars")(explanation, ax=ax, count=10, letters=30, title=f"{explanation.method.replace('_', ' ')}")
    return found


def _mark(axes: list[Any], result: Result) -> None:
    """The edge of the place in question, on pictures of its size."""
    explanation = result.explanation
    place = truth_of(result.expectation.truth, explanation, explanation.features or units_of(explanation, None))  # type: ignore[attr-defined]
    if place is None or place.ndim != 4:
        return
    inside = to_last(place, channels_of(explanation))[result.worst].max(axis=-1)
    if inside.min() < 0.5 <= inside.max():
        for ax in axes:
            ax.contour(inside, levels=[0.5], colors=TRUTH, linewidths=1.2)
