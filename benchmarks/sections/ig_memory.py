"""Integrated Gradients on a network of ResNet-18's size at 224 × 224: peak memory above the ready model, each case in a process of its own. Captum's default
holds all steps of all images at once; with an internal batch size it is bounded too. Sixteen images by Captum's default would need more memory than many
machines have and are not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networks
import pellucid
from memory import above_ready, in_own_process
from reporting import Report
from timing import bare_torch

TITLE = "Integrated Gradients: peak memory at 224 × 224"
PACKAGES = ("captum", "torch")
STEPS = 50
MANY_STEPS = 16
CASES = (
    ("pellucid", 1, STEPS, None),
    ("pellucid", 16, MANY_STEPS, None),
    ("captum, default", 1, STEPS, None),
    ("captum, default", 2, STEPS, None),
    ("captum, internal_batch_size=16", 16, MANY_STEPS, 16),
)
"""Library, images, steps, Captum's internal batch size, of which each image must have at least one."""
BAR = 0.25


def measure(report: Report) -> None:
    found: dict[tuple[str, int], float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for library, images, steps, size in CASES:
            found[library, images] = in_own_process("ig_memory", library, images, steps, size)
            yield library, images, steps, f"{found[library, images]:.0f}"

    report.table(("", "images", "steps", "MB above the ready model"), rows())
    one, many = found["pellucid", 1] / 1000, found["pellucid", 16] / 1000
    peer = f"captum {found['captum, default', 1] / 1000:.2f} GB for 1, {found['captum, default', 2] / 1000:.2f} GB for 2"
    report.bar(
        "IG, ResNet-18-sized, 224×224: peak memory above the ready model",
        f"≤ {BAR} GB for 1, the same for 16",
        f"{one:.2f} GB for 1, {many:.2f} GB for 16",
        peer,
        max(one, many) <= BAR,
    )


def case(library: str, images: int, steps: int, size: int | None) -> float:
    network, inputs = networks.resnet18(), networks.photographs(images)
    bare_torch(network, inputs[:1], sizes=(1,), repeats=1).passes(1, 1)()
    if library == "pellucid":
        model = pellucid.adapt(network)
        return above_ready(lambda: pellucid.explain(model, inputs, "integrated_gradients", tolerance=0.0, max_evaluations=steps))
    return above_ready(lambda: _captum(network, inputs, steps, size))


def _captum(network: Any, inputs: Any, steps: int, size: int | None) -> object:
    from captum.attr import IntegratedGradients

    return IntegratedGradients(network).attribute(networks.tensor(inputs), target=0, n_steps=steps, internal_batch_size=size)
