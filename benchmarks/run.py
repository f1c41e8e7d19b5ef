"""What explanations cost and how precise they are: `make bench`. Ratios on this machine, printed as Markdown; nothing is asserted.

Overhead is the time of an explanation over the time of the bare passes it made: as many inputs forward, or forward and backward, in one compiled
TensorFlow function at the best of four batch sizes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf

import pellucid
from pellucid.data.load import load
from pellucid.recipes.train import train

DIGITS = 24
EPOCHS = 6
BATCHES = (16, 64, 256, 512)
REPEATS = 3
TRUTH_STEPS = 3000
TOLERANCES = (0.05, 0.02, 0.01)
METHODS = ("saliency", "gradient_x_input", "grad_cam", "smooth_grad", "integrated_gradients", "lime", "shap")


def best(job: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs, after one that warms up."""
    job()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def bare_rates(model: object, inputs: np.ndarray) -> tuple[float, float]:
    """Seconds per input, forward alone and forward with backward."""
    forward = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    @tf.function(reduce_retracing=True)
    def both(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.reduce_max(model(x, training=False), axis=1))
        return tape.gradient(score, x)

    rates = []
    for job in (forward, both):
        each = []
        for size in BATCHES:
            x = tf.constant(np.resize(inputs, (size, *inputs.shape[1:])))
            each.append(best(lambda job=job, x=x: job(x).numpy()) / size)
        rates.append(min(each))
    return rates[0], rates[1]


def overheads(model: object, inputs: np.ndarray, background: np.ndarray) -> None:
    forward, both = bare_rates(model, inputs)
    adapted = pellucid.adapt(model)
    print(f"\nBare passes: forward {forward * 1e6:.0f} µs, forward and backward {both * 1e6:.0f} µs an input. {DIGITS} digits at once.\n")
    print("| method | evaluations a digit | of them gradients | ms a digit | overhead |\n|---|---|---|---|---|")
    for name in METHODS:
        options = {"background": background} if name == "shap" else {}
        found = pellucid.explain(adapted, inputs, name, **options)
        seconds = best(lambda name=name, options=options: pellucid.explain(adapted, inputs, name, **options))
        evaluations, gradients = int(found.cost.evaluations.sum()), int(found.cost.gradients.sum())
        needed = (evaluations - gradients) * forward + gradients * both
        print(f"| {name} | {evaluations / DIGITS:.0f} | {gradients / DIGITS:.0f} | {1e3 * seconds / DIGITS:.1f} | {seconds / needed:.2f} |", flush=True)


def precision(model: object, inputs: np.ndarray) -> None:
    adapted = pellucid.adapt(model)
    truth = pellucid.explain(adapted, inputs, "integrated_gradients", rule="midpoint", steps=TRUTH_STEPS, max_evaluations=2 * TRUTH_STEPS).values
    flat = (len(inputs), -1)
    print(f"\nIntegrated Gradients against {TRUTH_STEPS} nodes, relative L1 error of {len(inputs)} digits.\n")
    print("| tolerance | gradients a digit | median error | 95 % quantile | within tolerance |\n|---|---|---|---|---|")
    for tolerance in TOLERANCES:
        found = pellucid.explain(adapted, inputs, "integrated_gradients", tolerance=tolerance)
        error = np.abs(found.values - truth).reshape(flat).sum(axis=1) / np.abs(truth).reshape(flat).sum(axis=1)
        row = (f"{found.cost.gradients.mean():.1f}", f"{np.median(error):.4f}", f"{np.quantile(error, 0.95):.4f}", f"{np.mean(error <= tolerance):.0%}")
        print(f"| {tolerance:g} | {' | '.join(row)} |", flush=True)


def main() -> None:
    model = train("cnn", "mnist5000", epochs=EPOCHS).model
    digits = load("mnist5000:test").take(slice(0, DIGITS)).inputs
    overheads(model, digits, load("mnist5000:train").inputs[:50])
    precision(model, digits)


if __name__ == "__main__":
    main()
