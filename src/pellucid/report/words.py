"""Numbers and records in plain words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.language import later, written
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.methods import METHODS
from pellucid.views import VIEWS

Array = np.ndarray
SEVERITIES = ((later("good"), "✓"), (later("note"), "i"), (later("warning"), "!"))
"""The word and the sign of each severity; colour only repeats them."""
SCORES = {
    "logit": later("the network's output before its softmax or sigmoid, known only up to a shift common to all classes"),
    "centered_logit": later("the network's output before its softmax or sigmoid, minus the mean over all classes"),
    "log_probability": later("the logarithm of the probability that the network gives"),
    "probability": later("the probability that the network gives"),
    "output": later("what the network returns"),
}
UNITS = {"standard_error": later("standard error"), "bound": later("estimated quadrature error")}


def title_of(explanation: Explanation) -> str:
    """A method's name for readers, with the layer it attributes to."""
    title = _(str(explanation.provenance.get("title") or plain_title(explanation.method)))
    return _("{title} at {layer}").format(title=title, layer=explanation.layer) if explanation.layer else title


def plain_title(name: str) -> str:
    """A name that a method or view declares, or its file's name without underlines."""
    for catalogue in (METHODS, VIEWS):
        if name in catalogue:
            return _(str(catalogue.load(name).title))
    return name.replace("_", " ").capitalize()


def answers(name: str) -> tuple[str, str]:
    """The question that a method or view answers, and what it cannot tell; empty for one of a user's own."""
    for catalogue in (METHODS, VIEWS):
        if name in catalogue:
            part = catalogue.load(name)
            text = " ".join((part.__doc__ or "").split())
            found = re.search(r"(?:^|(?<=[.;:] ))Does not .*?\.(?= [A-Z>]|$)", text)
            return str(part.answers), found.group(0).replace("`", "") if found else ""
    return "", ""


def percent(fraction: float) -> str:
    """
    >>> percent(0.0213), percent(1.0), percent(0.0), percent(float("nan"))
    ('2.1 %', '100 %', '0 %', 'unknown')
    """
    if not math.isfinite(fraction):
        return _("unknown")
    text = f"{fraction * 100:.2g}" if 0 < abs(fraction) < 0.995 else f"{fraction * 100:.0f}"
    return _("{number} %").format(number=written(text))


def seconds(value: float) -> str:
    """
    >>> seconds(0.0123), seconds(2.345), seconds(0.00001)
    ('12 ms', '2.3 s', 'less than 1 ms')
    """
    if value < 0.001:
        return _("less than 1 ms")
    return _("{number} ms").format(number=f"{value * 1000:.0f}") if value < 1 else _("{number} s").format(number=written(f"{value:.1f}"))


def error_words(explanation: Explanation, row: int) -> str:
    """How far the values of one sample are from what more work would give."""
    if explanation.error_kind == "exact":
        return _("none: exact by definition")
    if explanation.error_kind == "none":
        return _("not estimated")
    unit = _(UNITS.get(explanation.error_kind, explanation.error_kind))
    stop = explanation.outcome[row].stop.numbers.get("relative_error")
    if stop is None:
        return _("{part} of the map ({unit})").format(part=percent(relative_error(explanation, row)), unit=unit)
    return _("within {part} of the map, 95 % sure ({unit})").format(part=percent(stop), unit=unit)


def relative_error(explanation: Explanation, row: int) -> float:
    """‖error‖ / ‖values‖ of one sample: the sum for a bound, the root of squares for standard errors."""
    order = 1 if explanation.error_kind == "bound" else 2
    size = float(np.linalg.norm(np.ravel(explanation.values[row]), order))
    return float(np.linalg.norm(np.ravel(explanation.error[row]), order)) / size if size > 0 else math.nan


def score_words(explanation: Explanation, row: int) -> str:
    """What was explained: the target, the scale of its score, and its value."""
    told = _("the {score} of “{target}”, {value}")
    return told.format(score=scale_words(explanation), target=explanation.target.labels[row], value=in_figures(float(explanation.score[row])))


def scale_words(explanation: Explanation) -> str:
    return _(explanation.target.score.replace("_", " "))


def in_figures(value: float, form: str = ".4g") -> str:
    """A number to so many digits as the language writes it.

    >>> in_figures(-0.25), in_figures(12.3456)
    ('−0.25', '12.35')
    """
    return written(f"{value:{form}}")


def class_word(explanation: Explanation, index: int) -> str:
    return explanation.class_names[index] if 0 <= index < len(explanation.class_names) else str(index)


def class_number(explanation: Explanation, label: Any) -> int | None:
    """The number of a class given by number or name; None where the network has no such class."""
    if isinstance(label, str):
        return explanation.class_names.index(label) if label in explanation.class_names else None
    return int(label) if 0 <= int(label) < explanation.prediction.shape[-1] else None


def flat(value: Any, most: int = 300) -> str:
    """Any piece of provenance as one short text."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}: {flat(item)}" for key, item in value.items())
    elif isinstance(value, (list, tuple, np.ndarray)):
        text = ", ".join(flat(item) for item in list(value)[:60]) + (" …" if len(value) > 60 else "")
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = "–" if value is None else str(value)
    return text if len(text) <= most else text[:most] + "…"


def shape_words(shape: tuple[int | None, ...] | None) -> str:
    """
    >>> shape_words((26, None, 32)), shape_words(None)
    ('26 × any × 32', 'unknown')
    """
    return _("unknown") if shape is None else " × ".join(_("any") if size is None else str(size) for size in shape) or _("a number")
