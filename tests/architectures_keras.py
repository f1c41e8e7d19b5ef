"""One small Keras network of each architecture, with random biases, on whatever Keras runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Array = np.ndarray


def chain(shape: tuple[int, ...], *parts: Any, **options: Any) -> Any:
    return keras.Sequential([keras.Input(shape, **options), *parts])


def functional() -> Any:
    inputs = keras.Input((6,))
    wide, deep = layers.Dense(4, activation="tanh", name="wide")(inputs), layers.Dense(5, activation="tanh", name="deep")(inputs)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(layers.Concatenate()([wide, deep])))


class Subclassed(keras.Model):
    """Written as a class, without a graph, and called once, as it is after training."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = layers.Dense(5, activation="tanh", name="first"), layers.Dense(3, activation="softmax", name="out")

    def call(self, x: Any) -> Any:
        return self.out(self.first(x))


def subclassed() -> Any:
    network = Subclassed()
    network(np.zeros((1, 6), np.float32))
    return network


def nested() -> Any:
    inner = chain((8, 8, 2), layers.Conv2D(4, 3, activation="relu", name="conv"), chain((6, 6, 4), layers.Conv2D(4, 3, padding="same", activation="tanh")))
    return chain((8, 8, 2), inner, layers.AveragePooling2D(3), layers.Flatten(), layers.Dense(3, name="out"))


def used_twice() -> Any:
    inputs, shared = keras.Input((6,)), layers.Dense(6, activation="tanh", name="shared")
    return keras.Model(inputs, layers.Dense(3, name="out")(shared(shared(inputs))))


def two_outputs() -> Any:
    inputs = keras.Input((6,))
    body = layers.Dense(8, activation="tanh", name="body")(inputs)
    return keras.Model(inputs, {"kind": layers.Dense(3, activation="softmax", name="kind")(body), "size": layers.Dense(1, name="size")(body)})


def embedding() -> Any:
    parts = (layers.Embedding(20, 6, name="embedding"), layers.Activation("tanh"), layers.GlobalAveragePooling1D(), layers.Dense(3, name="out"))
    return chain((7,), *parts, dtype="int32")


def masked_tokens() -> Any:
    """Padding is masked all the way to the recurrent layer."""
    return chain((7,), layers.Embedding(20, 4, mask_zero=True, name="embedding"), layers.GRU(5, name="gru"), layers.Dense(3, name="out"), dtype="int32")


def recurrent(layer: Any, *more: Any) -> Any:
    return chain((7, 3), layer, *more, layers.Dense(3, name="out"))


def padded() -> Any:
    return chain((7, 3), layers.Masking(0.0), layers.LSTM(5, name="lstm"), layers.Dense(3, name="out"))


def cells() -> Any:
    return chain((7, 3), layers.RNN(layers.GRUCell(5), name="cells"), layers.Dense(3, name="out"))


def convolution(dimensions: int) -> Any:
    shape, rank = {1: (9, 2), 2: (8, 8, 2), 3: (6, 6, 6, 2)}[dimensions], f"{dimensions}D"
    conv, pool = getattr(layers, f"Conv{rank}"), getattr(layers, f"AveragePooling{rank}")
    return chain(shape, conv(4, 3, activation="tanh", name="conv"), pool(2), layers.Flatten(), layers.Dense(3, name="out"))


def depthwise() -> Any:
    parts = (layers.DepthwiseConv2D(3, depth_multiplier=2, activation="silu", name="depth"), layers.SeparableConv2D(5, 3, name="separable"))
    return chain((8, 8, 2), *parts, layers.GlobalAveragePooling2D(), layers.Dense(3, name="out"))


def transposed() -> Any:
    parts = (layers.Conv2D(4, 3, strides=2, activation="tanh", name="down"), layers.Conv2DTranspose(3, 3, strides=2, name="up"))
    return chain((9, 9, 2), *parts, layers.GlobalAveragePooling2D(), layers.Dense(3, name="out"))


