"""Records as JSON and arrays: every element says its type and version, so that a file of any release can be told and read.

Text, whole and finite numbers, booleans, None and lists are plain JSON. All else is an object with `type` and `version`:
an array names its tensor; a tuple and a mapping keep what JSON would lose (being a tuple, the order, keys that are not text).
An object that is neither (an own part in the settings) is kept as the text that describes it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from pellucid.core.choices import Choice, Choices
from pellucid.core.comparison import Comparison
from pellucid.core.errors import FormatError
from pellucid.core.evaluation import Evaluation, Score
from pellucid.core.features import FeatureMap
from pellucid.core.model import Layer
from pellucid.core.outcome import SEVERITY, Check, Outcome, Outcomes
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.records import Cost, Explained, Explanation, Inspection
from pellucid.core.verdict import Fact, Verdict
from pellucid.core.view import Finding, View

Array = np.ndarray
Json = Any

RECORDS: Mapping[str, tuple[type, int]] = {
    "explanation": (Explanation, 4),
    "view": (View, 2),
    "inspection": (Inspection, 4),
    "evaluation": (Evaluation, 1),
    "comparison": (Comparison, 1),
}
"""What a file may hold, and the newest version of each that this release reads."""
ELEMENTS: Mapping[str, tuple[type, int]] = {
    **RECORDS,
    "check": (Check, 1),
    "choice": (Choice, 1),
    "choices": (Choices, 1),
    "cost": (Cost, 1),
    "explained": (Explained, 2),
    "fact": (Fact, 1),
    "finding": (Finding, 1),
    "feature_map": (FeatureMap, 1),
    "input_spec": (InputSpec, 1),
    "layer": (Layer, 2),
    "outcome": (Outcome, 2),
    "outcomes": (Outcomes, 1),
    "packing": (Packing, 1),
    "score": (Score, 1),
    "verdict": (Verdict, 1),
}
PLAIN = {"array": 1, "text_array": 1, "float": 1, "tuple": 1, "mapping": 1, "description": 1}
_NAMES = {kind: name for name, (kind, _) in ELEMENTS.items()}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Writer:
    """Encodes elements and gathers their arrays; equal arrays (the inputs of several explanations) are kept once."""

    def __init__(self) -> None:
        self.tensors: dict[str, Array] = {}
        self._known: dict[bytes, str] = {}

    def encode(self, value: Any, where: str) -> Json:
        """`value` as JSON; `where` names its tensors."""
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else _tagged("float", value=str(value))
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if type(value) in _NAMES:
            return self._element(value, where)
        if isinstance(value, Mapping):
            pairs = [[self.encode(key, where), self.encode(item, f"{where}.{key}")] for key, item in value.items()]
            return _tagged("mapping", items=pairs)
        if isinstance(value, (list, tuple)):
            items = [self.encode(item, f"{where}.{i}") for i, item in enumerate(value)]
            return items if isinstance(value, list) else _tagged("tuple", items=items)
        return _tagged("description", value=_ADDRESS.sub("", str(value)))

    def _element(self, value: Any, where: str) -> Json:
        name = _NAMES[type(value)]
        fields = {field.name: self.encode(getattr(value, field.name), f"{where}.{field.name}") for field in dataclasses.fields(value) if field.compare}
        return {"type": name, "version": ELEMENTS[name][1], "fields": fields}

    def _array(self, array: Array, where: str) -> Json:
        if array.dtype.kind not in "biuf":
            return _tagged("text_array", shape=list(array.shape), items=[str(item) for item in array.ravel()])
        if array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        plain = np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")
        key = hashlib.sha256(f"{plain.dtype}{plain.shape}".encode() + plain.tobytes()).digest()
        if key not in self._known:
            self._known[key] = where if where not in self.tensors else f"{where}#{len(self.tensors)}"
            self.tensors[self._known[key]] = plain
        return _tagged("array", tensor=self._known[key])


def _tagged(kind: str, **content: Json) -> Json:
    return {"type": kind, "version": PLAIN[kind], **content}


class Reader:
    """Decodes what `Writer` wrote; whatever does not fit is a `FormatError`."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.tensors = tensors

    def decode(self, value: Json) -> Any:
        """The element that JSON describes."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        kind, version = value.get("type"), value.get("version")
        newest = PLAIN.get(str(kind)) or (ELEMENTS[str(kind)][1] if kind in ELEMENTS else None)
        check_version(kind, version, newest)
        try:
            return self._element(str(kind), value["fields"]) if kind in ELEMENTS else self._plain(str(kind), value)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"a stored {kind} cannot be read ({type(error).__name__}: {error}); the file is damaged.") from error

    def _plain(self, kind: str, value: dict[str, Json]) -> Any:
        if kind == "array":
            return np.array(self.tensors[value["tensor"]])
        if kind == "text_array":
            return np.array(value["items"], dtype=str).reshape(value["shape"])
        if kind == "float":
            return float(value["value"])
        if kind == "tuple":
            return tuple(self.decode(item) for item in value["items"])
        if kind == "mapping":
            return {self.decode(key): self.decode(item) for key, item in value["items"]}
        return str(value["value"])

    def _element(self, name: str, stored: dict[str, Json]) -> Any:
        kind = ELEMENTS[name][0]
        hints = _hints(kind)
        fields = {field: self.decode(item) for field, item in stored.items()}
        for field, item in fields.items():
            if field not in hints:
                raise FormatError(f"a stored {name} has a field '{field}' that is not known; the file is damaged.")
            if not _fits(item, hints[field]):
                raise FormatError(f"the field '{field}' of a stored {name} holds {type(item).__name__}, expected {hints[field]}; the file is damaged.")
        if name == "check" and fields["code"] not in SEVERITY:
            raise FormatError(
                f"a stored outcome has the code {fields['code']!r}, which is not known; the file is damaged or of a newer release: upgrade pellucid."
            )
        return kind(**fields)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def check_version(kind: object, version: object, newest: int | None) -> None:
    """Raise unless an element's type is known and its version is one that this release reads."""
    if newest is None:
        raise FormatError(
            f"an element of type {kind!r} is not known; the file is damaged or of a newer release: upgrade pellucid, e.g. pip install -U pellucid."
        )
    if not isinstance(version, int) or version < 1:
        raise FormatError(f"an element of type {kind!r} has version {version!r}, expected 1 to {newest}; the file is damaged.")
    if version > newest:
        raise FormatError(
            f"an element of type {kind!r} has version {version}, this release reads up to {newest}; upgrade pellucid, e.g. pip install -U pellucid."
        )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that a field's type hint asks for, as far as can be told without looking deep."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in inside)
    if origin is tuple:
        return isinstance(value, tuple) and (len(inside) != 2 or inside[1] is not Ellipsis or all(_fits(item, inside[0]) for item in value))
    if origin in (Mapping, dict):
        return isinstance(value, Mapping) and all(_fits(item, inside[1]) for item in value.values())
    if origin in (Sequence, list):
        return isinstance(value, (list, tuple))
    if hint is float:
        return isinstance(value, (int, float))
    return isinstance(value, origin or hint)
