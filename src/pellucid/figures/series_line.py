"""A series as a line in the colours of its attribution, and below it the attribution with its error, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, MARGINS, MUTED, POSITIVE, SIGNED, inside, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import LEVEL, in_figures, score_of
from pellucid.figures._picture import check_sample, colour_bar, is_signed
from pellucid.figures._time import Told, measured, strongest_at, thinned, told_of

Array = np.ndarray
HEIGHTS = (1.0, 0.55)
GAPS = (0.1, 0.3)
"""Of a channel: its line, and its attribution; the gap below each. Inches on a figure of its own."""
FEW, THICK, THIN = 400, 2.8, 1.4
"""Up to so many steps the line is thick; in points."""


def series_line(
    explanation: Explanation,
    *,
    sample: int = 0,
    ax: Axes | None = None,
    limit: float | None = None,
    count: int = 6,
    channels: Sequence[str] | None = None,
    title: str | None = None,
) -> tuple[Artist, ...]:
    """One series, (steps,) or (steps, channels), each channel with its attribution in two small panels in the place of `ax`; of many channels the `count` with
    the largest attributions. All share the time axis, one scale of the attribution, which is −limit to limit where it has a direction, and one of the series,
    unless a preprocessing knows of channels that are not of one unit: each then has its own.

    Each step has its attribution's colour, halfway to its neighbours. The band is the 95 % interval. Where a `Series` or `Audio` was given, the series is shown
    as it was measured, time runs in its unit, and channels bear their names and units; elsewhere `channels` names them. Of more than 1,400 samples each stretch
    shows its least and its largest, and its strongest attribution as colour. For each channel the coloured line comes first, then the line of its attribution,
    then, where there is an error, the band.
    """
    told = told_of(explanation)
    one, inputs = measured(explanation[check_sample(sample, len(explanation))], told)
    series, values, half = _parts(one, inputs)
    names = _channel_names(told, series.shape[1], channels)
    if len(names) != series.shape[1]:
        raise SettingError(f"{len(names)} names of channels were given, and the series has {series.shape[1]}; give one for each.")
    chosen = np.sort(np.argsort(-np.abs(values).sum(axis=0), kind="stable")[:count])
    rows = len(chosen)
    inner = rows * (sum(HEIGHTS) + sum(GAPS)) - GAPS[1]
    ax = own_axes(ax, "series", inner + MARGINS["series"][2] + MARGINS["series"][3], 4.4 / inner)
    axes = inside(ax, HEIGHTS * rows, GAPS * rows)
    signed = is_signed(explanation)
    reach = float(limit if limit is not None else np.abs(values).max()) or 1.0
    artists: list[Artist] = []
    for place, channel in enumerate(map(int, chosen)):
        above, below = axes[2 * place : 2 * place + 2]
        line = _coloured(above, series[:, channel], values[:, channel], (-reach if signed else 0.0, reach), SIGNED if signed else POSITIVE)
        artists += [line, *_banded(below, values[:, channel], None if half is None else half[:, channel])]
        if names[channel]:
            above.set_ylabel(_in_lines(names[channel]), labelpad=2, **words(7)).set_gid(names[channel])
    _share(axes, series[:, chosen], values[:, chosen], None if half is None else half[:, chosen], told)
    colour_bar(line, axes[0] if rows == 1 else ax, thin=True)
    axes[-1].set_xlabel(_stated(told, None if half is None else float(half[:, chosen].max())), labelpad=2, **words(7))
    heading = _("attribution to the {score}").format(score=score_of(one, 0))
    if rows < series.shape[1]:
        heading = _("{title}, {part} of {all} channels").format(title=heading, part=rows, all=series.shape[1])
    ax.set_title(short_name(heading, 60) if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _stated(told: Told, error: float | None) -> str:
    """What lies across, and the largest error of what lies up."""
    across = _("time ({unit})").format(unit=told.unit) if told.spacing else _("time step")
    return across if error is None else _("{across}  (95 % error: at most ± {error})").format(across=across, error=in_figures(error, ".2g"))


def _channel_names(told: Told, count: int, given: Sequence[str] | None) -> list[str]:
    """As they are given; as a series' preprocessing calls them, with their units; else by number, where there are several."""
    if len(told.names) == count and (given is None or list(given) == [name.rpartition(" (")[0] or name for name in told.names]):
        return list(told.names)
    if given is not None:
        return list(given)
    return [_("channel {number}").format(number=i) for i in range(count)] if count > 1 else [""]


