"""Random streams, and subsets of units, for what a metric draws for a sample."""

from __future__ import annotations

import zlib

import numpy as np

from pellucid.core.metric import Trial
from pellucid.core.model import batches

Array = np.ndarray
AT_ONCE = 2**20
"""Numbers that are drawn at a time for subsets."""


def key_of(trial: Trial, sample: int) -> tuple[int, int]:
    """The seed, and a number that stands for what the sample holds, in whatever order. Streams begun with it are the same for a sample alone and in company,
    with channels first and last, and differ between samples, so that what was drawn averages out over them."""
    held = np.sort(trial.inputs[sample].astype(np.float32), axis=None)
    return trial.seed, zlib.crc32(held.tobytes())


def subsets(present: Array, size: int, count: int, generator: np.random.Generator) -> Array:
    """Random subsets of the units that a sample has, each of `size` units, as masks (count, units)."""
    units = np.flatnonzero(present)
    found = np.zeros((count, len(present)), dtype=bool)
    for part in batches(count, max(1, AT_ONCE // max(len(units), 1))):
        ranks = generator.random((part.stop - part.start, len(units)))
        found[part, units] = ranks <= np.partition(ranks, size - 1, axis=1)[:, size - 1 : size]
    return found
