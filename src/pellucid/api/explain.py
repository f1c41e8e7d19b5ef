"""`explain`: what in the input mattered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api import _parts
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import describe, plain, settings
from pellucid.core.errors import SettingError, StrictError
from pellucid.core.inputs import check_inputs
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import Model
from pellucid.core.outcome import Outcome, Outcomes
from pellucid.core.records import Cost, Explained, Explanation
from pellucid.core.target import Target, TargetLike, resolve_score, resolve_target
from pellucid.diagnostics import examine

Array = np.ndarray


def explain(
    model: Any,
    x: Any,
    method: str | Method,
    *,
    target: TargetLike = "predicted",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    seed: int = 0,
    strict: bool = False,
    score: str | None = None,
    layer: str | None = None,
    baseline: Any = None,
    background: Any = None,
    features: Any = None,
    fill: Any = None,
    class_names: Sequence[str] | None = None,
    labels: Sequence[int] | Array | None = None,
    network: str | None = None,
    allow_unsafe: bool = False,
    progress: bool | None = None,
    **method_settings: Any,
) -> Explanation:
    """Attribute a model's score to the features of its inputs, with the error of each value.

    Parameters
    ----------
    model: a Keras model, a model file, a callable (samples, *shape) → (samples, classes), or a `Model` from `pellucid.adapt`.
    x: array (samples, *shape).
    method: a name from `pellucid list methods`, or a method object.
    target: "predicted", a class number or name, one per sample, a pair of names (a contrast), or (position, class).
    tolerance: bound for the 95 % quantile of the relative error per sample; None takes the method's own default.
    max_evaluations: inputs per sample that may go through the network; None takes the method's own default.
    seed: for methods that draw; the same seed gives the same bytes on the same machine. Every sample meets the same stream of draws.
    strict: raise `StrictError` where a check finds anything to warn of.
    score: "logit" (default where the network ends in softmax or sigmoid), "centered_logit", "log_probability", "probability", "output".
    layer: the layer of a class activation map; None lets the method choose, and say which.
    baseline: for path methods: a number, an array (*shape) or (samples, *shape), "mean", "blur:2"; zeros by default.
    background, fill: for coalition methods, one of them: data (rows, *shape), or what absent features hold ("constant:0", "mean", "blur:2", an array).
    features: for coalition methods: "patches:4", "superpixels:slic:30", "pixels", "columns", a label map, or an object.
    class_names: names of the outputs, for `target` and for reports. labels: true classes, for reports. network: a name for reports.
    progress: a bar on standard error when it takes longer than two seconds; None shows it on a terminal.
    **method_settings: the method's own settings (`pellucid list methods`).

    Returns an `Explanation` with values and error of shape (samples, *feature). Raises an exception of the tree in `pellucid.core.errors`.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x @ np.array([[1.0], [2.0]])
    >>> pellucid.explain(model, np.array([[3.0, 4.0]]), "shap").values
    array([[3., 8.]])
    """
    began = time.perf_counter()
    name, chosen = _parts.find_method(method, method_settings)
    options = {"layer": layer, "baseline": baseline, "background": background, "features": features, "fill": fill}
    _parts.check_options(name, chosen, options)
    limit, budget = _accuracy(chosen, tolerance, max_evaluations)
    _check_seed(seed)
    adapted = adapt(model, allow_unsafe=allow_unsafe)
    _parts.check_serves(name, chosen, adapted)
    inputs = check_inputs(x, adapted.traits.input_shape)
    asked = {"target": target.tolist() if isinstance(target, np.ndarray) else target, "network": network}
    asked["labels"] = _parts.check_labels(labels, len(inputs))
    options = _parts.with_defaults(chosen, options, inputs)
    scale = resolve_score(score, adapted.traits.head)
    resolved, outputs = _target(adapted, chosen, inputs, target, scale, class_names)
    with progress_after_patience(f"{chosen.title}, {len(inputs)} samples", progress) as report:
        task = Task(
            model=adapted,
            inputs=inputs,
            target=resolved,
            scores=np.zeros(len(inputs)) if outputs is None else resolved.of(outputs),
            tolerance=limit,
            max_evaluations=budget,
            seed=int(seed),
            progress=report,
            layer=layer,
            baseline=_parts.find_baseline(chosen, options["baseline"], inputs),
            features=_parts.find_features(chosen, options["features"], inputs),
            fills=_parts.find_fills(chosen, options["fill"], background, inputs),
        )
        found = chosen.explain(task)
    if outputs is None:
        outputs = _given_outputs(name, found)
        resolved = resolve_target(target, scale, outputs, class_names)
        task = replace(task, target=resolved, scores=resolved.of(outputs))
    provenance = _provenance(name, chosen, task, found, options, asked)
    record = _record(name, task, found, outputs, class_names, provenance, time.perf_counter() - began)
    return _strict(record) if strict else record


def _accuracy(method: Method, tolerance: float | None, max_evaluations: int | None) -> tuple[float, int]:
    limit = method.default_tolerance if tolerance is None else tolerance
    if isinstance(limit, bool) or not isinstance(limit, (int, float, np.number)) or not 0 <= float(limit) < np.inf:
        raise SettingError(f"tolerance must be a number of at least 0 (0.02 means 2 %), got {tolerance!r}.")
    budget = method.default_max_evaluations if max_evaluations is None else max_evaluations
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:
        raise SettingError(f"max_evaluations must be a whole number above 0, got {max_evaluations!r}.")
    return float(limit), int(budget)


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SettingError(f"seed must be a whole number of at least 0, got {seed!r}.")


def _target(model: Model, method: Method, inputs: Array, target: TargetLike, scale: str, names: Sequence[str] | None) -> tuple[Target, Array | None]:
    """The target, and the outputs on its side of the softmax where a pass was made for it."""
    early = _parts.early_target(model, method, inputs, target, scale, names)
    if early is not None:
        return early, None
    outputs = model.predict(inputs, logits=scale in ("logit", "centered_logit"))
    return resolve_target(target, scale, outputs, names), outputs


def _given_outputs(name: str, found: Attribution) -> Array:
    if found.outputs is None:
        raise SettingError(f"method '{name}' says single_pass but gave no outputs; give the network's outputs in its Attribution.")
    return found.outputs


def _provenance(name: str, method: Method, task: Task, found: Attribution, options: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    given = {key: plain(value) for key, value in options.items() if value is not None}
    return describe(
        task.model,
        method=name,
        title=method.title,
        citation=method.citation,
        settings=settings(method) | given,
        resolved=dict(found.resolved),
        seed=task.seed,
        tolerance=task.tolerance,
        max_evaluations=task.max_evaluations,
        score=task.target.score,
        **{key: plain(value) for key, value in asked.items()},
    )


def _record(name: str, task: Task, found: Attribution, outputs: Array, names: Sequence[str] | None, provenance: dict[str, Any], seconds: float) -> Explanation:
    record = Explanation(
        method=name,
        values=found.values,
        error=found.error,
        error_kind=found.error_kind,
        axes=found.axes,
        inputs=task.inputs,
        prediction=_parts.as_predictions(task.model, outputs, task.target.reads_logits),
        score=task.scores,
        target=Explained(task.target.labels, task.target.score),
        cost=Cost(found.evaluations, found.gradients, seconds),
        outcome=Outcomes(tuple(Outcome(stop) for stop in found.stops)),
        degrees=np.full(len(found.values), np.inf) if found.degrees is None else np.asarray(found.degrees, dtype=float),
        baseline=task.baseline if task.fills is None else task.fills.mean(axis=1),
        baseline_score=found.baseline_score,
        features=task.features,
        class_names=tuple(names) if names is not None else tuple(str(i) for i in range(outputs.shape[-1])),
        statistics=found.statistics,
        provenance=provenance,
    )
    outcomes = []
    for outcome, findings in zip(record.outcome, examine(record), strict=True):
        for finding in findings:
            outcome = outcome.with_finding(finding)
        outcomes.append(outcome)
    return replace(record, outcome=Outcomes(tuple(outcomes)))


def _strict(record: Explanation) -> Explanation:
    for i, outcome in enumerate(record.outcome):
        if not outcome.ok:
            raise StrictError(f"sample {i}: {outcome.worst} (strict=True)")
    return record
