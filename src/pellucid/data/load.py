"""Data by what users write: the name of a data set with its split, or a file."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.core.errors import DataNotFoundError, EmptyError, InputError, SettingError, ShapeError, UnknownDatasetError, unknown
from pellucid.core.inputs import check_inputs
from pellucid.data import DATASETS
from pellucid.data.dataset import Dataset
from pellucid.data.sound import SUFFIX, read_wav

Array = np.ndarray
IMAGES = (".png", ".jpg", ".jpeg")
TEXTS = (".csv", ".txt")
SUFFIXES = (".npz", ".npy", *IMAGES, *TEXTS, SUFFIX)


def load(spec: str | os.PathLike[str], *, checked: bool = True) -> Dataset:
    """The data that `spec` stands for.

    `name` or `name:split` is a data set of the catalogue (`mnist:test`; the split is `test` where none is given). `file.npz:key` is an array
    of an archive, with the labels of `y_test` for a key `x_test`; `file.npz` serves where it holds a single array besides labels. `.npy` is one array.
    `.csv` is a table with names in its first line: numbers (rows, columns) where all are, else a structured array; `.txt` sentences, one a line.
    Their values are taken as they are. `.png` and `.jpg` give one image (1, height, width, 1 or 3) in [0, 1]; transparency is laid over white.
    `.wav` gives one sound (1, steps, channels) from −1 to 1, its rate in `rate`.

    `checked=False` is for data of any size that is looked at sample by sample: NaN and infinity pass, and a `.npy` file stays on the disk and in its own type.

    Errors: `UnknownDatasetError`, `DataNotFoundError` (no such file, or a data set to be had nowhere), `InputError` (damaged, no numbers, a missing key).
    """
    text = os.fspath(spec)
    path, key = _split_key(text)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return _named(text)
    if key and suffix != ".npz":
        raise SettingError(f"'{text}' has a key after the colon, which only .npz files take; write {path}.")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataNotFoundError(f"{path} {what} (looked in {path.absolute().parent}); give a file that ends in {', '.join(SUFFIXES)}.")
    if suffix == ".npz":
        return _archive(path, key, checked)
    if suffix == SUFFIX:
        rate, sound = read_wav(path)
        return Dataset(path.name, "", check_inputs(sound[None], None, path.name), source=str(path), rate=rate)
    if suffix in TEXTS:
        return _table(path) if suffix == ".csv" else _sentences(path)
    return _array(path, checked) if suffix == ".npy" else _image(path)


def holds_several(spec: str | os.PathLike[str]) -> bool:
    """Whether this is an archive with several arrays and no word on which of them is meant: perhaps the inputs of one network."""
    path, key = _split_key(os.fspath(spec))
    if key or path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return len(arrays.files) > 1
    except Exception as error:
        raise _damaged(path, error) from error


def load_arrays(spec: str | os.PathLike[str]) -> dict[str, Array]:
    """Every array of an archive by its name, as it is."""
    path, _ = _split_key(os.fspath(spec))
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise DataNotFoundError(f"there is no archive {path}; the inputs of one network are the arrays of one .npz file, by their names.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays}
    except Exception as error:
        raise _damaged(path, error) from error


def _split_key(text: str) -> tuple[Path, str]:
    """File and key; the key follows the last colon, where what stands before it is an archive or another known file."""
    before, colon, key = text.rpartition(":")
    if colon and before.lower().endswith(SUFFIXES):
        return Path(before).expanduser(), key
    return Path(text).expanduser(), ""


def _named(text: str) -> Dataset:
    name, _, split = text.partition(":")
    if name not in DATASETS:
        raise UnknownDatasetError(f"{unknown('data set', name, DATASETS)} Or give a file that ends in {', '.join(SUFFIXES)}.")
    data: Dataset = DATASETS.load(name)(split or "test")
    return data


def _damaged(path: Path, error: Exception) -> InputError:
    if "allow_pickle" in str(error):
        return InputError(f"{path} is damaged or holds Python objects, which are never opened; write it again as plain numbers.")
    return InputError(f"{path} cannot be read ({type(error).__name__}: {error}). It may be damaged or cut off; write or fetch it again.")


def _archive(path: Path, key: str, checked: bool) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            key = _key(path, key, list(arrays))
            inputs = arrays[key]
            label_key = "y" + key[1:] if key[0] == "x" else ""
            labels = arrays.get(label_key)
            names = tuple(str(name) for name in arrays["class_names"]) if "class_names" in arrays else ()
    except InputError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    where = f"{path.name}:{key}"
    return Dataset(where, "", check_inputs(inputs, None, where, finite=checked), labels_of(labels, len(inputs), f"{path.name}:{label_key}"), names, str(path))


def _key(path: Path, key: str, keys: list[str]) -> str:
    """The key meant; without one, the only array that can be samples."""
    if not keys:
        raise EmptyError(f"{path} holds no array.")
    if key and key not in keys:
        raise InputError(unknown(f"key of {path.name}", key, keys))
    if key:
        return key
    samples = [name for name in keys if not name.startswith("y") and name != "class_names"]
    if len(samples) != 1:
        raise InputError(f"{path} holds {len(keys)} arrays; say which one, e.g. {path}:{(samples or keys)[0]}. Keys: {', '.join(sorted(keys))}.")
    return samples[0]


def labels_of(labels: Array | None, samples: int, where: str) -> Array | None:
    """Class numbers of shape (samples,); None where the array holds no whole numbers."""
    if labels is None or labels.dtype.kind not in "iub":
        return None
    if labels.size != samples:
        raise ShapeError(f"{where} has shape {labels.shape}, expected one label for each of the {samples} samples.")
    return labels.reshape(samples).astype(np.int64)


def _array(path: Path, checked: bool) -> Dataset:
    try:
        array = np.load(path, mmap_mode=None if checked else "r", allow_pickle=False)
    except Exception as error:
        raise _damaged(path, error) from error
    if checked or array.dtype.kind not in "fiub" or not array.ndim or not array.size:
        array = check_inputs(array, None, path.name)
    return Dataset(path.name, "", array, source=str(path))


def _image(path: Path) -> Dataset:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            pixels = np.asarray(image if image.mode in _PLAIN else image.convert("RGB" if image.mode == "CMYK" else "RGBA"))
    except Exception as error:
        raise _damaged(path, error) from error
    return Dataset(path.name, "", check_inputs(_channels(_unit(pixels))[None], None, path.name), source=str(path))


def _sentences(path: Path) -> Dataset:
    """Lines that are not empty, (samples,)."""
    lines = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
    if not lines:
        raise EmptyError(f"{path} holds no sentence; write one a line.")
    return Dataset(path.name, "", np.array(lines), source=str(path))


def _table(path: Path) -> Dataset:
    """Rows of a table by the names in its first line; a column of numbers, some of which may be missing, holds numbers, any other text."""
    try:
        rows = list(csv.reader(io.StringIO(_read_text(path)), strict=True))
    except csv.Error as error:
        raise _damaged(path, error) from error
    rows = [row for row in rows if row]
    if len(rows) < 2:
        raise EmptyError(f"{path} holds no row below its first line, which names the columns.")
    names = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise InputError(f"{path}: row {number} has {len(row)} fields, the first line names {len(names)} columns.")
    twice = sorted({name for name in names if names.count(name) > 1 or not name})
    if twice:
        raise InputError(f"{path} names columns {twice} twice or not at all; give each a name of its own.")
    columns = [_column([row[i].strip() for row in rows[1:]]) for i in range(len(names))]
    if all(column.dtype.kind == "f" for column in columns):
        return Dataset(path.name, "", np.stack(columns, axis=1), source=str(path), feature_names=tuple(names))
    found = np.empty(len(rows) - 1, [(name, column.dtype) for name, column in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        found[name] = column
    return Dataset(path.name, "", found, source=str(path), feature_names=tuple(names))


def _column(cells: list[str]) -> Array:
    try:
        numbers = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)
    return np.array(cells) if np.isnan(numbers).all() else numbers


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text ({error}); save it so.") from error


_PLAIN = ("1", "L", "LA", "I", "I;16", "RGB", "RGBA")
"""Pillow's modes whose arrays are shades; palettes and other colour spaces are converted."""


def _unit(pixels: Array) -> Array:
    """Pixels of any depth as float32 in [0, 1]; Pillow hands 16 bits over as 32."""
    depth = 1 if pixels.dtype.kind == "b" else 255 if pixels.dtype.itemsize == 1 else 65535
    return pixels.astype(np.float32) / np.float32(depth)


def _channels(pixels: Array) -> Array:
    """(height, width, 1 or 3), what is transparent over white."""
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.shape[-1] == 3:
        return pixels
    colours, alpha = pixels[..., :-1], pixels[..., -1:]
    over: Array = colours * alpha + (1 - alpha)
    return over
