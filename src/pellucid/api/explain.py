"""`explain`: what in the input mattered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts, _sums, _tokens
from pellucid.api._deletion import Deleting
from pellucid.api._given import applied, told
from pellucid.api._held import Held
from pellucid.api._layer import Subject, carried, carried_rows, goes_round
from pellucid.api._layer import subject as find_subject
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import describe, plain, settings
from pellucid.api._resume import axes_of, check_agreement, of_rows
from pellucid.api._several import folded, prepared
from pellucid.api._stream import explain_stream, is_stream
from pellucid.api._vary import Asked, VaryLike, asked, with_choices
from pellucid.core.errors import CombinationError, SettingError, StrictError
from pellucid.core.inputs import on_host
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import Model
from pellucid.core.outcome import Outcome, Outcomes
from pellucid.core.preprocessing import Given, Preprocessing
from pellucid.core.records import Continuation, Cost, Explained, Explanation, concat
from pellucid.core.scoring import digest_of
from pellucid.core.target import Several, Target, TargetLike, as_written, resolve_score
from pellucid.data.fills.deletion import deletes
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
    resume: Explanation | None = None,
    vary: VaryLike = None,
    preprocessing: Preprocessing | Given | None = None,
    progress: bool | None = None,
    **method_settings: Any,
) -> Explanation:
    """Attribute a model's score to the features of its inputs, with the error of each value.

    Parameters
    ----------
    model: a Keras model, a PyTorch module, a model file, a callable (samples, *shape) → (samples, classes), or a `Model` from `pellucid.adapt`.
    x: array (samples, *shape), as the model takes it; for several inputs a mapping name → array, or a tuple in the model's order; or what gives such
        batches, or single samples, one after the other: a generator, a PyTorch DataLoader, a tf.data.Dataset, a Keras sequence (of (x, y) the x). All is
        kept in memory: for more, `pellucid.Plan` streams to disk.
    method: a name from `pellucid list methods`, or a method object.
    target: "predicted", a class number or name, a pair of names (a contrast), or (position, class), with a mask in place of the position for a region; a list
        with one of these per sample; `pellucid.Several("4", "9")` for several at once; {"output": target} where the network has several outputs; or a function
        of what the network returns, NumPy (samples, *output) → (samples,). See docs/targets.md.
    tolerance: bound for the 95 % quantile of the relative error per sample; None takes the method's own default.
    max_evaluations: inputs per sample that may go through the network; None takes the method's own default.
    seed: for methods that draw; the same seed gives the same bytes on the same machine. Every sample meets the same stream of draws.
    strict: raise `StrictError` where a check finds anything to warn of.
    score: "logit" (default where the network ends in softmax or sigmoid), "centered_logit", "log_probability", "probability", "output".
    layer: for path methods, attribute to the output of a layer instead of the input ("conv2d_1"), or explain units of it ("dense[7]", the mean of
        "conv2d_1[:, :, 5]"). For class activation maps, the layer of the map; None lets the method choose, and say which.
    baseline: for path methods: a number, an array (*shape) or (samples, *shape), "mean", "blur:2"; zeros by default.
    background, fill: for coalition methods, one of them: data (rows, *shape), or what absent features hold ("constant:0", "mean", "blur:2", an array).
    features: for coalition methods: "patches:4", "superpixels:slic:30", "pixels", "columns", a label map, or an object. For path methods whose values are
        parts of the score (integrated_gradients, expected_gradients, …) too: what the elements of a feature get is summed, and its error is the sum's.
        With several inputs, baseline, background, features and fill may be mappings, one entry an input.
    class_names: names of the outputs, for `target` and for reports; None takes the model's own where it brings some. labels: true classes, for reports.
    network: a name for reports.
    resume: an earlier explanation by the same call, with a larger tolerance or a smaller budget: work goes on from there. `explanation.refine()` does this.
    vary: options whose choice is to be tried otherwise, ["baseline", "fill", "background", "features", "score", "seed"], by stated lists, or by yours:
        {"baseline": [0.0, "mean"]}. `Explanation.choices` holds the values under each; it costs an explanation for each. See docs/choices.md.
    preprocessing: what makes the network's inputs of samples as a person gives them (`pellucid.data.preprocessings`: Text, Table, Image, Series). `x` and
        `background` are then sentences, rows, images or series, and the record tells of them in these words. See docs/preprocessing.md.
    progress: a bar on standard error when it takes longer than two seconds; None shows it on a terminal.
    **method_settings: the method's own settings (`pellucid list methods`).

    Returns an `Explanation` with values and error of shape (samples, *feature). Raises an exception of the tree in `pellucid.core.errors`.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x @ np.array([[1.0], [2.0]])
    >>> pellucid.explain(model, np.array([[3.0, 4.0]]), "shap").values
    array([[3., 8.]])
    """
    if preprocessing is None and is_stream(x):
        return explain_stream(explain, dict(locals()))
    began = time.perf_counter()
    name, chosen = _parts.find_method(method, method_settings)
    options = {"layer": layer, "baseline": baseline, "background": background, "features": features, "fill": fill}
    _parts.check_options(name, chosen, options)
    x, options, shown = applied(preprocessing, x, chosen, options)
    options, target = {word: on_host(value) for word, value in options.items()}, on_host(target)
    limit, budget = _accuracy(chosen, tolerance, max_evaluations)
    _parts.check_seed(seed)
    held = Held.of(model, allow_unsafe)
    adapted, target = _parts.split_output(held.model(), target)
    adapted, inputs = _inputs.gather(adapted, x)
    adapted.meet(inputs)
    _parts.check_serves(name, chosen, adapted)
    options = _inputs.named(options, adapted.packing)
    names = class_names if class_names is not None else adapted.traits.class_names or None
    given = {"target": target, "seed": seed, "score": score, "class_names": names, "labels": labels, "network": network, "preprocessing": shown} | options
    call = _Call(name, chosen, held.read_as(adapted), adapted, inputs, given, options, limit, budget, resume, progress, began)
    subject = _tokens.embedded(adapted, chosen, layer, inputs, options["baseline"]) or find_subject(adapted, chosen, layer, inputs, target)
    call = replace(call, vary=asked(vary, call, embedding=bool(subject.embedding)))
    record = _each_alone(call, tolerance, max_evaluations) if goes_round(adapted, subject, inputs) else _explained(call, subject)
    if call.vary is not None:
        record = with_choices(record, call.vary, _otherwise(call), resume, progress)
    return _strict(record) if strict else record


@dataclass(frozen=True)
class _Call:
    """One call of `explain`, checked. `given` are its keywords as they came, `options` those of `OPTIONS`, with defaults still to be filled in."""

    name: str
    method: Method
    held: Held
    model: Model
    inputs: Array
    given: dict[str, Any]
    options: dict[str, Any]
    tolerance: float
    max_evaluations: int
    resume: Explanation | None
    progress: bool | None
    began: float
    vary: Asked | None = None


def _explained(call: _Call, subject: Subject) -> Explanation:
    """All samples in one queue."""
    method, inputs, given, resume = call.method, call.inputs, call.given, call.resume
    target, names = given["target"], given["class_names"]
    labels = _parts.check_labels(given["labels"], len(inputs))
    options, parts = _parts_of(call, subject)
    scale = resolve_score(given["score"], subject.model.traits.head, by_function=callable(target))
    resolved, outputs = _target(subject, method, target, scale, names)
    count = len(target.targets) if isinstance(target, Several) else 0
    provenance = _provenance(call, options, resolved.score, labels)
    if resume is not None:
        check_agreement(resume, inputs, None if resolved.follows_prediction else resolved.labels, provenance)
    with progress_after_patience(f"{method.title}, {len(inputs)} samples", call.progress) as report:
        scores = np.zeros(len(inputs)) if outputs is None else resolved.of(np.repeat(outputs, count or 1, axis=0))
        task = Task(
            subject.model,
            subject.inputs,
            resolved,
            scores,
            call.tolerance,
            call.max_evaluations,
            int(given["seed"]),
            report,
            call.options["layer"],
            state={} if resume is None else resume.state,
            **parts,
        )
        task = prepared(task, count, resume)
        found = _attributed(call, subject, task)
    if outputs is None:
        outputs = _given_outputs(call.name, found)
        resolved = _parts.find_target(subject.model, target, scale, outputs, names) if subject.unit is None else subject.unit
        task = replace(task, target=resolved, scores=resolved.of(outputs))
    where = {"at": subject.layer, "channels": subject.model.traits.channels} if subject.layer else {}
    provenance["resolved"] = dict(found.resolved) | where | ({"embedding": subject.embedding} if subject.embedding else {})
    seconds = time.perf_counter() - call.began + (0.0 if resume is None else resume.cost.seconds)
    shown = _shown(subject, task, outputs, names)
    shown_for = (np.repeat(shown[0], count or 1, axis=0), shown[1])
    record = _record(call.name, _at_input(task, subject, call, count), found, shown_for, provenance, seconds)
    record = folded(record, target.names, task.model, resume) if count else record
    return replace(record, continuation=_continuation(call))


def _attributed(call: _Call, subject: Subject, task: Task) -> Attribution:
    """What the method gives, summed where it is of elements that one feature has several of, or of the units of a token."""
    if task.features is not None and _sums.joins(call.method):
        sums = _sums.Sums.of_features(_tokens.own_map(task.features, subject, call.model.packing), task.inputs.shape[1:])
        return _sums.attribute(call.name, call.method, task, sums, ("sample", "feature"))
    if not subject.embedding:
        return call.method.explain(_with_deletion(call, task))
    found = _tokens.attribute(call.name, call.method, task)
    return _tokens.among(found, call.model.packing, subject.tokens) if subject.tokens and call.model.packing else found


def _with_deletion(call: _Call, task: Task) -> Task:
    """The task before whose network stands what leaves absent words out, where the fill says so."""
    if "fill" not in call.method.accepts or not deletes(call.options["fill"]):
        return task
    labels = np.arange(task.inputs[0].size)[None] if task.features is None else task.features.labels
    return replace(task, model=Deleting(task.model, labels, task.packing))


def _at_input(task: Task, subject: Subject, call: _Call, count: int) -> Task:
    """The task as a record shows it: with the network's own inputs, and no baseline where that was a layer's."""
    inputs = np.repeat(call.inputs, count or 1, axis=0)
    return replace(task, inputs=inputs, packing=call.model.packing, baseline=None, fills=None) if subject.layer or subject.embedding else task


def _parts_of(call: _Call, subject: Subject) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options with their defaults, and baseline, features and fills as the method is given them."""
    options, found = _own_parts(call, subject)
    if options["features"] is None or not _sums.joins(call.method):
        return options, found
    if subject.layer:
        raise CombinationError(f"features join elements of the input, and layer='{subject.layer}' attributes to a layer's units; leave one of them out.")
    packing, traits = call.model.packing, call.model.traits
    cut = (
        _parts.cut_features(options["features"], call.inputs, traits.channels, traits.feature_names)
        if packing is None
        else _inputs.cut_features(options["features"], call.inputs, packing)
    )
    return options, found | {"features": _tokens.with_rest(cut, subject, packing, found["baseline"], found["fills"])}


