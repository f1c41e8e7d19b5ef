"""The weights of a layer: filters as tiles, matrices as maps, gates side by side, an embedding as a plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from pellucid.core.language import number, percent
from pellucid.core.view import View
from pellucid.figures._canvas import INK, SIGNED, own_axes, panels, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._labels import labelled
from pellucid.figures._picture import colour_bar
from pellucid.figures.activation_map import below, columns_of, mosaic, tiles_axes, view_layer

Array = np.ndarray
MOST = 256
"""Tiles on a figure; of more filters those of the largest norm."""
NAMED = 12
"""Entries of an embedding that are named: those of the largest norm."""
COLOURS = 3


def filters(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """One layer's weights; `layer` may be left out where there is one. `sample` is not used: there is none.

    Filters that read colour are tiles in colour, gray being zero, in their own order. Others are tiles on one scale that is symmetric about zero: those with
    one input as they are, those with several as their first principal component over inputs, the largest norm first. Under a tile's number stands the
    filter's norm. Filters of one place, and dense weights, are a map of inputs × outputs; gates lie side by side, their recurrent part below; entries of an
    embedding are points on their first two principal components, coloured by norm.
    """
    name = view_layer(view, layer)
    values, axes, heading = view.values[name], view.axes[name], title if title is not None else name
    if axes[0] == "entry":
        return _plane(view, name, heading, ax)
    if axes[0] == "part":
        return _parts(view, name, heading, ax)
    if axes[0] == "row":
        rows, columns, inputs, outputs = values.shape
        if rows * columns > 1 and inputs == COLOURS:
            return _coloured(values, view.details[name]["norm"], heading, ax)
        if rows * columns > 1:
            return _tiles(values, view, name, heading, ax)
        values = values.reshape(inputs, outputs)
    return _matrix(values, heading, ax)


def _order(norm: Array, by_norm: bool) -> Array:
    """Which filters are shown, and in which order."""
    order = np.argsort(-norm, kind="stable")[:MOST]
    return order if by_norm else np.sort(order)


def _labels(ax: Axes, order: Array, norm: Array, corners: Sequence[tuple[int, int]], columns: int) -> list[Artist]:
    room = columns <= 16
    said = [f"{k}  {norm[k]:.2g}" if room else str(k) for k in order]
    return [*labelled(ax, said, corners, 5)]


def _said(shown: int, total: int, text: str) -> str:
    """What the tiles are, and how many of them there are."""
    return text if shown == total else text + "    " + _("the {shown} of {total} with the largest norm").format(shown=number(shown), total=number(total))


def _coloured(values: Array, norm: Array, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    order, reach = _order(norm, by_norm=False), float(np.abs(values).max()) or 1.0
    columns = columns_of(len(order))
    layers = [mosaic(0.5 + values[:, :, k][..., order].astype(np.float64) / (2 * reach), columns) for k in range(COLOURS)]
    canvas, corners = np.stack([one for one, _corners in layers], axis=-1), layers[0][1]
    ax = tiles_axes(canvas, columns, ax)
    image = ax.imshow(np.nan_to_num(canvas, nan=1.0), interpolation="nearest", aspect="equal")
    ax.set_axis_off()
    text = _("number and norm of each filter; gray is zero, full colour {reach}").format(reach=number(reach, 2))
    below(ax, _said(len(order), len(norm), text))
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *_labels(ax, order, norm, corners, columns))


def _tiles(values: Array, view: View, name: str, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    found = view.details[name]
    several = "component" in found
    shown, norm = (found["component"] if several else values[:, :, 0]).astype(np.float64), found["norm"]
    order = _order(norm, by_norm=several)
    columns = columns_of(len(order))
    canvas, corners = mosaic(shown[..., order], columns)
    ax = tiles_axes(canvas, columns, ax)
    reach = float(np.abs(shown).max()) or 1.0
    image = ax.imshow(canvas, cmap=SIGNED, vmin=-reach, vmax=reach, interpolation="nearest", aspect="equal")
    ax.set_axis_off()
    colour_bar(image, ax, thin=True)
    text = _("number and norm of each filter")
    if several:
        share = percent(float(np.median(found["share"])))
        text = _("number and norm of each filter; its first principal component over {inputs} inputs (median share {share})")
        text = text.format(inputs=number(values.shape[2]), share=share)
    below(ax, _said(len(order), len(norm), text))
    ax.set_title(heading, y=1.0, **words(9))
    return (image, *_labels(ax, order, norm, corners, columns))


def _matrix(values: Array, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """Inputs to the right, one row an output."""
    ax = own_axes(ax, "states", 3.0)
    reach = float(np.abs(values).max()) or 1.0
    image = ax.imshow(values.T, cmap=SIGNED, vmin=-reach, vmax=reach, interpolation="nearest" if values.size < 1e5 else "antialiased", aspect="auto")
    ax.set_xlabel(_("input"), **words(8))
    ax.set_ylabel(_("unit"), **words(8))
    ax.tick_params(labelsize=7, length=2, colors=INK)
    colour_bar(image, ax, thin=True)
    ax.set_title(heading, y=1.0, **words(9))
    return (image,)


def _names(view: View, name: str) -> list[str]:
    said = {
        "input": _("input gate"), "forget": _("forget gate"), "cell": _("cell candidate"), "output": _("output gate"), "update": _("update gate"),
        "reset": _("reset gate"), "candidate": _("candidate"), "state": _("state"), "query": _("query"), "key": _("key"), "value": _("value"),
    }  # fmt: skip
    known = view.provenance.get("resolved", {}).get(f"parts of {name}", [str(i) for i in range(len(view.values[name]))])
    return [said.get(one, one) for one in known]


def _parts(view: View, name: str, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """Gates beside each other, what they read of the input above, of the state before below; all on one scale."""
    values, names = view.values[name], _names(view, name)
    again = view.details.get(name, {}).get("recurrent")
    rows = [values] if again is None else [values, again]
    if ax is None:
        ax = panels(("states",), 2.0 * len(rows) + 1.0, aspect=1.7 * len(values) / (2.0 * len(rows) + 0.2))[0]
    ax.set_axis_off()
    reach = max(float(np.abs(array).max()) for array in rows) or 1.0
    scale, images = Normalize(-reach, reach), []
    across, down = 1 / len(values), 1 / len(rows)
    for i, array in enumerate(rows):
        for k, matrix in enumerate(array):
            cell = ax.inset_axes((k * across, 1 - (i + 1) * down + 0.1 * down * (i + 1 < len(rows)), across * 0.9, down * (0.82 if len(rows) > 1 else 0.94)))
            images.append(cell.imshow(matrix.T, cmap=SIGNED, norm=scale, interpolation="nearest", aspect="auto"))
            cell.tick_params(labelsize=6, length=2, colors=INK, labelleft=k == 0)
            cell.set_title(names[k] if i == 0 else "", y=1.0, pad=3, **words(7))
            cell.set_xlabel(_("input") if i == 0 else _("unit before"), labelpad=1, **words(6.5))
            if k == 0:
                cell.set_ylabel(_("unit"), **words(7))
    colour_bar(images[0], ax, thin=True)
    ax.set_title(heading, y=1.0, pad=12, **words(9))
    return tuple(images)


def _plane(view: View, name: str, heading: str, ax: Axes | None) -> tuple[Artist, ...]:
    """The entries of an embedding on their first two principal components; those of the largest norm are numbered."""
    found = view.details[name]
    plane, norm = found["plane"], found["norm"]
    x, y = plane[:, 0], plane[:, 1] if plane.shape[1] > 1 else np.zeros(len(plane))
    ax = own_axes(ax, "coloured", 3.4)
    points = ax.scatter(x, y, c=norm, s=max(4.0, min(20.0, 4000 / len(norm))), vmin=0, linewidths=0)
    texts = [ax.annotate(str(k), (x[k], y[k]), (2, 2), textcoords="offset points", **words(6)) for k in np.argsort(-norm, kind="stable")[:NAMED]]
    ax.set_xlabel(_("first principal component"), **words(8))
    ax.set_ylabel(_("second principal component"), labelpad=1, **words(8))
    ax.locator_params(nbins=6)
    ax.tick_params(labelsize=6.5, length=2, pad=2, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    colour_bar(points, ax, label=_("norm"))
    ax.set_title(heading, y=1.0, **words(9))
    return (points, *texts)
