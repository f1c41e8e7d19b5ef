"""Going on with an explanation instead of beginning again: what must agree, and what of a call belongs to the chosen samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.features import FeatureMap
from pellucid.core.packing import Packing
from pellucid.core.preprocessing import Given
from pellucid.core.records import Explanation
from pellucid.core.target import of_samples

Array = np.ndarray
AGREEING = ("method", "fingerprint", "output", "function", "settings", "seed", "score")
"""Entries of the provenance that must be the same where work is gone on with."""
PER_SAMPLE = ("target", "baseline", "labels", "features", "preprocessing")
"""Keywords of `explain` that may hold one item a sample."""
Axes = int | Mapping[str, int]
"""How many axes inputs have, the samples' included; of several by name."""


def check_agreement(earlier: Explanation, inputs: Array, labels: tuple[str, ...] | None, now: Mapping[str, Any]) -> None:
    """Raise where the earlier explanation is of other samples, another network, method, setting, seed or score."""
    if not isinstance(earlier, Explanation):
        raise SettingError(f"resume takes an Explanation, got {type(earlier).__name__}; load records with pellucid.load(path) and choose one.")
    if earlier.inputs.shape != inputs.shape or not np.array_equal(earlier.inputs, inputs):
        raise SettingError(f"resume holds other samples, of shape {earlier.inputs.shape}; x has shape {inputs.shape}. Give the same samples.")
    differing = [name for name in AGREEING if _shared(earlier.provenance.get(name)) != _shared(now.get(name))]
    before = tuple(label for labels_of_one in earlier.target.each for label in labels_of_one) or earlier.target.labels
    if labels is not None and before != labels:
        differing.append("target")
    if differing:
        told = ", ".join(f"{name}: {earlier.provenance.get(name)!r} there, {now.get(name)!r} here" for name in differing if name != "target")
        raise SettingError(f"resume was made in another way ({told or 'another target'}); call explain as it was called then, or leave resume out.")


def _shared(said: Any) -> Any:
    """What is said of a setting, but not of how many samples: some of them may be gone on with alone.

    >>> _shared({"baseline": "array of shape (5, 28, 28)"})
    {'baseline': 'array of shape (…, 28, 28)'}
    """
    if isinstance(said, Mapping):
        return {name: _shared(item) for name, item in said.items()}
    return re.sub(r"^array of shape \(\d+,", "array of shape (…,", said) if isinstance(said, str) else said


def axes_of(inputs: Array, packing: Packing | None) -> Axes:
    """How many axes the inputs have; of several, each of them."""
    return inputs.ndim if packing is None else {name: 1 + len(shape) for name, shape in zip(packing.names, packing.shapes, strict=True)}


def of_rows(given: Mapping[str, Any], rows: Array, samples: int, axes: Axes = 4) -> dict[str, Any]:
    """The keywords of a call for some of its samples; `axes` is how many the inputs have, which tells a map of a table each from one map of an image."""
    own, each = (2, axes) if isinstance(axes, Mapping) else (axes, {})
    chosen = dict(given)
    for name in PER_SAMPLE:
        value = chosen.get(name)
        if name == "target":
            chosen[name] = of_samples(value, rows, samples)
            continue
        least = {"baseline": 2, "features": min(own, 3)}.get(name, 1)
        if isinstance(value, (FeatureMap, Given)):
            chosen[name] = value[rows]
        elif isinstance(value, Mapping):  # one entry an input
            chosen[name] = {
                key: of_rows({name: item}, rows, samples, each.get(key, 4))[name] if isinstance(item, np.ndarray) else item for key, item in value.items()
            }
        elif isinstance(value, np.ndarray) and value.ndim >= least and len(value) == samples:
            chosen[name] = value[rows]
        elif isinstance(value, list) and len(value) == samples and name != "features":  # a list of features is groups of columns
            chosen[name] = [value[int(row)] for row in rows]
    return chosen
