"""Two explanations and their difference, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.comparison import Comparison
from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation, t_quantile
from pellucid.figures._canvas import drawn as _
from pellucid.figures._canvas import short_name
from pellucid.figures._grid import cells
from pellucid.figures._picture import check_sample
from pellucid.figures.attribution_map import attribution_map, map_of
from pellucid.figures.feature_bars import feature_bars, strongest

Array = np.ndarray
SIDE, WIDE = 1.9, 26
Triple = tuple[Explanation, Explanation, Explanation]


def difference(comparison: Comparison, *, sample: int | None = 0, count: int = 8) -> tuple[Artist, ...]:
    """One sample, or all of them below each other where that is None: a, b and a − b; always on a figure of its own. Of several inputs each has a row.

    Maps are red for and blue against the target, white at zero, channels summed, so that the third is what the first two differ by; of tables, pairs and units
    of a layer the features that differ most are bars, with their 95 % intervals. The first two have one scale where their values have the same units.
    """
    if not isinstance(comparison, Comparison):
        raise SettingError(f"this figure takes what pellucid.compare returns, got {type(comparison).__name__}.")
    chosen = range(len(comparison)) if sample is None else [check_sample(sample, len(comparison))]
    rows = [(i, name, row) for i in chosen for name, row in _rows(comparison[i]).items()]
    bars = [_as_bars(found[-1][0]) for found in rows]
    axes = cells(len(rows), 3, (SIDE, SIDE), left=0.95 if any(bars) else 0.08, right=0.12 if all(bars) else 0.62, below=0.3)
    artists: list[Artist] = []
    for (i, name, row), places in zip(rows, axes, strict=True):
        titles = [_title(word, name or one.target.labels[0]) for word, one in zip(comparison.names, row[:2], strict=True)]
        apart = "a − b" if len(chosen) == 1 else _("sample {number}: a − b").format(number=comparison.numbers[i])
        draw = _bars if _as_bars(row[0]) else _maps
        artists += draw(row, places, [*titles, apart], comparison.same_units, count)
    for place in (place for row in axes for place in row):
        place.title.set_fontsize(7)
    return tuple(artists)


def _rows(comparison: Comparison) -> dict[str, Triple]:
    """By input what is drawn of one sample: a, b, and their difference as if it were an explanation."""
    low, high = comparison.interval(0.95)
    error = (high - low) / 2 / t_quantile(0.975, np.inf)  # so that its interval, with known errors, is the difference's
    apart = replace(comparison.a, values=comparison.difference, error=error, error_kind=_kind(comparison), degrees=np.full(1, np.inf), choices=None)
    row = (comparison.a, comparison.b, apart)
    if comparison.a.packing is None or comparison.a.layer or comparison.a.of_pairs:
        return {"": row}
    each = [one.by_input for one in row]
    return {name: (each[0][name], each[1][name], each[2][name]) for name in comparison.a.packing.names}


def _title(word: str, more: str) -> str:
    """What tells one from the other, and the target or the input, unless that is it."""
    return short_name(word, WIDE) if more in word else f"{short_name(word, WIDE)}\n{more}"


def _kind(comparison: Comparison) -> str:
    return "none" if np.isnan(comparison.error).any() else "exact" if not comparison.error.any() else "standard_error"


def _as_bars(explanation: Explanation) -> bool:
    return explanation.of_pairs or not explanation.on_grid or explanation.inputs.ndim == 2


def _maps(row: Triple, places: list[Axes], titles: list[str], one_scale: bool, count: int) -> list[Artist]:
    reach = [float(np.abs(map_of(one, 0, signed=True)).max()) for one in row]
    limits = [max(reach[:2])] * 2 + reach[2:] if one_scale else reach
    found: list[Artist] = []
    for one, ax, title, limit in zip(row, places, titles, limits, strict=True):
        found += attribution_map(one, ax=ax, limit=limit, title=title, signed=True)
    return found


def _bars(row: Triple, places: list[Axes], titles: list[str], one_scale: bool, count: int) -> list[Artist]:
    chosen, found = strongest(row[2], 0, count), list[Artist]()
    for one, ax, title in zip(row, places, titles, strict=True):
        found += feature_bars(one, ax=ax, title=title, features=chosen)
    for ax in places[1:]:
        ax.set_yticks([])
    if one_scale:
        ends = np.array([ax.get_xlim() for ax in places[:2]])
        for ax in places[:2]:
            ax.set_xlim(ends.min(), ends.max())
    return found
