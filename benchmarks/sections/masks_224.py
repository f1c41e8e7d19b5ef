"""Occlusion and RISE of one image at 224 × 224 on a network of ResNet-18's size: time over the bare passes. Captum has no RISE; Xplique runs on TensorFlow and
is held against the bare passes of a Keras network of the same size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import networks
import pellucid
from placeholders import xplique_attributions
from reporting import Report
from timing import bare_tensorflow, bare_torch, counted, ratio

TITLE = "Occlusion and RISE at 224 × 224"
PACKAGES = ("captum", "xplique", "torch", "keras", "tensorflow-cpu")
WINDOW, STRIDE = 32, 32
MASKS = 160
PAIRS = 5
SIZES = (1, 2, 4, 8, 16, 32)
Array = np.ndarray
Row = tuple[str, int, float]


def measure(report: Report) -> None:
    found: list[Row] = []

    def rows() -> Iterator[tuple[object, ...]]:
        for source in (_torch, _tensorflow):
            for row in source():
                found.append(row)
                yield row[0], row[1], f"{row[2]:.2f}"

    report.table(("", "evaluations", "time over bare passes"), rows())
    for method in ("occlusion", "rise"):
        here = next(over for name, _, over in found if name.startswith(f"pellucid, {method}"))
        peers = [
            f"{name.replace(', Occlusion', '').replace(', Rise', '')} {over:.2f}"
            for name, _, over in found
            if method in name.lower() and not name.startswith("pellucid")
        ]
        report.bar(f"{method}, ResNet-18-sized, 224×224: time over bare passes", "≤ 1.05", f"{here:.2f}", ", ".join(peers), here <= 1.05)


def _torch() -> Iterator[Row]:
    import torch
    from captum.attr import Occlusion

    network, image = networks.resnet18(), networks.photographs(1)
    model, bare = pellucid.adapt(network), bare_torch(network, networks.photographs(4), sizes=SIZES, repeats=2)
    x, window = networks.tensor(image), (3, WINDOW, WINDOW)
    with torch.no_grad():
        target = int(network(x).argmax())
    jobs: dict[str, Callable[[], Any]] = {
        "pellucid, occlusion": lambda: pellucid.explain(model, image, "occlusion", window=WINDOW, stride=STRIDE),
        "pellucid, rise": lambda: pellucid.explain(model, image, "rise", tolerance=0.0, max_evaluations=MASKS),
        "captum, Occlusion": lambda: Occlusion(network).attribute(x, window, target=target, strides=(3, STRIDE, STRIDE)),
        "captum, Occlusion, perturbations_per_eval=16": lambda: Occlusion(network).attribute(
            x, window, target=target, strides=(3, STRIDE, STRIDE), perturbations_per_eval=16
        ),
    }
    for name, job in jobs.items():
        with counted(network) as through:
            job()
        yield name, through.count, ratio(job, bare.passes(through.count), PAIRS)


def _tensorflow() -> Iterator[Row]:
    import keras_networks

    peer = xplique_attributions()
    network = keras_networks.resnet18()
    images = np.ascontiguousarray(networks.photographs(4).transpose(0, 2, 3, 1))
    bare, label = bare_tensorflow(network, images, sizes=SIZES, repeats=2), np.eye(1000, dtype=np.float32)[:1]
    windows = (224 // WINDOW) ** 2
    rise = peer.Rise(network, nb_samples=MASKS)
    occlusion = peer.Occlusion(network, patch_size=WINDOW, patch_stride=STRIDE)
    yield "xplique, Rise", MASKS, ratio(lambda: rise.explain(images[:1], label), bare.passes(MASKS), PAIRS)
    yield "xplique, Occlusion", windows + 1, ratio(lambda: occlusion.explain(images[:1], label), bare.passes(windows + 1), PAIRS)
