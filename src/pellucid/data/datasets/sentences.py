"""Sentences of opinion that the project wrote itself: always there, short enough to see what a network reads in them."""

from __future__ import annotations

import numpy as np

from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits, _tables

FILE = _tables.FILES / "sentences.csv"
NAMES = (later("negative"), later("positive"))
SAMPLES, HELD = 240, 0.2


def sentences(split: str = "test") -> Dataset:
    """Opinions on films, food, hotels and tools, an array of str (samples,), written for Pellucid: 192 to train on, 48 held out, half of each for it.

    Class 0 is negative, 1 positive, in equal parts in each trade. Few, and made up: good for trying and showing, no measure of how well a network reads.
    """
    _places.check_split("sentences", split)
    texts, labels, _ = _tables.sentences(_tables.read_columns(FILE, ("text", "label")), SAMPLES, len(NAMES), FILE)
    trades = np.array([trade for (trade,) in _tables.read_columns(FILE, ("trade",))])
    rows = _splits.stratified(np.char.add(trades, labels.astype(str)), split, HELD)
    return Dataset("sentences", split, texts[rows], labels[rows], NAMES, "written for Pellucid, embedded", "Apache-2.0")
