"""The strongest tenth of a map as outlines over the untouched input."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from pellucid.core.errors import SettingError
from pellucid.core.language import later, percent
from pellucid.core.records import Explanation
from pellucid.figures._canvas import AGAINST, FOR, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._layout import channels_last
from pellucid.figures._picture import as_picture, aspect_of, bare, check_sample, is_signed
from pellucid.figures.attribution_map import map_of

Array = np.ndarray
SIDES = ((later("for {target}"), FOR, "solid"), (later("against {target}"), AGAINST, (0, (2.0, 1.2))))


def strongest_part(shown: Array, part: float) -> Array:
    """Which elements of a map are among its strongest `part`, by absolute value; elements as strong as the last of them too, zeros never."""
    sizes = np.abs(shown)
    last = np.sort(sizes, axis=None)[-ceil(part * sizes.size)]
    return np.asarray((sizes >= last) & (sizes > 0))


def outlines(region: Array) -> list[Array]:
    """Closed lines (points, (across, down)) along the sides of the elements of a region, in one piece each, so that they can be dashed."""
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    held = np.pad(region, 1)
    for row, column in np.argwhere(region).tolist():
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        beside = [held[row, column + 1], held[row + 1, column + 2], held[row + 2, column + 1], held[row + 1, column]]
        for side in range(4):
            if not beside[side]:
                after.setdefault(corners[side], []).append(corners[(side + 1) % 4])
    found = []
    while after:
        line = [next(iter(after))]
        while line[-1] in after:
            here = line[-1]
            line.append(after[here].pop())
            if not after[here]:
                del after[here]
        found.append(np.array(line) - 0.5)
    return found


def contours(explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, part: float = 0.1, title: str | None = None) -> tuple[Artist, ...]:
    """Outlines of the strongest `part` of the map over the input: a solid red line around what spoke for the target, a dashed blue one around what spoke
    against it, of both together that part; one red line where values have no direction. Lines follow the elements exactly, on white, to be seen on dark images.

    The image comes first, then the outlines of each direction that there is.
    """
    if not 0 < part <= 1:
        raise SettingError(f"part must lie between 0 and 1, got {part}; for the strongest tenth write 0.1.")
    sample = check_sample(sample, len(explanation))
    chosen = channels_last(explanation)
    ax = own_axes(ax, "outlined", 2.6)
    picture = as_picture(chosen.inputs[sample])
    image = ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect_of(picture.shape))
    shown, signed = map_of(explanation, sample), is_signed(explanation)
    inside = strongest_part(shown, part)
    target = short_name(explanation.target.labels[sample], 14)
    artists: list[Artist] = [image]
    keys = []
    for (word, colour, style), region in zip(SIDES, (inside & (shown > 0), inside & (shown < 0)), strict=True):
        if region.any():
            around = outlines(region)
            ax.add_collection(LineCollection(around, colors="white", linewidths=2.6), autolim=False)
            lines = LineCollection(around, colors=colour, linewidths=1.3, linestyles=style, label=word.split()[0])
            artists.append(ax.add_collection(lines, autolim=False))
            keys.append(
                Line2D(
                    [],
                    [],
                    color=colour,
                    linestyle=style,
                    linewidth=1.3,
                    label=_(word).format(target=target) if signed else _("strongest {part}").format(part=percent(part, 0)),
                )
            )
    bare(ax)
    if keys:
        ax.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=1, frameon=False, borderaxespad=0.2, handlelength=2.2, labelspacing=0.2,
                  prop={"family": words()["family"], "size": 7})  # fmt: skip
    ax.set_title(_("strongest {part}").format(part=percent(part, 0)) if title is None else title, y=1.0, **words(9))
    return tuple(artists)
