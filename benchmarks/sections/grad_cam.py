"""Grad-CAM of 16 images at the last convolutional stage of a network of ResNet-18's size: time over one bare forward pass of the 16 at the best batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import networks
import pellucid
from placeholders import pytorch_grad_cam
from reporting import Report
from timing import bare_torch, ratio

TITLE = "Grad-CAM: time over one forward pass"
PACKAGES = ("captum", "grad-cam", "torch")
IMAGES = 16
PAIRS = 9
LAYER = "layer4"


def measure(report: Report) -> None:
    import torch
    from captum.attr import LayerGradCam

    network, images = networks.resnet18(), networks.photographs(IMAGES)
    model, x = pellucid.adapt(network), networks.tensor(images)
    forward = bare_torch(network, images, sizes=(1, 2, 4, 8, 16), repeats=3).passes(IMAGES)
    with torch.no_grad():
        target = network(x).argmax(dim=1)
    layer = network.get_submodule(LAYER)
    jobs: dict[str, Callable[[], Any]] = {
        "pellucid": lambda: pellucid.explain(model, images, "grad_cam", layer=LAYER),
        "captum, LayerGradCam": lambda: LayerGradCam(network, layer).attribute(x, target=target),
    }
    try:
        cam = pytorch_grad_cam().GradCAM(model=network, target_layers=[layer])
        jobs["grad-cam, GradCAM"] = lambda: cam(input_tensor=x, targets=None)
    except ImportError as error:
        report.say(f"grad-cam is left out: {error}.\n")
    found: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, job in jobs.items():
            found[name] = ratio(job, forward, PAIRS)
            yield name, f"{found[name]:.2f}"

    report.table(("", "time over one forward pass"), rows())
    peers = ", ".join(f"{name.split(',')[0]} {over:.2f}" for name, over in found.items() if name != "pellucid")
    report.bar("Grad-CAM, ResNet-18-sized, 16 images: time over one forward pass", "≤ 1.10", f"{found['pellucid']:.2f}", peers, found["pellucid"] <= 1.10)
