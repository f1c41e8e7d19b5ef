"""The split of data that comes without one: the same for ever, so that what was held out stays held out."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
SEED = 20_240_501
"""Never to be changed."""


def stratified(strata: Array, split: str, held: float) -> Array:
    """The rows of a split, in a fixed shuffled order: the part `held` of each stratum drawn for the test, the others for training. `strata` is (rows,).

    >>> stratified(np.array([0, 0, 0, 0, 1, 1]), "test", 0.5).tolist(), stratified(np.array([0, 0, 0, 0, 1, 1]), "train", 0.5).tolist()
    ([1, 0, 5], [3, 2, 4])
    """
    draw = np.random.default_rng(SEED)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    tested = np.sort(np.concatenate([draw.permutation(rows)[: round(held * len(rows))] for rows in members]))
    chosen: Array = tested if split == "test" else np.setdiff1d(np.arange(len(strata)), tested)
    return np.random.default_rng(SEED + 1).permutation(chosen)
