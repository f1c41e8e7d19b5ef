"""Networks with several inputs: what a call says of each of them, gathered into the one array, baseline, feature map and fill that a method is given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.api import _parts
from pellucid.core.errors import CombinationError, InputError, PellucidError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import check_inputs, on_host
from pellucid.core.layout import to_last
from pellucid.core.method import Method
from pellucid.core.model import Model
from pellucid.core.packing import Packing, takes_several
from pellucid.data.features.given import Given
from pellucid.data.parts import default_features
from pellucid.methods import METHODS

Array = np.ndarray
MOST_PACKINGS = 8
"""Packed models that a model keeps, the latest ones."""


def gather(model: Model, x: Any) -> tuple[Model, Array]:
    """The model and its checked inputs; of several inputs, both packed."""
    if model.packing is not None:
        return model, model.packing.pack(x)
    x = _in_order(x, model.traits.feature_names)
    needed = model.traits.needed
    if not takes_several(model.traits.inputs, x):
        if len(needed) > 1:
            example = ", ".join(f"'{name}': …" for name in needed)
            raise InputError(f"the network takes {len(needed)} inputs, {', '.join(needed)}, and one array was given; give {{{example}}}.")
        return model, check_inputs(next(iter(x.values())) if isinstance(x, Mapping) and len(x) == 1 else x, model.traits.input_shape)
    packing = Packing.of(x, model.traits.inputs)
    for name in needed if len(needed) > 1 else ():  # a callable of one argument takes them all in it
        if name not in packing.names:
            raise InputError(f"input '{name}' is missing: the network takes {', '.join(needed)}, and {', '.join(packing.names)} were given.")
    return packed(model, packing), packing.pack(x)


def packed(model: Model, packing: Packing) -> Model:
    """The packed model, made once for each packing, so that what is traced or compiled for it serves the next call too."""
    owner, known = vars(model).get("_packings", (None, {}))
    if owner is not model:  # none yet, or those of a model that this one is a copy of
        known = {}
        vars(model)["_packings"] = (model, known)
    key = (packing, packing.keyed)
    if key not in known:
        if len(known) == MOST_PACKINGS:
            del known[next(iter(known))]
        known[key] = model.packed(packing)
    found: Model = known[key]
    return found


def _in_order(x: Any, names: Sequence[str]) -> Any:
    """A table with its columns in the order in which the model knows them."""
    columns = [str(column) for column in getattr(x, "columns", ())]
    if not names or not columns or columns == list(names):
        return x
    if sorted(columns) != sorted(names):
        raise InputError(f"x has the columns {', '.join(columns)}; the model was fitted on {', '.join(names)}. Give those: x[names].")
    return x[list(names)]


def named(options: Mapping[str, Any], packing: Packing | None) -> dict[str, Any]:
    """The options with what is given for each input under its name, and a background packed."""
    if packing is None:
        return dict(options)
    found = dict(options)
    for word in ("baseline", "features", "fill"):
        if isinstance(found[word], (Mapping, list, tuple)):
            found[word] = {name: on_host(value) for name, value in packing.listed(found[word], word, all_of=False).items()}
    if found["background"] is not None:
        found["background"] = packing.pack(found["background"], "background")
    return found


def check_tokens(name: str, method: Method, inputs: Array, baseline: Array | None, packing: Packing) -> None:
    """Raise where gradients are wanted with respect to whole numbers; those that are their own baseline do not move, and so get 0 with every right."""
    if "gradients" not in method.needs:
        return
    moved = [one for one in packing.tokens if baseline is None or not (baseline[:, packing.slices[one]] == inputs[:, packing.slices[one]]).all()]
    if not moved:
        return
    free = [other for other in METHODS if METHODS.load(other).several_inputs and "gradients" not in METHODS.load(other).needs]
    still = f" leave them as they are (baseline={{'{moved[0]}': x['{moved[0]}']}}, which gives them 0)," if "baseline" in method.accepts else ""
    raise UnsupportedError(
        f"'{name}' needs gradients, which the whole numbers of {' and '.join(moved)} do not have. Attribute to the layer that embeds them (layer=…),{still} "
        f"take a method without gradients ({', '.join(free)}), or, where they are no tokens but numbers, give them as float32."
    )


def with_defaults(method: Method, options: Mapping[str, Any], inputs: Array, packing: Packing) -> dict[str, Any]:
    """The options as `_parts.with_defaults` gives them; features of each input by what it is."""
    chosen = dict(options)
    if "features" in method.accepts and (chosen["features"] is None or isinstance(chosen["features"], Mapping)):
        given, found = chosen["features"] or {}, {}
        for name, part, channels in _each(packing, inputs):
            with _naming(name):
                found[name] = default_features(to_last(part, channels)) if given.get(name) is None else given[name]
        chosen["features"] = found
    return chosen | _parts.default_rows(method, chosen)


def find_baseline(method: Method, baseline: Any, inputs: Array, packing: Packing) -> Array | None:
    """The baseline, (1 or samples, total)."""
    if "baseline" not in method.accepts:
        return None
    given = _one_by_one(baseline, packing)
    if given is None:
        return _parts.find_baseline(method, baseline, inputs, "last")
    found = []
    for name, part, channels in _each(packing, inputs):
        with _naming(name):
            rows = _parts.find_baseline(method, _shaped(given.get(name, 0.0), part), part, channels)
            found.append(np.zeros_like(part[:1]) if rows is None else rows)
            packing.check_whole(name, found[-1])
    return _beside(found)


def find_features(method: Method, features: Any, inputs: Array, packing: Packing) -> FeatureMap | None:
    """One map of the features of all inputs, their names preceded by the input's; an array over all inputs may join elements of several of them."""
    return cut_features(features, inputs, packing) if "features" in method.accepts else None


