"""The network for rows of numbers: its layers, what it refuses, and that it learns what a straight line cannot."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.errors import ShapeError
from pellucid.data.dataset import Dataset
from pellucid.recipes import NETWORKS
from pellucid.recipes.train import train


def apart(samples: int = 400) -> Dataset:
    """Class 1 where two columns have different signs; the third is noise."""
    rows = np.random.default_rng(0).normal(size=(samples, 3)).astype(np.float32)
    return Dataset("signs", "", rows, (rows[:, 0] * rows[:, 1] < 0).astype(int), ("same", "apart"))


def test_mlp_is_the_one_described() -> None:
    pytest.importorskip("keras")
    model = NETWORKS.load("mlp")((30,), 2, seed=1)
    assert [(layer.name, layer.units) for layer in model.layers] == [("dense", 32), ("dense_1", 16), ("dense_2", 2)]
    assert [layer.activation.__name__ for layer in model.layers] == ["relu", "relu", "softmax"]
    same, other = (NETWORKS.load("mlp")((30,), 2, seed=seed).get_weights() for seed in (1, 2))
    assert all((mine == again).all() for mine, again in zip(model.get_weights(), same, strict=True))
    assert not any((mine == theirs).all() for mine, theirs in zip(model.get_weights()[::2], other[::2], strict=True))
    with pytest.raises(ShapeError, match=r"\(28, 28, 1\), expected rows"):
        NETWORKS.load("mlp")((28, 28, 1), 2)


def test_mlp_learns_what_a_line_cannot() -> None:
    pytest.importorskip("tensorflow")
    assert train("mlp", apart(), epochs=40).accuracy >= 0.9
