"""A network in NumPy and samples that the tests of plans share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pellucid.adapters.numpy_model import Dense, NumpyModel


def network(seed: int = 0) -> NumpyModel:
    """A tanh network, input (6,), three classes."""
    draw = np.random.default_rng(seed)
    stack = [Dense(draw.normal(size=(6, 8)), draw.normal(size=8), "tanh"), Dense(draw.normal(size=(8, 3)), draw.normal(size=3))]
    return NumpyModel(stack, (6,), softmax=True)


def samples(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)


def compared(folder: Path) -> Mapping[str, bytes]:
    """The files whose bytes must be the same in every run: all but the journal."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "journal.jsonl"}
