"""Records with known arrays, made without a network, for the rooms that only draw, store and report them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.core.choices import Choice, Choices
from pellucid.core.comparison import Comparison
from pellucid.core.evaluation import Evaluation, Score, identity_of
from pellucid.core.features import FeatureMap
from pellucid.core.model import Layer
from pellucid.core.outcome import Check, Outcome, Outcomes
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.records import Cost, Explained, Explanation, Inspection
from pellucid.core.verdict import Thresholds, judge
from pellucid.core.view import FAULT, Finding, View

DIGITS = tuple("0123456789")
COALITION = ("lime", "shap")
SHARES = ("integrated_gradients", "gradient_x_input", "lime", "shap")
EXACT = ("saliency", "gradient_x_input", "grad_cam")


def digits(count: int, seed: int = 0) -> np.ndarray:
    """Rings and strokes that look a little like digits, (count, 28, 28, 1) in [0, 1]."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:28, :28]
    images = []
    for _ in range(count):
        y, x, radius = rng.uniform(11, 16), rng.uniform(11, 16), rng.uniform(5, 8)
        ring = np.exp(-np.square(np.hypot(row - y, column - x) - radius) / 3)
        stroke = np.exp(-np.square(column - rng.uniform(8, 20)) / 3) * (np.abs(row - 14) < 9)
        images.append(np.clip(ring + rng.integers(2) * stroke, 0, 1))
    images = np.stack(images)
    images[images < 0.1] = 0
    return images[..., None].astype(np.float32)


