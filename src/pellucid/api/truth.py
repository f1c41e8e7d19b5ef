"""Where the reason is known to lie, from what a user writes: masks, boxes, names or numbers of columns, words and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.core.errors import InputError, SettingError, ShapeError, unknown
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import on_host
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.packing import Packing
from pellucid.core.records import Explanation

Array = np.ndarray
WAYS = (
    "a mask over the inputs (True or shares from 0 to 1), boxes (top, left, bottom, right) in images, or names or numbers of columns and steps "
    "(['age', 'sex'], {0, 3})"
)


def truth_of(truth: Any, explanation: Explanation, units: FeatureMap, columns: Sequence[str] = ()) -> Array | None:
    """The place of the reason as shares from 0 to 1 over the inputs, (samples, *shape).

    `truth` is a mask over the inputs, with or without an axis of samples and one of channels; a box (top, left, bottom, right), the ends left out, or a list of
    boxes, one an image, or a list of such lists; names of units or of `columns`, numbers of columns or steps in a set, or a list of those, one a sample; or of
    several inputs a mapping name → one of these.
    """
    if truth is None:
        return None
    packing = explanation.packing
    if isinstance(truth, Mapping):
        if packing is None:
            raise InputError(f"truth is a mapping with {', '.join(map(repr, truth))}, and the network has one input; give its part alone.")
        mask = _of_inputs(truth, explanation, units, packing)
    else:
        mask = _mask(on_host(truth), explanation.inputs, "last" if packing is not None else channels_of(explanation), units, columns)
    known = units.labels >= 0
    marked = (mask * known).reshape(len(mask), -1).any(axis=1)
    if not marked.all():
        raise SettingError(f"truth marks nothing of sample {int(np.flatnonzero(~marked)[0])} that has importance; leave such samples out: explanation[rows].")
    return mask


def _of_inputs(truth: Mapping[str, Any], explanation: Explanation, units: FeatureMap, packing: Packing) -> Array:
    """The masks of the inputs that are named, beside zeros for the others."""
    for name in truth:
        if name not in packing.names:
            raise InputError(f"truth: {unknown('input', name, packing.names)}")
    mask = np.zeros(explanation.inputs.shape)
    for (name, place), shape, channels in zip(packing.slices.items(), packing.shapes, packing.channels, strict=True):
        if name not in truth:
            continue
        own = replace(units, labels=units.labels[..., place].reshape(len(units.labels), *(shape or (1,))), names=_own_names(units.names, name))
        part = explanation.inputs[:, place].reshape(len(mask), *(shape or (1,)))
        try:
            mask[:, place] = _mask(on_host(truth[name]), part, channels, own, ()).reshape(len(mask), -1)
        except InputError as error:
            raise type(error)(f"input '{name}': {error}") from error
    return mask


def _own_names(names: Sequence[str], of: str) -> tuple[str, ...]:
    """What units are called within an input: 'meta: age' → 'age'."""
    return tuple(name.removeprefix(f"{of}: ") for name in names)


def _mask(truth: Any, inputs: Array, channels: str, units: FeatureMap, columns: Sequence[str]) -> Array:
    """The mask over one input, (samples, *shape)."""
    boxes = _boxes(truth, inputs, channels)
    if boxes is not None:
        return np.broadcast_to(from_last(_of_boxes(boxes, to_last(inputs, channels).shape), channels), inputs.shape)
    names = _names(truth, len(inputs))
    if names is not None:
        places = 2 if channels == "first" and inputs.ndim == 3 else 1
        return np.stack([_of_names(some, inputs.shape[1:], places - 1, row, units, columns) for row, some in enumerate(names)])
    try:
        mask = np.asarray(truth)
    except ValueError:
        mask = np.asarray(None)
    if mask.dtype.kind not in "biuf":
        raise SettingError(f"truth must be {WAYS}; got {truth!r:.100}.")
    if not np.isfinite(mask).all() or (mask < 0).any() or (mask > 1).any():
        raise SettingError(f"a mask holds True and False, or shares from 0 to 1; truth runs from {mask.min():g} to {mask.max():g}. Write truth=mask > 0.")
    return _over(mask.astype(float), inputs.shape, channels)


def _boxes(truth: Any, inputs: Array, channels: str) -> list[list[tuple[int, ...]]] | None:
    """The boxes of each sample; None for anything else."""
    if isinstance(truth, np.ndarray):
        rows = truth.shape in ((4,), (len(inputs), 4)) and truth.dtype.kind in "iu" and inputs.ndim == 4
        if not rows or truth.shape == to_last(inputs, channels).shape[1:3]:
            return None
        truth = [tuple(row) for row in np.atleast_2d(truth).tolist()]
    given = [truth] if isinstance(truth, tuple) else truth
    if not isinstance(given, list) or not given:
        return None
    if all(_is_box(one) for one in given):
        each = [[tuple(one)] for one in given]
    elif all(isinstance(some, list) and some and all(_is_box(one) for one in some) for some in given):
        each = [[tuple(one) for one in some] for some in given]
    else:
        return None
    if inputs.ndim != 4:
        return None if not isinstance(truth, tuple) and all(isinstance(one, list) for one in given) else _no_image(inputs)
    if len(each) not in (1, len(inputs)):
        raise ShapeError(f"truth holds {len(each)} boxes for {len(inputs)} images; give one, or one for each, or a list of lists where an image has several.")
    return each * (len(inputs) if len(each) == 1 else 1)


def _no_image(inputs: Array) -> list[list[tuple[int, ...]]]:
    raise ShapeError(f"truth is a box, and inputs of shape {inputs.shape} are no images; give {WAYS}.")


def _is_box(one: Any) -> bool:
    return isinstance(one, (tuple, list)) and len(one) == 4 and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in one)


def _of_boxes(each: Sequence[Sequence[tuple[int, ...]]], shape: tuple[int, ...]) -> Array:
    """Boxes as masks, channels last."""
    mask = np.zeros((shape[0], *shape[1:3], 1))
    for row, boxes in enumerate(each):
        for top, left, bottom, right in boxes:
            if not (0 <= top < bottom <= shape[1] and 0 <= left < right <= shape[2]):
                raise ShapeError(
                    f"box {(top, left, bottom, right)} of sample {row} does not lie in an image of {shape[1]} × {shape[2]}; "
                    "boxes are (top, left, bottom, right), the ends left out."
                )
            mask[row, top:bottom, left:right] = 1
    return mask


def _names(truth: Any, samples: int) -> list[list[Any]] | None:
    """Names and numbers of columns, of each sample; None for anything else."""
    if isinstance(truth, np.ndarray):
        truth = truth.tolist() if truth.dtype.kind in "UO" else None
    if isinstance(truth, str):
        return [[truth]] * samples
    if isinstance(truth, Set):
        return [sorted(truth, key=str)] * samples
    if not isinstance(truth, (list, tuple)) or not truth:
        return None
    if all(isinstance(one, str) for one in truth):
        return [list(truth)] * samples
    if all(isinstance(one, Set) or (isinstance(one, (list, tuple)) and one and all(isinstance(name, str) for name in one)) for one in truth):
        if len(truth) != samples:
            raise ShapeError(f"truth names the columns of {len(truth)} samples, and there are {samples}; give one list for all, or one for each.")
        return [sorted(one, key=str) for one in truth]
    return None


def _of_names(some: Sequence[Any], shape: tuple[int, ...], axis: int, row: int, units: FeatureMap, columns: Sequence[str]) -> Array:
    """The mask of one sample over the units, columns or steps that are named; numbers count along `axis`."""
    mask = np.zeros(shape)
    if not some:
        raise SettingError(f"truth names nothing of sample {row}; leave such samples out: explanation[rows].")
    for one in some:
        if isinstance(one, (int, np.integer)) and not isinstance(one, bool):
            if len(shape) > 2:
                raise ShapeError(f"truth names place {one}, and inputs of shape {shape} have two axes of places; give a mask or boxes.")
            if not 0 <= one < shape[axis]:
                raise SettingError(f"truth names place {one}, and there are {shape[axis]}, counted from 0.")
            mask[(slice(None),) * axis + (int(one),)] = 1
        elif one in columns and len(shape) == 1:
            mask[list(columns).index(one)] = 1
        elif one in units.names:
            mask[np.broadcast_to(units.of(row), shape) == units.names.index(one)] = 1
        else:
            raise SettingError(f"truth: {unknown('unit or column', one, (*columns, *units.names)[:50])} By number: truth={{0, 3}}.")
    return mask


def _over(mask: Array, shape: tuple[int, ...], channels: str) -> Array:
    """A mask as it lies over the inputs: with or without an axis of samples, with or without one of channels. Of two readings the one with samples is taken
    first."""
    axis = 1 if channels == "first" else len(shape) - 1
    for given in (mask, mask[None]):
        for wide in (given, np.expand_dims(given, axis) if given.ndim == len(shape) - 1 > 1 else given):
            one = {0, axis} if len(shape) > 2 else {0}
            if wide.ndim == len(shape) and all(have == want or (have == 1 and i in one) for i, (have, want) in enumerate(zip(wide.shape, shape, strict=True))):
                return np.broadcast_to(wide, shape)
    raise ShapeError(f"truth has shape {mask.shape}, which does not lie over inputs of shape {shape}; give a mask of that shape, samples first.")
