"""Training on what a person gives: rows with words in them, by a preprocessing that makes two inputs of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import DtypeError
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessing import fitted
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule
from pellucid.recipes.train import train

ROWS = 240


def applicants(seed: int) -> Dataset:
    """Who rents and is young is class 1: neither column alone tells."""
    draw = np.random.default_rng(seed)
    rows = np.empty(ROWS, [("age", float), ("home", "U4")])
    rows["age"], rows["home"] = draw.uniform(18, 80, ROWS), draw.choice(["own", "rent"], ROWS)
    return Dataset("few", "train", rows, ((rows["age"] < 45) & (rows["home"] == "rent")).astype(int), ("no", "yes"))


def small(shape: dict[str, tuple[int, ...]], classes: int, *, seed: int = 0, width: int = 4) -> Any:
    keras = frameworks.keras()
    inputs = {name: keras.Input(size, name=name) for name, size in shape.items()}
    start = keras.initializers.GlorotUniform(seed=seed + 1)
    codes = keras.layers.Flatten()(keras.layers.Embedding(8, 2, embeddings_initializer=keras.initializers.RandomNormal(seed=seed + 2))(inputs["categories"]))
    hidden = keras.layers.Dense(width, activation="relu", kernel_initializer=start)(keras.layers.Concatenate()([inputs["numbers"], codes]))
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax", kernel_initializer=start)(hidden))


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Dataset]:
    pytest.importorskip("tensorflow")
    return applicants(0), applicants(1)


def test_rows_are_trained_on_and_explained(parts: tuple[Dataset, Dataset]) -> None:
    table = pellucid.Table.fit(parts[0].inputs, encoding="codes")
    build = functools.partial(small, width=16)
    trained = train(build, parts, preprocessing=table, schedule=Schedule(epochs=30, batch=16, rate=0.02))
    assert trained.accuracy >= 0.9 > np.bincount(parts[1].labels).max() / ROWS
    assert trained.held_out is parts[1]
    assert trained.model.layers[-2].units == 16
    again = train(build, parts, preprocessing=table, schedule=Schedule(epochs=30, batch=16, rate=0.02))
    assert again.history == trained.history
    found = pellucid.explain(trained.model, parts[1].inputs[:4], "shap", preprocessing=table, background=parts[0].inputs[:20])
    assert found.feature_name(0, 0).startswith("age = ")


def test_a_preprocessing_is_fitted_to_what_is_trained_on(parts: tuple[Dataset, Dataset]) -> None:
    training = parts[0].take(np.flatnonzero(parts[0].inputs["age"] < 60))
    trained = train("mlp", (training, parts[1]), epochs=3, preprocessing=fitted)
    assert isinstance(trained.preprocessing, pellucid.Table)
    assert trained.preprocessing.numeric[0].mean == pytest.approx(training.inputs["age"].mean())
    assert trained.model.input_shape == (None, 3)


def test_sentences_are_trained_on() -> None:
    pytest.importorskip("tensorflow")
    trained = train("bilstm", "sentences", epochs=1, preprocessing=fitted)
    assert isinstance(trained.preprocessing, pellucid.Text)
    assert trained.preprocessing.inputs(np.array(["a good film"])).shape == (1, trained.model.input_shape[1])


def test_numbers_need_none() -> None:
    pytest.importorskip("tensorflow")
    data = Dataset("few", "train", np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32), np.repeat([0, 1], 20))
    assert train("mlp", data, epochs=1, preprocessing=fitted).preprocessing is None


def test_columns_with_names_are_standardised() -> None:
    pytest.importorskip("tensorflow")
    trained = train("mlp", "breast_cancer", preprocessing=fitted)
    assert isinstance(trained.preprocessing, pellucid.Table)
    assert trained.preprocessing.columns[0].name == "mean radius"
    assert trained.accuracy > 0.9  # .63 on the numbers as they were measured, from thousandths to thousands


def test_the_schedule_given_takes_the_place_of_the_own(parts: tuple[Dataset, Dataset]) -> None:
    table = pellucid.Table.fit(parts[0].inputs, encoding="codes")
    assert len(train(small, parts, preprocessing=table, schedule=Schedule(epochs=2)).history["loss"]) == 2


def test_words_without_a_preprocessing(parts: tuple[Dataset, Dataset]) -> None:
    with pytest.raises(DtypeError):
        train(small, parts)
