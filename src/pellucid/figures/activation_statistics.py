"""What the layers of a network give over a data set: their distributions on one scale, and the shares of dead, zero and saturated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from pellucid.core.language import number, percent
from pellucid.core.view import View
from pellucid.figures._canvas import FOR, INK, MUTED, families, inside, panels, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures.activation_map import view_layer

Array = np.ndarray
FILL, LINE = "#9ecae1", "#2c6fa6"
SHARES = {"dead": (FOR, "////"), "saturated": ("#e08214", "xxxx"), "zero": (MUTED, "")}
"""By share, its colour and a hatch, so that colour is not all that tells them apart."""
SPREAD = 30.0
"""Where the widest layer is as many times as wide as the narrowest, the scale is logarithmic away from zero."""
EACH, OVERLAP = 0.42, 1.35


def activation_statistics(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """All layers below each other, each with its distribution and its shares; or one `layer`: its distribution, and mean and spread of every unit.

    Values that are exactly zero are counted by the bars and left out of the distributions, whose heights are relative to each layer's highest. `sample` is
    not used: a data set is shown as a whole.
    """
    if layer is not None:
        return _one(view, view_layer(view, layer), ax, title)
    names = list(view.values)
    left, right = _two(ax, len(names))
    artists = _ridge(view, names, left)
    artists += _bars(view, names, right)
    samples = int(view.details[names[0]]["samples"][0])
    (left if ax is None else ax).set_title(title if title is not None else _("Activations over {samples} samples").format(samples=number(samples)), **_head())
    return tuple(artists)


def _keys() -> dict[str, Any]:
    return {"borderpad": 0, "handlelength": 1.4, "columnspacing": 1.0, "labelspacing": 0.25, "prop": {"size": 6.5, "family": list(families())}}


def _head() -> dict[str, Any]:
    return {"y": 1.0, "loc": "left", **words(9)}


def _two(ax: Axes | None, rows: int) -> tuple[Axes, Axes]:
    """Axes for the distributions and, beside them, for the bars."""
    if ax is None:
        height = EACH * rows + 1.15
        left, right = panels(("rows", "bars"), height, aspect=2.6 / (EACH * rows))
        box, wide = right.get_position(), left.get_position()
        right.set_position((wide.x1 + 0.03, wide.y0, box.x1 - wide.x1 - 0.03, wide.height))
        left.set_position((wide.x0, wide.y0, wide.width, wide.height))
        return left, right
    ax.set_axis_off()
    return ax.inset_axes((0.22, 0.0, 0.45, 1.0)), ax.inset_axes((0.7, 0.0, 0.3, 1.0))


def _distribution(view: View, name: str) -> tuple[Array, Array]:
    """Density of each bin, the exact zeros left out, and edges."""
    found = view.details[name]
    counts, edges = found["histogram"][1:-1].astype(np.float64), found["edges"]
    total = float(found["histogram"].sum())
    place = int(np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, len(counts) - 1))
    if edges[0] <= 0 <= edges[-1]:
        counts[place] = max(counts[place] - round(float(found["zero"].mean()) * total), 0.0)
    return counts / np.diff(edges) / max(total, 1.0), edges


def _ridge(view: View, names: Sequence[str], ax: Axes) -> list[Artist]:
    artists: list[Artist] = []
    reaches = []
    for i, name in enumerate(names):
        density, edges = _distribution(view, name)
        live = np.flatnonzero(density)
        reaches.append(max(abs(edges[live[0]]), abs(edges[live[-1] + 1])) if len(live) else 0.0)
        base = len(names) - 1 - i
        height = density / (density.max() or 1.0) * OVERLAP * 0.7
        patch = StepPatch(base + height, edges, baseline=base, facecolor=FILL, edgecolor=LINE, linewidth=0.7, alpha=0.85, zorder=i)
        ax.add_patch(patch)
        ax.axhline(base, color=MUTED, linewidth=0.4, zorder=i - 0.5)
        artists.append(patch)
    reach = max(reaches, default=1.0) or 1.0
    wide = [one for one in reaches if one > 0]
    if wide and max(wide) > SPREAD * min(wide):
        ax.set_xscale("symlog", linthresh=float(np.median(wide)) / 4)
    negative = any(view.details[name]["low"].min() < 0 for name in names)
    ax.set_xlim(-reach if negative else -0.02 * reach, reach)
    ax.set_ylim(-0.25, len(names) - 1 + OVERLAP * 0.8)
    ax.set_yticks(range(len(names)), [short_name(name, 24) for name in reversed(names)], **words(7))
    ax.set_xlabel(_("activation, zeros left out"), **words(8))
    _plain(ax)
    return artists


def _bars(view: View, names: Sequence[str], ax: Axes) -> list[Artist]:
    """Beside each layer the share of its units that are dead, of its values that are at an end, and of those that are zero."""
    artists: list[Artist] = []
    said = {"dead": _("units dead"), "saturated": _("values at an end of the range"), "zero": _("values zero")}
    for k, (kind, (colour, hatch)) in enumerate(SHARES.items()):
        if not any(kind in view.details[name] and view.details[name][kind].any() for name in names):
            continue
        shares = [float(view.details[name][kind].mean()) if kind in view.details[name] else 0.0 for name in names]
        places = len(names) - 1 - np.arange(len(names)) + 0.55 - 0.24 * k
        bars = ax.barh(places, shares, 0.22, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3, label=said[kind])
        artists += list(bars)
        for place, share in zip(places, shares, strict=True):
            if share > 0:
                artists.append(ax.text(share + 0.015, place, percent(share), va="center", **words(5.5)))
    ax.set_xlim(0, 1.2)
    ax.set_xticks([0, 0.5, 1])
    ax.set_ylim(-0.25, len(names) - 1 + OVERLAP * 0.8)
    ax.set_yticks([])
    ax.tick_params(labelbottom=False)
    if artists:
        ax.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=1, frameon=False, **_keys())
    _plain(ax)
    return artists


def _plain(ax: Axes) -> None:
    ax.tick_params(labelsize=7, length=2, colors=INK)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _one(view: View, name: str, ax: Axes | None, title: str | None) -> tuple[Artist, ...]:
    """One layer: how its values are distributed, then mean, spread and range of every unit, dead and saturated ones marked."""
    if ax is None:
        ax = panels(("scatter",), 4.0, aspect=2.0)[0]
    above, under = inside(ax, (1.0, 1.0), (0.42, 0.0))
    found, mean = view.details[name], view.values[name]
    density, edges = _distribution(view, name)
    patch = StepPatch(density, edges, facecolor=FILL, edgecolor=LINE, linewidth=0.7)
    above.add_patch(patch)
    above.set_xlim(edges[0], edges[-1])
    above.set_ylim(0, (density.max() or 1.0) * 1.08)
    above.set_xlabel(_("activation, zeros left out"), **words(7))
    above.set_ylabel(_("density"), **words(7))
    outside = found["histogram"][[0, -1]] / max(found["histogram"].sum(), 1)
    text = _("zero {zero}, below the bins {below}, above them {above}")
    said = text.format(zero=percent(float(found["zero"].mean())), below=percent(float(outside[0])), above=percent(float(outside[1])))
    note = above.text(0.99, 0.97, said, ha="right", va="top", transform=above.transAxes, **words(6.5))
    units = np.arange(len(mean))
    span = under.vlines(units, found["low"], found["high"], color=FILL, linewidth=1.0, label=_("range"))
    bars = under.errorbar(units, mean, found["deviation"], fmt=".", color=LINE, markersize=3, elinewidth=0.8, label=_("mean ± standard deviation"))
    artists: list[Artist] = [patch, note, span, *bars.get_children()]
    for kind, marker, label in (("dead", "x", _("dead")), ("saturated", "^", _("saturated"))):
        marked = np.flatnonzero(found.get(kind, np.zeros(len(mean))) > 0.9)
        if len(marked):
            artists += under.plot(marked, mean[marked], marker, color=FOR if kind == "dead" else "#e08214", markersize=5, linestyle="none", label=label)
    under.set_xlabel(_("unit"), **words(7))
    under.set_xlim(-0.7, len(mean) - 0.3)
    under.legend(loc="upper left", bbox_to_anchor=(0, 1.2), ncols=4, frameon=False, **_keys())
    for part in (above, under):
        part.locator_params(nbins=5)
        _plain(part)
        part.spines["left"].set_visible(True)
    ax.set_title(title if title is not None else name, y=1.0, **words(9))
    return tuple(artists)
