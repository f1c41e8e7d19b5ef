"""A small transformer that reads a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=4, batch=64, rate=1e-3)
HEADS = 4


def transformer(input_shape: tuple[int, ...], classes: int, *, vocabulary: int = 20_000, width: int = 64, blocks: int = 1, seed: int = 0) -> Any:
    """Embedding of words and of places 64 – blocks of attention (4 heads) and Dense 64 – mean over the words – softmax, for token numbers (length,).

    They lie below `vocabulary`, as `pellucid.Text` makes them. Number 0 is padding: no word attends to it, the mean is taken without it and places are counted
    without it, so that a word in whose place it stands is cut out. Its vector is zero and stays so. While the network is trained whole words, and units of all
    words alike, are dropped at random.
    """
    if len(input_shape) != 1:
        raise ShapeError(
            f"network 'transformer' got samples of shape {tuple(input_shape)}, expected (length,), the numbers of tokens; make them with pellucid.Text."
        )
    keras = frameworks.keras()
    layers, initializers, ops = keras.layers, keras.initializers, keras.ops
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 10 + 10 * blocks))

    def table(size: int, name: str) -> Any:
        return layers.Embedding(size, width, embeddings_initializer=initializers.RandomUniform(-0.05, 0.05, seed=next(seeds)), name=name)

    tokens = keras.Input(tuple(input_shape), dtype="int32", name="tokens")
    words = table(vocabulary, "words")
    real = ops.cast(ops.not_equal(tokens, 0), "int32")
    hidden = layers.Dropout(0.2, noise_shape=(None, input_shape[0], 1), seed=next(seeds), name="word_dropout")(words(tokens))
    hidden = layers.SpatialDropout1D(0.4, seed=next(seeds), name="unit_dropout")(hidden)
    hidden = layers.Add(name="words_in_places")([hidden, table(input_shape[0] + 1, "places")(ops.cumsum(real, axis=1))])
    for block in range(blocks):
        hidden = _block(keras, hidden, ops.expand_dims(real, 1), width, seeds, f"block_{block}")
    counted = ops.expand_dims(ops.cast(real, hidden.dtype), -1)
    mean = ops.sum(hidden * counted, axis=1) / ops.maximum(ops.sum(counted, axis=1), 1.0)
    mean = layers.Dropout(0.5, seed=next(seeds), name="dropout")(mean)
    outputs = layers.Dense(classes, activation="softmax", kernel_initializer=initializers.GlorotUniform(seed=next(seeds)), name="dense")(mean)
    model = keras.Model(tokens, outputs, name="transformer")
    start = words.get_weights()[0]
    start[0] = 0
    words.set_weights([start])
    return model


def _block(keras: Any, hidden: Any, seen: Any, width: int, seeds: Iterator[int], name: str) -> Any:
    """Attention among the words that are `seen` (samples, 1, length), then a layer at each word, each added to what came in."""
    layers = keras.layers

    def start() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def dropout(part: str) -> Callable[[Any], Any]:
        made: Callable[[Any], Any] = layers.Dropout(0.2, seed=next(seeds), name=f"{name}_{part}_dropout")
        return made

    attention = layers.MultiHeadAttention(HEADS, width // HEADS, kernel_initializer=start(), seed=next(seeds), name=f"{name}_attention")
    normed = layers.LayerNormalization(name=f"{name}_attention_norm")(hidden)
    hidden = layers.Add(name=f"{name}_attended")([hidden, dropout("attention")(attention(normed, normed, attention_mask=seen))])
    normed = layers.LayerNormalization(name=f"{name}_dense_norm")(hidden)
    wide = layers.Dense(width, activation="relu", kernel_initializer=start(), name=f"{name}_wide")(normed)
    narrow = layers.Dense(width, kernel_initializer=start(), name=f"{name}_narrow")(wide)
    return layers.Add(name=f"{name}_out")([hidden, dropout("dense")(narrow)])
