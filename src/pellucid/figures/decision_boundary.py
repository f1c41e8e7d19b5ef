"""A slice of input space: regions by class, lighter where the network is less sure, with the samples that it goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from pellucid.core.view import View
from pellucid.figures._canvas import INK, MUTED, called, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._classes import class_name, style
from pellucid.figures._thumbnails import pictures_of, thumbnails

Array = np.ndarray
LEGEND, PICTURES = 14, 6
SHOWN = 0.02
"""A class whose probability never reaches this has no line."""


def decision_boundary(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """The slice as regions in the colours of their classes, from white at even odds to full where the network is sure, lines where the class changes, and the
    samples by number, hollow where they lie off the slice; of a line through two samples the probability of each class. `layer` and `sample` are taken as by
    other figures and change nothing.

    Of a plane the image comes first, then the lines of each class, the samples' marks and numbers, and their pictures. Of a line a curve for each class, then
    the samples' marks.
    """
    found, values = view.details["network"], view.values["network"]
    numbers = found["class numbers"]
    colours = {int(one): style(int(one) if numbers.max(initial=0) < 10 else place)[0] for place, one in enumerate(_ranked(found))}
    heading = _("a slice through {count} samples").format(count=len(view)) if len(view) > 1 else _("a slice through one sample")
    if values.ndim == 2:
        ax = own_axes(ax, "boundary", 2.6, 1.9)
        artists = _line(view, ax, found, values, colours)
    else:
        ax = own_axes(ax, "boundary", 3.9, 1.1)
        artists = _plane(view, ax, found, values, colours)
    ax.tick_params(labelsize=7, length=2, colors=INK)
    for spine in ax.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)
    ax.set_title(heading if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _ranked(found: Mapping[str, Array]) -> Array:
    """Class numbers, those with the largest share of the slice first."""
    return np.asarray(found["class numbers"][np.argsort(-found["share"], kind="stable")])


def shades(values: Array, numbers: Array, colours: Mapping[int, str]) -> Array:
    """The colour of each point, (rows, columns, 3), of probabilities (rows, columns, classes)."""
    winner, top = values.argmax(axis=-1), values.max(axis=-1).astype(np.float64)
    least = 1 / max(values.shape[-1], 2)
    strength = np.clip(0.12 + 0.78 * (top - least) / (1 - least), 0.0, 1.0)[..., None]
    full = np.array([to_rgb(colours.get(int(number), MUTED)) for number in numbers])[winner]
    return np.asarray(1 - strength * (1 - full))


def _plane(view: View, ax: Axes, found: Mapping[str, Array], values: Array, colours: Mapping[int, str]) -> list[Artist]:
    across, down = found["across"], found["down"]
    half = (across[1] - across[0]) / 2, (down[1] - down[0]) / 2
    names = view.provenance.get("resolved", {}).get("axes") or []
    image = ax.imshow(
        shades(values, found["class numbers"], colours),
        origin="lower",
        extent=(across[0] - half[0], across[-1] + half[0], down[0] - half[1], down[-1] + half[1]),
        interpolation="nearest",
        aspect="auto" if names else "equal",
    )
    artists: list[Artist] = [image]
    winners = np.flatnonzero(found["share"] > 0)
    for place in winners if len(winners) > 1 else ():
        lead = values[..., place] - np.delete(values, place, axis=-1).max(axis=-1)
        artists.append(ax.contour(across, down, lead, levels=[0.0], colors=INK, linewidths=0.7))
    artists += _samples(ax, found, view.numbers)
    pictures = pictures_of(view)
    if pictures is not None and len(pictures) <= PICTURES:
        artists += thumbnails(ax, pictures, found["positions"])
    ax.set_xlabel(called(names[0]) if names else _("distance along the slice"), **words(8))
    ax.set_ylabel(called(names[1]) if names else _("distance across it"), **words(8))
    _legend(view, ax, [Patch(facecolor=colours[int(one)], label=_name(view, one)) for one in _ranked(found)[: min(len(winners), LEGEND)]])
    return artists


def _samples(ax: Axes, found: Mapping[str, Array], numbers: Sequence[int]) -> list[Artist]:
    """A numbered mark a sample."""
    places, on = found["positions"], found["off"] <= 0
    artists: list[Artist] = []
    for which, fill in ((on, INK), (~on, "none")):
        if which.any():
            artists.append(
                ax.scatter(places[which, 0], places[which, 1], s=26, facecolors=fill, edgecolors=INK if fill == "none" else "white", linewidths=1.0, zorder=5)
            )
    for row, (x, y) in enumerate(places):
        artists.append(ax.annotate(str(numbers[row]), (float(x), float(y)), (4, -9), textcoords="offset points", zorder=6, **words(7)))
    return artists


def _line(view: View, ax: Axes, found: Mapping[str, Array], values: Array, colours: Mapping[int, str]) -> list[Artist]:
    artists: list[Artist] = []
    shown = [place for place in range(values.shape[1]) if values[:, place].max() >= SHOWN][:LEGEND]
    for place in shown:
        one = int(found["class numbers"][place])
        artists += ax.plot(found["across"], values[:, place], color=colours[one], linewidth=1.6, label=_name(view, one))
    for row, (at,) in enumerate(found["positions"]):
        artists.append(ax.axvline(float(at), color=INK, linewidth=0.7, linestyle=(0, (2, 2))))
        artists.append(
            ax.annotate(str(view.numbers[row]), (float(at), 1.0), (3, -8), xycoords=("data", "axes fraction"), textcoords="offset points", **words(7))
        )
    ax.set_ylim(-0.02, 1.08)
    ax.set_xlim(float(found["across"][0]), float(found["across"][-1]))
    ax.set_xlabel(_("distance along the line from sample {number}").format(number=view.numbers[0]), **words(8))
    ax.set_ylabel(_("probability"), **words(8))
    _legend(view, ax, None)
    return artists


def _name(view: View, number: Any) -> str:
    return short_name(class_name(view, int(number)), 13)


def _legend(view: View, ax: Axes, handles: list[Patch] | None) -> None:
    told: dict[str, Any] = {} if handles is None else {"handles": handles}
    ax.legend(
        **told,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        frameon=False,
        title=_("class"),
        handlelength=1.2,
        handletextpad=0.4,
        borderaxespad=0.3,
        labelspacing=0.35,
        prop={"family": words()["family"], "size": 7},
        title_fontproperties={"family": words()["family"], "size": 7},
    )
