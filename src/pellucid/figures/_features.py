"""What figures of features show beside the values: the name a reader knows, what the input holds there, and half the width of the interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.core.errors import SettingError, UnsupportedError, unknown
from pellucid.core.exports import held_at
from pellucid.core.language import written
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.records import Explanation
from pellucid.data.preprocessing import of_json
from pellucid.figures._canvas import called, letters_of, short_name
from pellucid.figures._canvas import drawn as _

Array = np.ndarray
LEVEL = 0.95


def check_features(explanation: Explanation, *, common: bool = False) -> None:
    """Raise for values that are no list of features, (samples, features); `common`: also where samples have features of their own."""
    mask = explanation.feature_mask
    if explanation.values.ndim != 2 or explanation.of_pairs:
        what = "pairs of features" if explanation.of_pairs else "elements of a grid"
        raise UnsupportedError(f"'{explanation.method}' attributes to {what}; draw '{'interactions' if explanation.of_pairs else 'attribution_map'}'.")
    if common and (not mask.all() or (explanation.features is not None and len(explanation.features.labels) > 1)):
        raise UnsupportedError("each sample has features of its own, which have nothing in common over samples; draw 'feature_bars' of each.")


def number_of(explanation: Explanation, feature: int | str) -> int:
    """A feature given by its number or its name."""
    names = [explanation.feature_name(i) for i in range(explanation.values.shape[1])]
    if isinstance(feature, str):
        if feature not in names:
            raise SettingError(unknown("feature", feature, names))
        return names.index(feature)
    if not 0 <= feature < len(names):
        raise SettingError(f"feature {feature} is not there: the record holds {len(names)}, numbered 0 to {len(names) - 1}.")
    return int(feature)


def held_numbers(explanation: Explanation) -> Array:
    """What each sample holds of each feature, (samples, features): as a person gave it where a table's preprocessing knows the way back, else what stands in
    the input, the mean over a feature's elements. NaN where that says nothing: for a category."""
    held = held_at(explanation)
    found = np.full(explanation.values.shape, np.nan) if held is None else np.array(held, dtype=np.float64)
    found[:, _spread_categories(explanation)] = np.nan
    table = _table(explanation)
    if table is not None:
        rows = table.restored(explanation.inputs)
        for i in range(found.shape[1]):
            if explanation.feature_name(i) in (rows.dtype.names or ()):
                column = rows[explanation.feature_name(i)]
                found[:, i] = column if column.dtype.kind == "f" else np.nan
    return found


def shown_value(explanation: Explanation, sample: int, feature: int) -> str:
    """What a sample holds of a feature, as text: with its unit or as a word where a preprocessing told of it; empty where there is nothing to show."""
    known = f"{explanation.feature_name(feature)} = "
    told = explanation.feature_name(feature, sample)
    if told.startswith(known):
        return told[len(known) :]
    number = held_numbers(explanation[sample])[0, feature]
    return "" if np.isnan(number) else in_figures(number)


def row_name(explanation: Explanation, sample: int, feature: int, most: int | None = None) -> str:
    """A feature's name with what the sample holds there, in at most so many letters, of which the value gets no more than half."""
    name, value = explanation.feature_name(feature), shown_value(explanation, sample, feature)
    if not value:
        name = explanation.feature_name(feature, sample)
    if most is not None:
        value = short_name(value, most // 2)
        name = short_name(called(name), most - letters_of(value) - 3 * bool(value))
    return f"{name} = {value}" if value else name


def with_unit(explanation: Explanation, feature: int) -> str:
    """A feature's name and, where a table's preprocessing has one, its unit."""
    name, table = explanation.feature_name(feature), _table(explanation)
    units = {} if table is None else {column["name"]: column["unit"] for column in table.settings()["columns"]}
    return f"{name} ({units[name]})" if units.get(name) else name


def in_figures(number: float, form: str = ".4g") -> str:
    """A number as axes write it, with a minus sign.

    >>> in_figures(-0.25), in_figures(2, "+.3g")
    ('−0.25', '+2')
    """
    return written(f"{number:{form}}")


def half_widths(explanation: Explanation) -> Array | None:
    """Half the width of each value's 95 % interval, shape of `values`; None where values are exact or have no error estimate."""
    if explanation.error_kind in ("exact", "none"):
        return None
    return np.asarray(explanation.interval(LEVEL)[1] - explanation.values)


def score_of(explanation: Explanation, sample: int | None = None) -> str:
    """What the values are parts of: the scale of the score and the target, of one sample or of all."""
    labels = set(explanation.target.labels) if sample is None else {explanation.target.labels[sample]}
    target = labels.pop() if len(labels) == 1 else _("the target of each sample")
    return _("{score} of {target}").format(score=_(explanation.target.score.replace("_", " ")), target=target)


def largest_on_average(explanation: Explanation, count: int) -> Array:
    """The features with the largest mean absolute value over samples, largest first."""
    return np.argsort(-np.abs(explanation.values).mean(axis=0), kind="stable")[:count]


def _table(explanation: Explanation) -> Preprocessing | None:
    """The preprocessing of the table that was given, where one was."""
    said = explanation.provenance.get("preprocessing")
    return of_json(said) if isinstance(said, Mapping) and said.get("kind") == "table" else None


def _spread_categories(explanation: Explanation) -> Array:
    """Which features are the columns of one category: several elements, at most one of them 1 and the others 0, in every sample."""
    width, inputs = explanation.values.shape[1], explanation.inputs.reshape(len(explanation), -1)
    found = np.zeros(width, dtype=bool)
    if explanation.features is None or len(explanation.features.labels) > 1:
        return found
    labels = np.broadcast_to(explanation.features.of(0), explanation.inputs.shape[1:]).ravel()
    for feature in range(width):
        part = inputs[:, labels == feature]
        found[feature] = part.shape[1] > 1 and bool(np.isin(part, (0, 1)).all() and (part.sum(axis=1) <= 1).all())
    return found
