"""A label map of the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError
from pellucid.core.features import FeatureMap, Features

Array = np.ndarray


def _fits(map_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(map_shape) == len(shape) and all(have in (1, want) for have, want in zip(map_shape, shape, strict=True))


def _aligned(labels: Array, inputs: Array) -> Array | None:
    """Labels as (1 or samples, *map) with as many axes as the inputs; None where they cannot be."""
    shape, samples = inputs.shape[1:], (1, len(inputs))
    if _fits(labels.shape, shape):
        return labels[None]
    if len(shape) > 1 and _fits((*labels.shape, 1), shape):
        return labels[None, ..., None]
    if labels.ndim and labels.shape[0] in samples and _fits(labels.shape[1:], shape):
        return labels
    if labels.ndim and labels.shape[0] in samples and len(shape) > 1 and _fits((*labels.shape[1:], 1), shape):
        return labels[..., None]
    return None


@dataclass(frozen=True, eq=False)
class Given(Features):
    """Features from a label map that the user made.

    `labels` holds whole numbers: elements of one number are one feature; numbers run from 0 on without gaps; −1 marks what belongs to no feature and
    is always present. Its shape is that of a sample, with or without the channel axis, optionally with a batch axis in front
    (one map per sample).

    >>> halves = Given(np.repeat([0, 1], 14)[:, None] * np.ones((1, 28), int))
    >>> halves.label(np.zeros((2, 28, 28, 1), np.float32)).labels.shape
    (1, 28, 28, 1)
    """

    labels: Array

    def label(self, inputs: Array) -> FeatureMap:
        """The user's map; `CombinationError` where its shape or its numbers do not fit."""
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu":
            raise CombinationError(f"feature labels must be integers, got {labels.dtype}; use labels.astype(int).")
        labels = labels.astype(np.intp)
        aligned = _aligned(labels, inputs)
        if aligned is None:
            raise CombinationError(
                f"the label map has shape {labels.shape}, the samples {inputs.shape[1:]}; "
                f"give one label per element, shape {inputs.shape[1:]}, or one map per sample, {inputs.shape}."
            )
        counts = [_count(row, index) for index, row in enumerate(aligned)]
        return FeatureMap(aligned, tuple(f"feature {i}" for i in range(max(counts))), "given features")


def _count(labels: Array, index: int) -> int:
    """Number of features in one map, after its numbers have been checked."""
    present = np.unique(labels)
    features = present[present >= 0]
    if present[0] < -1 or not len(features) or features[-1] != len(features) - 1:
        raise CombinationError(
            f"the labels of map {index} must be 0, 1, 2, … without gaps (−1 for no feature), got {present[:8].tolist()}"
            f"{' …' if len(present) > 8 else ''}; use np.unique(labels, return_inverse=True)[1].reshape(labels.shape)."
        )
    return len(features)
