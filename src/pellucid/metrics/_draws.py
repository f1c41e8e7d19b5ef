"""Random streams for what a metric draws for a sample."""

from __future__ import annotations

import zlib

import numpy as np

from pellucid.core.metric import Trial

Array = np.ndarray


def key_of(trial: Trial, sample: int) -> tuple[int, int]:
    """The seed, and a number that stands for what the sample holds, in whatever order. Streams begun with it are the same for a sample alone and in company,
    with channels first and last, and differ between samples, so that what was drawn averages out over them."""
    held = np.sort(trial.inputs[sample].astype(np.float32), axis=None)
    return trial.seed, zlib.crc32(held.tobytes())
