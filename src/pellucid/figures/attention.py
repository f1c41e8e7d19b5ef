"""What the heads of a network look at: all of them on one scale, one layer's, or what they add up to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.language import percent
from pellucid.core.layout import channels_of, to_last
from pellucid.core.view import View
from pellucid.figures._canvas import INK, MARGINS, POSITIVE, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._picture import as_picture, bare, check_sample, colour_bar

Array = np.ndarray
NETWORK = "network"
MOST_HEADS = 16
"""Heads in a row of the picture of a layer; more go on below."""
WORDS, SHORT = 40, 11
"""Tokens that are named on an axis, and letters of each."""
LITTLE = 0.005
"""A share that is not worth a word."""
BAR = "#3b6ea5"
ABOVE = MARGINS["picture"][2] + MARGINS["picture"][3]
"""Inches that a figure of its own has above and below."""


def attention(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """Without a `layer` all heads of all layers, a row a layer; with one its heads, with the tokens named; of "network" the rollout.

    A map has a row for each token that looks and a column for each that is looked at; of image patches it lies over the image's grid, and shows what the
    tokens look at that the network reads. One scale from 0 for all. Returns the images, layer by layer and head by head; of "network" the bars, or the images,
    of the rollout, then those of the gradient-weighted one.
    """
    row = check_sample(sample, len(view))
    if layer is not None and layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    if layer == NETWORK:
        return _rollout(view, row, ax, title)
    names = [name for name in view.values if name != NETWORK] if layer is None else [layer]
    if not names:
        raise SettingError("the view holds no attention layer.")
    return _heads(view, names, row, ax, title)


# ---- heads ----------------------------------------------------------------------------------------------------------


def _heads(view: View, names: Sequence[str], row: int, ax: Axes | None, title: str | None) -> tuple[Artist, ...]:
    """Small maps on one scale: a row a layer, or the heads of one layer in rows."""
    grid = _grid(view)
    maps = [_maps(view, name, row, grid) for name in names]
    top = max(float(one.max()) for one in maps) or 1.0
    one_layer = len(names) == 1
    across = min(max(len(one) for one in maps), MOST_HEADS if not one_layer else _columns(len(maps[0])))
    lines = [(name, found[start : start + across], start) for name, found in zip(names, maps, strict=True) for start in range(0, len(found), across)]
    labels = _labels(view, row, maps[0].shape[-1]) if grid is None else []
    named = bool(labels) and one_layer
    each, gap = _size(across, len(lines), named, maps[0].shape[-1])
    longest = max((len(label) for label in labels), default=0)
    left = 0.12 + 0.075 * longest if named else 0.1 if one_layer else min(1.7, 0.085 * max(len(short_name(name, 20)) for name in names) + 0.1)
    below, over = 0.3 + 0.075 * longest if named else 0.2, 0.0 if one_layer else 0.2
    width, height = left + across * (each + gap) + 0.6, len(lines) * (each + gap + (0.12 if one_layer else 0.0)) + below + over
    ax = own_axes(ax, "picture", height + ABOVE, width / height)
    ax.set_axis_off()
    images: list[Artist] = []
    step = (height - over - below) / len(lines)
    for i, (name, heads, start) in enumerate(lines):
        for k, shares in enumerate(heads):
            box = ((left + k * (each + gap)) / width, (below + (len(lines) - 1 - i) * step) / height, each / width, each / height)
            inner = ax.inset_axes(box)
            images.append(inner.imshow(shares, cmap=POSITIVE, vmin=0.0, vmax=top, interpolation="nearest", aspect="auto"))
            bare(inner)
            if one_layer or not i:
                inner.set_title(_("head {number}").format(number=start + k) if one_layer else str(start + k), y=1.0, pad=2, **words(6.5))
            if named:
                _name_tokens(inner, labels, left=not k, below=i == len(lines) - 1 or (i + 1) * across + k >= len(maps[0]))
            elif not k and not one_layer:
                inner.set_ylabel(short_name(name, 20), rotation=0, ha="right", va="center", labelpad=3, **words(6.5))
    scale = ax.inset_axes(((left + across * (each + gap) + 0.05) / width, below / height, 0.1 / width, min(1.6, height - over - below) / height))
    bar = ax.figure.colorbar(images[0], cax=scale)  # type: ignore[arg-type]
    bar.ax.tick_params(labelsize=6.5, length=2, colors=INK)
    bar.outline.set_linewidth(0.4)
    ax.set_title(_heading(names, grid) if title is None else title, y=1.0, **words(9))
    ax.text(left / width, 0.0, _reading(grid, maps), transform=ax.transAxes, va="bottom", ha="left", **words(6.5) | {"color": INK})
    return tuple(images)


def _heading(names: Sequence[str], grid: tuple[int, int, int] | None) -> str:
    if len(names) == 1:
        return names[0]
    return _("heads (across) × layers (down)")


def _reading(grid: tuple[int, int, int] | None, maps: Sequence[Array]) -> str:
    """What the maps show; over an image also how much goes past it, to the class token and its like, which a dark map alone would hide."""
    if grid is None:
        return _("down: the token that looks; across: the one looked at")
    past = 1 - float(np.mean([one.sum(axis=(-2, -1)).mean() for one in maps]))
    if past < LITTLE:
        return _("what the token that is read looks at, over the image")
    text = _("what the token that is read looks at, over the image; {share} of it goes to tokens that are no patch")
    return text.format(share=percent(past))


def _columns(heads: int) -> int:
    """How many heads of one layer stand in a row: four or six, or what divides them."""
    return heads if heads <= 4 else next((n for n in (4, 6, 5, 3) if heads % n == 0), 4)


def _size(across: int, lines: int, named: bool, tokens: int) -> tuple[float, float]:
    """Inches of a map and between two."""
    if named:
        return min(2.6, max(1.1, 0.115 * tokens, (6.4 - 0.15 * across) / across if across < 4 else 0)), 0.2
    each = min(1.1, max(0.42, 6.2 / across))
    return each, 0.06 if lines > 1 else 0.14


def _maps(view: View, name: str, row: int, grid: tuple[int, int, int] | None) -> Array:
    """By head what is drawn: (heads, queries, keys) without padding, or (heads, rows, columns) over an image."""
    shares = view.values[name][row].astype(np.float64)
    found = view.details.get(NETWORK, {})
    if grid is not None and shares.shape[-1] == grid[0] * grid[1] + grid[2]:
        read = found["read"][row] if "read" in found else np.full(shares.shape[-1], 1 / shares.shape[-1])
        return np.asarray(np.einsum("q,hqk->hk", read, shares)[:, grid[2] :].reshape(len(shares), *grid[:2]))
    if "seen" in found and shares.shape[-2] == shares.shape[-1] == found["seen"].shape[-1]:
        kept = np.flatnonzero(found["seen"][row])
        return shares[:, kept][:, :, kept]
    return shares


def _grid(view: View) -> tuple[int, int, int] | None:
    """Rows and columns of patches, and how many tokens come before them; None where tokens are none of an image's."""
    resolved = view.provenance.get("resolved", {})
    grid = resolved.get("patches")
    return None if grid is None else (int(grid[0]), int(grid[1]), int(resolved["tokens before the patches"]))


