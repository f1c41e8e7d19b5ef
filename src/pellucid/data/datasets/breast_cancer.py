"""Breast cancer, Wisconsin: 30 measurements of cell nuclei, malignant or benign; small, embedded, so that it is always there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.core.errors import InputError
from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits, _tables

EMBEDDED = _tables.FILES / "breast_cancer.csv.xz"
NAMES = (later("malignant"), later("benign"))
SAMPLES, HELD = 569, 0.2
LICENCE = "CC BY 4.0 (Wolberg, Street and Mangasarian 1995, UCI)"
OUTCOME = "diagnosis"
QUANTITIES = (
    later("radius"),
    later("texture"),
    later("perimeter"),
    later("area"),
    later("smoothness"),
    later("compactness"),
    later("concavity"),
    later("concave points"),
    later("symmetry"),
    later("fractal dimension"),
)
"""What was measured of each nucleus."""
COLUMNS = (*(f"mean {one}" for one in QUANTITIES), *(f"{one} error" for one in QUANTITIES), *(f"worst {one}" for one in QUANTITIES))


def read(path: Path) -> _places.Raw:
    """All rows of the table, (569, 30), and 1 for benign; `InputError` where the file is damaged."""
    rows = _tables.read_columns(path, (*COLUMNS, OUTCOME))
    try:
        values = np.array([row[:-1] for row in rows], dtype=np.float32).reshape(len(rows), len(COLUMNS))
        labels = np.array([NAMES.index(row[-1]) for row in rows])
    except ValueError as error:
        raise InputError(f"{path} holds what is no number, or no diagnosis ({error}). {_places.ADVICE}") from error
    return _places.sound((values, labels, "embedded (UCI WDBC, from scikit-learn 1.9.1)"), (SAMPLES, len(COLUMNS)), len(NAMES))


def breast_cancer(split: str = "test") -> Dataset:
    """Measurements of cell nuclei in images of needle biopsies, (samples, 30) as they were taken: 456 to train on, 113 held out.

    Mean, standard error and mean of the three largest ("worst") of ten measurements of a sample's nuclei. UCI gives no units; lengths are in the images' own.
    """
    _places.check_split("breast_cancer", split)
    inputs, labels, source = read(EMBEDDED)
    rows = _splits.stratified(labels, split, HELD)
    return Dataset("breast_cancer", split, inputs[rows], labels[rows], NAMES, source, LICENCE, COLUMNS)
