"""ROAD (Rong et al. 2022, arXiv 2202.00449) of CIFAR-10's ResNet-20: accuracy on test images while pixels are imputed, the most important first (MoRF) or the
least important first (LeRF). The explained class is the true one. An explanation that is faithful has its MoRF curve below its LeRF curve; random importances
have one curve. Integrated Gradients start from the mean colour, as in the paper (0 once normalised), and from black; of SmoothGrad the size counts. Then the
time of all of ROAD over bare passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import digits
import networks
import pellucid
from reporting import Report
from timing import bare_torch, counted, ratio

TITLE = "ROAD on CIFAR-10"
PACKAGES = ("quantus", "torch")
IMAGES, TIMED, AT_ONCE = 500, 8, 50
PERCENTAGES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
MEAN = np.broadcast_to(np.array(networks.CIFAR_MEAN, np.float32)[:, None, None], (1, 3, 32, 32))
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "Integrated Gradients": ("integrated_gradients", {"tolerance": 0.1, "baseline": MEAN}),
    "Integrated Gradients from black": ("integrated_gradients", {"tolerance": 0.1}),
    "SmoothGrad": ("smooth_grad", {"absolute": True, "max_evaluations": 64}),
    "Grad-CAM": ("grad_cam", {}),
    "random": ("saliency", {}),
}
BARS = ("Integrated Gradients", "SmoothGrad", "Grad-CAM")
Array = np.ndarray


def measure(report: Report) -> None:
    network = networks.resnet20()
    model, (images, labels) = pellucid.adapt(network), networks.cifar_images(IMAGES)
    found = {name: _curves(model, images, labels, name) for name in METHODS}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, (morf, lerf) in found.items():
            lead = (lerf - morf).mean(axis=1)
            reach = 1.96 * lead.std(ddof=1) / np.sqrt(len(lead))
            for order, right in (("MoRF", morf), ("LeRF", lerf)):
                yield (name, order, *(f"{share:.2f}" for share in right.mean(axis=0)), f"{lead.mean():.3f} ± {reach:.3f}" if order == "LeRF" else "")

    accuracy = float((model.predict(images).argmax(axis=1) == labels).mean())
    report.say(
        f"{IMAGES} images, accuracy {accuracy:.3f} before anything is removed. Columns: percentage removed; ROAD: LeRF less MoRF, mean over them, ± 95 %.\n"
    )
    report.table(("", "order", *map(str, PERCENTAGES), "ROAD"), rows())
    for name, (morf, lerf) in found.items():
        _bar(report, name, morf, lerf)
    _time(report, "CIFAR-10 ResNet-20", network, images[:TIMED], peer=False)
    _time(report, "MNIST CNN", networks.digit_cnn(digits.weights()), digits.held_out(TIMED, channels_first=True), peer=True)


def _bar(report: Report, name: str, morf: Array, lerf: Array) -> None:
    gap, lead = (lerf - morf).mean(axis=0), (lerf - morf).mean(axis=1)
    if name == "random":
        chance = abs(lead.mean()) <= 1.96 * lead.std(ddof=1) / np.sqrt(len(lead))
        report.bar("ROAD, random importances: LeRF less MoRF", "0 within its 95 % interval", f"{lead.mean():.3f}", "–", chance)
    else:
        here = f"at {(gap > 0).sum()} of {len(gap)}, by {gap.mean():.3f} on average"
        report.bar(
            f"ROAD, {name}: MoRF below LeRF", "at every percentage" if name in BARS else "reported", here, "–", (gap > 0).all() if name in BARS else None
        )


def _curves(model: Any, images: Array, labels: Array, name: str) -> tuple[Array, Array]:
    """Whether each image is still recognised, (images, percentages): the most important first, the least important first."""
    method, options = METHODS[name]
    parts = []
    for start in range(0, len(images), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        made = pellucid.explain(model, images[part], method, target=labels[part].tolist(), progress=False, **options)
        if name == "random":
            made = replace(made, values=np.random.default_rng(start).random(made.values.shape))
        settings = {"percentages": PERCENTAGES, "read": "accuracy", "repeats": 1}
        parts.append(pellucid.evaluate(model, made, {"road": settings}, draws=0, progress=False)["road"].curves)
    return np.concatenate([part["morf_right"] for part in parts]), np.concatenate([part["lerf_right"] for part in parts])


def _time(report: Report, title: str, network: Any, images: Array, *, peer: bool) -> None:
    """MoRF and LeRF here, MoRF alone in Quantus, whose ROAD ends in an IndexError where images have three channels: seconds over those of as many passes."""
    bare, model = bare_torch(network, images, sizes=(8, 16, 32, 64, 128, 256), repeats=2), pellucid.adapt(network)
    classes = model.predict(images).argmax(axis=1)
    made = pellucid.explain(model, images, "saliency", target=classes.tolist())
    jobs: dict[str, Callable[[], object]] = {
        "pellucid": lambda: pellucid.evaluate(model, made, {"road": {"repeats": 1}}, draws=0, progress=False),
        "pellucid, with 20 random importances": lambda: pellucid.evaluate(model, made, {"road": {}}, progress=False),
    }
    if peer:
        import quantus

        metric = quantus.ROAD(percentages=list(PERCENTAGES), disable_warnings=True, display_progressbar=False)
        jobs["quantus, MoRF alone"] = lambda: metric(model=network, x_batch=images, y_batch=classes, a_batch=made.values, channel_first=True)
    found: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, job in jobs.items():
            with counted(network) as through:
                job()
            found[name] = ratio(job, bare.passes(through.count), 5)
            yield name, through.count, f"{found[name]:.2f}"

    report.say(f"**{title}**, {len(images)} images\n")
    report.table(("", "passes", "time over bare passes"), rows())
    peers = ", ".join(f"{name} {over:.2f}" for name, over in found.items() if name.startswith("quantus")) or "–"
    report.bar(f"ROAD, {title}: time over bare passes", "≤ 1.20", f"{found['pellucid']:.2f}", peers, found["pellucid"] <= 1.2)
