"""The same weights give the same numbers in Keras on TensorFlow, on JAX and on torch, in PyTorch by itself and, for the dense network, in NumPy."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numbers_of_networks as script
import numpy as np
import pytest

Numbers = dict[str, np.ndarray]
PREDICTIONS = 1e-5
BOUNDS = {"predict": PREDICTIONS, "fixed": 1e-4, "gradient": 1e-4, "layer": 1e-4, "sampled": 1e-3}
"""Relative to the largest value of each sample, the predictions' apart, which are absolute."""
KINKS = 1e-2
"""What one point may change that lies within rounding of where a ReLU or a maximum over a window turns: it is on another side in another framework. Of methods
that take gradients at many points of the `cnn`; the `smooth` network holds the same methods to `BOUNDS`."""
MANY_POINTS = {"integrated_gradients", "blur_integrated_gradients", "guided_integrated_gradients", "idgi", "xrai", "smooth_grad", "square_grad", "var_grad"}
MANY_POINTS |= {"expected_gradients"}
PROCESSES = ("tensorflow", "jax", "torch", "native")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow", reason="the same processes whatever Keras runs on here: once is enough"),
]


@pytest.fixture(scope="module")
def numbers_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Numbers]:
    """The numbers of a process of its own, computed once."""
    folder = tmp_path_factory.mktemp("numbers")

    def computed(name: str) -> Numbers:
        backend = "torch" if name == "native" else name
        for package in {backend, "keras"} - ({"keras"} if name == "native" else set()):
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")
        path = folder / f"{name}.npz"
        if not path.exists():
            line = [sys.executable, str(Path(script.__file__)), str(path), *(["native"] if name == "native" else [])]
            ran = subprocess.run(line, env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr[-3000:]
        with np.load(path) as file:
            return dict(file)

    return computed


def difference(mine: np.ndarray, theirs: np.ndarray, *, absolute: bool) -> float:
    """The largest over samples."""
    axes = tuple(range(1, theirs.ndim))
    scale = 1.0 if absolute else np.abs(theirs).max(axis=axes, keepdims=True)
    return float((np.abs(mine - theirs) / scale).max())


def compared(mine: Numbers, theirs: Numbers) -> dict[str, float]:
    """What differs by more than it may."""
    found = {}
    for key, array in theirs.items():
        kind = key.partition("/")[2].partition(" ")[0]
        assert mine[key].shape == array.shape, key
        assert np.abs(array).max() > 0, key
        gap = difference(mine[key], array, absolute=kind == "predict")
        kinked = key.startswith("cnn/") and key.rpartition(" ")[2] in MANY_POINTS
        if not gap <= (KINKS if kinked else BOUNDS[kind]):
            found[key] = gap
    return found


@pytest.mark.parametrize("process", PROCESSES[1:])
def test_every_framework_gives_the_numbers_of_tensorflow(process: str, numbers_of: Callable[[str], Numbers]) -> None:
    mine, theirs = numbers_of(process), numbers_of("tensorflow")
    assert mine.keys() == theirs.keys()
    assert len(theirs) > 100
    assert compared(mine, theirs) == {}


@pytest.mark.parametrize("process", PROCESSES)
def test_every_framework_gives_the_numbers_of_numpy(process: str, numbers_of: Callable[[str], Numbers]) -> None:
    assert compared(numbers_of(process), script.numbers(script.oracle())) == {}
