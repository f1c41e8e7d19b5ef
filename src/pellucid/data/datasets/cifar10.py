"""CIFAR-10, small colour photographs of ten kinds of thing."""

from __future__ import annotations

import numpy as np

from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
NAMES = (
    later("airplane"),
    later("automobile"),
    later("bird"),
    later("cat"),
    later("deer"),
    later("dog"),
    later("frog"),
    later("horse"),
    later("ship"),
    later("truck"),
)
_ARCHIVES = ("cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz")


def _cached(split: str) -> _places.Raw:
    """Keras unpacks and checks its archive itself; here it is only seen whether there is one."""
    cache = _places.keras_cache()
    if not any((cache / archive).is_file() for archive in _ARCHIVES):
        raise _places.NotThereError(f"Keras's cache: {cache / _ARCHIVES[0]} does not exist")
    return _places.by_keras("cifar10", URL, split, cached=True)


def cifar10(split: str = "test") -> Dataset:
    """Photographs (samples, 32, 32, 3) in [0, 1]: all of them, or from the user's folder a subset of 10,000 and 2,000."""
    _places.check_split("cifar10", split)
    places: list[_places.Place] = [
        lambda: _places.in_folder("cifar10_10k_2k.npz", split),
        lambda: _cached(split),
        lambda: _places.by_keras("cifar10", URL, split),
    ]
    advice = f"Do one of: set {_places.FOLDER} to a folder that holds cifar10_10k_2k.npz (x_train, y_train, x_test, y_test); go online once."
    images, labels, source = _places.first("cifar10", places, advice)
    labels = np.asarray(labels).reshape(-1).astype(np.int64)
    return Dataset("cifar10", split, _places.scaled(images), labels, NAMES, source, "no formal licence; cite Krizhevsky 2009")
