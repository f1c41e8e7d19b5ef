"""What a record says of how it was made: everything needed to make it again."""

from __future__ import annotations

import dataclasses
import functools
import platform
from collections.abc import Mapping, Set
from importlib.metadata import version
from typing import Any

import numpy as np

from pellucid.core.features import FeatureMap, Features, Fill
from pellucid.core.method import Method
from pellucid.core.metric import Metric
from pellucid.core.model import Model
from pellucid.core.scene import ViewMethod


def versions(model: Model) -> dict[str, str]:
    """Pellucid's, Python's, NumPy's and the framework's."""
    return {"pellucid": _own_version(), "python": platform.python_version(), "numpy": np.__version__, **model.traits.versions}


@functools.cache
def _own_version() -> str:
    return version("pellucid")


def plain(value: Any) -> Any:
    """A setting as text or numbers; arrays by shape."""
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    if isinstance(value, Model):
        return f"a network, {value.traits.framework}, {value.traits.fingerprint}"
    if isinstance(value, FeatureMap):
        return f"{len(value.names)} {value.kind}"
    if isinstance(value, (Features, Fill)):
        return " ".join(repr(value).split())[:200]
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Set):
        return plain(sorted(value, key=str))
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)[:200]


def settings(part: Method | ViewMethod | Metric) -> dict[str, Any]:
    """The settings of a method, view or metric."""
    return {field.name: plain(getattr(part, field.name)) for field in dataclasses.fields(part)} if dataclasses.is_dataclass(part) else {}


def describe(model: Model, **more: Any) -> dict[str, Any]:
    """The common part of every record's provenance, and more."""
    traits = model.traits
    common = {
        "framework": traits.framework,
        "fingerprint": traits.fingerprint,
        "batch_size": model.batch_size,
        "takes": {
            "input_shape": list(traits.input_shape or ()),
            "scales_input": traits.scales_input,
            "tokens": traits.tokens,
            "channels": traits.channels,
            **({"feature_names": list(traits.feature_names)} if traits.feature_names else {}),
        },
        "versions": versions(model),
    }
    return common | {key: value for key, value in more.items() if value is not None}
