"""A plan's keywords as plain JSON, and back: whole in a plan that is sent, arrays by their digest in a manifest that is compared."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.catalogue import Catalogue, build, settings_of
from pellucid.core.errors import FormatError, SettingError
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.target import Several
from pellucid.data import FEATURES, FILLS, PREPROCESSINGS
from pellucid.data.preprocessing import of_json, to_json
from pellucid.methods import METHODS

Json = Any
PARTS: Mapping[str, Catalogue] = {"method": METHODS, "features": FEATURES, "fill": FILLS}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def plain(value: Any, *, whole: bool) -> Json:
    """`value` as JSON. `whole`: so that `restored` gives it back, a `SettingError` for what cannot be written; else arrays and own objects are described.

    >>> plain((1, "cat"), whole=True), plain(np.zeros(2), whole=False)["shape"]
    ({'tuple': [1, 'cat']}, [2])
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and np.isfinite(value)):
        return value
    if isinstance(value, np.ndarray):
        return _array(value, whole)
    if isinstance(value, (list, tuple)):
        items = [plain(item, whole=whole) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        return {"mapping": [[plain(key, whole=whole), plain(item, whole=whole)] for key, item in value.items()]}
    if isinstance(value, Several):
        return {"several": [plain(one, whole=whole) for one in value.targets]}
    if isinstance(value, Preprocessing) and value.kind in PREPROCESSINGS:
        return {"preprocessing": to_json(value)}
    if value is Ellipsis:
        return {"all": True}
    for kind, catalogue in PARTS.items():
        name = type(value).__module__.rpartition(".")[2]
        if name in catalogue and catalogue.load(name) is type(value):
            settings = {field: plain(getattr(value, field), whole=whole) for field in settings_of(type(value))}
            return {kind: name, "settings": settings}
    if whole:
        raise SettingError(f"{value!r} cannot be written into a plan's JSON; give it by name (such as 'patches:4'), or send the plan itself by pickle.")
    return {"object": _described(value)}


def restored(value: Json) -> Any:
    """What `plain(..., whole=True)` was given."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(restored(item) for item in value["tuple"])
    if "several" in value:
        return Several(*(restored(one) for one in value["several"]))
    if "preprocessing" in value:
        return of_json(value["preprocessing"])
    if "all" in value:
        return ...
    if "mapping" in value:
        return {restored(key): restored(item) for key, item in value["mapping"]}
    if "array" in value:
        content = base64.b64decode(value["array"])
        return np.frombuffer(content, np.dtype(value["dtype"])).reshape(value["shape"]).copy()
    for kind, catalogue in PARTS.items():
        if kind in value:
            settings = {name: restored(item) for name, item in value["settings"].items()}
            return build(kind, value[kind], catalogue.load(value[kind]), settings)
    raise FormatError(f"a plan holds {list(value)}, which is not known; it is damaged or of a newer release: pip install -U pellucid.")


def _array(value: np.ndarray, whole: bool) -> Json:
    if value.dtype.kind not in "biuf":
        return {"tuple": [plain(item, whole=whole) for item in value.tolist()]}
    content = np.ascontiguousarray(value).tobytes()
    kept = base64.b64encode(content).decode() if whole else f"sha256 {hashlib.sha256(content).hexdigest()[:32]}"
    return {"array": kept, "dtype": value.dtype.str, "shape": list(value.shape)}


def _described(value: Any) -> str:
    """An object of the user's own: its class and settings, without its place in memory."""
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else {}
    told = ", ".join(f"{name}={plain(item, whole=False)!r}" for name, item in fields.items()) or _ADDRESS.sub("", repr(value))
    return f"{type(value).__module__}.{type(value).__qualname__}({told})"