def cut_features(features: Any, inputs: Array, packing: Packing) -> FeatureMap:
    """The features of all inputs."""
    if isinstance(features, FeatureMap):
        return _parts.as_given(features, inputs)
    given = _one_by_one(features, packing)
    if given is None:
        return Given(features).label(inputs)
    labels: list[Array] = []
    names: list[str] = []
    kinds: list[str] = []
    for name, part, channels in _each(packing, inputs):
        with _naming(name):
            found = _parts.cut_features(given[name], part, channels)
        own = np.broadcast_to(found.labels, (len(found.labels), *part.shape[1:]))
        labels.append(np.where(own >= 0, own + len(names), -1))
        words = [label.replace("column", "token") for label in found.names] if name in packing.tokens and found.kind == "columns" else found.names
        names += [f"{name}: {word}" for word in words]
        kinds.append(found.kind)
    return FeatureMap(_beside(labels), tuple(names), kinds[0] if len(set(kinds)) == 1 else "features")


def find_fills(method: Method, fill: Any, background: Any, inputs: Array, packing: Packing, features: FeatureMap | None) -> Array | None:
    """Fill rows (1 or samples, rows, total): of each input its own, as many of each."""
    return fill_rows(fill, background, inputs, packing, features) if {"fill", "background"} & method.accepts else None


def fill_rows(fill: Any, background: Any, inputs: Array, packing: Packing, features: FeatureMap | None) -> Array:
    """The rows of all inputs beside each other."""
    given = _one_by_one(fill, packing) if background is None else None
    if given is None:
        return _parts.fill_rows(fill, background, inputs, "last", features)
    found = []
    for name, part, channels in _each(packing, inputs):
        with _naming(name):
            own = None if features is None else FeatureMap(packing.unpack(features.labels)[name].reshape(-1, *part.shape[1:]), features.names, features.kind)
            found.append(_parts.fill_rows(_shaped(given.get(name, 0.0), part), None, part, channels, own))
            packing.check_whole(name, found[-1])
    counts = {name: rows.shape[1] for name, rows in zip(packing.names, found, strict=True) if rows.shape[1] > 1}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise CombinationError(f"the fill's inputs have different numbers of rows ({told}); give one row, or as many for each: a row is one sample's inputs.")
    most = max(counts.values(), default=1)
    return _beside([np.broadcast_to(rows, (len(rows), most, *rows.shape[2:])) for rows in found], lead=2)


def _one_by_one(value: Any, packing: Packing) -> dict[str, Any] | None:
    """What is given for each input, by name or one thing for all of them; None where it is one array over all together."""
    if isinstance(value, np.ndarray) and value.ndim and value.shape[-1] == packing.total:
        return None
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(packing.names, value)


def _each(packing: Packing, inputs: Array) -> Iterator[tuple[str, Array, str]]:
    """Each input's name, array and channels. A single number is a table of one column."""
    for (name, part), channels in zip(packing.unpack(inputs).items(), packing.channels, strict=True):
        yield name, part if part.ndim > 1 else part[:, None], channels


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """What fails meanwhile is said to be of this input."""
    try:
        yield
    except PellucidError as error:
        raise type(error)(f"input '{name}': {error}") from error


def _shaped(value: Any, part: Array) -> Any:
    """An array of single numbers as one of tables with one column."""
    return value[..., None] if isinstance(value, np.ndarray) and part.shape[1:] == (1,) and value.shape[-1:] != (1,) else value


def _beside(arrays: Sequence[Array], lead: int = 1) -> Array:
    """Arrays (1 or samples, …, *shape) beside each other, their shapes flattened."""
    count = max(len(array) for array in arrays)
    flat = [array.reshape(*array.shape[:lead], -1) for array in arrays]
    return np.concatenate([np.broadcast_to(array, (count, *array.shape[1:])) for array in flat], axis=-1)
