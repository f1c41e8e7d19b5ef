"""The network for rows with words in them: its layers, what it refuses, and that it learns from words and numbers together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.core.errors import ShapeError
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.table import Table
from pellucid.recipes import NETWORKS
from pellucid.recipes.save import save
from pellucid.recipes.train import train

SHAPES = {"numbers": (3,), "categories": (2,)}


def homes(samples: int = 400) -> Dataset:
    """Class 1 where the word says that the number counts the other way; a second column of words is noise."""
    draw = np.random.default_rng(0)
    rows = np.zeros(samples, dtype=[("age", "f8"), ("home", "U4"), ("town", "U1")])
    rows["age"], rows["home"], rows["town"] = draw.normal(40, 10, samples), draw.choice(["own", "rent"], samples), draw.choice(list("abc"), samples)
    return Dataset("homes", "", rows, ((rows["age"] > 40) == (rows["home"] == "own")).astype(int), ("no", "yes"))


def test_embedding_mlp_is_the_one_described() -> None:
    pytest.importorskip("keras")
    model = NETWORKS.load("embedding_mlp")(SHAPES, 2, seed=1)
    assert [layer.name for layer in model.layers if layer.weights] == ["words", "dense", "dense_1"]
    assert [tuple(weight.shape) for weight in model.weights] == [(128, 2), (7, 32), (32,), (32, 2), (2,)]
    same, other = (NETWORKS.load("embedding_mlp")(SHAPES, 2, seed=seed).get_weights() for seed in (1, 2))
    assert all((mine == again).all() for mine, again in zip(model.get_weights(), same, strict=True))
    assert not any((model.get_weights()[place] == other[place]).all() for place in (0, 1, 3))
    for shape in ((5,), {"numbers": (3,)}, SHAPES | {"numbers": (3, 1)}):
        with pytest.raises(ShapeError, match=r"expected numbers \(columns,\) and categories"):
            NETWORKS.load("embedding_mlp")(shape, 2)


def test_a_word_of_one_column_is_none_of_another() -> None:
    pytest.importorskip("keras")
    model = NETWORKS.load("embedding_mlp")({"numbers": (1,), "categories": (2,)}, 2, words=4)
    rows = {"numbers": np.zeros((2, 1), np.float32), "categories": np.array([[3, 0], [0, 3]])}
    before = model.predict(rows, verbose=0)
    table = model.get_layer("words").get_weights()[0]
    table[7] += 5
    model.get_layer("words").set_weights([table])
    after = model.predict(rows, verbose=0)
    assert (before[0] == after[0]).all()
    assert not np.allclose(before[1], after[1])


@pytest.mark.slow
def test_embedding_mlp_learns_from_words_and_numbers_and_is_opened_again(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    data = homes()
    table = Table.fit(data.inputs, encoding="codes")
    trained = train("embedding_mlp", data, preprocessing=table)
    assert trained.accuracy >= 0.85
    again = keras.models.load_model(save(trained.model, tmp_path / "homes.keras"))
    fed = table.inputs(data.inputs[:20])
    assert np.allclose(again.predict(fed, verbose=0), trained.model.predict(fed, verbose=0), atol=1e-6)