def _own_parts(call: _Call, subject: Subject) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of what the method itself takes."""
    method, inputs, traits, packing = call.method, call.inputs, call.model.traits, call.model.packing
    if subject.embedding:
        rows = _parts.find_fills(method, None, call.options["background"], inputs, traits.channels)
        baseline = _tokens.baseline_of(subject, call.options["baseline"], inputs, packing) if "baseline" in method.accepts else None
        return dict(call.options), {"baseline": baseline, "fills": carried_rows(subject, rows)}
    if packing is None:
        options = _parts.with_defaults(method, call.options, inputs, traits.channels)
        features = _parts.find_features(method, options["features"], inputs, traits.channels, subject.model.traits.feature_names)
        baseline = _parts.find_baseline(method, options["baseline"], inputs, traits.channels)
        fills = _parts.find_fills(method, options["fill"], options["background"], inputs, traits.channels, features)
    else:
        options = _inputs.with_defaults(method, call.options, inputs, packing)
        features = _inputs.find_features(method, options["features"], inputs, packing)
        baseline = _inputs.find_baseline(method, options["baseline"], inputs, packing)
        fills = _inputs.find_fills(method, options["fill"], options["background"], inputs, packing, features)
        if not subject.layer:
            _inputs.check_tokens(call.name, method, inputs, baseline, packing)
    found = {"baseline": carried(subject, baseline), "features": features, "fills": carried_rows(subject, fills)}
    return options, found | {"packing": None if subject.layer else packing}


def _each_alone(call: _Call, tolerance: float | None, max_evaluations: int | None) -> Explanation:
    """Sample by sample: part of the network goes round the layer, so that each needs the network's other branches at its own input."""
    found, axes = [], axes_of(call.inputs, call.model.packing)
    for i in range(len(call.inputs)):
        row = np.array([i])
        asked = of_rows(call.given, row, len(call.inputs), axes) | {"tolerance": tolerance, "max_evaluations": max_evaluations}
        found.append(explain(call.model, call.inputs[row], call.method, **asked, resume=None if call.resume is None else call.resume[row], progress=False))
    return replace(concat(found), continuation=_continuation(call))


