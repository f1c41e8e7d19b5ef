"""What the network answered, and how sure it was."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.errors import SettingError
from pellucid.core.language import percent
from pellucid.core.records import Explanation
from pellucid.figures._canvas import INK, MUTED, own_axes, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import in_figures
from pellucid.figures._picture import check_sample

PREDICTED = "#1f5fa8"
TRUE = "#2a7f4f"
MOST = 10


def probabilities(
    explanation: Explanation, *, sample: int = 0, ax: Axes | None = None, true: int | None = None, title: str | None = None
) -> tuple[Artist, ...]:
    """One bar a class, the predicted one and the `true` one named as such; the ten strongest (and the true one) of many.

    An output that is no distribution over classes is shown as it is.
    """
    ax = own_axes(ax, "bars", 2.3)
    output = np.ravel(explanation.prediction[check_sample(sample, len(explanation))]).astype(np.float64)
    predicted = int(output.argmax())
    if true is not None and not 0 <= true < len(output):
        raise SettingError(f"there is no class {true} to mark as true: the network has {len(output)}, numbered 0 to {len(output) - 1}.")
    chosen = np.arange(len(output)) if len(output) <= MOST + 2 else np.sort(np.argsort(-output, kind="stable")[:MOST])
    if true is not None and true not in chosen:
        chosen = np.append(chosen, true)
    names = explanation.class_names or tuple(str(i) for i in range(len(output)))
    colours = [PREDICTED if i == predicted else TRUE if i == true else MUTED for i in chosen]
    bars = ax.barh(np.arange(len(chosen)), output[chosen], color=colours, height=0.72)
    distribution = bool((output >= 0).all() and abs(output.sum() - 1) < 1e-3)
    marks = [_mark(i, predicted, true) for i in chosen]
    ax.set_yticks(np.arange(len(chosen)), [f"{mark}{_short(names[i])}" for mark, i in zip(marks, chosen, strict=True)], **words(7))
    texts = [ax.text(max(value, 0), place, f" {percent(float(value))}" if distribution else f" {in_figures(value, '.3g')}", va="center", **words(6.5))
             for place, value in enumerate(output[chosen]) if value >= 0.01 or not distribution]  # fmt: skip
    if distribution:
        ax.set_xlim(0, 1.22)
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.tick_params(axis="x", labelsize=7, length=2, colors=INK)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_title(title if title is not None else _("probabilities") if distribution else _("output"), y=1.0, **words(9))
    return (*bars, *texts)


def _mark(index: int, predicted: int, true: int | None) -> str:
    word = _("predicted, true") if index == predicted == true else _("predicted") if index == predicted else _("true") if index == true else ""
    return f"{word}  " if word else ""


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
