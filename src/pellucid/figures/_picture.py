"""Arrays of any input's shape as something flat that an image can show, and the marks that help to read it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.ticker import ScalarFormatter

from pellucid.core.errors import SettingError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, MUTED, words
from pellucid.figures._canvas import drawn as _

Array = np.ndarray


def as_picture(sample: Array) -> Array:
    """One input as (rows, columns), or (rows, columns, 3) where it is in colour, scaled to [0, 1] if it is not there already."""
    if sample.ndim == 3 and sample.shape[-1] == 3:
        flat = sample
    elif sample.ndim == 3:
        flat = sample.mean(axis=-1) if sample.shape[-1] > 1 else sample[..., 0]
    elif sample.ndim == 1:
        flat = sample[None]
    else:
        flat = sample.reshape(len(sample), -1)
    return _unit(flat.astype(np.float64))


def _unit(flat: Array) -> Array:
    low, high = float(flat.min()), float(flat.max())
    if low >= 0 and high <= 1:
        return flat
    if low >= 0 and high <= 255 and flat.ndim == 3:
        return flat / 255
    return (flat - low) / (high - low if high > low else 1.0)


def is_signed(explanation: Explanation) -> bool:
    """Whether its values have a direction: any of them is negative, or features were taken away and put back; never where the method's own have none."""
    if not explanation.provenance.get("directed", True):
        return False
    return explanation.features is not None or bool((explanation.values < 0).any())


def adds_up(explanation: Explanation, *, signed: bool) -> bool:
    """Whether channels are added up on a map, of a record with channels last: where values have a direction, but not where a feature holds all channels of its
    elements, each of which then shows the feature's whole value."""
    features = explanation.features
    return signed and (features is None or features.labels.ndim < 4 or features.labels.shape[-1] > 1)


def as_map(values: Array, shape: tuple[int, ...], *, signed: bool) -> Array:
    """One sample's values of an input's `shape` as (rows, columns): channels summed where signed, else their largest."""
    full = values.reshape(shape).astype(np.float64)
    if full.ndim == 3:
        return np.asarray(full.sum(axis=-1) if signed else full.max(axis=-1))
    return full[None] if full.ndim == 1 else full.reshape(len(full), -1)


def check_sample(sample: int, count: int) -> int:
    """The sample's number, counted from 0."""
    if not -count <= sample < count:
        raise SettingError(f"sample {sample} is not there: the record holds {count}, numbered 0 to {count - 1}.")
    return sample % count


def aspect_of(shape: tuple[int, ...]) -> Literal["auto", "equal"]:
    """Square elements, except in a strip, which would be too thin to see."""
    return "auto" if min(shape[:2]) < 4 else "equal"


def bare(ax: Axes) -> None:
    """No ticks, a light frame."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)


def sequence_axes(ax: Axes, shape: tuple[int, ...]) -> None:
    """Name the axes of an input without channels: rows are time steps."""
    if len(shape) == 2:
        ax.set_ylabel(_("time step"), **words(7))
        ax.set_xlabel(_("feature"), **words(7))
        ax.yaxis.labelpad = ax.xaxis.labelpad = 1


def colour_bar(image: ScalarMappable, ax: Axes, *, thin: bool = False, label: str = "", extend: Literal["neither", "both"] = "neither") -> Colorbar:
    """A colour bar as high as `ax`, in the room to its right."""
    inset = ax.inset_axes((1.015, 0.0, 0.015, 1.0) if thin else (1.03, 0.0, 0.05, 1.0))
    numbers = ScalarFormatter()
    numbers.set_powerlimits((-4, 4))
    bar = ax.figure.colorbar(image, cax=inset, format=numbers, extend=extend)
    bar.ax.tick_params(labelsize=7, length=2, colors=INK)
    bar.ax.yaxis.get_offset_text().set_fontsize(6)
    bar.ax.set_title("", y=1.0)  # a fixed place: matplotlib need not look for one
    bar.ax.locator_params(nbins=6 if not thin else 4)
    bar.outline.set_linewidth(0.4)
    if label:
        bar.set_label(label, labelpad=2, **words(7))
    return bar


def draw_outline(ax: Axes, picture: Array, **style: Any) -> LineCollection | None:
    """The edge of what the picture shows, faint; None for colour pictures, strips and blanks, where an edge says nothing."""
    if picture.ndim != 2 or min(picture.shape) < 4 or picture.max() <= picture.min():
        return None
    dark = picture > (picture.min() + picture.max()) / 2
    return _edges(ax, dark.astype(int), **{"colors": "#555555", "linewidths": 0.5, "alpha": 0.55, **style})


def draw_borders(ax: Axes, labels: Array) -> LineCollection:
    """Lines between neighbouring features of a label map (rows, columns)."""
    return _edges(ax, labels, colors="#777777", linewidths=0.4, alpha=0.7)


def _edges(ax: Axes, labels: Array, **style: Any) -> LineCollection:
    """Lines along the sides where neighbouring elements differ."""
    rows, columns = np.nonzero(labels[:, 1:] != labels[:, :-1])
    upright = np.stack([np.stack([columns + 0.5, rows - 0.5], -1), np.stack([columns + 0.5, rows + 0.5], -1)], 1)
    rows, columns = np.nonzero(labels[1:] != labels[:-1])
    level = np.stack([np.stack([columns - 0.5, rows + 0.5], -1), np.stack([columns + 0.5, rows + 0.5], -1)], 1)
    lines = LineCollection(list(np.concatenate([upright, level])), **style)
    ax.add_collection(lines, autolim=False)
    return lines


def flat_labels(labels: Array, shape: tuple[int, ...]) -> Array:
    """A feature map over an input's `shape` as (rows, columns)."""
    full = np.broadcast_to(labels, shape)
    if full.ndim == 1:
        return full[None]
    return full[..., 0] if full.ndim == 3 else full.reshape(len(full), -1)
