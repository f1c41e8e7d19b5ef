"""How a training went: loss and metrics by epoch, which layers moved, and where units died; or all that is known of one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED, POSITIVE, inside, short_name, stacked, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import colour_bar

Array = np.ndarray
BLUE, ORANGE, PURPLE, GREEN = "#22577a", "#c8691c", "#6a4c93", "#3a7d44"
RESERVED = ("epoch", "step", "probe", "frame_epoch", "snapshot_epoch", "learning_rate")
CURVES = 3
"""Panels of curves at most: the loss and the first metrics."""
NAMED = 24
"""Layers whose names have room beside a heat map; of more, every second or third is named."""
CURVE, ROW, LEAST, MOST, GAP = 1.25, 0.2, 1.1, 3.6, 0.36
"""Inches: height of a panel of curves, of a layer's row, the least and the most that a heat map takes, and what lies between panels."""
SHARES = ("dead", "saturated")


def training(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """Without `layer`, panels below each other: the loss and the first metrics, training against validation; the update-to-weight ratio, layers by epochs, on a
    logarithmic scale, gray where it did not move, and the norm of the gradient likewise, where it is known; shares of dead and of saturated units, where there
    are any. With `layer`, the norms of its weights, updates and gradients, then those shares. Lines and meshes in this order. `sample` is not used: `film`
    shows what samples excite.
    """
    if view.view != "training":
        raise SettingError(f"'training' draws a record of a training; this is a view '{view.view}'.")
    if layer is not None and (layer not in view.details or layer == "network"):
        raise UnknownLayerError(unknown("layer", layer, [name for name in view.details if name != "network"]))
    heading = title if title is not None else _("training") if layer is None else layer
    return _network(view, ax, heading) if layer is None else _layer(view, layer, ax, heading)


def _axes(ax: Axes | None, heights: Sequence[float]) -> list[Axes]:
    """Panels below each other, of heights in inches where the figure is its own."""
    gaps = [GAP] * len(heights)
    return inside(stacked([("swarm", sum(heights) + sum(gaps[1:]))], 6.6)[0] if ax is None else ax, heights, gaps)


def _network(view: View, ax: Axes | None, heading: str) -> tuple[Artist, ...]:
    epochs, curves = view.details["network"]["epoch"], _pairs(view.details["network"])
    ratios = _rows(view, "update_ratio")
    shares = {name: found for name in SHARES if (found := _rows(view, name)) and any(np.nanmax(row, initial=0.0) > 0 for row in found.values())}
    gradients = {name: row for name, row in _rows(view, "gradient_norm").items() if (row > 0).any()}
    heats = ([("update_ratio", ratios)] if ratios and len(epochs) > 1 else []) + ([("gradient_norm", gradients)] if gradients else []) + list(shares.items())
    tall = [float(np.clip(ROW * len(rows), LEAST, MOST)) for _, rows in heats]
    axes = _axes(ax, [CURVE] * len(curves) + tall)
    artists: list[Artist] = []
    for one, (name, parts) in zip(axes, curves.items(), strict=False):
        artists += _lines(one, epochs, parts, name)
    for one, (name, rows) in zip(axes[len(curves) :], heats, strict=True):
        artists.append(_heat(one, epochs, rows, name))
    axes[0].set_title(heading, y=1.0, **words(9))
    axes[-1].set_xlabel(_("epoch"), **words(8))
    return tuple(artists)


def _pairs(curves: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Curve → its training and validation form; the loss first."""
    names = [name for name in curves if name not in RESERVED and not name.startswith("val_")]
    names += [name.removeprefix("val_") for name in curves if name.startswith("val_") and name.removeprefix("val_") not in names]
    found = {}
    for name in names:
        parts = {part: curves[key] for part, key in (("training", name), ("validation", f"val_{name}")) if key in curves and np.isfinite(curves[key]).any()}
        if parts:
            found[name] = parts
    return dict(list(found.items())[:CURVES])


def _rows(view: View, quantity: str) -> dict[str, Array]:
    return {name: found[quantity] for name, found in view.details.items() if name != "network" and quantity in found}


def _lines(ax: Axes, epochs: Array, parts: Mapping[str, Array], name: str) -> list[Artist]:
    said = {"training": _("training"), "validation": _("validation")}
    artists: list[Artist] = []
    for (part, values), colour in zip(parts.items(), (BLUE, ORANGE), strict=False):
        known = np.isfinite(values)
        artists += ax.plot(epochs[known], values[known], "-o", color=BLUE if part == "training" else colour, linewidth=1.3, markersize=2.5, label=said[part])
    spread = np.concatenate([values[np.isfinite(values)] for values in parts.values()])
    if name == "loss" and spread.min() > 0 and spread.max() > 20 * spread.min():
        ax.set_yscale("log")
    names = {"loss": _("loss"), "accuracy": _("accuracy")}
    ax.set_ylabel(names.get(name, short_name(name, 20)), **words(8))
    _plain(ax, epochs)
    if len(parts) > 1:
        ax.legend(prop={"family": words()["family"], "size": 7}, frameon=False, loc="best")
    return artists


def _plain(ax: Axes, epochs: Array) -> None:
    edges = _edges(epochs)
    ax.set_xlim(edges[0], edges[-1])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _edges(epochs: Array) -> Array:
    """The bounds of what is drawn of each moment: half way to its neighbours."""
    between = (epochs[1:] + epochs[:-1]) / 2
    first, last = (between[0], between[-1]) if len(between) else (epochs[0] + 0.5, epochs[-1] - 0.5)
    return np.concatenate([[2 * epochs[0] - first], between, [2 * epochs[-1] - last]])


def _heat(ax: Axes, epochs: Array, rows: Mapping[str, Array], name: str) -> Artist:
    """Layers by epochs, the first layer on top; of a ratio or a norm its logarithm, a share from 0 to 1."""
    ratio = name not in SHARES
    array = np.stack(list(rows.values())).astype(np.float64)
    if ratio:
        array = np.log10(np.where(np.isfinite(array) & (array > 0), array, np.nan))
    shown = np.ma.masked_invalid(array)
    scale: Any = {} if ratio else {"vmin": 0.0, "vmax": 1.0}
    ax.set_facecolor("#d0d4d9")
    mesh = ax.pcolormesh(_edges(epochs), np.arange(len(array) + 1), shown, cmap=POSITIVE, **scale)
    step = -(-len(rows) // NAMED)
    ax.set_yticks(np.arange(len(rows))[::step] + 0.5, [short_name(layer, 20) for layer in list(rows)[::step]], **words(7))
    ax.set_ylim(len(rows), 0)
    _plain(ax, epochs)
    ax.tick_params(axis="y", length=0)
    bar = colour_bar(mesh, ax, thin=True)
    titles = {"update_ratio": _("log₁₀ update / weight"), "gradient_norm": _("log₁₀ gradient"), "dead": _("dead units"), "saturated": _("saturated units")}
    bar.set_label(titles[name], labelpad=2, **words(7))
    return mesh


def _layer(view: View, layer: str, ax: Axes | None, heading: str) -> tuple[Artist, ...]:
    epochs, found = view.details["network"]["epoch"], view.details[layer]
    said = {"weight_norm": _("weights"), "update_norm": _("update"), "gradient_norm": _("gradient")}
    norms = {name: found[name] for name in said if name in found and (found[name] > 0).any()}
    shares = {name: found[name] for name in SHARES if name in found}
    parts = ([norms] if norms else []) + ([shares] if shares else [])
    if not parts:
        raise SettingError(f"nothing was recorded of layer '{layer}' but pictures; draw them with 'film'.")
    axes = _axes(ax, [1.7 if part is norms else CURVE for part in parts])
    names = said | {"dead": _("dead units"), "saturated": _("saturated units")}
    artists: list[Artist] = []
    for one, part in zip(axes, parts, strict=True):
        for (name, values), colour in zip(part.items(), (BLUE, ORANGE, PURPLE) if part is norms else (GREEN, MUTED), strict=False):
            known = np.isfinite(values) & (values > 0) if part is norms else np.isfinite(values)
            artists += one.plot(epochs[known], values[known], "-o", color=colour, linewidth=1.3, markersize=2.5, label=names[name])
        if part is norms:
            one.set_yscale("log")
        else:
            one.set_ylim(-0.03, 1.03)
        one.set_ylabel(_("norm") if part is norms else _("share of units"), **words(8))
        one.legend(prop={"family": words()["family"], "size": 7}, frameon=False, loc="best")
        _plain(one, epochs)
    axes[0].set_title(heading, y=1.0, **words(9))
    axes[-1].set_xlabel(_("epoch"), **words(8))
    return tuple(artists)
