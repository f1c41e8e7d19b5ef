"""Features and fills as users write them: objects, arrays, or short names with settings such as `superpixels:slic:30`."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from dataclasses import fields as fields_of
from typing import Any

import numpy as np

from pellucid.core.catalogue import SETTING_WORDS, Catalogue, build, settings_of
from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import FeatureMap, Features, Fill
from pellucid.data import FEATURES, FILLS
from pellucid.data.features.columns import Columns
from pellucid.data.features.given import Given as GivenFeatures
from pellucid.data.features.groups import Groups, GroupsLike
from pellucid.data.features.patches import Patches
from pellucid.data.fills.constant import Constant
from pellucid.data.fills.given import Given as GivenFill

Array = np.ndarray
FeaturesLike = Features | FeatureMap | Array | GroupsLike | str | None
FillLike = Fill | Array | float | str

_WRITABLE = (int, float, str)


def _types(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)


def _converted(spec: str, setting: str, hint: Any, text: str) -> int | float | str:
    """One positional setting in the type of its field."""
    kind = next((kind for kind in _types(hint) if kind in _WRITABLE), None)
    if kind is None:
        raise SettingError(f"'{spec}': '{setting}' is an array and cannot be written as text; in Python, pass the array itself.")
    try:
        value: int | float | str = kind(text)
    except ValueError:
        raise SettingError(f"'{spec}': {setting} must be {SETTING_WORDS[kind]}, got {text!r}.") from None
    return value


def parse_part(catalogue: Catalogue, spec: str) -> Any:
    """The part that `name:setting:setting` stands for; settings fill the fields in their order.

    >>> parse_part(FILLS, "constant:0.5")
    Constant(value=0.5)
    """
    name, *texts = spec.strip().split(":")
    part = catalogue.load(name)
    hints = typing.get_type_hints(part)
    fields = settings_of(part)
    if len(texts) > len(fields):
        takes = f"takes {len(fields)} ({':'.join((name, *fields))})" if fields else "takes no setting"
        raise SettingError(f"{catalogue.kind} '{spec}' has {len(texts)} settings, '{name}' {takes}.")
    if not texts and name in ("given", "background"):
        raise SettingError(f"{catalogue.kind} '{spec}' needs an array and cannot be written as text; in Python, pass the array itself.")
    needed = [field.name for field in fields_of(part) if field.default is MISSING and field.default_factory is MISSING][len(texts) :]
    if needed:
        raise SettingError(f"{catalogue.kind} '{spec}' needs {' and '.join(needed)}: write {':'.join((name, *fields))}, the settings in this order.")
    settings = {field: _converted(spec, field, hints[field], text) for field, text in zip(fields, texts, strict=False)}
    return build(catalogue.kind, name, part, settings)


def default_features(inputs: Array) -> Features:
    """Features for inputs of this shape: columns of a table, else patches, about 49 of them for a square image.

    >>> default_features(np.zeros((1, 28, 28, 1)))
    Patches(size=4)
    """
    if inputs.ndim == 2:
        return Columns()
    if inputs.ndim in (3, 4):
        return Patches(max(1, round(min(inputs.shape[1:3]) / 7)))
    raise CombinationError(f"inputs of shape {inputs.shape} have no features by default; give a label map, features=labels of shape {inputs.shape[1:]}.")


def parse_features(spec: FeaturesLike, inputs: Array | None = None) -> Features:
    """What cuts the input into features: an object, a label map, groups of columns or channels (a mapping name → numbers, or a list of lists), or a short
    name with settings; None is the default for `inputs`.

    >>> parse_features("superpixels:slic:30"), parse_features({"place": [1, 2]})
    (Superpixels(algorithm='slic', n=30), Groups(groups={'place': [1, 2]}))
    """
    if spec is None and inputs is not None:
        return default_features(inputs)
    if isinstance(spec, Features):
        return spec
    if isinstance(spec, np.ndarray):
        return GivenFeatures(spec)
    if isinstance(spec, str):
        part: Features = parse_part(FEATURES, spec)
        return part
    if isinstance(spec, (Mapping, list, tuple)):
        return Groups(spec)
    raise SettingError(
        f"features is {spec!r}, expected one of {', '.join(FEATURES.names())} (with settings, e.g. 'patches:4'), a features object, an array of labels, "
        "or groups of columns, e.g. {'place': [1, 2]}."
    )


def parse_fill(spec: FillLike) -> Fill:
    """What absent features hold: an object, a number, an array (one sample, or a background of several), or a short name with settings.

    >>> parse_fill(0), parse_fill("blur:3")
    (Constant(value=0.0), Blur(sigma=3.0))
    """
    if isinstance(spec, Fill):
        return spec
    if isinstance(spec, str):
        part: Fill = parse_part(FILLS, spec)
        return part
    if isinstance(spec, np.ndarray) and spec.ndim:
        return GivenFill(spec)
    if isinstance(spec, (int, float, np.integer, np.floating)) and not isinstance(spec, bool):
        return Constant(float(spec))
    raise SettingError(
        f"fill is {spec!r}, expected one of {', '.join(FILLS.names())} (with settings, e.g. 'constant:0.5'), a number, a fill object, or an array."
    )
