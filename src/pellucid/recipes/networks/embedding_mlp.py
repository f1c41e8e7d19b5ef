"""The reference network for rows with words in them: each word of a column gets a small vector, which stands beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=40, batch=32, rate=5e-3)
NUMBERS, CATEGORIES = "numbers", "categories"
"""The inputs that `pellucid.Table.fit(rows, encoding="codes")` makes."""


def embedding_mlp(
    input_shape: Mapping[str, tuple[int, ...]],
    classes: int,
    *,
    words: int = 64,
    width: int = 2,
    units: int = 32,
    dropout: float = 0.4,
    decay: float = 1e-3,
    seed: int = 0,
) -> Any:
    """Embedding 2 of each column's words, beside the numbers – Dense 32 – softmax, for rows of a table with words in it.

    Rows are as `pellucid.Table` with `encoding="codes"` makes them: `numbers` (columns,) standardised and `categories` (columns,), whole numbers below `words`.
    Dropout stands before and behind the dense layer. One table holds the vectors of all columns, `words` for each. Weights and vectors are kept small by
    `decay` times the sum of their squares.
    """
    shapes = dict(input_shape) if isinstance(input_shape, Mapping) else {}
    if sorted(shapes) != sorted((NUMBERS, CATEGORIES)) or any(len(shape) != 1 for shape in shapes.values()):
        raise ShapeError(
            f"network 'embedding_mlp' got samples of shape {input_shape}, expected numbers (columns,) and categories (columns,); "
            "make them with pellucid.Table.fit(rows, encoding='codes')."
        )
    keras = frameworks.keras()
    layers, initializers = keras.layers, keras.initializers
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 6))
    count = shapes[CATEGORIES][0]

    def small() -> Any:
        return keras.regularizers.L2(decay)

    numbers = keras.Input(tuple(shapes[NUMBERS]), name=NUMBERS)
    categories = keras.Input(tuple(shapes[CATEGORIES]), dtype="int32", name=CATEGORIES)
    places = layers.Rescaling(1.0, offset=[float(words * column) for column in range(count)], name="places")(categories)
    start = initializers.RandomUniform(-0.05, 0.05, seed=next(seeds))
    vectors = layers.Embedding(count * words, width, embeddings_initializer=start, embeddings_regularizer=small(), name="words")(places)
    hidden = layers.Concatenate(name="row")([numbers, layers.Flatten(name="vectors")(vectors)])
    hidden = layers.Dropout(dropout, seed=next(seeds), name="row_dropout")(hidden)
    kernel = initializers.GlorotUniform(seed=next(seeds))
    hidden = layers.Dense(units, activation="relu", kernel_initializer=kernel, kernel_regularizer=small(), name="dense")(hidden)
    hidden = layers.Dropout(dropout, seed=next(seeds), name="dropout")(hidden)
    kernel = initializers.GlorotUniform(seed=next(seeds))
    outputs = layers.Dense(classes, activation="softmax", kernel_initializer=kernel, name="dense_1")(hidden)
    return keras.Model([numbers, categories], outputs, name="embedding_mlp")
