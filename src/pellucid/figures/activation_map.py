"""What every channel of a layer answered to one input, on one scale."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.view import View
from pellucid.figures._canvas import INK, POSITIVE, SIGNED, letters_of, own_axes, panels, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._labels import labelled
from pellucid.figures._picture import check_sample, colour_bar

Array = np.ndarray
TILE = 24
"""Pixels that a channel's tile has at least, so that a grid of 3 × 3 is still seen."""
DEAD, SATURATED = "\u2205", "\u25b2"
"""Marks of a channel that is zero everywhere, and of one that lies at an end of its range at most places."""
STRIP, WIDE, NUMBERED = 32, 64, 1024
"""Units in a line of a strip: so many, or where there are more than can be numbered each, so many."""
SMALLEST = 3.2
"""Points of the smallest number that is still written."""
LETTER = 3.3
"""Points that a letter of the text below takes, at most, on the average."""
WORDS = 48
"""So many tokens have room for their words."""


def activation_map(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """One layer's values for one sample; `layer` may be left out where there is one.

    Channels over a grid: one numbered tile a channel, a volume's slices below each other, all on one scale (row by row, channel 0 first, or the strongest
    first where the view was asked for that). A state over time, or units over tokens: units × steps. Units alone: a strip of cells, wrapped. Scales are
    symmetric about zero where a value is negative. ∅ marks a channel that is zero everywhere, ▲ one that lies at an end of its range at most places; a text
    below says how many there are.
    """
    name = view_layer(view, layer)
    row = check_sample(sample, len(view))
    values = view.values[name][row].astype(np.float64)
    details = {kind: array[row] for kind, array in view.details.get(name, {}).items()}
    order = details.get("order", np.arange(values.shape[-1] if values.ndim else 1)).astype(int)
    marks = _marks(details, len(order))
    heading = title if title is not None else name
    if values.ndim > 3:  # slices of a volume below each other
        values = values.reshape(-1, *values.shape[-2:])
    if values.ndim == 3:
        return _tiles(values[..., order], order, marks, heading, ax)
    if values.ndim == 2:
        return _states(values[:, order], order, marks, view.axes.get(name, ()), heading, _tokens(view, row, len(values)), ax)
    return _units(np.ravel(values)[order], order, marks, heading, ax)


def view_layer(view: View, layer: str | None) -> str:
    """The layer that is meant; the only one where none is named."""
    if layer is None:
        if len(view.values) != 1:
            raise SettingError(
                f"the view holds {len(view.values)} layers; say which, e.g. layer={next(iter(view.values), '')!r}. Known: {', '.join(view.values)}."
            )
        return next(iter(view.values))
    if layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    return layer


def _marks(details: dict[str, Array], units: int) -> list[str]:
    """Each channel's mark, empty for most."""
    dead = details.get("dead", np.zeros(units, bool))
    saturated = details.get("saturated", np.zeros(units)) > 0.5
    return [DEAD if one else SATURATED if other else "" for one, other in zip(dead, saturated, strict=True)]


def _legend(marks: Sequence[str]) -> str:
    """What the marks say, and how many there are of each."""
    said = []
    if DEAD in marks:
        said.append(_("{mark} zero everywhere: {count} of {units}").format(mark=DEAD, count=marks.count(DEAD), units=len(marks)))
    if SATURATED in marks:
        said.append(_("{mark} at an end of its range: {count} of {units}").format(mark=SATURATED, count=marks.count(SATURATED), units=len(marks)))
    return "    ".join(said)


def show(ax: Axes, shown: Array, aspect: Literal["auto", "equal"]) -> AxesImage:
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
    grown = values.repeat(grow, axis=0).repeat(grow, axis=1)
    for k, (top, left) in enumerate(corners):
        canvas[top : top + tall, left : left + broad] = grown[..., k]
    return canvas, corners


def tiles_axes(canvas: Array, columns: int, ax: Axes | None) -> Axes:
    """`ax`, or axes of a new figure for so many tiles beside each other."""
    if ax is not None:
        return ax
    tall, broad = canvas.shape[:2]
    return panels(("tiles",), min(7.0, 0.9 * columns) * tall / broad + 0.68, aspect=broad / tall)[0]


def columns_of(channels: int) -> int:
    """Tiles beside each other."""
    return min(channels, 16 if channels > 8 else 8)


def _tiles(values: Array, numbers: Array, marks: list[str], heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """The image of all tiles, then one number a tile."""
    columns = columns_of(values.shape[-1])
    canvas, corners = mosaic(values, columns)
    ax = tiles_axes(canvas, columns, ax)
    image = show(ax, canvas, "equal")
    named = [f"{k} {marks[k]}".rstrip() for k in numbers]
    texts = labelled(ax, named, corners, 5.5)
    ax.set_axis_off()
    colour_bar(image, ax, thin=True)
    below(ax, _legend(marks))
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *texts)


def below(ax: Axes, text: str) -> None:
    """A text close under axes without labels of their own, on as many lines as it needs."""
    if text:
        room = ax.get_window_extent().width * 72 / ax.figure.dpi
        letters = max(int(room / LETTER), 26) * len(text) // letters_of(text)
        text = "\n".join(textwrap.wrap(text, letters, break_long_words=letters_of(text) > len(text)))  # Chinese breaks anywhere
        ax.annotate(text, (0, 0), (0, -3), xycoords="axes fraction", textcoords="offset points", va="top", ha="left", **words(6.5))


def _states(values: Array, numbers: Array, marks: list[str], axes: tuple[str, ...], heading: str, tokens: list[str], ax: Axes | None) -> tuple[Artist, ...]:
    """Steps run to the right, one row a unit; a mark stands at the right of its row."""
    ax = own_axes(ax, "tokens", 3.3) if tokens else own_axes(ax, "states", 2.8)
    image = show(ax, values.T, "auto")
    down, across = (axes[-1], axes[-2]) if len(axes) >= 2 else ("unit", "time step")
    steps = {"time": _("time step"), "token": _("token")}.get(across.split()[0], across)
    ax.set_xlabel("    ".join(part for part in (steps, _legend(marks)) if part), **words(8))
    ax.set_ylabel(_("unit") if down.startswith("unit") else down, **words(8))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    if tokens:
        ax.set_xticks(range(len(tokens)), tokens, rotation=90, **words(6))
    if (numbers != np.arange(len(numbers))).any():
        shown = np.arange(0, len(numbers), math.ceil(len(numbers) / 24))
        ax.set_yticks(shown, [str(k) for k in numbers[shown]], fontsize=5.5)
    artists = [
        ax.annotate(marks[k], (1, i), (1, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center", ha="left", **words(4.5))
        for i, k in enumerate(numbers)
        if marks[k]
    ]
    inset = ax.inset_axes((1.035, 0.0, 0.025, 1.0))
    ax.figure.colorbar(image, cax=inset).ax.tick_params(labelsize=7, length=2)
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *artists)


def _tokens(view: View, sample: int, steps: int) -> list[str]:
    """The words of a sample's tokens, where a preprocessing told of them and there is room."""
    told = view.provenance.get("given")
    given = told[sample] if isinstance(told, list) and sample < len(told) else {}
    names, of = given.get("names", ()), given.get("of", ())
    return ["·" if place < 0 else short_name(str(names[place]), 12) for place in of] if len(of) == steps <= WORDS else []


def _units(values: Array, numbers: Array, marks: list[str], heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """Cells beside each other, line below line, each with its unit's number where there is room."""
    columns = min(len(values), STRIP if len(values) <= NUMBERED else WIDE)
    if ax is not None:  # cells that are about as high as they are wide
        box = ax.get_window_extent()
        columns = min(len(values), WIDE, max(8, round(math.sqrt(len(values) * box.width / box.height))))
    rows = math.ceil(len(values) / columns)
    cells = np.full(rows * columns, np.nan)
    cells[: len(values)] = values
    if ax is None:
        across = min(7.0, max(2.0, 0.34 * columns))
        down = max(0.34, across / columns) * rows if len(values) <= STRIP else across / columns * rows
        ax = panels(("strip",), max(down, 0.16) + 0.82, aspect=across / max(down, 0.16))[0]
    image = show(ax, cells.reshape(rows, columns), "auto")
    ax.tick_params(labelsize=7, length=2, colors=INK)
    if (numbers == np.arange(len(numbers))).all():
        ax.set_yticks(range(0, rows, math.ceil(rows / 12)), [str(columns * i) for i in range(0, rows, math.ceil(rows / 12))])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        ax.set_xticks([])
        ax.set_yticks([])
    ax.set_xlabel("    ".join(part for part in (_("unit"), _legend(marks)) if part), **words(8))
    colour_bar(image, ax, thin=True)
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *_numbered(ax, image, values, numbers, marks, columns))


def _numbered(ax: Axes, image: AxesImage, values: Array, numbers: Array, marks: list[str], columns: int) -> list[Artist]:
    """The number of each unit in its cell, as large as fits, and of a few its value; marks alone where there is no room."""
    box = ax.get_window_extent()
    width, height = (72 * side / ax.figure.dpi / count for side, count in ((box.width, columns), (box.height, math.ceil(len(values) / columns))))
    sorted_ = bool((numbers != np.arange(len(numbers))).any())
    size = min(6.5, width / (0.72 * (len(str(len(numbers) - 1)) + any(marks))))
    written = size >= SMALLEST and (sorted_ or len(numbers) <= NUMBERED)
    shades = np.asarray(image.to_rgba(values))[..., :3] @ np.array([0.299, 0.587, 0.114])
    found: list[Artist] = []
    for i, k in enumerate(numbers):
        text = f"{k}{marks[k]}" if written else marks[k]
        if len(numbers) <= STRIP and written and height > 3 * size and width > 3.4 * size:
            text += "\n" + f"{values[i]:.2g}"
        if text:
            down, across = divmod(i, columns)
            colour = INK if shades[i] > 0.5 else "white"
            found.append(ax.text(across, down, text, ha="center", va="center", **words(max(size, SMALLEST)) | {"color": colour}))
    return found
