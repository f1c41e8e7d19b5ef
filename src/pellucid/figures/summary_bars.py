"""Which features matter over a whole data set, and how sure that is with so many samples."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation, t_quantile
from pellucid.figures._canvas import INK, called, own_rows, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import LEVEL, check_features, half_widths, largest_on_average, score_of

Array = np.ndarray
SIZE = "#5b7288"


def mean_absolute(explanation: Explanation) -> tuple[Array, Array]:
    """Of each feature the mean absolute value over samples, and half the width of its 95 % interval: Student's t over samples, which counts as draws from the
    data; and, added in squares, the mean of the samples' own numerical errors, as if all went the same way, which is the most they can do together."""
    sizes = np.abs(explanation.values.astype(np.float64))
    count = len(sizes)
    if count < 2:
        raise UnsupportedError("one sample says nothing of a data set; explain at least 2, or draw 'feature_bars'.")
    over = float(t_quantile((1 + LEVEL) / 2, count - 1)) * sizes.std(axis=0, ddof=1) / np.sqrt(count)
    halves = half_widths(explanation)
    return sizes.mean(axis=0), over if halves is None else np.hypot(over, halves.mean(axis=0))


def summary_bars(explanation: Explanation, *, ax: Axes | None = None, count: int = 10, title: str | None = None) -> tuple[Artist, ...]:
    """A bar a feature, those with the largest mean absolute attribution over samples, largest on top, with a 95 % t interval over samples that includes the
    numerical error of each; it ends at 0.

    Values that are near 0 and not exact make a mean of absolute values too large, by no more than the numerical error. One bar a feature, whose label is the
    full name, then the whiskers.
    """
    check_features(explanation, common=True)
    means, halves = mean_absolute(explanation)
    chosen = largest_on_average(explanation, count)
    ax, rows = own_rows(ax, "summary", len(chosen)), np.arange(len(chosen))
    bars = list(ax.barh(rows, means[chosen], color=SIZE, height=0.66))
    for bar, feature in zip(bars, chosen, strict=True):
        bar.set_label(explanation.feature_name(int(feature)))
    ends = np.stack([np.minimum(halves[chosen], means[chosen]), halves[chosen]])
    whiskers = ax.errorbar(means[chosen], rows, xerr=ends, fmt="none", ecolor=INK, elinewidth=0.9, capsize=1.8).lines[2][0]
    ax.set_yticks(rows, [short_name(called(explanation.feature_name(int(i))), 26) for i in chosen], **words(7))
    ax.set_ylim(len(chosen) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.tick_params(axis="x", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel(_("mean |attribution| to the {score}").format(score=score_of(explanation)) + f"\n{_stated(explanation)}", **words(7))
    ax.set_title(_("what matters over {count} samples").format(count=len(explanation)) if title is None else title, y=1.0, **words(9))
    return (*bars, whiskers)


def _stated(explanation: Explanation) -> str:
    """What the interval holds."""
    if explanation.error_kind == "none":
        return _("95 % t interval over samples; numerical error not known")
    return _("95 % t interval over samples") if explanation.error_kind == "exact" else _("95 % t interval over samples, numerical error included")
