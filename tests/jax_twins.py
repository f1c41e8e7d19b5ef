"""The networks of `conftest.py` again as plain JAX functions of the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.adapters.numpy_model import NumpyModel


def mlp(oracle: NumpyModel) -> tuple[Any, Any]:
    """The oracle: the function and its parameters."""
    import jax

    def function(parameters: Any, x: Any) -> Any:
        *hidden, last = parameters
        for layer in hidden:
            x = jax.nn.relu(x @ layer["kernel"] + layer["bias"])
        return jax.nn.softmax(x @ last["kernel"] + last["bias"])

    return function, [{"kernel": dense.weights.astype(np.float32), "bias": dense.bias.astype(np.float32)} for dense in oracle.stack]


def cnn(keras_model: Any) -> tuple[Any, Any]:
    """The Keras `small_cnn` on (12, 12, 1)."""
    import jax

    def convolved(x: Any, kernel: Any, bias: Any) -> Any:
        return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias)

    def function(parameters: Any, x: Any) -> Any:
        x = convolved(x, *parameters["conv_a"])
        x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = convolved(x, *parameters["conv_b"])
        kernel, bias = parameters["out"]
        return jax.nn.softmax(x.reshape(len(x), -1) @ kernel + bias)

    return function, {layer.name: [np.asarray(array) for array in layer.get_weights()] for layer in keras_model.layers if layer.get_weights()}
