"""Data as a person gives them: the preprocessing that lies beside a network, or is named, and what is made by it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.api._inputs import gather
from pellucid.apps import arguments, console
from pellucid.core.errors import InputError, SettingError
from pellucid.core.model import Model
from pellucid.core.preprocessing import Preprocessing
from pellucid.data.chosen import parse_index
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.data.preprocessing import beside, load_preprocessing
from pellucid.data.preprocessings.audio import Audio
from pellucid.data.typical import typical

Array = np.ndarray
NONE = "none"
"""The data are a network's numbers already, whatever lies beside it."""


def find(network: Path, named: str | None) -> Preprocessing | None:
    """The preprocessing of a file, or of the one beside the network, which is said; None where there is none or none is wanted."""
    if named == NONE or (named is None and not beside(network).is_file()):
        return None
    if named is None:
        console.say(f"{beside(network).name}, beside the network, is applied to the data; where they are numbers already: --preprocessing none")
    return load_preprocessing(network if named is None else named)


def prepared(model: Model, preprocessing: Preprocessing, rows: Array) -> tuple[Model, Array]:
    """The model as it takes such rows, and their numbers in one array."""
    return gather(model, preprocessing.inputs(rows))


def at_rate(data: Dataset, preprocessing: Preprocessing | None) -> Dataset:
    """Sound that is not at the network's rate brought to it, where the preprocessing does such; `ShapeError` where it does not."""
    if not isinstance(preprocessing, Audio) or data.rate in (0, int(preprocessing.rate)):
        return data
    return replace(data, inputs=np.stack(preprocessing.heard([(data.rate, sound) for sound in data.inputs])), rate=int(preprocessing.rate))


def first_prepared(model: Model, preprocessing: Preprocessing, rows: Array, chosen: Sequence[int]) -> tuple[Model, Array]:
    """The same of the first of the chosen samples that can be used; the error of the first one where none can."""
    refused: InputError | None = None
    for number in chosen:
        try:
            return prepared(model, preprocessing, rows[[number]])
        except InputError as error:
            refused = refused or error
    raise refused or InputError("no sample was chosen; see --index.")


def opened(options: Mapping[str, Any], preprocessing: Preprocessing) -> dict[str, Any]:
    """Options that stand for numbers or data, as such; a background is of the same kind as the samples."""
    found: dict[str, Any] = {}
    for name in ("fill", "baseline"):
        if options.get(name) is not None:
            found[name] = arguments.number_or_text(options[name])
    if options.get("background") is not None:
        found["background"] = rows_of(options["background"], arguments.FIRST_BACKGROUND_ROWS, preprocessing)
    return found


def rows_of(spec: str, first: int | None, preprocessing: Preprocessing | None = None) -> Array:
    """The samples of `DATA` or `DATA[range]` as they are, at most `first` where no range is given; `kmeans:20:DATA` chooses so many that stand for all."""
    count, spec = _of_kmeans(spec)
    if count:
        return np.asarray(typical(rows_of(spec, None, preprocessing), count, preprocessing=preprocessing))
    name, index = arguments.split_range(spec)
    data = at_rate(load(name), preprocessing)
    return data.inputs[:first] if index is None else data.take(parse_index(index, len(data))).inputs


def _of_kmeans(spec: str) -> tuple[int, str]:
    """How many rows are to stand for the data, 0 for all, and the data.

    >>> _of_kmeans("kmeans:20:german_credit:train"), _of_kmeans("mnist:train[0:50]")
    ((20, 'german_credit:train'), (0, 'mnist:train[0:50]'))
    """
    found = re.fullmatch(r"kmeans:(\d+):(.+)", spec)
    if found is None and spec.partition(":")[0] == "kmeans":
        raise SettingError(f"'{spec}' names no rows; write kmeans:20:DATA, such as kmeans:20:german_credit:train or kmeans:20:people.csv.")
    return (int(found[1]), found[2]) if found else (0, spec)
