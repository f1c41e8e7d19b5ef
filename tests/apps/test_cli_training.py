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
        ("train cnn mnist5000 --out o.keras --record o.html", ".safetensors"),
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
