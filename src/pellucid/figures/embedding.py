"""A data set as a layer sees it: a point a sample, coloured by class, prediction, error or probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import SettingError, unknown
from pellucid.core.language import later, number, percent
from pellucid.core.view import View
from pellucid.figures._canvas import FOR, INK, MUTED, POSITIVE, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._classes import class_name, style
from pellucid.figures._picture import colour_bar
from pellucid.figures._thumbnails import pictures_of, thumbnails
from pellucid.figures.activation_map import view_layer

Array = np.ndarray
COLOURS = ("label", "prediction", "error", "probability")
DETAILS = {"label": "label", "prediction": "predicted", "error": "error", "probability": "probability"}
LEGEND = 14
"""Classes that a legend names; further ones are drawn alike."""
NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
KEYS = {"label": later("class"), "prediction": later("predicted class"), "error": later("answer"), "probability": later("probability of the predicted class")}


def embedding(
    view: View,
    *,
    layer: str | None = None,
    sample: int = 0,
    ax: Axes | None = None,
    title: str | None = None,
    colour: str | None = None,
) -> tuple[Artist, ...]:
    """One layer's points, coloured by `colour`: "label" (the true class), "prediction", "error" or "probability"; None takes the first of them that is known.

    A collection of points for each class comes first (one in all for "probability"), then pictures of a few of them where the record holds some. `sample` is
    taken as by other figures and changes nothing.
    """
    name = view_layer(view, layer)
    details = view.details.get(name, {})
    known = [one for one in COLOURS if DETAILS[one] in details]
    if colour is not None and colour not in known:
        raise SettingError(unknown("colour", colour, known) if colour not in COLOURS else f"this view holds no {colour}; colour is one of {', '.join(known)}.")
    chosen = colour or (known[0] if known else "")
    ax = own_axes(ax, "coloured", 4.0, 1.25)
    places = view.values[name]
    shown = np.isfinite(places).all(axis=1)
    size = float(np.clip(9_000 / max(int(shown.sum()), 1), 4.0, 22.0))
    if chosen == "probability":
        dots = ax.scatter(places[shown, 0], places[shown, 1], c=details["probability"][shown], s=size, cmap=POSITIVE, vmin=0.0, vmax=1.0, linewidths=0)
        colour_bar(dots, ax, label=_(KEYS[chosen]))
        artists: list[Artist] = [dots]
    else:
        artists = _groups(view, ax, places, shown, details.get(DETAILS.get(chosen, "")), chosen, size)
    pictures = pictures_of(view)
    if pictures is not None and "picture" in details and chosen != "error":
        ax.margins(0.1)
        artists += thumbnails(ax, pictures, places[details["picture"]])
    _label(view, ax, details, name, title)
    return tuple(artists)


def _groups(view: View, ax: Axes, places: Array, shown: Array, values: Array | None, chosen: str, size: float) -> list[Artist]:
    """A collection of points for each class, or for right and wrong answers, with a legend."""
    if values is None:
        return [ax.scatter(places[shown, 0], places[shown, 1], s=size, color=style(0)[0], linewidths=0)]
    artists: list[Artist] = []
    if chosen == "error":
        looks: tuple[tuple[int, str, dict[str, Any]], ...] = (
            (0, later("right ({count})"), {"c": MUTED, "s": 0.7 * size, "marker": "o", "zorder": 1, "linewidths": 0}),
            (1, later("wrong ({count})"), {"c": FOR, "s": 2.5 * size, "marker": "X", "zorder": 3, "linewidths": 0.4, "edgecolors": "white"}),
        )
        for wrong, text, look in looks:
            which = shown & (values == wrong)
            artists.append(ax.scatter(places[which, 0], places[which, 1], label=_(text).format(count=number(int(which.sum()))), **look))
    else:
        numbers, counts = np.unique(values[shown], return_counts=True)
        named = set(numbers[np.argsort(-counts, kind="stable")[:LEGEND]].tolist())
        for one in sorted(named):
            which = shown & (values == one)
            colour, marker = style(one)
            artists.append(
                ax.scatter(
                    places[which, 0],
                    places[which, 1],
                    c=colour,
                    marker=marker,
                    s=size,
                    linewidths=0.2,
                    edgecolors="white",
                    label=short_name(class_name(view, one), 13),
                )
            )
        rest = shown & ~np.isin(values, list(named))
        if rest.any():
            artists.append(ax.scatter(places[rest, 0], places[rest, 1], c=MUTED, marker=".", s=size, linewidths=0, zorder=1, label=_("other classes")))
    key = ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        frameon=False,
        title=_(KEYS[chosen]),
        handletextpad=0.1,
        borderaxespad=0.3,
        labelspacing=0.35,
        prop={"family": words()["family"], "size": 7},
        title_fontproperties={"family": words()["family"], "size": 7},
    )
    for handle in key.legend_handles:
        if handle is not None:
            handle.set_sizes([22.0])  # type: ignore[attr-defined]
    return artists


def _label(view: View, ax: Axes, details: Mapping[str, Array], name: str, title: str | None) -> None:
    """Axes, and how far the picture can be believed."""
    projection = str(view.provenance.get("settings", {}).get("projection", "pca"))
    if projection == "pca":
        shares = details.get("explained variance", np.zeros(0))
        for axis, side in enumerate((ax.xaxis, ax.yaxis)):
            share = percent(float(shares[axis]), 0) if axis < len(shares) else "–"
            side.set_label_text(_("direction {number} ({share} of the variance)").format(number=axis + 1, share=share), **words(8))
        ax.tick_params(labelsize=7, length=2, colors=INK)
    else:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(_("distances between groups mean nothing here"), **words(8))
    for spine in ax.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)
    trust = number(float(details["trustworthiness"]), 2) if "trustworthiness" in details else "–"
    heading = _("{layer}: {projection}, trustworthiness {trust}").format(layer=name, projection=NAMES.get(projection, projection), trust=trust)
    ax.set_title(heading if title is None else title, y=1.0, **words(9))
