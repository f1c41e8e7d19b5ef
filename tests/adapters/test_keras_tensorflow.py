"""What only Keras on TensorFlow does: the traced graph holds no more than is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.adapters import adapt
from pellucid.core.target import resolve_target

keras = pytest.importorskip("keras")
if keras.config.backend() != "tensorflow":
    pytest.skip(f"about Keras on TensorFlow; here it runs on {keras.config.backend()}", allow_module_level=True)


def test_the_graph_of_a_layer_gradient_has_no_convolution_gradient(small_cnn: Any, images: np.ndarray) -> None:
    model = adapt(small_cnn)
    model.gradients(images, resolve_target("predicted", "probability", model.predict(images)), ("conv_b",))
    traced = next(function for key, function in model._traced.items() if key[0] == "gradients")  # type: ignore[attr-defined]
    kinds = {op.type for op in traced.get_concrete_function().graph.get_operations()}
    assert "Conv2D" in kinds
    assert not {"Conv2DBackpropInput", "Conv2DBackpropFilter"} & kinds


def test_the_generators_of_tensorflow_are_left_alone(small_cnn: Any, images: np.ndarray) -> None:
    import tensorflow as tf
    from tensorflow.python.eager import context

    before = repr(tf.random.get_global_generator().state), context.global_seed()
    model = adapt(small_cnn)
    model.gradients(images, resolve_target(0, "logit", model.predict(images)))
    assert (repr(tf.random.get_global_generator().state), context.global_seed()) == before