def normalised() -> Any:
    norm = layers.BatchNormalization(name="norm")
    network = chain((8, 8, 2), layers.Conv2D(4, 3, name="conv"), norm, layers.ReLU(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(3, name="out"))
    norm.moving_mean.assign(np.linspace(-0.5, 0.5, 4))
    norm.moving_variance.assign(np.linspace(0.5, 1.5, 4))
    return network


def residual() -> Any:
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, activation="relu", name="stem")(inputs)
    inner = layers.Conv2D(4, 3, padding="same", name="second")(layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x))
    return keras.Model(inputs, layers.Dense(3, name="out")(layers.GlobalAveragePooling2D()(layers.Add()([x, inner]))))


def functional_activations() -> Any:
    inputs = keras.Input((6,))
    x = layers.LayerNormalization(name="norm")(ops.gelu(layers.Dense(8, name="first")(inputs)))
    return keras.Model(inputs, ops.softmax(layers.Dense(3, name="out")(ops.elu(x))))


def attention() -> Any:
    inputs = keras.Input((5, 6))
    mixed = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    return keras.Model(inputs, layers.Dense(3, name="out")(layers.GlobalAveragePooling1D()(layers.Add()([inputs, mixed]))))


def block(x: Any, number: int, first: bool) -> Any:
    """An encoder block, normalised before or after."""
    norms = [layers.LayerNormalization(name=f"norm_{number}{side}") for side in "ab"]
    attend = layers.MultiHeadAttention(2, 3, name=f"attention_{number}")
    wide, narrow = layers.Dense(12, activation="gelu" if first else "relu", name=f"wide_{number}"), layers.Dense(6, name=f"narrow_{number}")
    if first:
        y = norms[0](x)
        x = x + attend(y, y)
        return x + narrow(wide(norms[1](x)))
    x = norms[0](x + attend(x, x))
    return norms[1](x + narrow(wide(x)))


def encoder(first: bool) -> Any:
    inputs = keras.Input((5, 6))
    return keras.Model(inputs, layers.Dense(3, name="out")(layers.GlobalAveragePooling1D()(block(block(inputs, 0, first), 1, first))))


class Places(layers.Layer):
    """Adds a vector of its own to each place; what is masked stays so."""

    supports_masking = True

    def build(self, shape: Any) -> None:
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x: Any) -> Any:
        return x + self.vectors


def token_encoder() -> Any:
    tokens = keras.Input((7,), dtype="int32")
    hidden = layers.LayerNormalization(name="norm")(Places(name="places")(layers.Embedding(20, 6, mask_zero=True, name="tokens")(tokens)))
    return keras.Model(tokens, layers.Dense(3, name="out")(block(hidden, 0, False)[:, 0]))


def vision_transformer() -> Any:
    inputs = keras.Input((8, 8, 2))
    patches = layers.Reshape((4, 6))(layers.Conv2D(6, 4, strides=4, name="patches")(inputs))
    hidden = layers.LayerNormalization(name="norm")(block(Places(name="places")(patches), 0, True))
    return keras.Model(inputs, layers.Dense(3, name="out")(hidden[:, 0]))


def ending(outputs: int, activation: Any = None, *last: Any) -> Any:
    return chain((6,), layers.Dense(8, activation="tanh", name="first"), layers.Dense(outputs, activation=activation, name="out"), *last)


def segmentation(*last: Any, activation: Any = None) -> Any:
    return chain((8, 8, 2), layers.Conv2D(4, 3, padding="same", activation="tanh", name="conv"), layers.Conv2D(3, 1, activation=activation, name="out"), *last)


def per_step() -> Any:
    return chain((7, 3), layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="lstm"), layers.Dense(4, activation="softmax", name="out"))


