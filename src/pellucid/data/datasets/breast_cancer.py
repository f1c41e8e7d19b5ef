"""Breast cancer, Wisconsin: 30 measurements of cell nuclei, malignant or benign; small, and there wherever scikit-learn is."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits

NAMES = ("malignant", "benign")
SHAPE, HELD = (569, 30), 0.2
LICENCE = "CC BY 4.0 (Wolberg, Street and Mangasarian 1995, UCI)"


def _embedded() -> tuple[_places.Raw, tuple[str, ...]]:
    """All rows of the table that comes with scikit-learn, and the names of its columns."""
    if importlib.util.find_spec("sklearn") is None:
        raise _places.NotThereError("the table that comes with scikit-learn: scikit-learn is not installed")
    try:
        found = importlib.import_module("sklearn.datasets").load_breast_cancer()
        raw = _places.sound((found.data.astype(np.float32), found.target, "scikit-learn (UCI WDBC)"), SHAPE, len(NAMES))
    except (ImportError, OSError, ValueError) as error:
        raise _places.NotThereError(f"the table that comes with scikit-learn: {error}") from error
    return raw, tuple(map(str, found.feature_names))


def breast_cancer(split: str = "test") -> Dataset:
    """Measurements of cell nuclei in images of needle biopsies, (samples, 30) as they were taken: 456 to train on, 113 held out.

    Mean, standard error and mean of the three largest ("worst") of ten measurements of a sample's nuclei. UCI gives no units; lengths are in the images' own.
    """
    _places.check_split("breast_cancer", split)
    (inputs, labels, source), names = _places.first("breast_cancer", [_embedded], "Install it: pip install 'pellucid[tables]'")
    rows = _splits.stratified(labels, split, HELD)
    return Dataset("breast_cancer", split, inputs[rows], labels[rows], NAMES, source, LICENCE, names)
