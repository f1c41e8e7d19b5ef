"""Networks with several inputs at the command line: one .npz file holds an array for each, by its name, and an option may say what it is for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.api._inputs import gather
from pellucid.apps import arguments
from pellucid.core.errors import InputError
from pellucid.core.model import Model
from pellucid.core.packing import Packing
from pellucid.data.chosen import parse_index
from pellucid.data.dataset import Dataset
from pellucid.data.fitting import laid_out
from pellucid.data.load import labels_of, load_arrays

Array = np.ndarray


def gathered(model: Model, spec: str) -> tuple[Model, Dataset]:
    """The model and the samples of a file, both packed; labels from `y` where they are there."""
    arrays = load_arrays(spec)
    shapes = {one.name: one.shape for one in model.traits.inputs}
    given = {}
    for name in model.traits.needed:
        if name not in arrays:
            raise InputError(f"{spec} holds {', '.join(arrays)}, and no '{name}'; the network takes {', '.join(model.traits.needed)}: give each its array.")
        given[name] = laid_out(arrays[name], replace(model.traits, input_shape=shapes[name]))
    packed, inputs = gather(model, given)
    names = tuple(str(name) for name in arrays.get("class_names", ()))
    return packed, Dataset(Path(spec).name, "", inputs, labels_of(arrays.get("y"), len(inputs), f"{spec}:y"), names, spec)


def opened(options: Mapping[str, Any], packing: Packing | None) -> dict[str, Any]:
    """Options that stand for numbers or data, as such; those that say `image=…,meta=…`, by input."""
    found: dict[str, Any] = {}
    if packing is None:
        return found
    for word in ("features", "fill", "baseline"):
        if (text := options.get(word)) is not None:
            named = by_name(text, packing.names)
            found[word] = {name: arguments.number_or_text(one) for name, one in named.items()} or arguments.number_or_text(text)
    if isinstance(found.get("baseline"), str) and found["baseline"].partition("[")[0].endswith(".npz"):
        found["baseline"] = _rows(found["baseline"], packing, None).mean(axis=0, keepdims=True)
    if options.get("background") is not None:
        found["background"] = _rows(options["background"], packing, arguments.FIRST_BACKGROUND_ROWS)
    return found


def by_name(text: str, names: Sequence[str]) -> dict[str, str]:
    """What is said for each input; empty where it is not by name.

    >>> by_name("image=patches:4,meta=groups:age=0,place=1-3", ["image", "meta"])
    {'image': 'patches:4', 'meta': 'groups:age=0,place=1-3'}
    >>> by_name("blur:2", ["image", "meta"])
    {}
    """
    pieces = re.split(rf"(?:^|,)({'|'.join(re.escape(name) for name in names)})=", text)
    return {} if pieces[0] else dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _rows(spec: str, packing: Packing, first: int | None) -> Array:
    """The samples of `file.npz` or `file.npz[range]`, at most `first` where no range is given."""
    name, index = arguments.split_range(spec)
    arrays = load_arrays(name)
    rows = packing.pack({one: arrays[one] for one in packing.names if one in arrays}, spec)
    return rows[:first] if index is None else rows[parse_index(index, len(rows))]
