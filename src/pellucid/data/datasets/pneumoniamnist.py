"""PneumoniaMNIST, chest X-rays of children: normal, or with pneumonia."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places

FILE = "pneumoniamnist.npz"
NAMES = (later("normal"), later("pneumonia"))
SAMPLES = {"train": 4708, "val": 524, "test": 624}
LICENCE = "CC BY 4.0 (Kermany et al. 2018; MedMNIST v2, Yang et al. 2023)"
KEYS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
"""How the arrays are called here, and in the file that MedMNIST gives away."""


def _part(path: Path, part: str) -> _places.Raw:
    """One of the file's three parts, under either pair of names."""
    inputs, labels = _places.read_arrays(path, *([key.format(part) for key in keys] for keys in KEYS))
    return _places.sound((inputs, labels, str(path)), (SAMPLES[part], 28, 28), len(NAMES))


def _read(split: str) -> _places.Raw:
    path = _places.folder_file(FILE)
    parts = [_part(path, part) for part in (("test",) if split == "test" else ("train", "val"))]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]), str(path)


def pneumoniamnist(split: str = "test") -> Dataset:
    """Chest X-rays of children (samples, 28, 28, 1) in [0, 1], in the file's order: 5,232 to train on, 624 held out.

    The file's validation part belongs to the training part here: both are the hospital's training images, eight of which stand in both, and nothing here is
    chosen by it. 74 % of those to train on have pneumonia, 62.5 % of those held out.
    """
    _places.check_split("pneumoniamnist", split)
    advice = f"Fetch {FILE} from medmnist.com (28 × 28), and set {_places.FOLDER} to the folder that holds it."
    images, labels, source = _places.first("pneumoniamnist", [lambda: _read(split)], advice)
    return Dataset("pneumoniamnist", split, _places.scaled(images)[..., None], labels, NAMES, source, LICENCE)