def _continuation(call: _Call) -> Continuation:
    accuracy = {"method": call.method, "tolerance": call.tolerance, "max_evaluations": call.max_evaluations}
    return Continuation(_going_on(call), np.arange(len(call.inputs)), call.given | accuracy, len(call.inputs), call.held)


def _going_on(call: _Call) -> Callable[[Explanation, Array, float | None, int | None], Explanation]:
    """The same call again for some of its samples, from where an explanation of them stopped."""
    held, method, inputs, given, progress = call.held, call.method, call.inputs, call.given, call.progress  # not the call, which has the adapted network
    most, vary, axes = max(call.max_evaluations, method.default_max_evaluations), call.vary, axes_of(inputs, call.model.packing)

    def again(earlier: Explanation, rows: Array, tolerance: float | None, max_evaluations: int | None) -> Explanation:
        budget = most if max_evaluations is None else max_evaluations
        asked = of_rows(given, rows, len(inputs), axes) | {"tolerance": tolerance, "max_evaluations": budget}
        others = None if vary is None else vary.of(rows, len(inputs))
        return explain(held, inputs[rows], method, **asked, resume=earlier, vary=others, progress=progress)

    return again


def _otherwise(call: _Call) -> Callable[[Mapping[str, Any]], Explanation]:
    """The same call with other keywords."""
    accuracy = {"tolerance": call.tolerance, "max_evaluations": call.max_evaluations}
    return lambda changes: explain(call.model, call.inputs, call.method, **(call.given | accuracy | dict(changes)), progress=False)


