"""What only Keras on torch does: the module is handed back as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_keras import all_of

from pellucid.adapters import adapt
from pellucid.core.target import resolve_target

torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
if keras.config.backend() != "torch":
    pytest.skip(f"about Keras on torch; here it runs on {keras.config.backend()}", allow_module_level=True)


def test_a_keras_model_is_served_as_such(small_cnn: Any) -> None:
    assert isinstance(small_cnn, torch.nn.Module)
    assert adapt(small_cnn).traits.framework == "Keras on torch"


def test_the_module_is_left_as_it_was(small_cnn: Any, images: np.ndarray) -> None:
    network = keras.models.clone_model(small_cnn)
    network.get_layer("conv_a").trainable = False
    network.get_layer("pool").eval()

    def state() -> tuple[object, ...]:
        parts = [(part.training, len(part._forward_hooks), len(part._forward_pre_hooks)) for part in network.modules()]
        return parts, [parameter.requires_grad for parameter in network.parameters()], torch.get_rng_state().tolist(), torch.is_grad_enabled()

    before = state()
    with torch.no_grad():
        all_of(adapt(network), images, "conv_b")
    assert state() == before
    assert {False, True} == set(before[1])  # type: ignore[call-overload]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_it_can_be_trained_afterwards(small_cnn: Any, images: np.ndarray) -> None:
    network = keras.models.clone_model(small_cnn)
    all_of(adapt(network), images, "conv_b")
    network.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    weights = network.get_weights()
    network.fit(images, np.zeros(len(images), int), verbose=0)
    assert any(not np.array_equal(now, then) for now, then in zip(network.get_weights(), weights, strict=True))


def test_layers_above_are_not_run_for_an_activation(small_cnn: Any, images: np.ndarray) -> None:
    model, ran = adapt(small_cnn), []
    model.predict(images)
    handle = small_cnn.get_layer("out").register_forward_hook(lambda *_: ran.append(1))
    try:
        model.activations(images, ["conv_a"])
        assert not ran
        model.gradients(images, resolve_target(0, "logit", model.predict(images)))
        assert ran
    finally:
        handle.remove()
