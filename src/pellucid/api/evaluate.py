"""`evaluate`: whether to believe an explanation."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, overload

import numpy as np

from pellucid.adapters import adapt
from pellucid.api import _parts, _trial
from pellucid.api._again import AsBefore, as_before
from pellucid.api._deletion import Deleting
from pellucid.api._inputs import packed
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import describe, plain, settings
from pellucid.api.truth import truth_of
from pellucid.api.units import units_of
from pellucid.core.catalogue import build
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.evaluation import Evaluation, Score, identity_of
from pellucid.core.inputs import on_host
from pellucid.core.method import Progress
from pellucid.core.metric import Metric, Trial, joined, unit_importance
from pellucid.core.model import Model, batches
from pellucid.core.records import Explanation
from pellucid.core.target import Target
from pellucid.core.verdict import Thresholds, judge
from pellucid.data.fills.deletion import deletes
from pellucid.metrics import METRICS

Array = np.ndarray
MetricsLike = str | Metric | Sequence[str | Metric] | Mapping[str, Mapping[str, Any]] | None
PANEL = ("deletion", "insertion", "weight_randomisation", "max_sensitivity", "completeness", "efficiency", "sparseness")
"""What is measured where nothing is named, as far as it serves."""
PART_BYTES = 64e6
"""What the importances, or the inputs and what they are explained by once more, of the samples that are measured together may take."""
OF_INPUTS = 4
"""Arrays of the inputs' size that an explanation holds: values, errors, inputs, baselines."""


@overload
def evaluate(model: Any, explanation: Explanation, metrics: MetricsLike = None, **options: Any) -> Evaluation: ...
@overload
def evaluate(model: Any, explanation: Sequence[Explanation], metrics: MetricsLike = None, **options: Any) -> list[Evaluation]: ...
def evaluate(model: Any, explanation: Explanation | Sequence[Explanation], metrics: MetricsLike = None, **options: Any) -> Evaluation | list[Evaluation]:
    """Measure whether an explanation is faithful to the network, is about this network at all, and stays.

    Parameters
    ----------
    model: the network that was explained, as `explain` takes it.
    explanation: an `Explanation`, or several, which are then all measured in the same way.
    metrics: names from `pellucid list metrics`, metric objects, or a mapping name → settings; None is a panel of those that serve. One that is named and
        cannot measure the explanation is an error, one of the panel is left out, and `Evaluation.refused` says why.
    features: what is taken away at a time ("patches:4", a label map, …); the explanation's own features, the pixels of an image, the numbers of all else.
    fill, background: what stands in the place of what is taken away, as in `explain`; zeros by default.
    truth: where the reason is known to lie, for localisation: a mask over the inputs; a box (top, left, bottom, right), the ends left out, or a list of boxes,
        one an image; names of columns or units (["age", "sex"]), or numbers of columns, words or steps in a set ({0, 3}); with several inputs a mapping.
    draws: random importances beside the explanation's, to read numbers against chance; 0 for none.
    seed: of these and of all else that is drawn; the same seed gives the same numbers.
    again: keywords of `explain` for metrics that explain once more, in place of those that a stored record does not hold (arrays, functions).
    thresholds: where a verdict turns, `pellucid.core.verdict.Thresholds`.
    strict: whether a metric that cannot measure is an error; where None, those that are named.
    allow_unsafe, progress: as in `explain`.

    Returns an `Evaluation`: by metric a `Score` with one number a sample, its error, chance and cost, and a verdict on each sample; for several explanations a
    list.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x @ np.array([[1.0], [2.0], [0.0]])
    >>> explanation = pellucid.explain(model, np.ones((1, 3)), "shap")
    >>> print(round(pellucid.evaluate(model, explanation, "deletion", draws=0)["deletion"].mean, 3))
    0.825
    """
    adapted = adapt(model, allow_unsafe=bool(options.pop("allow_unsafe", False)))
    strict = options.pop("strict", None)
    plan = _Plan(_find_metrics(metrics), metrics is not None if strict is None else bool(strict), **_checked(options))
    return [plan.of(adapted, one) for one in explanation] if isinstance(explanation, (list, tuple)) else plan.of(adapted, explanation)


