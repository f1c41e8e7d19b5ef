"""What `layer=` means to a method that attributes to inputs: `"conv"` attributes to a layer's output instead, `"conv[:, :, 5]"` explains units of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Method
from pellucid.core.model import Model
from pellucid.core.target import Target

Array = np.ndarray

_WRITTEN = re.compile(r"^(?P<name>.+?)\[(?P<unit>[^\[\]]*)\]$")
SAME_OUTPUT = 1e-4
"""Relative difference of outputs below which a layer's output decides them alone; float32 in another batch explains as much."""


@dataclass(frozen=True)
class Subject:
    """What a method is given in place of the network and its inputs. `carry` brings inputs of the network, (rows, *shape), to what `model` takes; `unit` is
    the target where units are explained. `embedding` is the layer at which tokens are attributed to, `tokens` the input that
    they are of where there are several; `layer` is one that was asked for."""

    model: Model
    inputs: Array
    carry: Callable[[Array], Array] = lambda rows: rows
    layer: str = ""
    unit: Target | None = None
    embedding: str = ""
    tokens: str = ""


def split_unit(text: str) -> tuple[str, tuple[int | slice, ...] | None]:
    """The layer's name, and the units where some are named.

    >>> split_unit("conv"), split_unit("dense[7]")
    (('conv', None), ('dense', (7,)))
    """
    found = _WRITTEN.match(text)
    if found is None:
        return text, None
    parts = [part.strip() for part in found["unit"].split(",")]
    if not all(part == ":" or re.fullmatch(r"-?\d+", part) for part in parts):
        raise SettingError(f"layer={text!r} cannot be read; name units by numbers, and by ':' for all along an axis, e.g. 'dense[7]' or 'conv[:, :, 5]'.")
    return found["name"], tuple(slice(None) if part == ":" else int(part) for part in parts)


def subject(model: Model, method: Method, layer: str | None, inputs: Array, target: object) -> Subject:
    """The network itself, its part above a layer, or its part below some units; methods of the family "layer" read their layer themselves."""
    if layer is None or method.family == "layer":
        return Subject(model, inputs)
    name, unit = split_unit(layer)
    known = model.layer(name).name
    if unit is None:
        return Subject(model.above(known, inputs[:1]), model.activations(inputs, (known,))[known], lambda rows: model.activations(rows, (known,))[known], known)
    if target != "predicted":
        raise SettingError(f"layer={layer!r} explains units by themselves, so that target={target!r} has no meaning; leave it out.")
    lower = model.below(known)
    shape = tuple(size or 0 for size in lower.traits.output_shape or ())
    weights = np.zeros(shape, np.float32)
    try:
        chosen = weights[unit]
    except IndexError as error:
        raise SettingError(f"layer={layer!r} names units that are not there: '{known}' gives {shape}.") from error
    if len(unit) != len(shape):
        raise SettingError(f"layer={layer!r} names {len(unit)} axes, '{known}' gives {shape}; write one number or ':' for each.")
    weights[unit] = 1 / chosen.size
    return Subject(lower, inputs, unit=Target(np.repeat(weights[None], len(inputs), axis=0), "output", (layer,) * len(inputs)))


def goes_round(model: Model, found: Subject, inputs: Array) -> bool:
    """Whether part of the network goes round the layer, so that each sample needs its own context."""
    if not (found.layer or found.embedding) or len(inputs) == 1:
        return False
    own, put_in = model.predict(inputs), found.model.predict(found.inputs)
    return bool(np.abs(own - put_in).max() > SAME_OUTPUT * max(float(np.abs(own).max()), 1e-6))


def carried(found: Subject, rows: Array | None) -> Array | None:
    """Inputs (rows, *shape) as the subject's model takes them."""
    return None if rows is None else found.carry(rows).astype(found.inputs.dtype, copy=False)


def carried_rows(found: Subject, fills: Array | None) -> Array | None:
    """Fill rows (1 or samples, rows, *shape) as the subject's model takes them."""
    if fills is None or not (found.layer or found.embedding):
        return fills
    rows = found.carry(fills.reshape(-1, *fills.shape[2:]))
    return rows.reshape(*fills.shape[:2], *rows.shape[1:])
