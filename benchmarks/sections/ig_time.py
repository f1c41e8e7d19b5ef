"""Sixteen digits through the torch twin of the MNIST CNN: Pellucid's Integrated Gradients to a tolerance of 2 % against Captum's with its defaults and
with an internal batch size that suits the processor. One is the time of Captum's default; overhead is over the bare passes each of them made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import digits
import networks
import pellucid
from reporting import Report
from timing import bare_torch, counted, ratio

TITLE = "Integrated Gradients: time to an error of 2 %"
PACKAGES = ("captum", "torch")
DIGITS = 16
TOLERANCE = 0.02
PAIRS = 9
STEPS = 50
SIZES = (None, 64, 128, 256)


def measure(report: Report) -> None:
    import torch
    from captum.attr import IntegratedGradients

    inputs, network = digits.held_out(DIGITS, channels_first=True), networks.digit_cnn(digits.weights())
    model, bare = pellucid.adapt(network), bare_torch(network, inputs)
    x = networks.tensor(inputs)
    with torch.no_grad():
        target = network(x).argmax(dim=1)
    method = IntegratedGradients(network)

    def captum(size: int | None = None) -> Any:
        return method.attribute(x, target=target, n_steps=STEPS, internal_batch_size=size)

    def ours() -> Any:
        return pellucid.explain(model, inputs, "integrated_gradients", tolerance=TOLERANCE)

    found: list[float] = []

    def rows() -> Iterator[tuple[object, ...]]:
        with counted(network) as through:
            cost = ours().cost
        gradients = int(cost.gradients.sum())
        found.append(ratio(ours, captum, PAIRS))
        over = ratio(ours, bare.passes(through.count - gradients, gradients), PAIRS)
        yield ("pellucid, tolerance 0.02", f"{gradients / DIGITS:.1f}", f"{found[0]:.2f}", f"{over:.2f}")
        for size in SIZES:
            against = 1.0 if size is None else ratio(lambda size=size: captum(size), captum, PAIRS)
            over = ratio(lambda size=size: captum(size), bare.passes(0, DIGITS * STEPS), PAIRS)
            found.append(against)
            yield (f"captum, internal_batch_size={size}", STEPS, f"{against:.2f}", f"{over:.2f}")

    report.table(("", "gradients a digit", "time, Captum's default = 1", "time over bare passes"), rows())
    best = min(found[1:])
    report.bar("IG, wall time to that error, 16 digits, torch", "≤ .4", f"{found[0]:.2f}", f"captum: default 1, best batch {best:.2f}", found[0] <= 0.4)
