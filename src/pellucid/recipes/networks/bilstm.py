"""A recurrent network that reads a sentence both ways."""

from __future__ import annotations

from typing import Any

from pellucid.core.errors import ShapeError
from pellucid.recipes import frameworks
from pellucid.recipes.schedule import Schedule

SCHEDULE = Schedule(epochs=4, batch=64, rate=2e-3)


def bilstm(input_shape: tuple[int, ...], classes: int, *, vocabulary: int = 20_000, width: int = 64, units: int = 32, seed: int = 0) -> Any:
    """Embedding 64 – LSTM 32 there and LSTM 32 back – softmax, for token numbers (length,) below `vocabulary`, as `pellucid.Text` makes them.

    Number 0 is padding and is passed over wherever it stands, so that a word in whose place it stands is cut out. Its vector is zero and stays so. While the
    network is trained whole words, and units of all words alike, are dropped at random.
    """
    if len(input_shape) != 1:
        raise ShapeError(
            f"network 'bilstm' got samples of shape {tuple(input_shape)}, expected (length,), the numbers of tokens; make them with pellucid.Text."
        )
    keras = frameworks.keras()
    layers, initializers = keras.layers, keras.initializers
    seeds = iter(range(1000 * seed + 1, 1000 * seed + 20))

    def lstm(name: str, **way: Any) -> Any:
        return layers.LSTM(
            units,
            kernel_initializer=initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=initializers.Orthogonal(seed=next(seeds)),
            seed=next(seeds),
            name=name,
            **way,
        )

    start = initializers.RandomUniform(-0.05, 0.05, seed=next(seeds))
    words = layers.Embedding(vocabulary, width, mask_zero=True, embeddings_initializer=start, name="words")
    model = keras.Sequential(
        [
            keras.Input(tuple(input_shape), dtype="int32", name="tokens"),
            words,
            layers.Dropout(0.2, noise_shape=(None, input_shape[0], 1), seed=next(seeds), name="word_dropout"),
            layers.SpatialDropout1D(0.4, seed=next(seeds), name="unit_dropout"),
            layers.Bidirectional(lstm("there"), backward_layer=lstm("back", go_backwards=True), name="both_ways"),
            layers.Dropout(0.5, seed=next(seeds), name="dropout"),
            layers.Dense(classes, activation="softmax", kernel_initializer=initializers.GlorotUniform(seed=next(seeds)), name="dense"),
        ],
        name="bilstm",
    )
    table = words.get_weights()[0]
    table[0] = 0
    words.set_weights([table])
    return model
