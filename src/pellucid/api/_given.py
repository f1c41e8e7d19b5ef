"""Samples as a person gives them: made into a network's inputs, and told of in the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.api._stream import is_stream
from pellucid.api._sums import joins
from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import FeatureMap
from pellucid.core.method import Method
from pellucid.core.preprocessing import Given, Preprocessing
from pellucid.data.fills.deletion import deletes
from pellucid.data.preprocessing import to_json


def applied(preprocessing: Any, x: Any, method: Method, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any], Given | None]:
    """The inputs, the options of a method with what the preprocessing knows of them, and what is to be told; all as it is where there is none, or where it
    has been applied. A background holds samples of the same kind as `x`."""
    if preprocessing is None or isinstance(preprocessing, Given):
        return x, dict(options), preprocessing
    _check_preprocessing(preprocessing, x)
    found, given, inputs = dict(options), preprocessing.given(x), preprocessing.inputs(x)
    if found.get("background") is not None:
        found["background"] = preprocessing.inputs(found["background"])
    sums = preprocessing.joins and joins(method) and found.get("layer") is None
    if ("features" in method.accepts or sums) and found.get("features") is None:
        found["features"] = preprocessing.features(x)
    elif found.get("features") is not None:
        found["features"] = preprocessing.cut(found["features"], x)
    if "fill" in method.accepts and found.get("fill") is None and found.get("background") is None:
        found["fill"] = preprocessing.absent
    if "baseline" in method.accepts and found.get("baseline") is None:
        _check_no_deletion(preprocessing.absent, method)
        found["baseline"] = _kept(preprocessing.absent, inputs, found["features"]) if sums else preprocessing.absent
    return inputs, found, Given(preprocessing, None if given is None else tuple(given))


def applied_to_view(preprocessing: Any, x: Any) -> tuple[Any, Given | None]:
    """The inputs, and what is to be told of them, for a view, which asks nothing else of a preprocessing."""
    if preprocessing is None or isinstance(preprocessing, Given):
        return x, preprocessing
    _check_preprocessing(preprocessing, x)
    given = preprocessing.given(x)
    return preprocessing.inputs(x), Given(preprocessing, None if given is None else tuple(given))


def _check_preprocessing(preprocessing: Any, x: Any) -> None:
    if not isinstance(preprocessing, Preprocessing):
        raise SettingError(f"preprocessing must be one of pellucid.data.preprocessings, or your own Preprocessing; got {type(preprocessing).__name__}.")
    if is_stream(x):
        raise SettingError("a preprocessing takes samples at once, and x is a stream; apply it to each batch: (preprocessing.inputs(batch) for batch in x).")


def _check_no_deletion(absent: Any, method: Method) -> None:
    if deletes(absent):
        raise CombinationError(
            f"absent words are left out (absent_as='deletion'), and {method.title} goes from a baseline to the text, which must be as long; give the tokens to "
            "begin from, baseline=0, or a preprocessing with absent_as='padding', or take a method that leaves words out: shap, lime, feature_ablation, sobol."
        )


def _kept(absent: Any, inputs: Any, features: Any) -> Any:
    """What stands for absent features, and each sample's own number where an element belongs to none, such as the token that begins a sentence."""
    if absent is None or not isinstance(features, FeatureMap):
        return absent
    if not isinstance(inputs, Mapping):
        rows = np.where(features.labels < 0, inputs, absent).astype(inputs.dtype)
        return absent if (rows == absent).all() else rows
    edges = np.cumsum([0, *(array[0].size for array in inputs.values())])
    labels = {name: features.labels[:, start:stop] for name, start, stop in zip(inputs, edges, edges[1:], strict=False)}
    return {name: _kept(number, inputs[name], FeatureMap(labels[name], features.names)) for name, number in absent.items()}


def told(given: Given | None) -> dict[str, Any]:
    """What a record's provenance says of it."""
    if given is None:
        return {}
    return {"preprocessing": to_json(given.preprocessing)} | ({} if given.samples is None else {"given": [dict(one) for one in given.samples]})
