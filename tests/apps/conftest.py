"""A tiny network with random biases, saved once, and a way to run the command line in this process."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Ran:
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str


def _save(path: Path, layers: list) -> Path:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(layers)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(scale=0.3, size=weight.shape) for weight in model.get_weights()])
    model.save(path)
    return path


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, one with a Lambda layer, one that is damaged, and data."""
    keras = pytest.importorskip("keras")

    folder = tmp_path_factory.mktemp("place")
    layers = keras.layers
    start = [keras.Input((8, 8, 1)), layers.Conv2D(3, 3, activation="relu", name="maps"), layers.Flatten()]
    _save(folder / "tiny.keras", [*start, layers.Dense(3, activation="softmax", name="scores")])
    _save(folder / "lambda.keras", [keras.Input((8, 8, 1)), layers.Lambda(lambda x: x * 2), layers.Flatten(), layers.Dense(3, activation="softmax")])
    (folder / "damaged.keras").write_bytes((folder / "tiny.keras").read_bytes()[:500])
    draw = np.random.default_rng(1)
    x = draw.uniform(size=(5, 8, 8, 1)).astype("float32")
    bad = x.copy()
    bad[1, 2, 3, 0] = np.nan
    np.savez(folder / "data.npz", x_test=x, y_test=np.arange(5) % 3, x_bad=bad, x_wide=np.ones((2, 9, 8, 1), "float32"), x_one=x[0], x_flat=x[..., 0])
    (folder / "a_file").write_text("not a folder")
    return folder


@pytest.fixture
def pellucid_command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[str], Ran]:
    """Runs a command line in the folder `place`."""
    from pellucid.apps.cli import main

    monkeypatch.chdir(place)

    def run(line: str) -> Ran:
        capfd.readouterr()
        code = main(line.split())
        out, err = capfd.readouterr()
        return Ran(code, re.sub(r" +", " ", out), err)

    return run
