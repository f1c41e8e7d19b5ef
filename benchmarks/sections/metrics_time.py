"""What each metric of `evaluate` costs over the passes that it needs: its time over that of the bare network making as many forward and gradient passes, at the
bare network's best batch size and on inputs like those that are sent (pooling takes a third longer on noise than on digits). The reference CNN in torch and in
Keras on TensorFlow, real digits, the default settings. Metrics that explain again are measured with saliency, which makes one gradient pass a digit, and with
SmoothGrad, which draws; those of Shapley's axioms with SHAP of 49 patches; the others with saliency. "+ 20" is with the 20 random importances that stand
beside an explanation where nothing else is asked. Passes are counted as they are asked of the network. Quantus 0.6 has some of the metrics; it runs on torch
with its own explanations and passes, as many draws as here."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import digits
import networks
import pellucid
from pellucid.metrics import METRICS
from reporting import Report
from timing import Bare, bare_tensorflow, bare_torch, counted, ratio

TITLE = "Every metric: time over bare passes"
PACKAGES = ("quantus", "torch", "keras", "tensorflow-cpu")
PAIRS, DRAWS, MOST, PEERS = 5, 20, 1.2, 16
Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A metric that makes passes: how many digits without random importances, and with them (0: it knows none, or they change no pass); `methods` explain."""

    digits: int
    with_draws: int = 0
    methods: tuple[str, ...] = ("saliency",)


AGAIN = ("saliency", "smooth_grad")
CASES: dict[str, Case] = {
    "comprehensiveness": Case(128, 32),
    "sufficiency": Case(128),
    "deletion": Case(64, 16),
    "insertion": Case(64),
    "pixel_flipping": Case(64),
    "faithfulness_correlation": Case(32),
    "monotonicity": Case(8),
    "infidelity": Case(16),
    "road": Case(32, 8),
    "effective_complexity": Case(64, 8),
    "weight_randomisation": Case(64, 0, AGAIN),
    "efficient_randomisation": Case(128, 0, AGAIN),
    "input_invariance": Case(512, 0, AGAIN),
    "random_label": Case(512, 0, AGAIN),
    "max_sensitivity": Case(64, 0, AGAIN),
    "local_lipschitz": Case(64, 0, AGAIN),
    "relative_input_stability": Case(64, 0, AGAIN),
    "dummy": Case(16, 0, ("shap",)),
    "symmetry": Case(16, 0, ("shap",)),
}
OPTIONS: dict[str, dict[str, Any]] = {"saliency": {}, "smooth_grad": {"max_evaluations": 64}, "shap": {"features": "patches:4", "max_evaluations": 100}}
FEWER = {"smooth_grad": 32}
"""So many times fewer digits are explained again by a method that makes so many passes for each."""


def measure(report: Report) -> None:
    for title, network, images, bare_of in _frameworks():
        bare, model = bare_of(network, images, repeats=3), pellucid.adapt(network)
        found: dict[str, float] = {}
        report.say(f"**{title}**\n")
        report.table(("metric", "explanation", "digits", "forward passes", "gradient passes", "time over bare passes"), _rows(model, images, bare, found))
        worst = max(found, key=lambda name: found[name])
        above = sum(over > MOST for over in found.values())
        peers = _beside(report, network, images, bare) if title == "PyTorch" else "–"
        here = f"{np.median(list(found.values())):.2f} (median); {worst} {found[worst]:.2f}; {above} of {len(found)} rows above"
        report.bar(f"every metric, {title}: time over bare passes", f"≤ {MOST:.2f}", here, peers, found[worst] <= MOST)
    report.say(f"Need no more than the explanation, or a pass a digit (completeness, efficiency): {', '.join(sorted(set(METRICS) - set(CASES)))}.")


def _frameworks() -> Iterator[tuple[str, Any, Array, Callable[..., Bare]]]:
    most = max(case.digits for case in CASES.values())
    yield "PyTorch", networks.digit_cnn(digits.weights()), digits.held_out(most, channels_first=True), bare_torch
    yield "Keras on TensorFlow", digits.keras_network(), digits.held_out(most), bare_tensorflow


