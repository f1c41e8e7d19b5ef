"""What explanations cost and how precise they are, beside the peers in one run: `make bench`.

Overhead is the time of an explanation over that of the bare passes it made: as many inputs forward, or forward and backward, in one compiled TensorFlow
function at the best of four batch sizes. Both are timed in pairs, one after the other, one thread each; the median of the pairs counts. The tables are
printed and written to `benchmarks/RESULTS.md`; nothing is asserted.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf

import pellucid
from pellucid.core.model import batches
from pellucid.data.load import load
from pellucid.recipes.train import train

DIGITS = 16
TRUTH_DIGITS = 50
BATCHES = (64, 128, 256, 512)
PAIRS = 5
TRUTH_STEPS = 3000
TOLERANCES = (0.05, 0.02, 0.01)
METHODS = ("saliency", "gradient_x_input", "smooth_grad", "integrated_gradients", "lime", "shap")
PEER_SAMPLES = 1000
RESULTS = Path(__file__).parent / "RESULTS.md"

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
lines: list[str] = []


def say(line: str = "") -> None:
    print(line, flush=True)
    lines.append(line)


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def ratio(job: Callable[[], object], bare: Callable[[], object]) -> float:
    """Median over pairs, after one run of each that warms up."""
    job(), bare()
    return float(np.median([seconds(job) / seconds(bare) for _ in range(PAIRS)]))


class Bare:
    """The network alone: forward, and forward with backward, each at its best batch size."""

    def __init__(self, network: Any, inputs: np.ndarray) -> None:
        self.inputs = inputs

        def backward(x: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                score = tf.reduce_sum(tf.reduce_max(network(x, training=False), axis=1))
            return tape.gradient(score, x)

        shape = [tf.TensorSpec((None, *inputs.shape[1:]), "float32")]
        self.forward = tf.function(lambda x: network(x, training=False), input_signature=shape)
        self.backward = tf.function(backward, input_signature=shape)
        self.sizes = {name: min(BATCHES, key=lambda size, name=name: self._rate(name, size)) for name in ("forward", "backward")}

    def _rate(self, name: str, size: int) -> float:
        x = tf.constant(np.resize(self.inputs, (size, *self.inputs.shape[1:])))
        function = getattr(self, name)
        function(x)
        return min(seconds(lambda: function(x).numpy()) for _ in range(PAIRS)) / size

    def passes(self, forward: int, backward: int) -> Callable[[], None]:
        """A job that sends this many inputs forward, and forward and backward."""
        wanted = [("forward", forward), ("backward", backward)]

        def job() -> None:
            for name, count in wanted:
                for part in batches(count, self.sizes[name]):
                    getattr(self, name)(tf.constant(np.resize(self.inputs, (part.stop - part.start, *self.inputs.shape[1:])))).numpy()

        return job


def overheads(bare: Bare, model: Any, inputs: np.ndarray, background: np.ndarray) -> None:
    say(f"## Time over the bare passes, {len(inputs)} digits at once\n")
    say("| method | evaluations a digit | of them gradients | time over bare passes |\n|---|---|---|---|")
    for name in METHODS:
        options = {"background": background} if name == "shap" else {}
        found = pellucid.explain(model, inputs, name, **options)
        used, gradients = int(found.cost.evaluations.sum()), int(found.cost.gradients.sum())
        over = ratio(lambda name=name, options=options: pellucid.explain(model, inputs, name, **options), bare.passes(used - gradients, gradients))
        say(f"| {name} | {used / len(inputs):.0f} | {gradients / len(inputs):.0f} | {over:.2f} |")
    many = np.resize(inputs, (256, *inputs.shape[1:]))
    over = ratio(lambda: pellucid.explain(model, many, "grad_cam"), bare.passes(256, 0))
    say(f"| grad_cam (256 digits; over forward passes alone) | 1 | 1 | {over:.2f} |")


def precision(model: Any, inputs: np.ndarray) -> None:
    truth = pellucid.explain(model, inputs, "integrated_gradients", rule="midpoint", steps=TRUTH_STEPS, max_evaluations=TRUTH_STEPS).values
    say(f"\n## Integrated Gradients against {TRUTH_STEPS} nodes, relative L1 error of {len(inputs)} digits\n")
    say("| | gradients a digit | median error | 95 % quantile | within tolerance | intervals cover |\n|---|---|---|---|---|---|")
    settings: list[tuple[str, dict[str, Any]]] = [(f"tolerance {tolerance:g}", {"tolerance": tolerance}) for tolerance in TOLERANCES]
    settings.append(("50 fixed Gauss–Legendre nodes, the default of captum", {"rule": "gauss_legendre", "steps": 50}))
    for words, options in settings:
        found = pellucid.explain(model, inputs, "integrated_gradients", **options)
        error = np.abs(found.values - truth).sum(axis=(1, 2, 3)) / np.abs(truth).sum(axis=(1, 2, 3))
        low, high = found.interval(0.95)
        cover = ((truth >= low) & (truth <= high))[truth != 0].mean()
        kept = f"{np.mean(error <= options['tolerance']):.0%}" if "tolerance" in options else "–"
        say(f"| {words} | {found.cost.gradients.mean():.1f} | {np.median(error):.4f} | {np.quantile(error, 0.95):.4f} | {kept} | {cover:.3f} |")


def peers(bare: Bare, network: Any, model: Any, digit: np.ndarray) -> None:
    """The same digit, the same 49 patches, black where absent, about as many evaluations."""
    import lime.lime_image
    import shap

    say(f"\n## Beside the peers: one digit, 49 patches, about {PEER_SAMPLES} evaluations\n")
    say("| library | evaluations | time over bare passes |\n|---|---|---|")
    patches = np.kron(np.arange(49).reshape(7, 7), np.ones((4, 4), int))
    traced = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec((None, 28, 28, 1), "float32")])

    def ours() -> pellucid.Explanation:
        return pellucid.explain(model, digit[None], "lime", features="patches:4", tolerance=0.0, max_evaluations=PEER_SAMPLES)

    used = int(ours().cost.evaluations[0])
    say(f"| pellucid {version('pellucid')}, lime | {used} | {ratio(ours, bare.passes(used, 0)):.2f} |")

    def lime_classifier(images: np.ndarray) -> np.ndarray:
        return traced(tf.constant(images[..., :1].astype(np.float32))).numpy()

    explainer = lime.lime_image.LimeImageExplainer(random_state=0)
    rgb = np.repeat(digit, 3, axis=2).astype(np.double)

    def theirs() -> object:
        return explainer.explain_instance(rgb, lime_classifier, hide_color=0, num_samples=PEER_SAMPLES, batch_size=256, segmentation_fn=lambda image: patches)

    say(f"| lime {version('lime')}, image made RGB | {PEER_SAMPLES} | {ratio(theirs, bare.passes(PEER_SAMPLES, 0)):.2f} |")

    def masked(masks: np.ndarray) -> np.ndarray:
        kept = masks[:, patches.ravel()].reshape(-1, 28, 28, 1).astype(np.float32)
        return np.concatenate([traced(tf.constant(kept[part] * digit)).numpy() for part in batches(len(kept), 256)])

    kernel = shap.KernelExplainer(masked, np.zeros((1, 49)), silent=True)

    def kernel_shap() -> object:
        return kernel.shap_values(np.ones((1, 49)), nsamples=PEER_SAMPLES, l1_reg=False, silent=True)

    say(f"| shap {version('shap')}, KernelExplainer, l1_reg=False | {PEER_SAMPLES} | {ratio(kernel_shap, bare.passes(PEER_SAMPLES, 0)):.2f} |")

    def shap_here() -> pellucid.Explanation:
        return pellucid.explain(model, digit[None], "permutation_shap", features="patches:4", tolerance=0.0, max_evaluations=4 * PEER_SAMPLES)

    used = int(shap_here().cost.evaluations[0])
    say(f"| pellucid {version('pellucid')}, permutation_shap | {used} | {ratio(shap_here, bare.passes(used, 0)):.2f} |")


def main() -> None:
    warnings.filterwarnings("ignore", module="shap|lime|skimage")
    trained = train("cnn", "mnist5000")
    digits = trained.held_out.inputs
    model, bare = pellucid.adapt(trained.model), Bare(trained.model, digits)
    say("# Results\n\nMade by `make bench`. Ratios on one machine with one thread; they are not promises about another.\n")
    names = ("pellucid", "keras", "tensorflow-cpu" if platform.machine() == "x86_64" and platform.system() == "Linux" else "tensorflow", "numpy")
    say(
        f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in names)}. ",
    )
    say(
        f"Reference CNN, held-out accuracy {trained.accuracy:.1%}. Best batch of the bare network: "
        f"{bare.sizes['forward']} forward, {bare.sizes['backward']} backward.\n"
    )
    overheads(bare, model, digits[:: len(digits) // DIGITS][:DIGITS], load("mnist5000:train").inputs[:10])
    precision(model, digits[:: len(digits) // TRUTH_DIGITS][:TRUTH_DIGITS])
    peers(bare, trained.model, model, digits[3])
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
