"""What views of training's signals add to the network: `gradient_flow` over a bare forward and backward pass of the weights for the same digits, and
`loss_landscape` over as many bare forward passes as it makes, each at the bare network's best batch size. The reference CNN in torch and in Keras on
TensorFlow, real digits. Gradients of weights that users would write by hand are the bare ones; no peer has such a view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import digits
import networks
import pellucid
from memory import in_own_process
from reporting import Report
from timing import Bare, bare_tensorflow, bare_torch, ratio

TITLE = "Gradient flow and loss landscape: time over bare passes"
PACKAGES = ("keras", "tensorflow-cpu", "torch")
FRAMEWORKS = ("PyTorch", "Keras on TensorFlow")
FLOW, LANDSCAPE, SAMPLES, POINTS, PAIRS = 1.3, 1.1, 512, 5, 15
Array = np.ndarray


def measure(report: Report) -> None:
    found: dict[str, tuple[float, float]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for framework in FRAMEWORKS:
            flow, landscape, sizes = in_own_process("views_training_signals", framework)
            found[framework] = flow, landscape
            yield framework, sizes["forward"], sizes["backward"], f"{flow:.2f}", f"{landscape:.2f}"

    report.table(("", "best batch forward", "with gradients of weights", "gradient_flow", "loss_landscape"), rows())
    for place, name, most, bare in (
        (0, "gradient_flow", FLOW, "one bare pass with gradients of weights"),
        (1, "loss_landscape", LANDSCAPE, "its bare forward passes"),
    ):
        worst = max(found, key=lambda framework: found[framework][place])
        over = found[worst][place]
        report.bar(f"`{name}` of {SAMPLES} digits: time over {bare}", f"≤ {most:.1f}", f"at most {over:.2f} ({worst})", "–", over <= most)


def case(framework: str) -> tuple[float, float, dict[str, int]]:
    """Both views over bare passes, and the bare network's best batch sizes."""
    torch_like = framework == "PyTorch"
    labels = np.resize(digits.stored("labels")[:: len(digits.stored("labels")) // (SAMPLES // 4)][: SAMPLES // 4], SAMPLES).astype(int)
    inputs = digits.held_out(SAMPLES // 4, channels_first=torch_like)
    network = networks.digit_cnn(digits.weights()) if torch_like else digits.keras_network()
    bare = (bare_torch if torch_like else bare_tensorflow)(network, inputs)
    weighed = Bare(inputs, bare.forward, _of_weights_torch(network) if torch_like else _of_weights_tensorflow(network), bare.ready)
    inputs = np.resize(inputs, (SAMPLES, *inputs.shape[1:]))
    model = pellucid.adapt(network)
    flow = ratio(lambda: look(model, inputs, labels, "gradient_flow", samples=SAMPLES), weighed.passes(0, SAMPLES), PAIRS)
    model = pellucid.adapt(network)
    view = look(model, inputs, labels, "loss_landscape", samples=SAMPLES, points=POINTS, directions=2)
    passes = int(view.provenance["resolved"]["passes"])
    landscape = ratio(
        lambda: look(model, inputs, labels, "loss_landscape", samples=SAMPLES, points=POINTS, directions=2), weighed.passes(passes * SAMPLES), PAIRS // 3
    )
    return flow, landscape, {name: size for name, (size, _) in weighed.best.items()}


def look(model: Any, inputs: Array, labels: Array, name: str, **settings: Any) -> Any:
    return pellucid.visualize(model, inputs, name, labels=labels, progress=False, **settings)


def _of_weights_torch(network: Any) -> Any:
    import torch

    leaves = list(network.parameters())

    def backward(x: Any) -> object:
        with torch.enable_grad():
            for leaf in leaves:
                leaf.requires_grad_(True)
            outputs = network(x)
            truth = torch.zeros(len(x), dtype=torch.long)  # which class is the true one makes no difference to time
            return torch.autograd.grad(torch.nn.functional.cross_entropy(outputs, truth, reduction="sum"), leaves)

    return backward


def _of_weights_tensorflow(network: Any) -> Any:
    import keras
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    variables = [variable.value for variable in network.trainable_variables]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def backward(x: Any) -> Any:
        with tf.GradientTape() as tape:
            total = loss(tf.zeros(tf.shape(x)[0], tf.int32), network(x, training=False))
        return tape.gradient(total, variables)

    return lambda x: [one.numpy() for one in backward(x)]
