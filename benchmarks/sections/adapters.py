"""What each adapter adds to its network: gradients of 512 digits, and the scores of 2,048 masks of one digit, over the bare network making as many passes, each
at the bare network's best batch size. The reference CNN on every framework, each in a process of its own, for Keras binds its backend once a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import digits
import pellucid
from memory import in_own_process
from pellucid.core.model import MaskRows
from pellucid.core.target import resolve_target
from reporting import Report
from timing import Bare, bare_tensorflow, bare_torch, ratio

TITLE = "Adapters: time over the bare network"
PACKAGES = ("keras", "tensorflow-cpu", "jax", "torch")
FRAMEWORKS = {
    "PyTorch": "",
    "Keras on TensorFlow": "tensorflow",
    "Keras on JAX": "jax",
    "Keras on torch": "torch",
}
"""Titles, and the backend that the process of each has."""
DIGITS, MASKS, PATCH, PAIRS = 512, 2048, 4, 31
GRADIENTS, MASKED = 1.05, 1.10
REPEATS = 9
"""Passes of which the quickest tells how good a batch size is; with few of them the choice is luck."""
Array = np.ndarray


def measure(report: Report) -> None:
    found: dict[str, tuple[float, float]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for title, backend in FRAMEWORKS.items():
            gradients, masked, sizes = in_own_process("adapters", backend, environment={"KERAS_BACKEND": backend or "tensorflow"})
            found[title] = gradients, masked
            yield title, sizes["forward"], sizes["backward"], f"{gradients:.2f}", f"{masked:.2f}"

    report.table(("", "best batch forward", "backward", "gradients", "masked scores"), rows())
    for place, what, most in ((0, f"gradients of {DIGITS} digits", GRADIENTS), (1, f"scores of {MASKS:,} masks", MASKED)):
        worst = max(found, key=lambda title: found[title][place])
        over = found[worst][place]
        report.bar(f"any adapter, {what}: time over the bare network", f"≤ {most:.2f}", f"at most {over:.2f} ({worst})", "–", over <= most)


def case(backend: str) -> tuple[float, float, dict[str, int]]:
    """Gradients and masked scores over bare passes, and the bare network's best batch sizes."""
    network, bare = _torch() if not backend else _keras(backend)
    model, sizes = pellucid.adapt(network), {name: size for name, (size, _) in bare.best.items()}
    inputs = np.resize(bare.inputs, (DIGITS, *bare.inputs.shape[1:]))
    target = resolve_target("predicted", "logit", model.predict(inputs, logits=True))
    model.batch_size = sizes["backward"]
    gradients = ratio(lambda: model.gradients(inputs, target), bare.passes(0, DIGITS), PAIRS)
    model.batch_size = sizes["forward"]
    masks = _masks(inputs[:1])
    masked = ratio(lambda: model.masked_scores(masks, target.take(np.zeros(1, int))), bare.passes(MASKS), PAIRS)
    return gradients, masked, sizes


def _torch() -> tuple[Any, Bare]:
    import networks

    network = networks.digit_cnn(digits.weights())
    return network, bare_torch(network, digits.held_out(DIGITS // 4, channels_first=True), repeats=REPEATS)


def _keras(backend: str) -> tuple[Any, Bare]:
    network, inputs = digits.keras_network(), digits.held_out(DIGITS // 4)
    return network, {"tensorflow": bare_tensorflow, "jax": _bare_jax, "torch": bare_torch}[backend](network, inputs, repeats=REPEATS)


def _bare_jax(network: Any, inputs: Array, repeats: int) -> Bare:
    import jax

    forward = jax.jit(lambda x: network(x, training=False))
    backward = jax.jit(jax.grad(lambda x: network(x, training=False).max(axis=1).sum()))
    return Bare(
        inputs, lambda x: np.asarray(forward(x)), lambda x: np.asarray(backward(x)), (lambda array: jax.numpy.asarray(array, "float32"),), repeats=repeats
    )


def _masks(digit: Array) -> MaskRows:
    """Random halves of the digit's patches, the rest black."""
    side = 28 // PATCH
    patches = np.kron(np.arange(side**2).reshape(side, side), np.ones((PATCH, PATCH), int))
    labels = (patches[None, None] if digit.shape[1] == 1 else patches[None, ..., None]).astype(int)
    masks = np.random.default_rng(0).random((MASKS, side**2)) < 0.5
    return MaskRows(digit, np.zeros((1, *digit.shape), digit.dtype), labels, masks, np.zeros(MASKS, int), np.zeros(MASKS, int))
