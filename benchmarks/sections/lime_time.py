"""LIME on one digit, 49 patches, 1,000 evaluations: time over the bare passes, on the torch twin and on Keras with TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import digits
import lime_peer
import networks
import pellucid
from reporting import Report
from timing import Bare, bare_tensorflow, bare_torch, ratio

TITLE = "LIME: time over bare passes, a digit"
PACKAGES = ("lime", "torch", "keras", "tensorflow-cpu")
SAMPLES = 1000
MANY = 16
PAIRS = 7
Array = np.ndarray


def measure(report: Report) -> None:
    network, keras_network = networks.digit_cnn(digits.weights()), digits.keras_network()
    first, last = digits.held_out(MANY, channels_first=True), digits.held_out(MANY)
    cases = (
        ("torch", network, first, bare_torch(network, first), lime_peer.torch_classifier(network)),
        ("Keras on TensorFlow", keras_network, last, bare_tensorflow(keras_network, last), lime_peer.keras_classifier(keras_network)),
    )
    ours: list[float] = []
    peers: list[float] = []

    def rows() -> Iterator[tuple[object, ...]]:
        for name, model, inputs, bare, classify in cases:
            for count in (1, MANY):
                used, over = _ours(model, inputs[:count], bare)
                ours.extend([over] * (count == 1))
                yield f"pellucid, {name}, {count} at once", used, f"{over:.2f}"
            image = inputs[0].reshape(28, 28)
            peers.append(ratio(lambda image=image, classify=classify: lime_peer.digit(image, classify, 0, SAMPLES, 0), bare.passes(SAMPLES), PAIRS))
            yield f"lime, {name}, image made RGB", SAMPLES, f"{peers[-1]:.2f}"

    report.table(("", "evaluations a digit", "time over bare passes"), rows())
    words = f"{ours[0]:.2f} torch, {ours[1]:.2f} Keras"
    report.bar("LIME, digit: time over bare passes", "≤ 1.15", words, f"lime {peers[0]:.2f} torch, {peers[1]:.2f} Keras", max(ours) <= 1.15)


def _ours(network: Any, inputs: Array, bare: Bare) -> tuple[int, float]:
    model = pellucid.adapt(network)

    def explain() -> pellucid.Explanation:
        return pellucid.explain(model, inputs, "lime", features="patches:4", fill=0, tolerance=0.0, max_evaluations=SAMPLES)

    evaluations = int(explain().cost.evaluations.sum())
    return evaluations // len(inputs), ratio(explain, bare.passes(evaluations), PAIRS)
