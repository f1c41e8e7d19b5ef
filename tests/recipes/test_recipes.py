"""Reference networks and their training: small, repeatable, and leaving everything global as it was."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.core.errors import DataNotFoundError, EmptyError, MissingExtraError, OutputError, SettingError, ShapeError, UnknownNetworkError
from pellucid.data.dataset import Dataset
from pellucid.recipes import NETWORKS
from pellucid.recipes.augment import batches, movements
from pellucid.recipes.save import check_goal, save
from pellucid.recipes.schedule import Schedule
from pellucid.recipes.train import progress_bar, train

EQUAL = 1e-5


def stripes(samples: int = 200, seed: int = 0) -> Dataset:
    """Two classes that a glance tells apart: noise with a bright band in the upper or in the lower half."""
    draw = np.random.default_rng(seed)
    labels = np.arange(samples) % 2
    images = draw.random((samples, 28, 28, 1)).astype(np.float32) * 0.3
    images[labels == 0, 4:12] += 0.6
    images[labels == 1, 16:24] += 0.6
    return Dataset("stripes", "", images, labels, ("up", "down"))


def test_names() -> None:
    assert NETWORKS.names() == ["bilstm", "cnn", "embedding_mlp", "mlp", "resnet20", "rnn", "transformer"]
    with pytest.raises(UnknownNetworkError, match="did you mean 'cnn'"):
        NETWORKS.load("ccn")


def test_importing_the_recipes_loads_no_framework() -> None:
    code = "import sys, pellucid.recipes.train, pellucid.recipes.save; print([m for m in ('keras', 'tensorflow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_cnn_is_the_one_described() -> None:
    pytest.importorskip("keras")
    model = NETWORKS.load("cnn")((28, 28, 1), 10)
    names = ["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "conv2d_2", "flatten", "dense", "dense_1"]
    assert [layer.name for layer in model.layers] == names
    assert model.count_params() == 93_322
    assert model.layers[-1].activation.__name__ == "softmax"
    with pytest.raises(ShapeError, match=r"\(17, 28, 1\).*18 × 18"):
        NETWORKS.load("cnn")((17, 28, 1), 10)
    assert NETWORKS.load("cnn")((18, 18, 3), 10).output_shape == (None, 10)


def test_rnn_reads_rows_as_time_steps() -> None:
    pytest.importorskip("keras")
    model = NETWORKS.load("rnn")((28, 20, 3), 5)
    assert [(layer.name, layer.output.shape) for layer in model.layers] == [("rows", (None, 28, 60)), ("lstm", (None, 64)), ("dense", (None, 5))]
    assert [layer.name for layer in NETWORKS.load("rnn")((28, 28), 5).layers] == ["lstm", "dense"]
    with pytest.raises(ShapeError, match="expected images"):
        NETWORKS.load("rnn")((7,), 5)


def global_states() -> tuple[object, ...]:
    import keras
    import tensorflow as tf
    from tensorflow.python.eager import context

    state = np.random.get_state()
    return (random.getstate(), pickle.dumps(state), repr(tf.random.get_global_generator().state), context.global_seed(), keras.config.floatx())


@pytest.mark.parametrize(("network", "epochs"), [("cnn", 2), ("rnn", 8)])
def test_training_learns_and_leaves_global_state_alone(network: str, epochs: int) -> None:
    pytest.importorskip("tensorflow")
    before = global_states()
    seen: list[dict[str, float]] = []
    trained = train(network, stripes(), epochs=epochs, progress=lambda values: seen.append(dict(values)))
    assert global_states() == before
    assert [values["epoch"] for values in seen] == list(range(1, epochs + 1))
    assert seen[-1]["epochs"] == epochs
    assert trained.history["loss"][-1] < trained.history["loss"][0]
    assert trained.accuracy == trained.history["val_accuracy"][-1] == seen[-1]["val_accuracy"]
    assert trained.accuracy >= 0.9
    assert len(trained.held_out) == 40
    scores = trained.model.predict(trained.held_out.inputs, verbose=0)
    assert np.mean(scores.argmax(axis=1) == trained.held_out.labels) == pytest.approx(trained.accuracy)
    assert trained.seconds > 0


def test_the_seed_decides() -> None:
    pytest.importorskip("tensorflow")
    random.seed(1)
    first = train("cnn", stripes(), epochs=1, seed=3)
    random.seed(2)
    np.random.seed(5)
    second, third = train("cnn", stripes(), epochs=1, seed=3), train("cnn", stripes(), epochs=1, seed=4)
    weights = [[np.asarray(weight) for weight in trained.model.get_weights()] for trained in (first, second, third)]
    assert max(np.abs(a - b).max() for a, b in zip(weights[0], weights[1], strict=True)) <= EQUAL
    assert np.abs(weights[0][0] - weights[2][0]).max() > 0.01


def test_each_epoch_has_its_own_order_and_repeats_nothing() -> None:
    rows = batches(10, 4, 3, np.random.default_rng(0)).reshape(3, 8)
    assert all(len(set(order)) == 8 for order in rows.tolist())
    assert rows[0].tolist() != rows[1].tolist()
    assert batches(3, 64, 2, np.random.default_rng(0)).shape == (2, 3)


def test_movements_turn_about_the_centre_and_keep_within_bounds() -> None:
    turns = movements(500, 28, 20, Schedule(shift=0, turn=0.04), np.random.default_rng(0)).astype(float)
    centre = np.array([9.5, 13.5, 1])
    assert turns[:, :3] @ centre == pytest.approx(9.5, abs=1e-4)
    assert turns[:, 3:6] @ centre == pytest.approx(13.5, abs=1e-4)
    assert 0.9 < np.abs(np.arcsin(turns[:, 3])).max() / (2 * np.pi * 0.04) <= 1
    shifts = movements(500, 28, 20, Schedule(shift=0.1, turn=0), np.random.default_rng(0))
    assert 1.9 < np.abs(shifts[:, 2]).max() <= 2
    assert 2.7 < np.abs(shifts[:, 5]).max() <= 2.8


@pytest.mark.parametrize(
    ("dataset", "error", "words"),
    [
        (Dataset("bare", "", np.zeros((4, 28, 28, 1), np.float32)), SettingError, "no labels"),
        (Dataset("few", "", np.zeros((4, 28, 28, 1), np.float32), np.array([0, 0, 1, 1])), EmptyError, "too few"),
        (Dataset("odd", "", np.zeros((10, 28, 28, 1), np.float32), np.repeat([-1, 0], 5)), SettingError, "label -1"),
        ("mnist5000:test", SettingError, "train on 'mnist5000'"),
        ("/no/such/file.npz", DataNotFoundError, "does not exist"),
    ],
)
def test_data_that_cannot_be_trained_on(dataset: Dataset | str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        train("cnn", dataset, epochs=1)


def test_epochs_must_be_a_whole_number() -> None:
    with pytest.raises(SettingError, match="epochs is 0"):
        train("cnn", stripes(), epochs=0)


def test_missing_tensorflow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pellucid\[tensorflow\]'"):
        train("cnn", stripes(), epochs=1)


def test_the_bar_shows_the_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("cnn") as report:
        report({"epoch": 1, "epochs": 2, "loss": 0.5, "accuracy": 0.75, "val_accuracy": 0.8125})
    words = " ".join(capsys.readouterr().out.split())
    assert "cnn" in words
    assert "81.2%" in words


def test_saved_networks_open_again(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model = NETWORKS.load("rnn")((28, 28, 1), 10, seed=2)
    images = stripes(4).inputs
    path = save(model, tmp_path / "rnn.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["rnn.keras"]
    again = keras.saving.load_model(path, safe_mode=True)
    assert np.array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))


def test_goals_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"got 'model\.h5'; write e\.g\. model\.keras"):
        check_goal("model.h5")
    for goal, words in (
        (tmp_path / "none" / "m.keras", "mkdir -p"),
        (tmp_path / "folder.keras", "it is a folder"),
        (tmp_path / "file" / "m.keras", "mkdir -p"),
    ):
        with pytest.raises(OutputError, match=words):
            check_goal(goal)


class Failing:
    """A network whose saving ends halfway."""

    def save(self, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    goal = tmp_path / "m.keras"
    goal.write_bytes(b"the old one")
    with pytest.raises(OutputError, match="No space left"):
        save(Failing(), goal)
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]
    assert goal.read_bytes() == b"the old one"


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(("network", "least"), [("cnn", 0.97), ("rnn", 0.93)])
def test_held_out_accuracy_on_the_five_thousand_digits(network: str, least: float) -> None:
    assert train(network, "mnist5000", seed=0).accuracy >= least
