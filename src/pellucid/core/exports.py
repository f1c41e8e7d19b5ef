"""Records in the forms that others know: a long table for pandas, SHAP's own record for its plots, and JSON for everything else.

The one file of this room that imports more than NumPy: whoever asks for another library's object has that library, so that it is imported in the function
that makes it, and nowhere before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import MissingExtraError
from pellucid.core.layout import channels_of, to_last
from pellucid.core.naming import given_feature, given_of

if TYPE_CHECKING:
    from pellucid.core.records import Explanation

Array = np.ndarray
JSON_VERSION = 1


def find_pandas() -> Any:
    """pandas, or what to do where it is not there."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError(f"tables need pandas ({error}): pip install 'pellucid[tables]'") from error
    return pandas


def find_shap() -> Any:
    """SHAP, or what to do where it is not there."""
    try:
        import shap
    except ImportError as error:
        raise MissingExtraError(f"SHAP's plots need shap ({error}): pip install shap") from error
    return shap


def to_dataframe(explanation: Explanation, level: float) -> Any:
    """The columns as a table."""
    return find_pandas().DataFrame(columns(explanation, level))


def columns(explanation: Explanation, level: float) -> dict[str, Array]:
    """Name → one entry for each sample, target and feature that is no padding, in this order; of pairs of features, each pair once."""
    e, one = explanation, explanation.split()[0]
    shape = one.values.shape[1:]
    samples, targets, features = len(e), max(len(e.targets), 1), prod(shape)
    mask = one.counted_mask.reshape(samples, 1, features)
    row, target, number = np.nonzero(np.broadcast_to(mask, (samples, targets, features)))

    def per_value(array: Array) -> Array:
        return array.reshape(samples, targets, features)[row, target, number]

    def per_target(items: Any, kind: Any = None) -> Array:
        return np.array(items, dtype=kind).reshape(samples, targets)[row, target]

    first, other = (number // shape[-1], number % shape[-1]) if one.of_pairs else (number, number)
    names, held, sources = _names(one), held_at(one), _inputs(one)
    low, high = e.interval(level)
    found = {
        "method": np.full(len(row), e.method, dtype=object),
        "sample": np.array(e.provenance.get("indices", range(samples)))[row],
        "target": per_target(e.target.each or e.target.labels, object),
    }
    found |= {} if sources is None else {"input": sources[first]}
    found |= {"feature": _given(one, names, row, first)} | ({"other": _given(one, names, row, other)} if one.of_pairs else {})
    found |= _held(one, row, first)
    found |= {} if sources is None or not one.of_pairs else {"other_input": sources[other]}
    found |= dict(zip(one.axes[1:], np.unravel_index(number, shape), strict=True)) if len(shape) > 1 and not one.of_pairs else {}
    found |= {} if held is None else {"data": held.reshape(samples, -1)[row, first]} | ({"other_data": held[row, other]} if one.of_pairs else {})
    found |= {name: per_value(array) for name, array in {"value": e.values, "error": e.error, "low": low, "high": high}.items()}
    found |= {} if e.choices is None else {"choice_low": per_value(e.choices.low), "choice_high": per_value(e.choices.high)}
    codes = [[part.code for part in outcome.parts or (outcome,)] for outcome in e.outcome]
    return found | {"score": per_target(e.score), "outcome": per_target(codes, object)}


def to_shap(explanation: Explanation, level: float) -> Any:
    """SHAP's record: targets last, channels last, pairs of features halved, as SHAP has them."""
    e, one = explanation, explanation.split()[0]
    library, lead = find_shap(), 1 + bool(e.targets)

    def laid(array: Array) -> Array:
        array = np.moveaxis(array, 1, -1) if e.targets else array
        if one.of_pairs:
            halves = np.where(np.eye(array.shape[1], dtype=bool), 1, 0.5)
            return array * (halves[..., None] if e.targets else halves)
        return _on_grid(one, array)

    bounds = {} if e.error_kind == "none" else dict(zip(("lower_bounds", "upper_bounds"), map(laid, e.interval(level)), strict=True))
    held, names = held_at(one), _names(one).tolist() if e.values.ndim == lead + 1 or one.of_pairs else None
    told = None if one.of_pairs else _told(one)
    shown: dict[str, Any] = {"data": None if held is None else _on_grid(one, held), "feature_names": names}
    return library.Explanation(
        values=laid(e.values),
        base_values=base_of(e),
        **shown | (told or {}),
        output_names=list(e.targets) or None,
        error_std=laid(e.error),
        compute_time=e.cost.seconds,
        **bounds,
    )


def _told(explanation: Explanation) -> dict[str, Any] | None:
    """What a person gave, as SHAP's plots show it: words as the data, or of a table's columns their names, what they held as text, and as the number that
    gives it its colour: the number in its unit, or of a category its place in the alphabet. None where no preprocessing told of the values."""
    e = explanation
    if "given" not in e.provenance or e.values.ndim != 2:
        return None
    pairs = [[given_feature(e, number, sample) for number in range(e.values.shape[1])] for sample in range(len(e))]
    names, held = (np.array([[pair[i] for pair in row] for row in pairs], dtype=object) for i in (0, 1))
    if not any(map(any, names)):
        return None
    if not any(map(any, held)):
        return {"data": names}
    return {"data": np.stack([_as_numbers(column) for column in held.T], axis=1), "display_data": held, "feature_names": names[0].tolist()}


def _as_numbers(texts: Array) -> Array:
    """What a column held as numbers: "40 years" is 40, "missing" NaN; where any is none, all count as words, by their places in the alphabet.

    >>> _as_numbers(np.array(["40 years", "missing"])).tolist(), _as_numbers(np.array(["rent", "own", "rent"])).tolist()
    ([40.0, nan], [1.0, 0.0, 1.0])
    """
    try:
        return np.array([np.nan if text == "missing" else float(text.split(" ")[0]) for text in texts])
    except ValueError:
        return np.unique(texts.astype(str), return_inverse=True)[1].astype(float)


def to_json(explanation: Explanation, level: float) -> str:
    """An explanation as JSON: what all samples share, and for each sample and target its features by the columns of the table."""
    e, one = explanation, explanation.split()[0]
    found, targets = columns(e, level), max(len(e.targets), 1)
    counts = np.repeat(one.counted_mask.reshape(len(e), -1).sum(axis=1), targets)
    edges = np.cumsum([0, *counts])
    numbers, base = e.provenance.get("indices", range(len(e))), np.asarray(base_of(e)).reshape(-1)
    own = {name: column for name, column in found.items() if name not in ("method", "sample", "target", "score", "outcome")}
    samples = []
    for place, (start, stop) in enumerate(pairwise(edges.tolist())):
        row, outcome = place // targets, e.outcome[place // targets]
        outcome = outcome.parts[place % targets] if outcome.parts else outcome
        given = given_of(e, row)
        samples.append(
            {"sample": numbers[row], "target": e.target.each[row][place % targets] if e.targets else e.target.labels[row]}
            | ({"text": given["text"]} if "text" in given else {})
            | {"score": np.reshape(e.score, -1)[place], "base": base[place], "prediction": e.prediction[row]}
            | {"evaluations": e.cost.evaluations[row], "gradients": e.cost.gradients[row]}
            | {"outcome": {"code": outcome.worst.code, "text": str(outcome)}}
            | {"features": [{name: column[i] for name, column in own.items()} for i in range(start, stop)]}
        )
    told = {"type": "explanation", "version": JSON_VERSION, "method": e.method, "error_kind": e.error_kind, "scale": e.target.score, "level": level}
    shared = {name: value for name, value in e.provenance.items() if name not in ("given", "indices")}
    return json.dumps(as_json(told | {"class_names": e.class_names, "provenance": shared, "explanations": samples}), ensure_ascii=False, allow_nan=False)


def as_json(value: Any) -> Any:
    """A value as plain JSON: arrays as lists, NaN and infinity, which JSON lacks, as null.

    >>> as_json({"a": np.array([1.5, np.nan]), 2: (True, np.int64(3))})
    {'a': [1.5, None], '2': [True, 3]}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [as_json(item) for item in value]
    return str(value)


def base_of(explanation: Explanation) -> Array:
    """The score that the values are counted from, shape of `score`: what the method's definition says and the record holds, else NaN."""
    found = explanation.baseline_score
    return np.asarray(explanation.statistics.get("intercept", np.full(np.shape(explanation.score), np.nan)) if found is None else found, dtype=float)


def held_at(explanation: Explanation) -> Array | None:
    """What the input holds at each value of an explanation of one target, (samples, *feature), of pairs (samples, features): the number itself, the mean over
    a feature's elements, NaN for padding. None where the values belong to no elements of the input."""
    e = explanation
    if e.features is None:
        return e.inputs if e.values.shape == e.inputs.shape and not e.layer else None
    width, found = e.values.shape[1], []
    for i, x in enumerate(e.inputs):
        labels = np.broadcast_to(e.features.of(i), x.shape).ravel()
        inside = labels >= 0
        count, total = (np.bincount(labels[inside], weights, minlength=width) for weights in (None, x.ravel()[inside]))
        found.append(np.divide(total, count, out=np.full(width, np.nan), where=count > 0))
    return np.array(found).reshape(len(e), width)


def _on_grid(explanation: Explanation, array: Array) -> Array:
    """Values that lie as the input does, with channels last."""
    return to_last(array, channels_of(explanation)) if explanation.features is None and explanation.values.shape == explanation.inputs.shape else array


def _names(explanation: Explanation) -> Array:
    """What to call each value by its number; of pairs, each feature."""
    if explanation.of_pairs and explanation.features is not None:
        return np.array(explanation.features.names[: explanation.values.shape[1]], dtype=object)
    return np.array([explanation.feature_name(i) for i in range(prod(explanation.values.shape[1:]))], dtype=object)


def _given(explanation: Explanation, names: Array, row: Array, number: Array) -> Array:
    """The name of each feature of each sample as it was given; what it is called elsewhere."""
    if "given" not in explanation.provenance:
        return np.asarray(names[number])
    return np.array([given_feature(explanation, int(i), int(s))[0] or names[i] for s, i in zip(row, number, strict=True)], dtype=object)


def _held(explanation: Explanation, row: Array, number: Array) -> dict[str, Array]:
    """What each feature held as it was given, with its unit, where a preprocessing told of it."""
    held = [given_feature(explanation, int(i), int(s))[1] for s, i in zip(row, number, strict=True)] if "given" in explanation.provenance else []
    return {"given": np.array(held, dtype=object)} if any(held) else {}


def _inputs(explanation: Explanation) -> Array | None:
    """Which of several inputs each value or feature belongs to; all of them where it covers several. None for one input, or a layer's values."""
    packing = explanation.packing
    if packing is None or explanation.layer:
        return None
    if explanation.features is None:
        return np.repeat(np.array(packing.names, dtype=object), [part.stop - part.start for part in packing.slices.values()])
    covered: list[list[str]] = [[] for _ in range(explanation.values.shape[1])]
    for name, part in packing.slices.items():
        labels = explanation.features.labels.reshape(len(explanation.features.labels), -1)[:, part]
        for feature in np.unique(labels[labels >= 0]):
            covered[feature].append(name)
    return np.array([", ".join(names) for names in covered], dtype=object)
