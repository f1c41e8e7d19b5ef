"""Records in the forms that other libraries know: a long table for pandas, and SHAP's own record for its plots.

The one file of this room that imports more than NumPy: whoever asks for another library's object has that library, so that it is imported in the function
that makes it, and nowhere before.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import MissingExtraError
from pellucid.core.layout import channels_of, to_last
from pellucid.core.naming import given_feature

if TYPE_CHECKING:
    from pellucid.core.records import Explanation

Array = np.ndarray


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
    return library.Explanation(
        values=laid(e.values),
        base_values=base_of(e),
        data=None if held is None else _on_grid(one, held),
        feature_names=names,
        output_names=list(e.targets) or None,
        error_std=laid(e.error),
        compute_time=e.cost.seconds,
        **bounds,
    )


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
