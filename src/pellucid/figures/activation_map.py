"""What every channel of a layer answered to one input, on one scale."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED, POSITIVE, SIGNED, own_axes, panels, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import check_sample, colour_bar

Array = np.ndarray
TILE = 24
"""Pixels that a channel's tile has at least, so that a grid of 3 × 3 is still seen."""


def activation_map(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """One layer's values for one sample; `layer` may be left out where there is one.

    Channels over a grid: one numbered tile a channel, all on one scale (row by row, channel 0 first). A state over time: units × time steps.
    Units alone: a bar each. Scales are symmetric about zero where a value is negative.
    """
    name = _layer(view, layer)
    values = view.values[name][check_sample(sample, len(view))].astype(np.float64)
    heading = title if title is not None else name
    if values.ndim == 3:
        return _tiles(values, heading, ax)
    if values.ndim == 2:
        return _states(values, view.axes.get(name, ()), heading, ax)
    return _units(np.ravel(values), heading, ax)


def _layer(view: View, layer: str | None) -> str:
    if layer is None:
        if len(view.values) != 1:
            raise SettingError(
                f"the view holds {len(view.values)} layers; say which, e.g. layer={next(iter(view.values), '')!r}. Known: {', '.join(view.values)}."
            )
        return next(iter(view.values))
    if layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    return layer


def _show(ax: Axes, shown: Array, aspect: Literal["auto", "equal"]) -> AxesImage:
    """An image whose scale is symmetric about zero, or begins there where nothing is negative."""
    finite = shown[np.isfinite(shown)]
    reach = float(np.abs(finite).max(initial=0.0)) or 1.0
    signed = bool((finite < 0).any())
    return ax.imshow(shown, cmap=SIGNED if signed else POSITIVE, vmin=-reach if signed else 0.0, vmax=reach, interpolation="nearest", aspect=aspect)


def mosaic(values: Array, columns: int) -> tuple[Array, list[tuple[int, int]]]:
    """Channels (rows, columns, channels) side by side with gaps of NaN, and the (row, column) where each tile begins."""
    height, width, channels = values.shape
    grow = max(1, math.ceil(TILE / max(height, width)))
    tall, broad = height * grow, width * grow
    above, beside = max(6, tall // 3), max(2, broad // 12)
    rows = math.ceil(channels / columns)
    canvas = np.full((rows * (tall + above), columns * (broad + beside)), np.nan)
    corners = [((k // columns) * (tall + above) + above, (k % columns) * (broad + beside)) for k in range(channels)]
    for k, (top, left) in enumerate(corners):
        canvas[top : top + tall, left : left + broad] = np.kron(values[..., k], np.ones((grow, grow)))
    return canvas, corners


def _tiles(values: Array, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """The image of all tiles, then one number a tile."""
    channels = values.shape[-1]
    columns = min(channels, 16 if channels > 8 else 8)
    canvas, corners = mosaic(values, columns)
    if ax is None:
        tall, broad = canvas.shape
        inches = min(7.0, 0.9 * columns)
        ax = panels(("map",), inches * tall / broad + 0.42, aspect=broad / tall)[0]
    image = _show(ax, canvas, "equal")
    numbers = [ax.text(left, top - 1, str(k), va="bottom", ha="left", **words(5.5)) for k, (top, left) in enumerate(corners)]
    ax.set_axis_off()
    colour_bar(image, ax, thin=True)
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *numbers)


def _states(values: Array, axes: tuple[str, ...], heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """Time runs to the right, one row a unit."""
    ax = own_axes(ax, "states", 2.8)
    image = _show(ax, values.T, "auto")
    down, across = (axes[-1], axes[-2]) if len(axes) >= 2 else ("unit", "time step")
    ax.set_xlabel(_("time step") if across.startswith("time") else across, **words(8))
    ax.set_ylabel(_("unit") if down.startswith("unit") else down, **words(8))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    inset = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    ax.figure.colorbar(image, cax=inset).ax.tick_params(labelsize=7, length=2)
    ax.set_title(heading, y=1.0, **words(9))
    return (image,)


def _units(values: Array, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    ax = own_axes(ax, "states", 1.9)
    bars = ax.bar(np.arange(len(values)), values, width=0.8, color="#3b6ea5")
    ax.axhline(0, color=MUTED, linewidth=0.6)
    ax.set_xlabel(_("unit"), **words(8))
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.tick_params(labelsize=7, length=2, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_title(heading, y=1.0, **words(9))
    return tuple(bars)