def _in_lines(name: str, most: int = 14) -> str:
    """A name beside its panel; one that is too long with its unit has that on a line of its own."""
    plain, found, unit = name.rpartition(" (")
    return f"{short_name(plain, most)}\n({unit}" if found and len(name) > most else short_name(name, most)


def _parts(one: Explanation, inputs: Array) -> tuple[Array, Array, Array | None]:
    """The series, its attribution and half the width of its intervals, each (steps, channels)."""
    shape = one.inputs.shape[1:]
    if len(shape) not in (1, 2):
        raise UnsupportedError(f"this input has the shape {shape}, and a series (steps,) or (steps, channels); draw 'attribution_map'.")
    if one.of_pairs or not one.on_grid:
        raise UnsupportedError("these values lie on no series; draw 'feature_bars'.")
    parts = [inputs, one.to_input()]
    if one.error_kind not in ("exact", "none"):
        parts.append(replace(one, values=one.interval(LEVEL)[1] - one.values, choices=None).to_input())
    series, values, *half = (np.asarray(part[0], dtype=np.float64).reshape(shape[0], -1) for part in parts)
    return series, values, half[0] if half else None


def _coloured(ax: Axes, series: Array, values: Array, ends: tuple[float, float], cmap: str) -> LineCollection:
    """The series on a gray line, so that steps near zero, which are white, are seen."""
    steps, thick = thinned(series), THICK if len(series) <= FEW else THIN
    series, values = series[steps], strongest_at(values, steps)
    ax.plot(steps, series, color=MUTED, linewidth=thick + 1.4 * thick / THICK, solid_capstyle="round", solid_joinstyle="round", zorder=1)
    points = np.stack([steps, series], axis=1)
    middle = (points[1:] + points[:-1]) / 2
    pieces = np.stack([np.concatenate([points[:1], middle]), points, np.concatenate([middle, points[-1:]])], axis=1)
    line = LineCollection(list(pieces), array=values, cmap=cmap, linewidths=thick, capstyle="round", zorder=2)
    line.set_clim(*ends)
    ax.add_collection(line, autolim=False)
    return line


def _banded(ax: Axes, values: Array, half: Array | None) -> list[Artist]:
    steps = thinned(values)
    values, half = values[steps], None if half is None else half[steps]
    ax.axhline(0, color=INK, linewidth=0.5, zorder=0)
    (line,) = ax.plot(steps, values, color=INK, linewidth=0.9, zorder=2)
    return [line] if half is None else [line, ax.fill_between(steps, values - half, values + half, color=MUTED, alpha=0.55, linewidth=0, zorder=1)]


def _share(axes: Sequence[Axes], series: Array, values: Array, half: Array | None, told: Told) -> None:
    """One time axis, one scale for all attributions, zero among them, and one for all series of one unit."""
    wide = np.abs(values) if half is None else np.abs(values) + half
    down = (values if half is None else values - half).min(initial=0.0)
    edge = float(wide.max()) or 1.0
    for place, one in enumerate(axes):
        one.set_xlim(-0.5, len(series) - 0.5)
        of_one = series[:, place // 2] if told.apart else series
        low, high = float(of_one.min()), float(of_one.max())
        room = 0.08 * ((high - low) or 1.0)
        one.set_ylim(*((low - room, high + room) if place % 2 == 0 else (-1.05 * edge if down < 0 else -0.05 * edge, 1.05 * edge)))
        one.tick_params(labelsize=6.5, length=2, colors=INK)
        one.locator_params(axis="y", nbins=3)
        told.mark(one, len(series))
        if place < len(axes) - 1:
            one.tick_params(axis="x", labelbottom=False)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
