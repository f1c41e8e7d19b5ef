"""`recommend`: which method to take for this network and these inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api import _inputs, _parts
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import describe, plain
from pellucid.api._resume import axes_of, of_rows
from pellucid.api.evaluate import evaluate
from pellucid.api.explain import explain
from pellucid.core.errors import PellucidError, SettingError, UnsupportedError
from pellucid.core.evaluation import Evaluation
from pellucid.core.layout import to_last
from pellucid.core.method import OPTIONS
from pellucid.core.recommendation import Recommendation
from pellucid.core.verdict import DECIDING
from pellucid.data.parts import default_features
from pellucid.maths.ranking import mean_ranks
from pellucid.methods import METHODS

Array = np.ndarray
CANDIDATES = (
    "gradient_x_input",
    "saliency",
    "grad_cam",
    "integrated_gradients",
    "smooth_grad",
    "occlusion",
    "lime",
    "shap",
    "expected_gradients",
)
"""What is tried where nothing is named, cheapest first; those that cannot serve are left out, and it is said why."""
FEW = 4
BUDGET = 20_000
"""Samples that methods are tried on, and evaluations a sample for all of it."""


def recommend(
    model: Any,
    x: Any,
    methods: Sequence[str] = CANDIDATES,
    *,
    metrics: Any = None,
    samples: int = FEW,
    budget: int = BUDGET,
    features: Any = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    allow_unsafe: bool = False,
    progress: bool | None = None,
) -> Recommendation:
    """Run a stated set of methods on a few samples, measure each by the same panel, and rank them.

    Parameters
    ----------
    model, x: as `explain` takes them; the first `samples` of x are tried.
    methods: names, tried in this order until `budget` evaluations a sample are spent; the first two always are.
    metrics: what each is measured by, as in `evaluate`; None is the panel, as far as it serves each method. Ranked by those of faithfulness, localisation
        apart; sanity and the rest count through the verdicts.
    features: what is taken away at a time, the same for all methods, so that they can be compared; patches of images and series, columns of tables.
    options: keywords of `explain`, given to the methods that take them.
    seed, allow_unsafe, progress: as in `explain`.

    Returns a `Recommendation`, best first: fewest samples *not supported*, then the mean rank over the metrics, then the cost. It says what the panel prefers
    on these samples, not which method is right.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x @ np.array([[1.0], [2.0], [0.0]])
    >>> pellucid.recommend(model, np.ones((2, 3)), ["occlusion", "shap"]).best
    'occlusion'
    """
    if isinstance(methods, str) or not isinstance(methods, Sequence) or len(methods) < 2:
        raise SettingError(f"recommend compares methods; give a list of at least two names, got {methods!r}.")
    given = {"target": "predicted"} | dict(options or {})
    adapted = adapt(model, allow_unsafe=allow_unsafe)
    adapted, _ = _parts.split_output(adapted, given["target"])
    adapted, inputs = _inputs.gather(adapted, x)
    rows, count = np.arange(min(samples, len(inputs))), len(inputs)
    axes = axes_of(inputs, adapted.packing)
    given, features = of_rows(given, rows, count, axes), of_rows({"features": features}, rows, count, axes)["features"]
    inputs = inputs[rows]
    adapted.meet(inputs)
    if features is None and adapted.packing is None:
        features = default_features(to_last(inputs, adapted.traits.channels))
    shown = inputs if adapted.packing is None else adapted.packing.unpack(inputs)
    found: dict[str, Evaluation] = {}
    cost: dict[str, float] = {}
    left_out: dict[str, str] = {}
    with progress_after_patience(f"{len(methods)} methods, {len(inputs)} samples", progress) as report:
        for number, name in enumerate(methods):
            report(number / len(methods))
            reason = _refusal(name, adapted, given)
            if not reason and len(found) > 1 and sum(cost.values()) >= budget:
                reason = f"the budget of {budget:,} evaluations a sample was spent before its turn"
            if reason:
                left_out[name] = reason
                continue
            try:
                found[name], cost[name] = _tried(adapted, shown, name, given, features, metrics, seed)
            except PellucidError as error:
                left_out[name] = str(error)
    if not found:
        raise UnsupportedError("none of the methods could be tried: " + "; ".join(f"{name} {reason}" for name, reason in left_out.items()))
    ranks = _ranked(found)
    order = sorted(found, key=lambda name: (found[name].words.get("not supported", 0), round(ranks[name], 9), cost[name]))
    told = describe(adapted, metrics=plain(list(metrics) if isinstance(metrics, (list, tuple)) else metrics), samples=len(inputs), budget=budget, seed=seed)
    return Recommendation(tuple(order), {name: ranks[name] for name in order}, {name: found[name] for name in order}, cost, left_out, told)


def _refusal(name: str, model: Any, given: Mapping[str, Any]) -> str:
    """Why a method is not tried; empty where it is."""
    part = METHODS.load(name)
    if "background" in part.accepts and "fill" not in part.accepts and given.get("background") is None:
        return "needs a background: options={'background': x_train[:100]}"
    return str(part.refuses(model))


def _tried(model: Any, x: Any, name: str, given: Mapping[str, Any], features: Any, metrics: Any, seed: int) -> tuple[Evaluation, float]:
    """One method's evaluation, and what it cost a sample."""
    part = METHODS.load(name)
    own = {key: value for key, value in given.items() if key not in OPTIONS or key in part.accepts}
    if "features" in part.accepts and own.get("features") is None and features is not None:
        own["features"] = features
    explanation = explain(model, x, name, **{"seed": seed, "progress": False} | own)
    evaluation = evaluate(model, explanation, metrics, features=features, seed=seed, strict=False, progress=False)
    passes = sum(float(score.evaluations.mean()) * (1 + score.chance.shape[1]) for score in evaluation.scores.values())
    return evaluation, float(explanation.cost.evaluations.mean()) + passes


def _ranked(found: Mapping[str, Evaluation]) -> dict[str, float]:
    """The mean rank of each method over the metrics that all of them have and that compare: of the deciding groups, read against chance."""
    common = [name for name in next(iter(found.values())).scores if all(name in one.scores for one in found.values())]
    numbers = []
    for name in common:
        scores = [one.scores[name] for one in found.values()]
        if scores[0].better and scores[0].group in DECIDING and scores[0].chance.shape[1]:
            numbers.append((np.array([score.values for score in scores]), scores[0].better))
    if not numbers:
        raise SettingError("no metric of the panel compares methods; name some of faithfulness, e.g. metrics=['deletion', 'insertion'].")
    return dict(zip(found, mean_ranks(numbers).tolist(), strict=True))