def autoencoder() -> Any:
    parts = (layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh", name="down"), layers.Conv2DTranspose(1, 3, strides=2, padding="same", name="up"))
    return chain((8, 8, 1), *parts, layers.Activation("sigmoid"))


def of_policy(policy: str) -> Any:
    """Mixed precision as Keras advises: the last layer in float32."""
    kinds = {"dtype": keras.DTypePolicy(policy)}
    out = layers.Dense(3, activation="softmax", name="out", dtype="float32" if policy.startswith("mixed") else keras.DTypePolicy(policy))
    return chain((6,), layers.Dense(8, activation="tanh", name="first", **kinds), out)


def one_at_a_time() -> Any:
    inputs = keras.Input(batch_shape=(1, 6))
    hidden = layers.Dense(8, activation="tanh", name="first")(inputs)
    return keras.Model(inputs, layers.Dense(3, name="out")(ops.reshape(hidden, (1, 8))))


NETWORKS: dict[str, Callable[[], Any]] = {
    "sequential": lambda: chain((6,), layers.Dense(8, activation="tanh", name="first"), layers.Dense(3, name="second"), layers.Softmax()),
    "functional": functional,
    "subclassed": subclassed,
    "nested": nested,
    "used twice": used_twice,
    "several outputs": two_outputs,
    "embedding": embedding,
    "masked tokens": masked_tokens,
    "lstm": lambda: recurrent(layers.LSTM(5, name="lstm")),
    "gru": lambda: recurrent(layers.GRU(5, name="gru")),
    "bidirectional": lambda: recurrent(layers.Bidirectional(layers.LSTM(5), name="both")),
    "stacked": lambda: recurrent(layers.GRU(5, return_sequences=True, name="lower"), layers.GRU(4, name="upper")),
    "cells": cells,
    "padded": padded,
    "conv1d": lambda: convolution(1),
    "conv2d": lambda: convolution(2),
    "conv3d": lambda: convolution(3),
    "depthwise": depthwise,
    "transposed": transposed,
    "normalised": normalised,
    "residual": residual,
    "functional activations": functional_activations,
    "attention": attention,
    "encoder": lambda: encoder(False),
    "encoder, normalised first": lambda: encoder(True),
    "token encoder": token_encoder,
    "vision transformer": vision_transformer,
    "regression": lambda: ending(1),
    "several numbers": lambda: ending(4),
    "binary": lambda: ending(1, None, layers.Activation("sigmoid")),
    "multi-label": lambda: ending(4, "sigmoid"),
    "logarithms": lambda: ending(4, "log_softmax"),
    "segmentation": lambda: segmentation(activation="softmax"),
    "segmentation of logits": lambda: segmentation(layers.UpSampling2D(2, interpolation="bilinear")),
    "class per step": per_step,
    "autoencoder": autoencoder,
    "float16": lambda: of_policy("float16"),
    "bfloat16": lambda: of_policy("bfloat16"),
    "autocast": lambda: of_policy("mixed_bfloat16"),
    "batch of one": one_at_a_time,
}


def build(name: str) -> Any:
    """The network with weights and biases of its own, the same each time."""
    network, generator = NETWORKS[name](), np.random.default_rng(len(name))
    for variable in network.trainable_variables:
        fans = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 0
        variable.assign(generator.normal(size=variable.shape) * (1.2 / np.sqrt(fans) if fans else 0.3))
    return network


def read(network: Any, inputs: Any, output: str) -> Any:
    found = network(inputs, training=False)
    return found[output] if output else found


def bare(network: Any, inputs: Array, output: str = "") -> Array:
    """What the network itself returns, sample by sample."""
    found = [ops.convert_to_numpy(ops.cast(read(network, inputs[i : i + 1], output), "float32")) for i in range(len(inputs))]
    return np.concatenate(found)


def slopes(network: Any, inputs: Array, weights: Array, output: str = "") -> Array:
    """The gradient of the weighted sum of what the network returns, by the backend alone, sample by sample."""
    return np.concatenate([_slope(network, inputs[i : i + 1], weights[i : i + 1], output) for i in range(len(inputs))])


def _slope(network: Any, inputs: Array, weights: Array, output: str) -> Array:
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.cast(read(network, x, output), "float32") * weights)
        return tape.gradient(score, x).numpy()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: (read(network, x, output).astype("float32") * weights).sum())(jax.numpy.asarray(inputs)))
    import torch

    x = torch.tensor(inputs, requires_grad=True)
    (read(network, x, output).float() * torch.tensor(weights)).sum().backward()
    return x.grad.numpy()


def snapshot(network: Any) -> list[Any]:
    """Everything of a network that must be as it was."""
    parts = list(network._flatten_layers())
    return [
        [ops.convert_to_numpy(ops.cast(variable, "float32")).copy() for variable in network.variables],
        [(part.name, sorted(part.__dict__), part.__dict__.get("activation"), part.trainable) for part in parts],
        [variable.trainable for variable in network.variables],
        keras.config.floatx(),
        keras.config.dtype_policy().name,
    ]


def unchanged(before: list[Any], after: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before[0], after[0], strict=True)) and before[1:] == after[1:]
