"""What each method costs on Keras with TensorFlow, 16 digits at once with the methods' defaults, and the error of Integrated Gradients there. One digit with 49
patches beside shap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import digits
import lime_peer
import pellucid
from pellucid.core.model import batches
from pellucid.methods import METHODS
from reporting import Report
from sections.ig_error import relative, spread
from timing import Bare, bare_tensorflow, ratio

TITLE = "Overheads on Keras with TensorFlow"
PACKAGES = ("shap", "keras", "tensorflow-cpu")
DIGITS, TRUTH_DIGITS, CAM_DIGITS = 16, 50, 256
TRUTH_STEPS = 3000
SAMPLES = 1000
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "gradient_x_input": {},
    "smooth_grad": {},
    "var_grad": {},
    "integrated_gradients": {},
    "expected_gradients": {"background": True},
    "occlusion": {},
    "rise": {},
    "lime": {},
    "shap": {"background": True},
}
"""Methods and whether they get the background of ten digits."""
Array = np.ndarray


def measure(report: Report) -> None:
    network = digits.keras_network()
    model, bare = pellucid.adapt(network), bare_tensorflow(network, digits.held_out(DIGITS))
    report.say(
        f"Reference CNN, held-out accuracy {float(digits.stored('accuracy')):.1%}. "
        f"Best batch of the bare network: {bare.best['forward'][0]} forward, {bare.best['backward'][0]} backward.\n"
    )
    report.table(("method", "evaluations a digit", "of them gradients", "time over bare passes"), _methods(model, bare))
    report.say(f"Integrated Gradients against {TRUTH_STEPS} nodes, relative L1 error of {TRUTH_DIGITS} digits:\n")
    report.table(("", "gradients a digit", "median error", "95 % quantile", "within tolerance", "intervals cover"), _precision(model))
    report.say(f"One digit, 49 patches, black where absent, about {SAMPLES} evaluations:\n")
    report.table(("", "evaluations", "time over bare passes"), _patches(network, model, bare))


def _methods(model: Any, bare: Bare) -> Iterator[tuple[object, ...]]:
    inputs = digits.held_out(DIGITS)
    for name in (name for name in OPTIONS if name in METHODS):
        options = {"background": digits.stored("background")} if OPTIONS[name] else {}
        cost = pellucid.explain(model, inputs, name, **options).cost
        used, gradients = int(cost.evaluations.sum()), int(cost.gradients.sum())
        over = ratio(lambda name=name, options=options: pellucid.explain(model, inputs, name, **options), bare.passes(used - gradients, gradients))
        yield name, f"{used / len(inputs):.0f}", f"{gradients / len(inputs):.0f}", f"{over:.2f}"
    many = np.resize(inputs, (CAM_DIGITS, *inputs.shape[1:]))
    over = ratio(lambda: pellucid.explain(model, many, "grad_cam"), bare.passes(CAM_DIGITS))
    yield f"grad_cam ({CAM_DIGITS} digits; over forward passes alone)", 1, 1, f"{over:.2f}"


def _precision(model: Any) -> Iterator[tuple[object, ...]]:
    inputs = digits.held_out(TRUTH_DIGITS)
    truth = pellucid.explain(model, inputs, "integrated_gradients", rule="midpoint", steps=TRUTH_STEPS, max_evaluations=TRUTH_STEPS).values
    settings: list[tuple[str, dict[str, Any]]] = [(f"tolerance {tolerance:g}", {"tolerance": tolerance}) for tolerance in (0.05, 0.02, 0.01)]
    settings.append(("50 fixed Gauss–Legendre nodes", {"rule": "gauss_legendre", "steps": 50}))
    for words, options in settings:
        found = pellucid.explain(model, inputs, "integrated_gradients", **options)
        error = relative(found.values, truth)
        low, high = found.interval(0.95)
        cover = ((truth >= low) & (truth <= high))[truth != 0].mean()
        kept = f"{np.mean(error <= options['tolerance']):.0%}" if "tolerance" in options else "–"
        yield words, f"{found.cost.gradients.mean():.1f}", *spread(error), kept, f"{cover:.3f}"


def _patches(network: Any, model: Any, bare: Bare) -> Iterator[tuple[object, ...]]:
    digit = digits.held_out()[3]
    for name, budget in (("permutation_shap", 4 * SAMPLES), ("kernel_shap", SAMPLES)):
        if name in METHODS:

            def ours(name: str = name, budget: int = budget) -> pellucid.Explanation:
                return pellucid.explain(model, digit[None], name, features="patches:4", fill=0, tolerance=0.0, max_evaluations=budget)

            used = int(ours().cost.evaluations[0])
            yield f"pellucid, {name}", used, f"{ratio(ours, bare.passes(used)):.2f}"
    yield "shap, KernelExplainer, l1_reg=False", SAMPLES, f"{ratio(_kernel_explainer(network, digit), bare.passes(SAMPLES)):.2f}"


def _kernel_explainer(network: Any, digit: Array) -> Callable[[], object]:
    import shap

    classify = lime_peer.keras_classifier(network)

    def masked(masks: Array) -> Array:
        kept = masks[:, lime_peer.PATCHES.ravel()].reshape(-1, 28, 28, 1).astype(np.float32)
        return np.concatenate([classify(kept[part] * digit) for part in batches(len(kept), lime_peer.BATCH)])

    explainer = shap.KernelExplainer(masked, np.zeros((1, 49)), silent=True)
    return lambda: explainer.shap_values(np.ones((1, 49)), nsamples=SAMPLES, l1_reg=False, silent=True)
