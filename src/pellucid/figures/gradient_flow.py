"""What each layer is told to change: lengths of gradients and weights, row by row, and what a step would do to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from pellucid.core.errors import UnknownLayerError, unknown
from pellucid.core.view import View
from pellucid.figures._canvas import FOR, INK, MUTED, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _

Array = np.ndarray
QUANTITIES = ("gradient_norm", "gradient_rms", "weight_rms", "noise", "update_ratio")
GRADIENT, WEIGHT, STEP, RULE = "#3b6ea5", "#c8691c", "#6a4c93", 1e-3
EACH, BELOW = 0.19, 0.28
"""Inches a row, and below all rows."""
ALONE, BESIDE = ((0.0, 0.52), (0.58, 0.4)), ((0.0, 0.48), (0.53, 0.26))
"""Where the two columns begin and how broad they are, alone and with what was found right of them."""


def gradient_flow(view: View, *, layer: str | None = None, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[Artist, ...]:
    """A row for each layer, the first on top; the rows of one `layer` where it is named. Both scales are logarithmic.

    On the left the RMS gradient of a parameter (a bar), its standard error (a stroke: a bar that ends before it is no more than chance) and the RMS
    parameter (a diamond); on the right how long a step of plain SGD is, beside the weights, with a line at the rule of thumb of 1/1000. What was found is
    named in red. A layer without any gradient has no bar.

    Gives the bars of gradients, the diamonds, the strokes and the bars of steps; then the names of findings.
    """
    if layer is not None and layer not in view.values:
        raise UnknownLayerError(unknown("layer", layer, view.values))
    names = [layer] if layer is not None else list(view.values)
    inches = EACH * len(names)
    marked = any(view.of(name) for name in names)
    ax = own_axes(ax, "rows", 0.74 + BELOW + inches, (4.8 if marked else 4.2) / (inches + BELOW))
    ax.set_axis_off()
    ax.set_title(title if title is not None else _("Gradient and weights, layer by layer"), y=1.0, **words(9))
    share = BELOW / (BELOW + inches)
    left, right = (ax.inset_axes((start, share, width, 1 - share)) for start, width in (BESIDE if marked else ALONE))
    found = {quantity: np.array([float(view.details[name][quantity]) for name in names]) for quantity in QUANTITIES}
    noise = found["noise"] * _divided(found["gradient_rms"], found["gradient_norm"])
    gradients = _bars(left, found["gradient_rms"], GRADIENT, _("gradient (RMS)"))
    weights = _marks(left, found["weight_rms"], "D", WEIGHT, _("weights (RMS)"))
    errors = _marks(left, noise, "|", INK, _("standard error of the gradient"))
    steps = _bars(right, found["update_ratio"], STEP, _("step of SGD ÷ weights"))
    rule = right.axvline(RULE, color=MUTED, linewidth=0.9, linestyle="--", zorder=0)
    _scaled(left, len(names), np.concatenate([found["gradient_rms"], found["weight_rms"], noise]))
    _scaled(right, len(names), np.array([*found["update_ratio"], RULE]))
    marks = _marked(view, names, left, right)
    rate = float(view.provenance.get("settings", {}).get("learning_rate", 1e-3))
    _below(left, [gradients, weights, errors], inches, 1)
    _below(right, [steps, rule], inches, 1, [_("step ÷ weights, rate {rate}").format(rate=f"{rate:g}"), _("rule of thumb")])
    return (*gradients, weights, errors, *steps, *marks)


def _below(ax: Axes, handles: Sequence[Any], inches: float, columns: int, labels: Sequence[str] = ()) -> None:
    names = list(labels) or [str(one.get_label()) for one in handles]
    font = {"family": words()["family"], "size": 7}
    ax.legend(
        handles, names, prop=font, frameon=False, ncols=columns, loc="upper left", bbox_to_anchor=(0.0, -0.22 / inches), borderaxespad=0.0, labelspacing=0.2
    )


def _divided(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _above_zero(values: Array) -> Array:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _bars(ax: Axes, values: Array, colour: str, label: str) -> BarContainer:
    """Bars from the edge of a logarithmic scale; none where there is no number above zero."""
    ax.set_xscale("log")
    return ax.barh(np.arange(len(values)), _above_zero(values), height=0.62, color=colour, label=label, zorder=1)


def _marks(ax: Axes, values: Array, mark: str, colour: str, label: str) -> Line2D:
    (line,) = ax.plot(_above_zero(values), np.arange(len(values)), mark, color=colour, markersize=3.5 if mark == "D" else 7, label=label, zorder=3)
    return line


def _scaled(ax: Axes, rows: int, shown: Array) -> None:
    """A logarithmic scale that holds all these numbers."""
    positive = _above_zero(shown)
    ax.set_autoscalex_on(False)  # of bars that are all left out matplotlib would make a scale without width first, and warn of it
    if np.isfinite(positive).any():
        ax.set_xlim(float(np.nanmin(positive)) / 2.5, float(np.nanmax(positive)) * 2)
    ax.set_ylim(rows - 0.4, -0.6)
    ax.xaxis.set_major_locator(LogLocator(numticks=5))
    ax.xaxis.set_minor_formatter(NullFormatter())
    if rows == 1:  # a page draws one such figure a layer, and these strokes take most of its time
        ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(axis="x", which="both", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks([])
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _marked(view: View, names: Sequence[str], left: Axes, right: Axes) -> list[Artist]:
    """The layers' names, red where something was found; what it is, at the right."""
    left.set_yticks(range(len(names)), [short_name(name, 24) for name in names], **words(7))
    marks: list[Artist] = []
    for row, (name, tick) in enumerate(zip(names, left.get_yticklabels(), strict=True)):
        codes = list(dict.fromkeys(_(finding.code) for finding in view.of(name)))
        if codes:
            tick.set_color(FOR)
            marks.append(right.text(1.03, row, ", ".join(codes), transform=right.get_yaxis_transform(), va="center", ha="left", **(words(7) | {"color": FOR})))
    return marks