def _labels(view: View, row: int, tokens: int) -> list[str]:
    """What to call tokens: their words where the record has them, else their numbers; none where there are too many."""
    if tokens > WORDS:
        return []
    told = view.provenance.get("given")
    given = told[row] if isinstance(told, list) and row < len(told) else {}
    names, of = given.get("names", ()), list(given.get("of", ()))
    seen = view.details.get(NETWORK, {}).get("seen")
    kept = np.flatnonzero(seen[row]) if seen is not None and int(seen[row].sum()) == tokens else np.arange(tokens)
    if len(of) <= kept.max(initial=-1):
        return [str(i) for i in kept]
    return [_of_word(names, of, int(i)) for i in kept]


def _of_word(names: Sequence[str], of: Sequence[int], i: int) -> str:
    """A token by its word; further pieces of a word by dots, what stands for none by a point."""
    if of[i] < 0:
        return "·"
    return "…" if i and of[i - 1] == of[i] else short_name(str(names[of[i]]), SHORT)


def _name_tokens(ax: Axes, labels: Sequence[str], *, left: bool, below: bool) -> None:
    ax.tick_params(length=0, pad=1.5)
    size = 6.5 if len(labels) <= 16 else 5
    if left:
        ax.set_yticks(range(len(labels)), labels, **words(size))
    if below:
        ax.set_xticks(range(len(labels)), labels, rotation=90, **words(size))


