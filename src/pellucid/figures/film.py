"""A feature forming: what chosen channels of a layer answered to the same sample, epoch after epoch, on one scale; side by side, or as a film."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from PIL import Image

from pellucid.core.errors import OutputError, SettingError, UnknownLayerError, unknown
from pellucid.core.files import write_whole
from pellucid.core.language import number as in_figures
from pellucid.core.view import View
from pellucid.figures._canvas import POSITIVE, SIGNED, panels, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import check_sample, colour_bar
from pellucid.figures.activation_map import mosaic

Array = np.ndarray
KINDS = ("maps", "states", "units", "filters")
SHEET, FILM = 8, 60
"""Frames side by side, and frames of a film; of more, so many evenly chosen ones, the first and the last among them."""
ROWS, TILES = 6, 8
"""Channels below each other, and on a frame of a film."""
FIRST, LAST, TOGETHER, SHORT, LONG = 900, 2200, 6000, 60, 400
"""Milliseconds that the first and the last frame stay, that those between take together, and the least and the most that one of them stays."""
DPI, GRAYS = 110, 24
"""Of a film's frames, and the colours of its palette that are kept for letters."""


@dataclass(frozen=True)
class Frames:
    """`tiles` (frames, rows, columns, tiles), or (frames, rows, columns, 3, tiles) of kernels over three colours; `epochs` of each frame, `numbers` of each
    tile (none where there is one), and whether the values have a sign. `reach` is the largest size of any value: one scale for all frames."""

    layer: str
    tiles: Array
    epochs: Array
    numbers: tuple[int, ...]
    signed: bool
    reach: float
    kind: str = "maps"

    @property
    def colour(self) -> bool:
        return self.tiles.ndim == 5

    def chosen(self, most: int) -> list[int]:
        """So many frames, evenly spread."""
        count = len(self.tiles)
        return sorted({int(place) for place in np.linspace(0, count - 1, min(most, count)).round()})

    def epoch(self, frame: int) -> str:
        return _("epoch {number}").format(number=in_figures(float(self.epochs[frame]), 3))

    def canvas(self, tiles: Array, columns: int) -> tuple[Array, list[tuple[int, int]]]:
        """Tiles beside each other; colours in [0, 1] on white."""
        if not self.colour:
            return mosaic(tiles, columns)
        layers = [mosaic(tiles[:, :, colour] / (2 * self.reach) + 0.5, columns) for colour in range(3)]
        return np.nan_to_num(np.stack([layer for layer, _ in layers], axis=-1), nan=1.0), layers[0][1]

    def show(self, ax: Axes, canvas: Array) -> AxesImage:
        """The image, on the scale of all frames."""
        scale: dict[str, Any] = {"cmap": SIGNED if self.signed else POSITIVE, "vmin": -self.reach if self.signed else 0.0, "vmax": self.reach}
        image = ax.imshow(canvas, interpolation="nearest", aspect="equal", **({} if self.colour else scale))
        ax.set_axis_off()
        if not self.colour:
            colour_bar(image, ax, thin=True)
        return image

    def label(self, ax: Axes, corner: tuple[int, int]) -> list[Artist]:
        """What runs down and across, written at the first tile, where that is no picture of an input."""
        top, left = corner
        tall = max(self.tiles.shape[1], 1)
        across = {"states": _("time step"), "units": _("unit")}.get(self.kind, "")
        place: dict[str, Any] = {"textcoords": "offset points", "va": "top", "annotation_clip": False}
        found = [ax.annotate(across, (left, top + tall), (0, -2), ha="left", **place, **words(6))] if across else []
        if self.kind == "states":
            found.append(ax.annotate(_("unit"), (left, top), (-3, 0), ha="right", rotation=90, **place, **words(6)))
        return list(found)


def pictured(view: View) -> dict[str, list[str]]:
    """Layer → the kinds of pictures that a record of a training holds of it."""
    kinds = {layer: [kind for kind in KINDS if kind in found] for layer, found in view.details.items()}
    return {layer: found for layer, found in kinds.items() if found}


def frames(view: View, layer: str | None = None, sample: int = 0, what: str | None = None) -> Frames:
    """The frames of a layer's film, of one sample of the probe; `what` is one of `KINDS`, the first that there is where left out."""
    known = pictured(view)
    if view.view != "training" or not known:
        raise SettingError("a film needs a record of a training with pictures: pellucid.Recorder(model, probe, maps=['conv2d']).")
    if layer is not None and layer not in known:
        raise UnknownLayerError(unknown("layer with pictures", layer, known))
    layer = layer or next(iter(known))
    kind = what or known[layer][0]
    if kind not in known[layer]:
        raise SettingError(f"there are no '{kind}' of layer '{layer}'; there are {', '.join(known[layer])}.")
    array, found = view.details[layer][kind].astype(np.float64), view.details[layer]
    numbers: tuple[int, ...] = ()
    if kind in ("maps", "states"):
        array = array[:, check_sample(sample, array.shape[1])]
    if kind == "maps":
        array, numbers = array[..., :TILES], tuple(int(number) for number in found["channels"][:TILES])
    elif kind == "filters":
        array = array if array.shape[3] == 3 else array.mean(axis=3)
        numbers = tuple(range(array.shape[-1]))
    else:
        array = (array.transpose(0, 2, 1) if kind == "states" else array)[..., None]
    finite = array[np.isfinite(array)]
    reach = float(np.abs(finite).max(initial=0.0)) or 1.0
    return Frames(layer, array, view.details["network"]["frame_epoch"], numbers, bool((finite < 0).any()), reach, kind)


