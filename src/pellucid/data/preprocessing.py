"""Preprocessings as JSON: in records, and in a file beside the network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.core.errors import DataNotFoundError, FormatError, PellucidError
from pellucid.core.files import write_whole
from pellucid.core.preprocessing import Preprocessing
from pellucid.data import PREPROCESSINGS
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.table import Table
from pellucid.data.preprocessings.text import Text

VERSION = 1
SUFFIX = ".preprocessing.json"
"""How a file is called that lies beside a network: `net.keras` and `net.preprocessing.json`."""


def to_json(preprocessing: Preprocessing) -> dict[str, Any]:
    """A preprocessing as plain JSON."""
    return {"kind": preprocessing.kind, "version": VERSION, "settings": preprocessing.settings()}


def of_json(said: Any) -> Preprocessing:
    """The preprocessing that JSON describes; `FormatError` where it describes none."""
    if not isinstance(said, Mapping) or said.get("kind") not in PREPROCESSINGS or not isinstance(said.get("settings"), Mapping):
        raise FormatError(f"this describes no preprocessing ({str(said)[:80]}); expected kind ({', '.join(PREPROCESSINGS)}), version and settings.")
    if said.get("version") != VERSION:
        raise FormatError(f"the preprocessing has version {said.get('version')!r}, this release reads {VERSION}; take a newer Pellucid.")
    try:
        found: Preprocessing = PREPROCESSINGS.load(said["kind"]).of_settings(said["settings"])
    except PellucidError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise FormatError(f"the settings of preprocessing '{said['kind']}' cannot be read ({error}); the file is damaged.") from error
    return found


def fitted(data: Dataset) -> Preprocessing | None:
    """What a network needs of such data, fitted to it: numbers of rows with words in them, one array, a category spread over columns; of sentences, cut at 64
    words; and columns with names standardised, so that those in the hundreds do not drown the others. None where nothing is needed."""
    if data.inputs.dtype.names:
        return Table.fit(data.inputs, units=data.units)
    if data.inputs.ndim == 2 and data.inputs.dtype.kind in "iuf" and data.feature_names:
        return Table.fit(dict(zip(data.feature_names, data.inputs.T, strict=True)), units=data.units)
    return Text.fit(data.inputs, truncate=True) if data.inputs.dtype.kind == "U" else None


def save_preprocessing(preprocessing: Preprocessing, path: str | os.PathLike[str]) -> Path:
    """Write a preprocessing as JSON, whole or not at all; with the path of a network's file, beside it under that name."""
    return write_whole(beside(path), json.dumps(to_json(preprocessing), ensure_ascii=False, indent=1).encode())


def load_preprocessing(path: str | os.PathLike[str]) -> Preprocessing:
    """The preprocessing of a JSON file, or of the one that lies beside a network's file."""
    file = beside(path)
    try:
        return of_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no file {file}; write it with pellucid.save_preprocessing(preprocessing, {str(file)!r}).") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"{file} cannot be read as JSON ({error}); it may be damaged.") from error


def beside(path: str | os.PathLike[str]) -> Path:
    """The file of a network's preprocessing; a `.json` file as it is."""
    file = Path(path).expanduser()
    return file if file.suffix == ".json" else file.with_name(file.stem + SUFFIX)
