"""Integrated Gradients to a tolerance of 2 %, by its own estimate, against the midpoint rule with very many nodes: relative L1 error of each sample.
Captum's default (50 Gauss–Legendre nodes, no estimate) on the same network and samples beside it. The score is the logit of the predicted class, the
baseline black."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import digits
import networks
import pellucid
from reporting import Report

TITLE = "Integrated Gradients: gradients for an error of 2 %"
PACKAGES = ("captum", "torch")
TOLERANCE = 0.02
AT_ONCE = 4
Array = np.ndarray


def measure(report: Report) -> None:
    inputs = digits.held_out(50, channels_first=True)
    _network(report, "MNIST CNN", networks.digit_cnn(digits.weights()), inputs, truth_steps=3000, bar=24)
    images, _ = networks.cifar_images(40)
    _network(report, "CIFAR-10 ResNet-20", networks.resnet20(), images, truth_steps=1500, bar=None)


def _network(report: Report, name: str, network: Any, inputs: Array, truth_steps: int, bar: int | None) -> None:
    model = pellucid.adapt(network)
    truth = np.concatenate(
        [
            pellucid.explain(model, inputs[i : i + AT_ONCE], "integrated_gradients", rule="midpoint", steps=truth_steps, max_evaluations=truth_steps).values
            for i in range(0, len(inputs), AT_ONCE)
        ]
    )
    ours: list[Any] = []

    def rows() -> Iterator[tuple[object, ...]]:
        for tolerance in (0.05, TOLERANCE, 0.01):
            found = pellucid.explain(model, inputs, "integrated_gradients", tolerance=tolerance)
            error = relative(found.values, truth)
            converged = np.mean([code == "converged" for code in found.outcome.codes])
            if tolerance == TOLERANCE:
                ours.extend([found.cost.gradients.mean(), np.mean(error <= tolerance)])
            gradients = f"{found.cost.gradients.mean():.1f} (most {found.cost.gradients.max()})"
            yield (f"pellucid, tolerance {tolerance:g}", gradients, *spread(error), f"{np.mean(error <= tolerance):.0%}", f"{converged:.0%}")
        error = relative(captum(network, inputs), truth)
        ours.append(f"50, median error {np.median(error):.4f}, 95 % below {np.quantile(error, 0.95):.4f}")
        yield ("captum, default", 50, *spread(error), f"{np.mean(error <= TOLERANCE):.0%} within 2 %", "no estimate")

    report.say(f"**{name}**, {len(inputs)} samples, truth: {truth_steps} nodes\n")
    report.table(("", "gradients a sample", "median error", "95 % quantile", "within tolerance", "says converged"), rows())
    mean, kept, peer = ours
    report.bar(
        f"IG, {name}: gradients a sample for a true error ≤ 2 % in 95 % of samples",
        f"≤ {bar}, ≥ 95 % within" if bar else "reported, ≥ 95 % within",
        f"{mean:.1f}, {kept:.0%} within",
        f"captum: {peer}",
        kept >= 0.95 and (bar is None or mean <= bar),
    )


def captum(network: Any, inputs: Array, **options: Any) -> Array:
    import torch
    from captum.attr import IntegratedGradients

    x = networks.tensor(inputs)
    with torch.no_grad():
        target = network(x).argmax(dim=1)
    method = IntegratedGradients(network)
    parts = [method.attribute(x[i : i + AT_ONCE], target=target[i : i + AT_ONCE], **options) for i in range(0, len(x), AT_ONCE)]
    return torch.cat(parts).detach().numpy()


def relative(values: Array, truth: Array) -> Array:
    axes = tuple(range(1, truth.ndim))
    return np.abs(values - truth).sum(axis=axes) / np.abs(truth).sum(axis=axes)


def spread(error: Array) -> tuple[str, str]:
    return f"{np.median(error):.4f}", f"{np.quantile(error, 0.95):.4f}"