# ---- what they add up to --------------------------------------------------------------------------------------------


def _rollout(view: View, row: int, ax: Axes | None, title: str | None) -> tuple[Artist, ...]:
    found, grid = view.details[NETWORK], _grid(view)
    panels = [(_("rollout"), found["rollout"][row])]
    if "relevance" in found:
        target = view.provenance.get("resolved", {}).get("target", [])
        of = _class(view, target[row]) if row < len(target) else ""
        panels.append((_("gradient-weighted, for {target}").format(target=of), found["relevance"][row]))
    if grid is not None:
        return _over_image(view, row, grid, panels, ax, title)
    seen = np.flatnonzero(found["seen"][row])
    labels = _labels(view, row, len(seen)) or [""] * len(seen)
    width, below = max(3.4, 0.17 * len(seen) + 0.7), 0.75 if any(len(label) > 2 for label in labels) else 0.3
    height = len(panels) * 1.25 + below
    ax = own_axes(ax, "picture", height + ABOVE, width / height)
    ax.set_axis_off()
    artists: list[Artist] = []
    for i, (heading, values) in enumerate(panels):
        bottom = below + (len(panels) - 1 - i) * 1.25
        inner = ax.inset_axes((0.55 / width, bottom / height, (width - 0.65) / width, 0.95 / height))
        artists += inner.bar(np.arange(len(seen)), values[seen], width=0.78, color=BAR)
        inner.set_xlim(-0.6, len(seen) - 0.4)
        inner.set_title(heading, loc="left", y=1.0, pad=3, **words(7.5))
        inner.tick_params(labelsize=6.5, length=2, colors=INK)
        inner.locator_params(axis="y", nbins=3)
        for side in ("top", "right"):
            inner.spines[side].set_visible(False)
        inner.set_xticks([])
        if i == len(panels) - 1:
            inner.set_xticks(range(len(seen)), labels, rotation=90 if below > 0.5 else 0, **words(6.5))
            inner.tick_params(axis="x", length=0)
    ax.set_title(_("what attention carries to the output") if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _class(view: View, label: str) -> str:
    """A class by its name, where the record has one."""
    names = view.provenance.get("class_names") or []
    return str(names[int(label)]) if label.isdigit() and int(label) < len(names) else label


def _over_image(
    view: View, row: int, grid: tuple[int, int, int], panels: Sequence[tuple[str, Array]], ax: Axes | None, title: str | None
) -> tuple[Artist, ...]:
    """The image, and beside it each map over its patches, with a scale of its own: shares, and parts of a score."""
    picture = as_picture(to_last(view.inputs, channels_of(view))[row])
    tall, broad = picture.shape[:2]
    side, count = 1.9, len(panels) + 1
    high = side * tall / broad
    width, height = 0.15 + side + len(panels) * (side + 0.6), high + 0.25
    ax = own_axes(ax, "picture", height + ABOVE, width / height)
    ax.set_axis_off()
    artists: list[Artist] = []
    for i in range(count):
        start = 0.05 + i * (side + 0.6) - (0.5 if i else 0.0)
        inner = ax.inset_axes((start / width, 0.05 / height, side / width, high / height))
        faint = 1.0 if not i else 0.35
        drawn = inner.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(0, broad, tall, 0), interpolation="nearest", aspect="auto", alpha=faint)
        heading = _("input")
        if i:
            heading, values = panels[i - 1]
            shown = values[grid[2] :].reshape(grid[:2])
            drawn = inner.imshow(
                shown, cmap=POSITIVE, vmin=0.0, vmax=float(shown.max()) or 1.0, extent=(0, broad, tall, 0), interpolation="nearest", aspect="auto", alpha=0.8
            )
            artists.append(drawn)
            colour_bar(drawn, inner)
        bare(inner)
        inner.set_title(heading, y=1.0, pad=3, **words(7.5))
    ax.set_title(_("what attention carries to the output") if title is None else title, y=1.0, **words(9))
    return tuple(artists)
