"""Where named data sets are looked for, one place after the other: the user's folder, an installed package, Keras's cache, Keras's download."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from pellucid.core.errors import DataNotFoundError, InputError, UnknownDatasetError, unknown

Array = np.ndarray
FOLDER = "PELLUCID_DATA"
OFFLINE = "PELLUCID_OFFLINE"
PATIENCE = 4.0
"""Seconds until a server that does not answer counts as not there."""
STALL = 30.0
"""Seconds without a byte after which a download is given up."""
ADVICE = "Fetch it again or remove it."


class NotThereError(Exception):
    """A place does not hold the data; the text says which place and why."""


Raw = tuple[Array, Array, str]
"""Samples, labels, and where they were found."""
Place = Callable[[], Raw]
Found = TypeVar("Found")


def check_split(name: str, split: str) -> None:
    """Raise unless the split is one that every named data set has."""
    if split not in ("train", "test"):
        raise UnknownDatasetError(unknown(f"split of {name}", split, ("train", "test")))


def first(name: str, places: Sequence[Callable[[], Found]], advice: str) -> Found:
    """The data from the first place that holds it; `DataNotFoundError` with every place and what to do where none does."""
    reasons = []
    for place in places:
        try:
            return place()
        except NotThereError as error:
            reasons.append(str(error))
    looked = "".join(f"\n  - {reason}" for reason in reasons)
    raise DataNotFoundError(f"data set '{name}' was found in none of the places looked in:{looked}\n{advice}")


def read_arrays(path: Path, *choices: Sequence[str]) -> list[Array]:
    """Arrays of an `.npz` file, under the first choice of names that it holds; `InputError` where the file is damaged or holds none of them."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = next((names for names in choices if set(names) <= set(arrays)), choices[0])
            return [arrays[name] for name in names]
    except Exception as error:
        wanted = ", or ".join(" and ".join(names) for names in choices)
        raise InputError(f"{path} cannot be read as a data set ({error}); expected an .npz file with {wanted}. {ADVICE}") from error


def read_split(path: Path, split: str) -> Raw:
    """x_ and y_ of one split of an `.npz` file; `InputError` where the file is damaged."""
    inputs, labels = read_arrays(path, (f"x_{split}", f"y_{split}"))
    return inputs, labels, str(path)


def classes_of(labels: Array, samples: int, classes: int, where: str) -> Array:
    """Labels as whole numbers (samples,); `InputError` unless there is one for each sample, a class from 0 on."""
    labels = np.asarray(labels).reshape(-1)
    if len(labels) != samples:
        raise InputError(f"{where} holds {len(labels)} labels, expected {samples}. {ADVICE}")
    if labels.dtype.kind not in "fiub" or not np.isin(labels, np.arange(classes)).all():
        raise InputError(f"{where} holds labels other than the classes 0 to {classes - 1}. {ADVICE}")
    return labels.astype(np.int64)


def sound(raw: Raw, shape: tuple[int, ...], classes: int) -> Raw:
    """The data, its labels as whole numbers; `InputError` unless it is numbers of this shape, samples first, finite, with a class for each sample."""
    inputs, labels, where = raw
    if inputs.shape != shape or inputs.dtype.kind not in "fiub":
        raise InputError(f"{where} holds {inputs.dtype} of shape {inputs.shape}, expected numbers of shape {shape}. {ADVICE}")
    if not np.isfinite(inputs).all():
        raise InputError(f"{where} holds NaN or infinity. {ADVICE}")
    return inputs, classes_of(labels, shape[0], classes, where), where


@contextlib.contextmanager
def data_from(folder: Path | None) -> Iterator[None]:
    """Within the block data sets are looked for in this folder first; None leaves the places as they are. `DataNotFoundError` where it is no folder."""
    if folder is not None and not folder.expanduser().is_dir():
        raise DataNotFoundError(f"{folder} is no folder; give the one that your data files lie in.")
    before = os.environ.get(FOLDER)
    if folder is not None:
        os.environ[FOLDER] = str(folder)
    try:
        yield
    finally:
        if before is not None:
            os.environ[FOLDER] = before
        elif folder is not None:
            del os.environ[FOLDER]


def folder_file(file: str) -> Path:
    """A file in the user's own folder."""
    folder = os.environ.get(FOLDER)
    if not folder:
        raise NotThereError(f"the folder named by {FOLDER}: the variable is not set")
    path = Path(folder).expanduser() / file
    if not path.is_file():
        raise NotThereError(f"the folder named by {FOLDER}: {path} does not exist")
    return path


def in_folder(file: str, split: str) -> Raw:
    """The user's own folder. A damaged file there is an error, not a reason to look elsewhere."""
    return read_split(folder_file(file), split)


def in_package(package: str, files: Sequence[str], read: Callable[..., Raw]) -> Raw:
    """Files of an installed package, which is not imported; what is damaged there counts as not there."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotThereError(f"the package {package}: it is not installed")
    paths = [Path(found.submodule_search_locations[0], file) for file in files]
    for path in paths:
        if not path.is_file():
            raise NotThereError(f"the package {package}: {path} does not exist")
    try:
        return read(*paths)
    except InputError as error:
        raise NotThereError(f"the package {package}: {error}") from error


def keras_cache() -> Path:
    """Where Keras keeps the data sets it has downloaded."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "datasets"


def in_keras_cache(file: str, split: str) -> Raw:
    """An `.npz` file that Keras downloaded earlier; a damaged one counts as not there, for Keras would fetch it again."""
    path = keras_cache() / file
    if not path.is_file():
        raise NotThereError(f"Keras's cache: {path} does not exist")
    try:
        return read_split(path, split)
    except InputError as error:
        raise NotThereError(f"Keras's cache: {error}") from error


def _answers(url: str) -> str:
    """Why the server cannot be reached; empty where it answers. In a thread, for looking up a name knows no time limit."""
    reason = [f"no answer within {PATIENCE:g} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the data sets' own https addresses
            with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310
                reason[0] = ""
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the place is not there
            reason[0] = str(error) or type(error).__name__

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE + 1)
    return reason[0]


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """A limit on silent sockets, taken back afterwards; messages of the download go to the error stream."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def by_keras(name: str, url: str, split: str, *, cached: bool = False) -> Raw:
    """Keras's own loader, which downloads what is not in its cache (`cached`: it is, so that no server is asked)."""
    place = f"Keras's download from {url}"
    if not cached and os.environ.get(OFFLINE):
        raise NotThereError(f"{place}: not tried, for {OFFLINE} is set")
    if importlib.util.find_spec("keras") is None:
        raise NotThereError(f"{place}: Keras is not installed")
    reason = "" if cached else _answers(url)
    if reason:
        raise NotThereError(f"{place}: {reason}")
    try:
        with _impatient():
            train, test = importlib.import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:
        raise NotThereError(f"{place}: {error}") from error
    inputs, labels = train if split == "train" else test
    return inputs, labels, f"Keras ({url})"


def scaled(images: Array) -> Array:
    """Bytes from 0 to 255 as float32 in [0, 1]."""
    return np.asarray(images, dtype=np.float32) / np.float32(255)
