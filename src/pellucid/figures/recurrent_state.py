"""A recurrent layer over time: the input, every gate, the states, and how the score's gradient changes on its way back, on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from pellucid.core.language import later, percent
from pellucid.core.recurrence import CANDIDATE, FORGET_GATE, INPUT_GATE, OUTPUT_GATE, RESET_GATE, UPDATE_GATE
from pellucid.core.view import View
from pellucid.figures._canvas import BAND, FOR, INK, MARGINS, MUTED, POSITIVE, SIGNED, inside, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import in_figures
from pellucid.figures._picture import check_sample, colour_bar
from pellucid.figures.activation_map import view_layer

Array = np.ndarray
MOST, LINES, WORDS = 64, 6, 60
"""Units that are shown at most; channels of the input that are drawn as lines and not as a map; tokens that are named."""
HIDDEN, CELL, GRADIENT, INPUT = "hidden", "cell", "gradient", "input"
GATES = (INPUT_GATE, FORGET_GATE, OUTPUT_GATE, UPDATE_GATE, RESET_GATE)
LABELS = {
    INPUT: later("input"),
    INPUT_GATE: later("input gate"),
    FORGET_GATE: later("forget gate"),
    CANDIDATE: later("candidate"),
    OUTPUT_GATE: later("output gate"),
    UPDATE_GATE: later("update gate"),
    RESET_GATE: later("reset gate"),
    CELL: later("cell state"),
    HIDDEN: later("hidden state"),
    GRADIENT: later("gradient"),
}
DECADES = 20
"""So far down the gradient is drawn."""
GAP, LETTER = 0.11, 0.062
"""Inches between two panels, and those that a letter of a word along the time axis takes."""


def recurrent_state(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """One layer and sample; `layer` may be left out where there is one.

    From top to bottom: the input (a line a channel, a map where there are many, tokens by their words), each gate from 0 to 1, the candidate and the states on
    scales that are symmetric about zero, units by their time constants, the slowest on top, and the length of the score's gradient with respect to the state
    after each step on a logarithmic scale: of all that the score reads, and dashed of what it reads last alone, with the forgetting horizon marked. Of more
    than 64 units the 64 whose state varies most are shown. Masked steps are gray.

    Returns what it drew, from top to bottom, each with the name of its part as its gid: "input", a gate, "candidate", "cell", "hidden", "gradient", "decay",
    "horizon".
    """
    name = view_layer(view, layer)
    row = check_sample(sample, len(view))
    found = view.details.get(name, {})
    parts = {**{part: found[part][row] for part in (*GATES, CANDIDATE, CELL) if part in found}, HIDDEN: view.values[name][row]}
    if CANDIDATE in parts and len(parts) == 2:  # a simple recurrence: its candidate is its state
        del parts[CANDIDATE]
    shown = _shown_units(parts[HIDDEN], found.get("time constant"))
    steps = len(parts[HIDDEN])
    first, last = _between(parts)
    given = _given(view, row, steps)
    tokens = _tokens(view, row, steps, last + 1 - first)[first : last + 1]
    heights = [] if given is None and not tokens else [_input_height(given, tokens)]
    heights += [0.36 + 0.42 * min(len(shown), MOST) / MOST] * len(parts) + ([0.8] if GRADIENT in found else [])
    inner = sum(heights) + GAP * (len(heights) - 1)
    ax = own_axes(ax, "gates", inner + MARGINS["gates"][2] + MARGINS["gates"][3], 4.6 / inner)
    axes = inside(ax, heights, [GAP] * len(heights))
    artists: list[Artist] = []
    rest = iter(axes)
    if given is not None or tokens:
        artists += _input(next(rest), given, tokens, first)
    for part, values in parts.items():
        artists.append(_units(next(rest), part, values[:, shown]))
    if GRADIENT in found:
        artists += _gradient(next(rest), view, name, row)
    _share_time(axes, first, last)
    time = _("time step") if last + 1 - first == steps else _("time step, masked ends left out")
    axes[-1].set_xlabel("    ".join((time, _which(len(shown), parts[HIDDEN].shape[-1], "time constant" in found))), labelpad=2, **words(7))
    ax.set_title(name if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _between(parts: Mapping[str, Array]) -> tuple[int, int]:
    """The first and the last step that is not masked: between them lies what is shown."""
    used = np.isfinite(next(iter(parts.values()))).all(axis=-1)
    places = np.flatnonzero(used)
    return (int(places[0]), int(places[-1])) if len(places) else (0, len(used) - 1)


def _shown_units(hidden: Array, constants: Array | None) -> Array:
    """Which units are shown, in their order from top to bottom."""
    strength = hidden.std(axis=0)
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST])
    by = constants if constants is not None else strength
    return kept[np.argsort(-by[kept], kind="stable")]


def _which(shown: int, units: int, by_constant: bool) -> str:
    """What the rows of the panels are."""
    if by_constant:
        text = _("units: {shown} of {units}, slowest on top") if shown < units else _("units: {units}, slowest on top")
    else:
        text = _("units: {shown} of {units}, most varied on top") if shown < units else _("units: {units}, most varied on top")
    return text.format(shown=shown, units=units)


# ---- the input ---------------------------------------------------------------------------------------------------------


def _given(view: View, row: int, steps: int) -> Array | None:
    """The input by time steps, (steps, channels); None where it has no such axis, or holds tokens."""
    takes = view.provenance.get("takes", {})
    if not len(view.inputs) or takes.get("tokens") or view.provenance.get("packing"):
        return None
    one = np.asarray(view.inputs[row], np.float64)
    if takes.get("channels") == "first" and one.ndim == 3:
        one = np.moveaxis(one, 0, -1)
    return one.reshape(steps, -1) if one.ndim in (1, 2, 3) and len(one) == steps else None


def _tokens(view: View, row: int, steps: int, shown: int) -> list[str]:
    """The tokens by their words where the record has them, else by their numbers; none where too many are shown, or there are none."""
    if not view.provenance.get("takes", {}).get("tokens") or shown > WORDS or view.inputs.shape[1:] != (steps,):
        return []
    told = view.provenance.get("given")
    given = told[row] if isinstance(told, list) and row < len(told) else {}
    names, of = given.get("names", ()), given.get("of", ())
    if len(of) != steps:
        return [str(int(number)) for number in view.inputs[row]]
    return ["·" if place < 0 else short_name(str(names[place]), 14) for place in of]


def _input_height(given: Array | None, tokens: Sequence[str]) -> float:
    if tokens:
        return LETTER * max(max(len(token) for token in tokens), 3) + 0.06
    return 0.55 if given is None or given.shape[1] <= LINES else 0.75


def _input(ax: Axes, given: Array | None, tokens: Sequence[str], first: int) -> list[Artist]:
    _named(ax, INPUT)
    ax.set_yticks([])
    if tokens:
        ax.set_ylim(0, 1)
        for side in ax.spines.values():
            side.set_visible(False)
        size = 6.5 if len(tokens) <= 32 else 5
        found: list[Artist] = [ax.text(at, 0.02, token, rotation=90, va="bottom", ha="center", **words(size)) for at, token in enumerate(tokens, first)]
    elif given is not None and given.shape[1] <= LINES:
        found = [*ax.plot(given, linewidth=0.9, color=INK if given.shape[1] == 1 else None)]
        ax.tick_params(labelsize=6, length=2, colors=INK)
        ax.yaxis.set_major_locator(MaxNLocator(2))
    elif given is not None:
        signed = bool((given < 0).any())
        reach = float(np.abs(given).max()) or 1.0
        image = ax.imshow(given.T, cmap=SIGNED if signed else "gray", vmin=-reach if signed else 0.0, vmax=reach, aspect="auto", interpolation="nearest")
        _bar(image, ax)
        found = [image]
    for artist in found:
        artist.set_gid(INPUT)
    return found


# ---- gates and states --------------------------------------------------------------------------------------------------


def _colours(name: str) -> Colormap:
    return colormaps[name].with_extremes(bad=BAND)


def _units(ax: Axes, part: str, values: Array) -> Artist:
    """Units × time steps: gates from 0 to 1, all else about zero."""
    if part in GATES:
        image = ax.imshow(values.T, cmap=_colours(POSITIVE), vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    else:
        finite = values[np.isfinite(values)]
        reach = float(np.abs(finite).max(initial=0.0)) or 1.0
        image = ax.imshow(values.T, cmap=_colours(SIGNED), vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    image.set_gid(part)
    ax.set_yticks([])
    _named(ax, part)
    _bar(image, ax)
    return image


def _bar(image: Artist, ax: Axes) -> None:
    bar = colour_bar(image, ax, thin=True)  # type: ignore[arg-type]
    bar.ax.locator_params(nbins=2)
    bar.ax.tick_params(labelsize=6, length=2)


def _named(ax: Axes, part: str) -> None:
    ax.set_ylabel(_(LABELS[part]), rotation=0, ha="right", va="center", labelpad=4, **words(7))


# ---- the gradient ------------------------------------------------------------------------------------------------------


def _gradient(ax: Axes, view: View, layer: str, row: int) -> list[Artist]:
    """Its length by steps on a logarithmic scale, and the horizon."""
    found = view.details[layer]
    whole, alone = (np.where(found[name][row] > 0, found[name][row], np.nan).astype(np.float64) for name in (GRADIENT, "decay"))
    _named(ax, GRADIENT)
    (line,) = ax.plot(whole, color=INK, linewidth=1.1)
    (dashed,) = ax.plot(alone, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)))
    line.set_gid(GRADIENT)
    dashed.set_gid("decay")
    if np.isfinite(whole).any() or np.isfinite(alone).any():
        ax.set_yscale("log")
        high = np.nanmax([whole, alone])
        low = max(np.nanmin([whole, alone]), high * 10.0**-DECADES)
        middle, reach = np.sqrt(low * high), max(np.log10(high / low), 1.0)
        ax.set_ylim(middle * 10 ** (-0.56 * reach), middle * 10 ** (0.9 * reach))  # room above for the text
        narrow = reach < 2  # of so few powers of ten one alone might be named, which is no scale
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=6) if narrow else LogLocator(numticks=4))
        if narrow:
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="y", labelsize=6, length=2, colors=INK)
    ax.yaxis.tick_right()
    artists: list[Artist] = [line, dashed]
    read, back = int(found["read"][row]), float(found["horizon"][row])
    share = float(view.provenance.get("settings", {}).get("share", 0.01))
    part = percent(share, 0 if share >= 0.01 else 2)
    text = _("never below {share} of its last").format(share=part)
    if read < 0:
        text = _("the score reads nothing of it")
    elif np.isfinite(back):
        text = _("{steps} steps back below {share} of its last").format(share=part, steps=in_figures(back, ".0f"))
        mark = ax.axvline(float(found["horizon step"][row]), color=FOR, linewidth=0.9, linestyle=":")
        mark.set_gid("horizon")
        artists.append(mark)
    ax.text(0.01, 0.97, text, transform=ax.transAxes, va="top", ha="left", **words(6.5))
    return artists


def _share_time(axes: Sequence[Axes], first: int, last: int) -> None:
    """One time axis; its numbers stand below the last panel alone."""
    for ax in axes:
        ax.set_xlim(first - 0.5, last + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.tick_params(axis="x", labelsize=6.5, length=2, colors=INK, labelbottom=ax is axes[-1])
        for side in ax.spines.values():
            side.set_linewidth(0.5)