def _accuracy(method: Method, tolerance: float | None, max_evaluations: int | None) -> tuple[float, int]:
    limit = method.default_tolerance if tolerance is None else tolerance
    if isinstance(limit, bool) or not isinstance(limit, (int, float, np.number)) or not 0 <= float(limit) < np.inf:
        raise SettingError(f"tolerance must be a number of at least 0 (0.02 means 2 %), got {tolerance!r}.")
    budget = method.default_max_evaluations if max_evaluations is None else max_evaluations
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:
        raise SettingError(f"max_evaluations must be a whole number above 0, got {max_evaluations!r}.")
    return float(limit), int(budget)


def _target(subject: Subject, method: Method, target: TargetLike, scale: str, names: Sequence[str] | None) -> tuple[Target, Array | None]:
    """The target, and the outputs on its side of the softmax where a pass was made for it."""
    if subject.unit is not None:
        return subject.unit, None if method.single_pass else subject.model.predict(subject.inputs)
    early = _parts.early_target(subject.model, method, subject.inputs, target, scale, names)
    if early is not None:
        return early, None
    outputs = subject.model.predict(subject.inputs, logits=_parts.before_head(subject.model, subject.inputs, target, scale))
    return _parts.find_target(subject.model, target, scale, outputs, names), outputs


def _shown(subject: Subject, task: Task, outputs: Array, names: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    """What a record shows as the prediction, and the names of its last axis: of explained units their score alone."""
    if subject.unit is not None:
        return task.scores[:, None], (subject.unit.labels[0],)
    predictions = _parts.as_predictions(task.model, outputs, task.target.reads_logits)
    return predictions, _parts.output_names(task.model, outputs, names)


def _given_outputs(name: str, found: Attribution) -> Array:
    if found.outputs is None:
        raise SettingError(f"method '{name}' says single_pass but gave no outputs; give the network's outputs in its Attribution.")
    return found.outputs


def _provenance(call: _Call, options: dict[str, Any], score: str, labels: list[int] | None) -> dict[str, Any]:
    method, target = call.method, call.given["target"]
    shown = {key: plain(value) for key, value in options.items() if value is not None}
    return describe(
        call.model,
        method=call.name,
        title=method.title,
        citation=method.citation,
        unit=method.unit,
        directed=method.directed,
        promises=sorted(method.promises),
        settings=settings(method) | shown,
        seed=int(call.given["seed"]),
        tolerance=call.tolerance,
        max_evaluations=call.max_evaluations,
        score=score,
        target=as_written(target),
        output=call.model.traits.output or None,
        function=digest_of(target) if callable(target) else None,
        network=plain(call.given["network"]),
        labels=labels,
        **told(call.given["preprocessing"]),
    )


def _record(name: str, task: Task, found: Attribution, shown: tuple[Array, tuple[str, ...]], provenance: dict[str, Any], seconds: float) -> Explanation:
    record = Explanation(
        method=name,
        values=found.values,
        error=found.error,
        error_kind=found.error_kind,
        axes=found.axes,
        inputs=task.inputs,
        prediction=shown[0],
        score=task.scores,
        target=Explained(task.target.labels, task.target.score),
        cost=Cost(found.evaluations, found.gradients, seconds),
        outcome=Outcomes(tuple(Outcome(stop) for stop in found.stops)),
        degrees=np.full(len(found.values), np.inf) if found.degrees is None else np.asarray(found.degrees, dtype=float),
        baseline=task.baseline if task.fills is None else task.fills.mean(axis=1),
        baseline_score=found.baseline_score,
        features=task.features,
        class_names=shown[1],
        statistics=found.statistics,
        state=found.state,
        provenance=provenance,
        packing=task.packing,
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
