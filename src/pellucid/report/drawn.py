"""The picture at the front of a case: its reasons where they lie, or how they add up."""

from __future__ import annotations

from typing import Any

from pellucid.core.apart import seen_from
from pellucid.core.errors import UnsupportedError
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.figures import panels, png_bytes
from pellucid.figures.feature_bars import feature_bars
from pellucid.figures.input_image import input_image
from pellucid.figures.regions import regions
from pellucid.figures.spectrogram import heard_by, spectrogram
from pellucid.figures.waterfall import waterfall
from pellucid.figures.windows import windows
from pellucid.report.pictures import DPI, Picture, text_of
from pellucid.report.reasons import COLUMNS, REGIONS, WINDOWS, Reasons
from pellucid.report.words import title_of

COUNT = 8
"""Columns drawn one by one."""


def front_picture(explanation: Explanation, row: int, reasons: Reasons, name: str) -> Picture | None:
    """Regions numbered in the picture, stretches of time shaded in the series, columns as steps from base to score; None where words say it all, or where the
    appendix alone has a picture of such values."""
    if reasons.kind == REGIONS:
        return _regions(explanation, row, reasons, name)
    if reasons.kind == WINDOWS:
        return _windows(explanation, row, reasons, name)
    if reasons.kind == COLUMNS and explanation.values.ndim == 2 and not explanation.of_pairs:
        return _columns(explanation, row, name)
    return None


def case_picture(explanation: Explanation, row: int, reasons: Reasons, name: str) -> Picture | None:
    """The inputs that are pictures, where the picture of the reasons does not show them."""
    if reasons.kind in (REGIONS, WINDOWS, COLUMNS) or explanation.packing is None or text_of(explanation, row):
        return None
    seen = {title: seen_from(explanation[row], title) for title in explanation.packing.names}
    parts = {title: one for title, one in seen.items() if one.inputs.ndim > 2}
    if not parts:
        return None
    axes = panels(["picture"] * len(parts), 2.1)
    for ax, (title, one) in zip(axes, parts.items(), strict=True):
        input_image(one, ax=ax, title=title)
    return Picture(name, _png(axes[0]), _("The case as the network got it"))


def _regions(explanation: Explanation, row: int, reasons: Reasons, name: str) -> Picture:
    areas, signs = [reason.part.area for reason in reasons.all if reason.part.area is not None], [reason.part.value for reason in reasons.all]
    alt = _("The case, and the reasons outlined in it, numbered as in the list: {names}").format(names=_names(reasons))
    if heard_by(explanation) is not None:
        return Picture(name, _png(spectrogram(explanation, sample=row, areas=areas, signs=signs)[0]), alt)
    left, right = panels(("picture", "picture"), 2.6)
    input_image(explanation, sample=row, ax=left, title=_("the case"))
    regions(explanation, sample=row, ax=right, areas=areas, signs=signs, title=_("the reasons"))
    return Picture(name, _png(left), alt)


def _windows(explanation: Explanation, row: int, reasons: Reasons, name: str) -> Picture:
    areas = [reason.part.area for reason in reasons.all if reason.part.area is not None]
    first, *_rest = windows(explanation, sample=row, areas=areas, signs=[reason.part.value for reason in reasons.all])
    alt = _("The case as a line in the colours of its attribution, and the stretches named as reasons, numbered as in the list: {names}")
    return Picture(name, _png(first), alt.format(names=_names(reasons)))


def _columns(explanation: Explanation, row: int, name: str) -> Picture:
    """How they add up, where they do."""
    try:
        first, *_rest = waterfall(explanation, sample=row, count=COUNT, title=_("from base score to score"))
        alt = _("{method}: from the base score to the score, a step for each column, the strongest first, with 95 % intervals")
    except UnsupportedError:
        first, *_rest = feature_bars(explanation, sample=row, count=COUNT, letters=30, title=_("strongest features"))
        alt = _("{method}: the strongest columns with 95 % intervals")
    return Picture(name, _png(first), alt.format(method=title_of(explanation)))


def _png(drawn: Any) -> bytes:
    """The figure on which an artist was drawn."""
    return png_bytes(drawn.figure.figure, DPI)


def _names(reasons: Reasons) -> str:
    return _("; ").join(_("{number}: {name}").format(number=reason.place, name=reason.name) for reason in reasons.all)