@dataclass(frozen=True)
class _Plan:
    """One call of `evaluate`, checked; `strict`: a metric that cannot measure is an error."""

    metrics: Mapping[str, Metric]
    strict: bool
    features: Any = None
    fill: Any = None
    background: Any = None
    truth: Any = None
    draws: int = 20
    seed: int = 0
    again: Mapping[str, Any] | None = None
    thresholds: Thresholds | None = None
    progress: bool | None = None

    def of(self, model: Model, explanation: Any) -> Evaluation:
        _check(explanation)
        model = _as_explained(model, explanation)
        again = as_before(explanation, model, self.again or {})
        trial = self.trial(model, explanation, again)
        scores, refused = {}, {}
        for name, metric in self.metrics.items():
            reason = metric.refuses(model, explanation) or _lacking(metric, trial, again)
            try:
                if reason:
                    raise UnsupportedError(reason)
                scores[name] = self.score(name, metric, trial)
            except UnsupportedError as error:
                if self.strict:
                    raise UnsupportedError(f"metric '{name}' cannot measure this explanation: it {error}.") from error
                refused[name] = str(error)
        limits = self.thresholds or Thresholds()
        verdicts = tuple(judge(scores, outcome, i, limits) for i, outcome in enumerate(explanation.outcome))
        told = self.provenance(model, explanation) | {"thresholds": dataclasses.asdict(limits)}
        return Evaluation(explanation.method, explanation.target.labels, scores, verdicts, refused, told, identity_of(explanation))

    def trial(self, model: Model, explanation: Explanation, again: AsBefore) -> Trial:
        inputs, given = explanation.inputs, again.given
        units = units_of(explanation, self.features)
        importance = unit_importance(explanation, units)
        present = np.broadcast_to(units.present(len(units.names)), importance.shape)
        scale = explanation.target.score
        logits = _parts.before_head(model, inputs, given["target"], scale)
        outputs = model.predict(inputs, logits=logits)
        target = _parts.find_target(model, given["target"], scale, outputs, given.get("class_names"))
        _check_target(target, explanation)
        leaves_out = self.background is None and deletes(_trial.fill_of(explanation, self.fill, self.background))
        return Trial(
            Deleting(model, units.labels, model.packing, gradients=True) if leaves_out else model,
            inputs,
            target,
            target.of(outputs),
            importance[:, None],
            units,
            present,
            _trial.fills_of(explanation, model, self.fill, self.background, units),
            explanation,
            again,
            self.seed,
            truth_of(self.truth, explanation, units, model.traits.feature_names),
        )

    def score(self, name: str, metric: Metric, trial: Trial) -> Score:
        draws = self.draws if metric.by_chance else 0
        began = time.perf_counter()
        with progress_after_patience(f"{metric.title}, {len(trial.inputs)} samples", self.progress) as report:
            found = joined([metric.measure(part) for part in self.parts(trial, draws, report)])
        return Score(
            name,
            metric.title,
            metric.group,
            metric.better,
            found.values[:, 0],
            found.error[:, 0],
            found.values[:, 1:],
            np.asarray(found.evaluations),
            np.asarray(found.gradients),
            time.perf_counter() - began,
            found.curves,
            settings(metric) | dict(found.resolved),
            metric.citation,
            metric.limits,
        )

    def parts(self, trial: Trial, draws: int, report: Progress) -> Iterator[Trial]:
        """The trial in parts whose numbers fit `PART_BYTES`, each with random importances, so that memory does not grow with samples."""
        samples, whole = len(trial.inputs), trial.importance[:, 0]
        each = 8 * max((1 + draws) * whole.shape[1], OF_INPUTS * trial.inputs[0].size)
        for rows in batches(samples, max(1, int(PART_BYTES // each))):
            importance = _trial.with_chance(whole[rows], trial.present[rows], draws, self.seed)
            part = trial if rows == slice(0, samples) else trial[rows]
            yield replace(part, importance=importance, progress=partial(_report, report, rows, samples))

    def provenance(self, model: Model, explanation: Explanation) -> dict[str, Any]:
        more = {name: plain(getattr(self, name)) for name in ("features", "fill", "background", "truth", "draws", "seed")}
        said = explanation.provenance
        return describe(model, **more, explained={name: said[name] for name in ("title", "network", "fingerprint", "settings", "seed") if name in said})


def _report(report: Progress, rows: slice, samples: int, done: float) -> None:
    """Tell how far all samples are, where a part of them is so far."""
    report((rows.start + done * (rows.stop - rows.start)) / samples)


def _lacking(metric: Metric, trial: Trial, again: AsBefore) -> str:
    """What a metric needs and was not given."""
    if "truth" in metric.needs and trial.truth is None:
        return "needs to know where the reason lies: truth=…"
    return f"explains once more, and the explanation {again.hindrance}" if "again" in metric.needs and again.hindrance else ""


def _find_metrics(metrics: MetricsLike) -> dict[str, Metric]:
    """Name → metric, with its settings."""
    if metrics is None:
        metrics = PANEL
    of_settings = not isinstance(metrics, Mapping) or all(isinstance(one, (Mapping, type(None))) for one in metrics.values())
    if not isinstance(metrics, (str, Metric, Sequence, Mapping)) or not of_settings:
        raise SettingError(f"metrics must be names, metric objects, or a mapping such as {{'deletion': {{'steps': 10}}}}; got {metrics!r}.")
    asked: Sequence[Any] = [metrics] if isinstance(metrics, (str, Metric)) else list(metrics)
    given = metrics if isinstance(metrics, Mapping) else {}
    found: dict[str, Metric] = {}
    for one in asked:
        if isinstance(one, Metric):
            name = type(one).__module__.rpartition(".")[2]
            found[name if name in METRICS and METRICS.load(name) is type(one) else type(one).__name__] = one
        else:
            part = METRICS.load(one)
            found[one] = build("metric", one, part, dict(given.get(one) or {}))
    if not found:
        raise SettingError(f"no metric is named; known: {', '.join(METRICS)}.")
    return found


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    known = [name for name in _Plan.__dataclass_fields__ if name not in ("metrics", "strict")]
    for name in options:
        if name not in known:
            raise SettingError(
                f"evaluate does not take '{name}'; it takes {', '.join(known)}, allow_unsafe. Settings of a metric: metrics={{'deletion': {{'steps': 10}}}}."
            )
    for name, least in (("draws", 0), ("seed", 0)):
        value = options.get(name, least)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SettingError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    for name, kind, example in (("again", Mapping, "{'baseline': baseline}"), ("thresholds", Thresholds, "Thresholds(level=0.9)")):
        if not isinstance(options.get(name), (kind, type(None))):
            raise SettingError(f"{name} must be like {name}={example}; got {options[name]!r}.")
    return options | {name: on_host(options[name]) for name in ("fill", "background", "truth", "features") if name in options}


def _check(explanation: Any) -> None:
    if not isinstance(explanation, Explanation):
        raise SettingError(f"evaluate takes an Explanation or several, got {type(explanation).__name__}; make one with pellucid.explain(model, x, method).")
    if explanation.targets:
        raise UnsupportedError(f"this explanation is of several targets; choose one, e.g. explanation.at({explanation.targets[0]!r}).")


def _check_target(target: Target, explanation: Explanation) -> None:
    """Raise where the score that would be measured is not the one that was explained."""
    if target.labels == explanation.target.labels:
        return
    unit = explanation.provenance.get("settings", {}).get("layer")
    if unit is not None and "[" in str(unit):
        raise UnsupportedError(f"this explanation is of the units {unit}, not of the network's output; evaluate measures explanations of the output.")
    here, there = next((here, there) for here, there in zip(target.labels, explanation.target.labels, strict=True) if here != there)
    raise SettingError(f"the explanation is of '{there}', and its record tells of '{here}'; give its target again: again={{'target': ...}}.")


def _as_explained(model: Model, explanation: Explanation) -> Model:
    """The network read at the output, and with the inputs, that were explained."""
    output = explanation.provenance.get("output")
    model = model.reading(output) if output and model.traits.output != output else model
    model = packed(model, explanation.packing) if explanation.packing is not None and model.packing is None else model
    model.meet(explanation.inputs)
    said, have = explanation.provenance.get("fingerprint"), model.traits.fingerprint
    if said and have and said != have:
        raise SettingError(f"the explanation is of another network (fingerprint {said}, here {have}); give the network that was explained.")
    return model
