"""Several targets of each sample at once: each sample is given to the method once for each of them, and what comes back is laid along an axis of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api._wrapped import OfFunction, OfSeveral
from pellucid.core.method import Task
from pellucid.core.outcome import Outcome, Outcomes
from pellucid.core.records import Cost, Explained, Explanation

Array = np.ndarray
SPARED = "shared_evaluations"
"""Statistic: forward passes of masked inputs that served several targets and were made once."""


def prepared(task: Task, count: int, earlier: Explanation | None) -> Task:
    """The task as a method is to be given it: before it stands what a target that is a function needs, or samples stand `count` times, once for each target.
    The target is of all of them already."""
    if not count:
        return task if task.target.function is None else replace(task, model=OfFunction(task.model))
    target = replace(task.target, origin=np.arange(len(task.target.weights)))
    features = None if task.features is None else replace(task.features, labels=_repeated(task.features.labels, count))
    return replace(
        task,
        model=OfSeveral(task.model, task.target, count),
        inputs=np.repeat(task.inputs, count, axis=0),
        target=target,
        baseline=None if task.baseline is None else _repeated(task.baseline, count),
        fills=None if task.fills is None else _repeated(task.fills, count),
        features=features,
        state={} if earlier is None else {name: array.reshape(len(array) * count, *array.shape[2:]) for name, array in earlier.state.items()},
    )


def _repeated(array: Array, count: int) -> Array:
    """Each row `count` times; where there is but one, it serves all."""
    return array if len(array) == 1 else np.repeat(array, count, axis=0)


def folded(record: Explanation, names: Sequence[str], model: Any, earlier: Explanation | None) -> Explanation:
    """An explanation of each sample by each target, as one with an axis of targets. Masked inputs that served several count once."""
    count = len(names)

    def fold(array: Array) -> Array:
        return array.reshape(len(array) // count, count, *array.shape[1:])

    labels = [tuple(row) for row in np.array(record.target.labels, dtype=object).reshape(-1, count)]
    spared = (
        model.spared + (0 if earlier is None else earlier.statistics[SPARED][:, 0]) if isinstance(model, OfSeveral) else 0 * fold(record.cost.gradients)[:, 0]
    )
    outcomes = [_worst(tuple(record.outcome[i : i + count])) for i in range(0, len(record), count)]
    statistics = {name: fold(array) for name, array in record.statistics.items()}
    return replace(
        record,
        values=fold(record.values),
        error=fold(record.error),
        axes=("sample", "target", *record.axes[1:]),
        inputs=record.inputs[::count],
        prediction=record.prediction[::count],
        score=fold(record.score),
        target=Explained(tuple(", ".join(row) for row in labels), record.target.score, tuple(names), tuple(labels)),
        cost=Cost(fold(record.cost.evaluations).sum(axis=1) - spared, fold(record.cost.gradients).sum(axis=1), record.cost.seconds),
        outcome=Outcomes(tuple(outcomes)),
        degrees=fold(record.degrees),
        baseline=None if record.baseline is None else _first(record.baseline, len(record), count),
        baseline_score=None if record.baseline_score is None else fold(record.baseline_score),
        features=None if record.features is None else replace(record.features, labels=_first(record.features.labels, len(record), count)),
        statistics=statistics | {SPARED: np.repeat(spared[:, None], count, axis=1)},
        state={name: fold(array) for name, array in record.state.items()},
    )


def _first(array: Array, rows: int, count: int) -> Array:
    """One row a sample; where one serves all, that."""
    return array[::count] if len(array) == rows else array


def _worst(parts: tuple[Outcome, ...]) -> Outcome:
    """The outcome of the target that fared worst, the first of equals, with those of all."""
    worst = max(parts, key=lambda outcome: outcome.worst.severity)
    return replace(worst, parts=parts)
