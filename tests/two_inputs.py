"""Two networks with several inputs, the same weights in every framework: an image beside a table, and words beside the mask of which count."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
CLASSES, COLUMNS, SIDE, CHANNELS = 3, 5, 6, 3
WORDS, LENGTH = 40, 6


def weights(seed: int = 0) -> dict[str, Array]:
    """Of the image and table network; kernels as Keras has them."""
    draw = np.random.default_rng(seed).normal
    return {
        "kernel": 0.4 * draw(size=(3, 3, CHANNELS, 4)),
        "kernel_bias": 0.2 * draw(size=4),
        "hidden": 0.3 * draw(size=(64 + COLUMNS, 6)),
        "hidden_bias": 0.2 * draw(size=6),
        "out": draw(size=(6, CLASSES)),
        "out_bias": 0.2 * draw(size=CLASSES),
    }


def samples(count: int = 4, seed: int = 1) -> dict[str, Array]:
    """Images with channels last, and rows of a table of another scale."""
    draw = np.random.default_rng(seed)
    return {"image": draw.random((count, SIDE, SIDE, CHANNELS)).astype(np.float32), "meta": 2 * draw.normal(size=(count, COLUMNS)).astype(np.float32)}


def first(x: dict[str, Array]) -> dict[str, Array]:
    """The same with the image's channels first."""
    return x | {"image": np.ascontiguousarray(np.moveaxis(x["image"], -1, 1))}


def in_numpy(image: Array, meta: Array) -> Array:
    """The logits, in float64."""
    w = weights()
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), (3, 3), axis=(1, 2))
    maps = np.tanh(np.einsum("nrcipq,pqio->nrco", windows, w["kernel"]) + w["kernel_bias"])
    hidden = np.tanh(np.concatenate([maps.reshape(len(maps), -1), meta], axis=1) @ w["hidden"] + w["hidden_bias"])
    return np.asarray(hidden @ w["out"] + w["out_bias"])


def in_keras(*, named: bool = False) -> Any:
    """With a softmax; `named`: it takes a mapping."""
    import keras

    w, layers = weights(), keras.layers
    image, meta = keras.Input((SIDE, SIDE, CHANNELS), name="image"), keras.Input((COLUMNS,), name="meta")
    maps = layers.Conv2D(4, 3, activation="tanh", name="conv")(image)
    hidden = layers.Dense(6, activation="tanh", name="hidden")(layers.Concatenate()([layers.Flatten()(maps), meta]))
    outputs = layers.Dense(CLASSES, activation="softmax", name="out")(hidden)
    model = keras.Model({"image": image, "meta": meta} if named else [image, meta], outputs)
    model.get_layer("conv").set_weights([w["kernel"], w["kernel_bias"]])
    model.get_layer("hidden").set_weights([w["hidden"], w["hidden_bias"]])
    model.get_layer("out").set_weights([w["out"], w["out_bias"]])
    return model


def in_torch() -> Any:
    """With a softmax; it reads channels first."""
    import torch
    from torch import nn

    w = weights()
    flat = w["hidden"][:64].reshape(4, 4, 4, 6).transpose(2, 0, 1, 3).reshape(64, 6)

    class ImageAndTable(nn.Module):
        """A convolution beside a table."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.hidden, self.out = nn.Conv2d(CHANNELS, 4, 3), nn.Linear(64 + COLUMNS, 6), nn.Linear(6, CLASSES)
            given = {
                self.conv: (w["kernel"].transpose(3, 2, 0, 1), w["kernel_bias"]),
                self.hidden: (np.concatenate([flat, w["hidden"][64:]]).T, w["hidden_bias"]),
                self.out: (w["out"].T, w["out_bias"]),
            }
            with torch.no_grad():
                for layer, (weight, bias) in given.items():
                    layer.weight.copy_(torch.tensor(np.ascontiguousarray(weight)))
                    layer.bias.copy_(torch.tensor(bias))

        def forward(self, image: Any, meta: Any) -> Any:
            maps = torch.tanh(self.conv(image)).flatten(1)
            return torch.softmax(self.out(torch.tanh(self.hidden(torch.cat([maps, meta], dim=1)))), dim=-1)

    return ImageAndTable()


def in_jax() -> Any:
    """With a softmax, as a function of its parameters."""
    import jax
    from jax import numpy as jnp

    import pellucid

    def network(w: Any, image: Any, meta: Any) -> Any:
        maps = jax.lax.conv_general_dilated(image, w["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + w["kernel_bias"]
        hidden = jnp.tanh(jnp.concatenate([jnp.tanh(maps).reshape(len(image), -1), meta], axis=1) @ w["hidden"] + w["hidden_bias"])
        return jax.nn.softmax(hidden @ w["out"] + w["out_bias"])

    return pellucid.JaxFunction(network, {name: array.astype(np.float32) for name, array in weights().items()})


def in_onnx() -> Any:
    """With a softmax; it reads channels first."""
    import onnx_graphs

    w, flat = {name: array.astype(np.float32) for name, array in weights().items()}, (4, 4, 4, 6)
    w["kernel"] = w["kernel"].transpose(3, 2, 0, 1)
    w["hidden"] = np.concatenate([w["hidden"][:64].reshape(flat).transpose(2, 0, 1, 3).reshape(64, 6), w["hidden"][64:]])
    nodes = [
        onnx_graphs.node("Conv", "image kernel kernel_bias", "maps"),
        onnx_graphs.node("Tanh", "maps", "bent"),
        onnx_graphs.node("Flatten", "bent", "flat"),
        onnx_graphs.node("Concat", "flat meta", "both", axis=1),
        onnx_graphs.node("Gemm", "both hidden hidden_bias", "sums"),
        onnx_graphs.node("Tanh", "sums", "units"),
        onnx_graphs.node("Gemm", "units out out_bias", "logits"),
        onnx_graphs.node("Softmax", "logits", "scores", axis=-1),
    ]
    inputs = {"image": ("N", CHANNELS, SIDE, SIDE), "meta": ("N", COLUMNS)}
    return onnx_graphs.model(nodes, inputs, {"scores": ("N", CLASSES)}, w)


# ---- words and their mask -------------------------------------------------------------------------------------------


def word_weights(seed: int = 3) -> dict[str, Array]:
    draw = np.random.default_rng(seed).normal
    return {"vectors": draw(size=(WORDS, 5)), "out": draw(size=(5, 2)), "bias": 0.2 * draw(size=2)}


def texts(count: int = 3, seed: int = 4) -> dict[str, Array]:
    """Words, the first sample's last two of which are masked out."""
    words = np.random.default_rng(seed).integers(1, WORDS, (count, LENGTH))
    mask = np.ones((count, LENGTH), np.int64)
    mask[0, -2:] = 0
    return {"ids": words, "mask": mask}


