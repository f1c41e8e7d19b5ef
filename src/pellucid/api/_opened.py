"""Settings of a view that name a file, the record of a training or a network: opened here, since views open none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pellucid.adapters import adapt
from pellucid.api._provenance import plain
from pellucid.core.errors import DataNotFoundError, FormatError, ModelError, SettingError
from pellucid.core.scene import FILES, NETWORK, RECORD, ViewMethod
from pellucid.core.view import View
from pellucid.store import load
from pellucid.views import VIEWS

SUFFIX = ".safetensors"


def opened(view: str | ViewMethod, settings: Mapping[str, Any], allow_unsafe: bool) -> dict[str, Any]:
    """The settings, with what a file holds in place of its name."""
    opens = VIEWS.load(view).opens if isinstance(view, str) and view in VIEWS else {}
    return {
        name: _opened(name, value, opens[name], allow_unsafe) if name in opens and isinstance(value, (str, os.PathLike)) else value
        for name, value in settings.items()
    }


def named(view: ViewMethod, settings: Mapping[str, Any]) -> dict[str, str]:
    """What a record says of settings that were files: the file, and what was in it."""
    files = {name: os.fspath(value) for name, value in settings.items() if name in view.opens and isinstance(value, (str, os.PathLike))}
    return {name: f"{file}: {plain(getattr(view, name))}" for name, file in files.items()}


def _opened(name: str, file: str | os.PathLike[str], kinds: frozenset[str], allow_unsafe: bool) -> Any:
    try:
        if RECORD in kinds and (NETWORK not in kinds or os.fspath(file).lower().endswith(SUFFIX)):
            return record_of(file, name)
        return adapt(file, allow_unsafe=allow_unsafe)
    except (FormatError, ModelError, DataNotFoundError) as error:
        wanted = " or ".join(FILES[kind] for kind in sorted(kinds))
        raise type(error)(f"{name} takes {wanted}: {error}") from error


def record_of(file: str | os.PathLike[str], name: str) -> View:
    """The record of a training that a file holds; `name` is the setting's."""
    records = load(file)
    found = [record for record in records if isinstance(record, View) and record.view == "training"]
    if not found:
        holds = ", ".join(dict.fromkeys(f"the view '{one.view}'" if isinstance(one, View) else type(one).__name__.lower() for one in records))
        raise SettingError(
            f"{name}='{os.fspath(file)}' holds {holds}, expected {FILES[RECORD]}; from Python of pellucid.Recorder(model, probe, snapshots=True)."
        )
    return found[0]