def _rows(model: Any, images: Array, bare: Bare, found: dict[str, float]) -> Iterator[tuple[object, ...]]:
    for metric, case in CASES.items():
        for method in case.methods:
            for draws, count in ((0, case.digits // FEWER.get(method, 1)), (DRAWS, case.with_draws)):
                if not count:
                    continue
                explanation = pellucid.explain(model, images[:count], method, progress=False, **OPTIONS[method])
                settings = {"network": _other(model)} if metric == "random_label" else {}
                job = _job(model, explanation, metric, settings, draws)
                with passes_of(type(model)) as passes:
                    job()
                name = f"{metric}, {method}" if len(case.methods) > 1 else metric
                name += f" + {draws}" if draws else ""
                found[name] = passes.over_bare(job, bare)
                yield f"{metric}{f' + {draws}' if draws else ''}", method, count, passes.forward, passes.backward, f"{found[name]:.2f}"


def _job(model: Any, explanation: Any, metric: str, settings: dict[str, Any], draws: int) -> Callable[[], object]:
    return lambda: pellucid.evaluate(model, explanation, {metric: settings}, draws=draws, progress=False)


def _other(model: Any) -> Any:
    """A network of the same kind with its weights mixed up, in the place of one trained on random labels, which takes as long."""
    other = networks.digit_cnn(digits.weights()) if model.traits.framework == "PyTorch" else digits.keras_network()
    adapted = pellucid.adapt(other)
    generator = np.random.default_rng(0)
    if model.traits.framework == "PyTorch":
        import torch

        with torch.no_grad():
            for weight in other.parameters():
                weight.copy_(networks.tensor(generator.permutation(weight.numpy().ravel()).reshape(weight.shape)))
    else:
        other.set_weights([generator.permutation(weight.ravel()).reshape(weight.shape) for weight in other.get_weights()])
    return adapted


VERBS: dict[str, tuple[str, Callable[[Any, slice], Array]]] = {
    "predict": ("forward", lambda inputs, rows: inputs[rows]),
    "masked_scores": ("forward", lambda rows, part: rows.compose(part)),
    "gradients": ("backward", lambda inputs, rows: inputs[rows]),
    "path_gradients": ("backward", lambda rows, part: rows.points(part)),
}
"""The verbs of a model that metrics and these methods use, the passes that they make, and the inputs of some of these."""
KEPT = 512


@dataclass
class Passes:
    """Inputs that went forward alone, and with a gradient: how many, and the first `KEPT` of each call."""

    forward: int = 0
    backward: int = 0
    inside: bool = False
    kept: dict[str, list[Array]] = field(default_factory=lambda: {"forward": [], "backward": []})

    def over_bare(self, job: Callable[[], object], bare: Bare, pairs: int = PAIRS) -> float:
        """The job's time over the bare network's with as many passes, on inputs spread evenly over those that were sent."""
        jobs = []
        for name in ("forward", "backward"):
            if getattr(self, name):
                sent = np.concatenate(self.kept[name]).astype(np.float32)
                bare.inputs = sent[:: max(1, len(sent) // KEPT)][:KEPT]
                jobs.append(bare.passes(*((self.forward, 0) if name == "forward" else (0, self.backward))))
        return ratio(job, lambda: [one() for one in jobs], pairs)


@contextlib.contextmanager
def passes_of(kind: type) -> Iterator[Passes]:
    """Counts the passes that are asked of models of a kind; a verb that calls another counts once."""
    found, before = Passes(), {name: kind.__dict__.get(name) for name in VERBS}

    def counting(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        which, sent = VERBS[name]

        def verb(self: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
            if found.inside:
                return own(self, inputs, *arguments, **keywords)
            setattr(found, which, getattr(found, which) + len(inputs))
            found.kept[which].append(sent(inputs, slice(0, KEPT)))
            found.inside = True
            try:
                return own(self, inputs, *arguments, **keywords)
            finally:
                found.inside = False

        return verb

    for name in VERBS:
        setattr(kind, name, counting(name, getattr(kind, name)))
    try:
        yield found
    finally:
        for name, verb in before.items():
            if verb is None:
                delattr(kind, name)
            else:
                setattr(kind, name, verb)


def _beside(report: Report, network: Any, images: Array, bare: Bare) -> str:
    """Quantus's metrics of the same kind, and its lowest and highest time over the passes that it makes."""
    import quantus

    common = {"disable_warnings": True, "display_progressbar": False}
    explanations = Passes()

    def explain(model: Any, inputs: Array, targets: Array, **_: Any) -> Array:
        import torch

        x = networks.tensor(np.asarray(inputs)).requires_grad_()
        score = model(x).gather(1, torch.as_tensor(np.asarray(targets))[:, None]).sum()
        explanations.backward += len(x)
        return torch.autograd.grad(score, x)[0].abs().numpy()

    metrics = {
        "pixel_flipping": quantus.PixelFlipping(features_in_step=784 // 28, **common),
        "faithfulness_correlation": quantus.FaithfulnessCorrelation(nr_runs=100, subset_size=157, **common),
        "monotonicity": quantus.MonotonicityCorrelation(nr_samples=1, features_in_step=7, perturb_baseline="black", **common),
        "infidelity": quantus.Infidelity(perturb_patch_sizes=[4], n_perturb_samples=4, **common),
        "road": quantus.ROAD(percentages=list(range(10, 100, 10)), **common),
        "weight_randomisation": quantus.MPRT(layer_order="top_down", similarity_func=quantus.correlation_spearman, **common),
        "efficient_randomisation": quantus.EfficientMPRT(**common),
        "input_invariance": quantus.InputInvariance(**common),
        "max_sensitivity": quantus.MaxSensitivity(nr_samples=10, **common),
        "local_lipschitz": quantus.LocalLipschitzEstimate(nr_samples=10, **common),
        "relative_input_stability": quantus.RelativeInputStability(nr_samples=10, **common),
    }
    found: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, metric in metrics.items():
            x = images[:PEERS]
            classes = network(networks.tensor(x)).argmax(dim=1).numpy()
            data = {"model": network, "x_batch": x, "y_batch": classes, "explain_func": explain, "channel_first": True, "batch_size": 64}
            data["a_batch"] = explain(network, x, classes)
            job = functools.partial(metric, **data)

            try:
                explanations.backward = 0
                with counted(network) as through:
                    job()
                forward, backward = through.count - explanations.backward, explanations.backward
                found[name] = ratio(job, bare.passes(forward, backward), 3)
            except Exception as error:  # noqa: BLE001 - what a peer cannot do is told, and the others go on
                yield name, PEERS, "–", "–", f"{type(error).__name__}"
            else:
                yield name, PEERS, forward, backward, f"{found[name]:.2f}"

    report.say("**Quantus 0.6, PyTorch**\n")
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        table = list(rows())
    report.table(("metric", "digits", "forward passes", "gradient passes", "time over bare passes"), table)
    return f"quantus {min(found.values()):.2f} to {max(found.values()):.2f}"