def words_in_numpy(ids: Array, mask: Array) -> Array:
    """Logits of the mean of the words that count, or of nothing."""
    w = word_weights()
    mean = (w["vectors"][ids] * mask[..., None]).sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.tanh(mean) @ w["out"] + w["bias"])


def words_in_keras() -> Any:
    import keras

    w, ops = word_weights(), keras.ops
    ids, mask = keras.Input((LENGTH,), dtype="int32", name="ids"), keras.Input((LENGTH,), dtype="int32", name="mask")
    vectors = keras.layers.Embedding(WORDS, 5, name="embedding")(ids)
    count = ops.cast(mask, "float32")
    mean = ops.sum(vectors * ops.expand_dims(count, -1), axis=1) / ops.maximum(ops.sum(count, axis=1, keepdims=True), 1)
    model = keras.Model({"ids": ids, "mask": mask}, keras.layers.Dense(2, activation="softmax", name="out")(ops.tanh(mean)))
    model.get_layer("embedding").set_weights([w["vectors"]])
    model.get_layer("out").set_weights([w["out"], w["bias"]])
    return model


def words_in_torch() -> Any:
    """As BERT is called: every argument may be left out, and whole numbers must come as such."""
    import torch
    from torch import nn

    w = word_weights()

    class Words(nn.Module):
        """The mean of the vectors of the words that count."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.out = nn.Embedding(WORDS, 5), nn.Linear(5, 2)
            with torch.no_grad():
                for parameter, array in zip(self.parameters(), (w["vectors"], w["out"].T, w["bias"]), strict=True):
                    parameter.copy_(torch.tensor(np.ascontiguousarray(array)))

        def forward(self, ids: Any = None, mask: Any = None) -> Any:
            if ids.dtype != torch.int64 or mask.dtype != torch.int64:
                raise TypeError(f"tokens came as {ids.dtype}, the mask as {mask.dtype}")
            count = mask[..., None]
            mean = (self.embedding(ids) * count).sum(dim=1) / count.sum(dim=1).clamp(min=1)
            return torch.softmax(self.out(torch.tanh(mean)), dim=-1)

    return Words()


def words_in_jax() -> Any:
    import jax
    from jax import numpy as jnp

    import pellucid

    def network(w: Any, ids: Any, mask: Any) -> Any:
        mean = (w["vectors"][ids] * mask[..., None]).sum(axis=1) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return jax.nn.softmax(jnp.tanh(mean) @ w["out"] + w["bias"])

    return pellucid.JaxFunction(network, {name: array.astype(np.float32) for name, array in word_weights().items()})


def words_in_onnx() -> Any:
    from onnx import TensorProto

    import onnx_graphs

    w = {name: array.astype(np.float32) for name, array in word_weights().items()}
    w |= {"last": np.array([2]), "words": np.array([1]), "one": np.ones(1, np.float32)}
    nodes = [
        onnx_graphs.node("Gather", "vectors ids", "found", axis=0),
        onnx_graphs.node("Cast", "mask", "counts", to=TensorProto.FLOAT),
        onnx_graphs.node("Unsqueeze", "counts last", "column"),
        onnx_graphs.node("Mul", "found column", "kept"),
        onnx_graphs.node("ReduceSum", "kept words", "total", keepdims=0),
        onnx_graphs.node("ReduceSum", "counts words", "number", keepdims=1),
        onnx_graphs.node("Max", "number one", "least"),
        onnx_graphs.node("Div", "total least", "mean"),
        onnx_graphs.node("Tanh", "mean", "bent"),
        onnx_graphs.node("Gemm", "bent out bias", "logits"),
        onnx_graphs.node("Softmax", "logits", "scores", axis=-1),
    ]
    kinds = {"ids": TensorProto.INT64, "mask": TensorProto.INT64}
    return onnx_graphs.model(nodes, {"ids": ("N", LENGTH), "mask": ("N", LENGTH)}, {"scores": ("N", 2)}, w, **kinds)