def film(
    view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None, what: str | None = None
) -> tuple[Artist, ...]:
    """Frames of a training side by side, one channel a row, one epoch a column, all on one scale; then the texts: epochs above, channels at the left.

    `layer` is the first that is pictured where left out; `sample` counts those of the probe. `write_film` makes a GIF of the same.
    """
    found = frames(view, layer, sample, what)
    chosen = found.chosen(SHEET)
    tiles = min(found.tiles.shape[-1], ROWS)
    cells = np.moveaxis(found.tiles[chosen][..., :tiles], 0, -1)  # …, tiles, frames
    canvas, corners = found.canvas(cells.reshape(*cells.shape[:-2], -1), len(chosen))
    if ax is None:
        tall, broad = canvas.shape[:2]
        ax = panels(("grid",), min(0.9 * len(chosen), 6.0) * tall / broad + 0.74, aspect=broad / tall)[0]
    image = found.show(ax, canvas)
    texts = [ax.text(left, top - 1, found.epoch(frame), va="bottom", ha="left", **words(6)) for frame, (top, left) in zip(chosen, corners, strict=False)]
    rows = corners[:: len(chosen)] if found.numbers else []
    middle = (corners[len(chosen)][0] - corners[0][0]) / 3 if len(rows) > 1 else canvas.shape[0] / 3
    texts += [ax.text(-2, top + middle, str(number), va="center", ha="right", **words(6)) for (top, _left), number in zip(rows, found.numbers, strict=False)]
    ax.set_title(found.layer if title is None else title, y=1.0, **words(9))
    return (image, *texts, *found.label(ax, corners[0]))


def write_film(view: View, path: str | os.PathLike[str], *, layer: str | None = None, sample: int = 0, what: str | None = None) -> Path:
    """The film of a layer as an animated GIF, whole or not at all: one scale and one palette for all frames, the epoch on each, the ends held."""
    goal = Path(path)
    if goal.suffix.lower() != ".gif":
        raise OutputError(f"a film is written as .gif, and '{goal.name}' was asked for.")
    found = frames(view, layer, sample, what)
    chosen = found.chosen(FILM)
    pictures = _rendered(found, chosen)
    palette = _palette(found, pictures)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    between = int(np.clip(TOGETHER / max(len(drawn) - 2, 1), SHORT, LONG))
    times = [FIRST, *[between] * (len(drawn) - 2), LAST][-len(drawn) :]
    buffer = io.BytesIO()
    drawn[0].save(buffer, "GIF", save_all=True, append_images=drawn[1:], duration=times, loop=0, optimize=False)
    return write_whole(goal, buffer.getvalue())


def _rendered(found: Frames, chosen: list[int]) -> list[Image.Image]:
    """Each frame as a picture of one size."""
    columns = min(found.tiles.shape[-1], 8 if found.tiles.shape[-1] > TILES else 4)
    canvas, corners = found.canvas(found.tiles[chosen[0]], columns)
    tall, broad = canvas.shape[:2]
    kind, room = ("map", 0.55) if found.numbers else ("grid", 0.74)
    ax = panels((kind,), min(1.3 * columns if found.numbers else 3.4, 5.6) * tall / broad + room, aspect=broad / tall)[0]
    figure: Any = ax.figure
    image = found.show(ax, canvas)
    for (top, left), number in zip(corners, found.numbers, strict=False):
        ax.text(left, top - 1, str(number), va="bottom", ha="left", **words(6))
    found.label(ax, corners[0])
    figure.set_dpi(DPI)
    pictures = []
    for frame in chosen:
        image.set_data(found.canvas(found.tiles[frame], columns)[0])
        ax.set_title(f"{found.layer}  {found.epoch(frame)}", y=1.0, **words(9))
        figure.canvas.draw()
        pictures.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"))
    return pictures


def _palette(found: Frames, pictures: list[Image.Image]) -> Image.Image:
    """256 colours that serve all frames: of the colour map and of gray letters, or, of kernels in colour, those that a few frames hold."""
    if found.colour:
        some = [pictures[place] for place in (0, len(pictures) // 2, len(pictures) - 1)]
        sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
        for place, picture in enumerate(some):
            sheet.paste(picture, (0, place * picture.height))
        return sheet.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    shades = colormaps[SIGNED if found.signed else POSITIVE](np.linspace(0, 1, 256 - GRAYS), bytes=True)[:, :3]
    grays = np.repeat(np.linspace(0, 255, GRAYS).round().astype(np.uint8)[:, None], 3, axis=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([shades, grays]).tobytes())
    return palette
