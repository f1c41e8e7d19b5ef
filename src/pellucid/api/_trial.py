"""What `evaluate` gives a metric: the units that importance is of, random importances beside it, what stands for what is taken away, where the truth lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.core.errors import CombinationError, SettingError, ShapeError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.metric import elements_of
from pellucid.core.model import Model
from pellucid.core.records import Explanation

Array = np.ndarray


def units_of(explanation: Explanation, features: Any) -> FeatureMap:
    """What importance is measured by: `features` where they are given, the explanation's own, or the pixels of an image and the numbers of all else."""
    inputs, channels = explanation.inputs, channels_of(explanation)
    if features is not None:
        packing = explanation.packing
        return _inputs.cut_features(features, inputs, packing) if packing is not None else _parts.cut_features(features, inputs, channels)
    if explanation.features is not None:
        return explanation.features
    if not explanation.on_grid:
        raise UnsupportedError(
            f"the values lie at layer '{explanation.layer}', on no grid over the input, so that nothing of the input can be taken away by them; "
            "evaluate an explanation of the input."
        )
    shape = to_last(inputs, channels).shape[1:]
    places = (*shape[:-1], 1) if inputs.ndim == 4 and explanation.packing is None else shape
    labels = np.arange(int(np.prod(places))).reshape(1, *places)
    names = tuple(str(i) for i in range(labels.size))
    return FeatureMap(from_last(labels, channels), names, "pixels" if inputs.ndim == 4 else "elements")


def fills_of(explanation: Explanation, model: Model, fill: Any, background: Any, units: FeatureMap) -> Array:
    """What stands for what is taken away, (1 or samples, rows, *shape): zeros where nothing is given."""
    if fill is not None and background is not None:
        raise CombinationError("give either fill or background, not both: a background is a fill whose rows are data.")
    fill = 0.0 if fill is None else fill
    if model.packing is not None:
        return _inputs.fill_rows(fill, background, explanation.inputs, model.packing, units)
    return _parts.fill_rows(fill, background, explanation.inputs, model.traits.channels, units)


def with_chance(importance: Array, present: Array, draws: int, seed: int) -> Array:
    """The importance and `draws` random ones, (samples, 1 + draws, units): the same values, given to units by chance."""
    found = np.repeat(importance[:, None], 1 + draws, axis=1)
    for sample in range(len(importance)):
        units = np.flatnonzero(present[sample])
        for draw in range(draws):  # each sample meets the same stream, so that one alone gets what it gets in company
            generator = np.random.default_rng((seed, draw))
            found[sample, 1 + draw, units] = importance[sample, generator.permutation(units)]
    return found


def truth_of(truth: Any, explanation: Explanation, units: FeatureMap) -> Array | None:
    """Which share of each unit lies in the mask or the box, (samples, units). Boxes are (top, left, bottom, right), the ends left out, one or one a sample."""
    if truth is None:
        return None
    shape, channels = explanation.inputs.shape, channels_of(explanation)
    boxes = _boxes(truth)
    mask = _of_boxes(boxes, to_last(explanation.inputs, channels).shape) if boxes is not None else np.asarray(truth)
    if mask.dtype.kind not in "biuf" or not np.isfinite(mask).all() or (mask < 0).any():
        raise SettingError("truth must be a mask of True and False (or shares from 0 to 1), or boxes (top, left, bottom, right).")
    mask = _over(mask.astype(float), shape, channels) if boxes is None else from_last(mask, channels)
    if not mask.reshape(len(mask), -1).any(axis=1).all():
        raise SettingError("truth marks nothing for at least one sample; leave such samples out.")
    share = np.broadcast_to(mask, shape) / elements_of(units, shape)
    return np.stack([_sums(units.of(row), one, len(units.names)) for row, one in enumerate(share)])


def _sums(labels: Array, values: Array, count: int) -> Array:
    labels = np.broadcast_to(labels, values.shape)
    inside = labels >= 0
    return np.bincount(labels[inside], weights=values[inside], minlength=count)


def _boxes(truth: Any) -> list[tuple[int, ...]] | None:
    """One box or a list of boxes; None for a mask."""
    rows = [truth] if isinstance(truth, tuple) else truth
    if isinstance(rows, Sequence) and rows and all(isinstance(row, (tuple, list)) and len(row) == 4 and all(isinstance(n, int) for n in row) for row in rows):
        return [tuple(row) for row in rows]
    return None


def _of_boxes(boxes: list[tuple[int, ...]], shape: tuple[int, ...]) -> Array:
    """Boxes as masks, channels last."""
    if len(shape) != 4 or len(boxes) not in (1, shape[0]):
        raise ShapeError(f"truth holds {len(boxes)} boxes for inputs of shape {shape}; give one box, or one for each image.")
    mask = np.zeros((shape[0], *shape[1:3], 1))
    for row, (top, left, bottom, right) in enumerate(boxes * (shape[0] if len(boxes) == 1 else 1)):
        mask[row, top:bottom, left:right] = 1
    return mask


def _over(mask: Array, shape: tuple[int, ...], channels: str) -> Array:
    """A mask as it lies over the inputs: with or without an axis of samples, with or without one of channels."""
    for given in (mask, mask[None]):
        for wide in (given, from_last(given[..., None], channels) if given.ndim == len(shape) - 1 and len(shape) == 4 else given):
            fits = wide.ndim == len(shape) and all(have in (1, want) for have, want in zip(wide.shape, shape, strict=True))
            if fits:
                return np.broadcast_to(wide, (shape[0], *wide.shape[1:]))
    raise ShapeError(f"truth has shape {mask.shape}, which does not lie over inputs of shape {shape}; give a mask of that shape, samples first.")