def patches(size: int = 4) -> FeatureMap:
    row, column = np.mgrid[: 28 // size, : 28 // size]
    labels = np.kron(row * (28 // size) + column, np.ones((size, size), int))[None, ..., None]
    return FeatureMap(labels, tuple(f"patch {i}, {j}" for i in range(28 // size) for j in range(28 // size)), "patches")


def _values(method: str, inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if method in COALITION:
        live = inputs.reshape(len(inputs), 7, 4, 7, 4).sum(axis=(2, 4)).reshape(len(inputs), 49) > 0
        return (rng.normal(0.15, 0.4, live.shape) * live).astype(np.float32)
    if method == "grad_cam":
        return np.abs(rng.normal(size=(len(inputs), 5, 5))).astype(np.float32)
    field = np.abs(rng.normal(size=inputs.shape)) if method in ("saliency", "smooth_grad") else rng.normal(size=inputs.shape) * inputs
    return np.asarray(0.1 * field, dtype=np.float32)


def explanation(
    method: str = "integrated_gradients", count: int = 3, seed: int = 0, *, class_names: tuple[str, ...] = DIGITS, network: str = "CNN"
) -> Explanation:
    """An explanation of `count` digits; every optional field is filled where the method has it."""
    rng = np.random.default_rng(seed)
    inputs = digits(count)
    values = _values(method, inputs, rng)
    kind = "exact" if method in EXACT else "bound" if method == "integrated_gradients" else "standard_error"
    error = np.zeros_like(values) if kind == "exact" else (0.05 * np.abs(values)).astype(np.float32)
    prediction = rng.dirichlet(np.full(len(class_names), 0.1), count).astype(np.float32)
    predicted = prediction.argmax(axis=1)
    stop = (
        Check("exact", "Exact by definition.")
        if kind == "exact"
        else Check("converged", "Computed to within 2 % of this method's definition.", "", {"error": 0.018})
    )
    outcome = Outcome(stop)
    if method == "lime":
        outcome = outcome.with_finding(
            Check("poor_fit", "The linear surrogate explains only 41 % of the variance: do not rely on it.", "Use shap.", {"r": 0.41})
        )
    statistics = {"lime": {"r_squared": np.full(count, 0.41)}, "integrated_gradients": {"completeness_gap": np.full(count, 0.001)}}.get(method, {})
    labels = [int(predicted[0] + 1) % len(class_names), *(int(i) for i in predicted[1:])]
    return Explanation(
        method, values, error, kind, ("sample", "feature") if method in COALITION else ("sample", "row", "column", "channel")[: values.ndim],
        inputs, prediction, np.linspace(3, 9, count), Explained(tuple(class_names[i] for i in predicted), "logit"),
        Cost(np.full(count, 24), np.full(count, 0 if method in COALITION else 24), 0.12 * count), Outcomes((outcome,) * count),
        np.full(count, np.inf if kind != "standard_error" else 40.0), baseline=np.zeros_like(inputs[:1]), baseline_score=np.full(count, 0.25),
        features=patches() if method in COALITION else None, class_names=class_names, statistics=statistics,
        provenance={"method": method, "unit": "score" * (method in SHARES),
                    "settings": {"rule": "gauss"}, "seed": 0, "tolerance": 0.02, "max_evaluations": 10000, "target": "predicted",
                    "score": "logit", "framework": "Keras on TensorFlow", "fingerprint": f"{network}-0a1b2c3d", "versions": {"numpy": "2.0"}, "batch_size": 64,
                    "pellucid": "0.1.0", "network": network, "data": "synthetic rings", "labels": labels},
    )  # fmt: skip


def several(method: str = "integrated_gradients", count: int = 2) -> Explanation:
    """An explanation of a network that reads a digit and a table of four columns."""
    one, rng = explanation(method, count, network="Two inputs"), np.random.default_rng(3)
    packing = Packing(("image", "meta"), ((28, 28, 1), (4,)), ("", ""), ("last", "last"))
    table = rng.normal(size=(count, 4)).astype(np.float32)
    inputs = packing.pack({"image": one.inputs, "meta": table})
    features, own = None, (0.1 * table).astype(np.float32)
    if one.features is not None:
        labels = np.concatenate([np.broadcast_to(one.features.labels, (1, 28, 28, 1)).reshape(1, -1), 49 + np.arange(4)[None]], axis=1)
        names = (*(f"image: {name}" for name in one.features.names), *(f"meta: column {i}" for i in range(4)))
        features = FeatureMap(labels, names, "features")
    flat = [array.reshape(count, -1) for array in (one.values, one.error)]
    values, error = (np.concatenate([array, 0.1 * np.abs(own) if i else own], axis=1) for i, array in enumerate(flat))
    axes = ("sample", "feature" if features is not None else "input_0")
    return replace(one, values=values, error=error, axes=axes, inputs=inputs, baseline=np.zeros_like(inputs[:1]), features=features, packing=packing)


def varied(record: Explanation) -> Explanation:
    """The record with choices: another baseline adds 0.01 to every value, another halves them; another score turns their signs."""

    def choice(option: str, given: str, values: dict[str, np.ndarray], scaled: bool) -> Choice:
        stacked, count = np.stack(list(values.values()), axis=1), len(values)
        error = np.repeat(record.error[:, None], count, axis=1)
        return Choice(option, given, tuple(values), stacked, error, ("converged",) * count, (scaled,) * count)

    baseline = choice("baseline", "0.0", {"mean": record.values + 0.01, "blur:2": 0.5 * record.values}, False)
    score = choice("score", "logit", {"probability": -record.values}, True)
    cost = np.full(len(record), 60)
    return replace(record, choices=Choices(record.values, record.error, (baseline, score), cost, cost // 2, {"seed": "draws nothing"}))


def evaluation(record: Explanation) -> Evaluation:
    """One score, far better than chance."""
    count, none = len(record), np.zeros(len(record))
    chance = np.random.default_rng(0).normal(0.5, 0.05, (count, 5))
    score = Score("deletion", "Deletion", "faithfulness", "lower", none + 0.1, none, chance, none.astype(int), none.astype(int), 0.5)
    verdicts = tuple(judge({"deletion": score}, outcome, i, Thresholds()) for i, outcome in enumerate(record.outcome))
    return Evaluation(record.method, record.target.labels, {"deletion": score}, verdicts, {}, {}, identity_of(record))


def compared(count: int = 2) -> Comparison:
    """SHAP beside LIME, as `compare` would have them, but with the rank agreement made up."""
    a, b = explanation("shap", count), explanation("lime", count, 1)
    error = np.hypot(a.error, b.error).astype(np.float64)
    known = np.linspace(0.2, 0.4, count)
    interval, shared = np.stack([known - 0.1, known + 0.1], axis=1), np.tile([0.25, 0.5], (count, 1))
    return Comparison(a, b, ("SHAP", "LIME"), ("method",), error, np.full(error.shape, 60.0), known, interval, shared, False, True, ("Made up.",), {"seed": 0})


def view(count: int = 2, *, network: str = "CNN", seed: int = 0) -> View:
    """Activations of two convolutions and a dense layer."""
    rng = np.random.default_rng(seed)
    values = {
        "conv": np.maximum(rng.normal(size=(count, 26, 26, 12)), 0).astype(np.float32),
        "conv_1": rng.normal(size=(count, 3, 3, 20)).astype(np.float32),
        "dense": np.maximum(rng.normal(size=(count, 64)), 0).astype(np.float32),
    }
    axes = {"conv": ("sample", "row", "column", "channel"), "conv_1": ("sample", "row", "column", "channel"), "dense": ("sample", "unit")}
    return View("activation_map", values, axes, digits(count), {"view": "activation_map", "network": network, "fingerprint": f"{network}-0a1b2c3d"})


def diagnosed() -> View:
    """A view of the network alone, with further arrays and findings."""
    values = {"dense": np.arange(6, dtype=np.float32).reshape(2, 3)}
    text, advice = "{layer}: {dead} of {units} units are dead ({share_dead}).", "Lower the learning rate."
    found = Finding("dead units", "dense", text, advice, {"dead": 2.0, "units": 6.0, "share_dead": 1 / 3}, FAULT)
    details = {"dense": {"mean": np.array([0.5, -1.0]), "each": np.arange(2.0)[:, None]}}
    axes = {"mean": ("unit",), "each": ("sample", "unit")}
    return View("statistics", values, {"dense": ("unit", "bin")}, digits(2), {"network": "CNN", "fingerprint": "CNN-0a1b2c3d"}, details, axes, (found,))


def states(count: int = 1) -> View:
    """The state of a recurrent layer over time."""
    values = np.tanh(np.cumsum(np.random.default_rng(1).normal(scale=0.3, size=(count, 28, 40)), axis=1)).astype(np.float32)
    return View(
        "activation_map", {"lstm": values}, {"lstm": ("sample", "time", "unit")}, digits(count)[..., 0], {"network": "RNN", "fingerprint": "RNN-0a1b2c3d"}
    )


def inspection(network: str = "CNN") -> Inspection:
    layers = (Layer("conv", "Conv2D", (26, 26, 12), 120, "relu", spatial=True), Layer("dense", "Dense", (10,), 12850, "softmax"))
    methods = {"saliency": "", "grad_cam": "" if network == "CNN" else "needs a layer with channels over a grid (a convolution); this network has none"}
    inputs = (InputSpec("image", (28, 28, 1), "float32"),)
    return Inspection("Keras on TensorFlow", (28, 28, 1), "softmax", layers, methods, {"activation_map": ""}, f"{network}-0a1b2c3d", inputs)


def rnn(record: Explanation) -> Explanation:
    """The same numbers as if a recurrent network had read rows as time steps: inputs without the channel axis."""
    shape = record.inputs.shape[:-1]
    values = record.values if record.values.ndim == 2 else record.values[..., 0]
    error = record.error if record.error.ndim == 2 else record.error[..., 0]
    features = None if record.features is None else FeatureMap(record.features.labels[..., 0], record.features.names, record.features.kind)
    baseline = None if record.baseline is None else record.baseline[..., 0]
    provenance = {**record.provenance, "network": "RNN", "fingerprint": "RNN-0a1b2c3d"}
    return replace(record, values=values, error=error, inputs=record.inputs.reshape(shape), features=features, baseline=baseline, provenance=provenance)
