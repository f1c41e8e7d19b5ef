"""`pellucid train --record` and `pellucid film`: the record, its report and its film; mistakes are one line, and found before the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid
from pellucid.data.dataset import Dataset
from pellucid.recipes.train import PROBE, train

Command = Callable[[str], Any]


def stripes(samples: int) -> Dataset:
    """Two classes that a glance tells apart."""
    labels = np.arange(samples) % 2
    images = np.random.default_rng(0).random((samples, 18, 18, 1)).astype(np.float32) * 0.3
    images[labels == 0, 3:8] += 0.6
    images[labels == 1, 10:15] += 0.6
    return Dataset("stripes", "", images, labels, ("up", "down"))


@pytest.mark.once
def test_a_training_is_recorded_reported_and_filmed(pellucid_command: Command, place: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    data = stripes(60)
    np.savez(place / "stripes.npz", x_train=data.inputs, y_train=data.labels)
    record, film, page = (tmp_path / name for name in ("training.safetensors", "film.gif", "training.html"))
    ran = pellucid_command(f"train cnn stripes.npz --epochs 2 --out {tmp_path}/cnn.keras --record {record}")
    assert ran.code == 0, ran.err
    assert str(record) in ran.out
    (view,) = pellucid.load(record)
    assert view.details["network"]["epoch"].tolist() == [0, 1, 2]
    assert "gradient_norm" in view.details["conv2d"]
    assert "val_accuracy" in view.details["network"]
    assert pellucid_command(f"film {record} --layer conv2d_1 --out {film}").code == 0
    with Image.open(film) as opened:
        assert opened.n_frames == 3
    assert pellucid_command(f"report {record} --out {page}").code == 0
    assert "conv2d_1" in page.read_text(encoding="utf-8")
    ran = pellucid_command(f"visualize {tmp_path}/cnn.keras stripes.npz:x_train --view loss_landscape --set path={record} --out {tmp_path}/path.png")
    assert ran.code == 2
    assert "no snapshots of weights; record it again with pellucid train … --record FILE.safetensors --snapshots" in ran.err


@pytest.mark.slow
@pytest.mark.once
def test_the_path_of_a_training_from_the_command_line(pellucid_command: Command, place: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    data = stripes(60)
    np.savez(place / "stripes.npz", x_train=data.inputs, y_train=data.labels)
    for seed in (0, 1):
        ran = pellucid_command(
            f"train cnn stripes.npz --epochs 3 --seed {seed} --out {tmp_path}/cnn{seed}.keras --record {tmp_path}/{seed}.safetensors --snapshots"
        )
        assert ran.code == 0, ran.err
        assert f"--set path={tmp_path}/{seed}.safetensors" in ran.out
    small = "--set points=3 --set directions=0 --set samples=16"
    base = f"visualize {tmp_path}/cnn0.keras stripes.npz:x_train --view loss_landscape {small}"
    ran = pellucid_command(f"{base} --set path={tmp_path}/0.safetensors --out {tmp_path}/path.safetensors")
    assert ran.code == 0, ran.err
    (view,) = pellucid.load(tmp_path / "path.safetensors")
    assert view.details["network"]["epoch"].tolist() == [0, 1, 2, 3]
    assert float(view.details["network"]["path_loss"][-1]) == pytest.approx(float(view.details["network"]["loss"]), rel=1e-5)
    assert "path ends elsewhere" not in [finding.code for finding in view.findings]
    ran = pellucid_command(f"{base} --set path={tmp_path}/1.safetensors --out {tmp_path}/path.png")
    assert "warning: The path ends at other weights than the network's own" in ran.out
    ran = pellucid_command(f"{base} --set to={tmp_path}/cnn1.keras --out {tmp_path}/line.safetensors")
    assert ran.code == 0, ran.err
    (line,) = pellucid.load(tmp_path / "line.safetensors")
    assert {0.0, 1.0} <= set(line.details["network"]["place"].tolist())
    assert line.provenance["settings"]["to"].startswith(f"{tmp_path}/cnn1.keras: the weights of a network, Keras")


@pytest.mark.slow
@pytest.mark.once
def test_a_recorded_recipe_is_the_same_network_and_what_the_recorder_brings_is_kept() -> None:
    pytest.importorskip("tensorflow")
    data = stripes(60)
    bare = train("cnn", data, epochs=1)
    recorder = pellucid.Recorder(probe=data.inputs[:5], labels=data.labels[:5], maps=())
    watched = train("cnn", data, epochs=1, recorder=recorder)
    assert [array.tobytes() for array in watched.model.get_weights()] == [array.tobytes() for array in bare.model.get_weights()]
    assert watched.history == bare.history
    assert recorder.view.provenance["settings"]["probe"] == 5
    assert min(PROBE, len(bare.held_out)) == 12


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train cnn mnist5000 --out o.keras --record o.html", "--record 'o.html' has no suffix that says what to write; known: .safetensors (records)."),
        ("train cnn mnist5000 --out o.keras --snapshots", "--record training.safetensors"),
        (
            "visualize tiny.keras data.npz:x_test --view loss_landscape --set path=no.safetensors --out o.png",
            "expected the record of a training (pellucid train",
        ),
        ("visualize tiny.keras data.npz:x_test --view loss_landscape --set to=no.keras --out o.png", "expected a network's file or the record of a training"),
        ("visualize tiny.keras data.npz:x_test --view similarity --set other=no.keras --out o.png", "expected a network's file."),
        ("visualize tiny.keras data.npz:x_test --view loss_landscape --set path=tiny.keras --out o.png", "--snapshots): 'tiny.keras': not a safetensors file"),
        ("train cnn mnist5000 --out o.keras --record a_file/o.safetensors", "a_file"),
        ("film data.npz --out o.gif", "not a safetensors file"),
        ("film missing.safetensors --out o.gif", "there is no file"),
        ("film data.npz --out o.mp4", ".gif"),
    ],
)
def test_mistakes_are_one_line(pellucid_command: Command, line: str, words: str) -> None:
    ran = pellucid_command(line)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.strip().count("\n") == 0


def test_a_record_of_something_else_says_how_to_make_one(pellucid_command: Command, tmp_path: Path) -> None:
    record = tmp_path / "view.safetensors"
    assert pellucid_command(f"visualize tiny.keras data.npz:x_test --index 0 --out {record}").code == 0
    ran = pellucid_command(f"film {record} --out {tmp_path}/o.gif")
    assert ran.code == 2
    assert "pellucid train NETWORK DATASET" in ran.err
    ran = pellucid_command(f"visualize tiny.keras --view training --out {tmp_path}/o.png")
    assert ran.code == 2
    assert "recorder.callback()" in ran.err
