"""Expected Gradients (GradientSHAP): Integrated Gradients averaged over a background, drawn until its standard error is small enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import PathRows
from pellucid.methods.path import _sampling

Array = np.ndarray

POINTS = 4
"""Gradients a background row and round: two pairs of mirrored places on the path; the difference of the pairs tells the spread within the row."""


@dataclass(frozen=True)
class ExpectedGradients(Method):
    """How much each input element moved the score away from what is usual: Integrated Gradients, averaged over background samples as baselines.

    Use it where no single baseline means "nothing", and for gradients' view of SHAP (also called GradientSHAP). With b the background's rows, in full,

        values_i = mean_b (x_i − b_i) ∫₀¹ ∂f/∂x_i (b + t (x − b)) dt,      Σ_i values_i = f(x) − mean_b f(b)   (completeness, within the error).

    Each round visits every row, with two independent pairs of places t and 1 − t on its path, so that the spread between rows is no error.

    Shapes: values and error (samples, *input), in units of the score; `error` is the standard error within rows. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample. A round costs 4 gradients a row: a background of 20 to 200 rows is usual.
    Source: Erion et al. 2019, arXiv:1906.10670; Lundberg & Lee 2017 (GradientExplainer of shap). Does not respect how inputs depend on each other: its paths
    run through mixtures of samples.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "expected_gradients", background=np.array([[0.0, 0.0], [1.0, 0.0]] * 15)).values.round(6)
    array([[1., 3.]])
    """

    title: ClassVar[str] = "Expected Gradients"
    answers: ClassVar[str] = "How much did each input element move the score away from that of usual data?"
    family: ClassVar[str] = "path"
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "layer"})
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 20_000
    citation: ClassVar[str] = "Erion, Janizek, Sturmfels, Lundberg, Lee 2019, arXiv:1906.10670"

    def explain(self, task: Task) -> Attribution:
        background = task.inputs[:1] if task.fills is None else task.fills[0]
        found = _sampling.draw(task, lambda samples: _rounds(task, background, samples), POINTS * background.size)
        outputs = task.model.predict(background, logits=task.target.reads_logits)
        samples = range(len(task.inputs))
        usual = np.array([task.target.take(np.full(len(background), i)).of(outputs).mean() for i in samples])
        given = _sampling.attribution(found, found.mean)
        return replace(given, evaluations=given.evaluations + len(background), baseline_score=usual)


def _rounds(task: Task, background: Array, samples: slice) -> _sampling.Rounds:
    numbers, rows = np.arange(len(task.inputs))[samples], len(background)

    def sums(active: Array, number: int) -> tuple[Array, Array]:
        places = np.random.default_rng((task.seed, number)).random((rows, 2))
        chosen = numbers[active]
        first, second = np.zeros((len(chosen), *task.inputs.shape[1:])), np.zeros((len(chosen), *task.inputs.shape[1:]))
        step = max(1, _sampling.FLOATS_AT_ONCE // (task.inputs[0].size * len(chosen)))
        for start in range(0, rows, step):
            block = slice(start, start + step)
            found = task.model.path_gradients(_paths(task.inputs[chosen], background[block], places[block]), task.target.take(chosen))
            first += found[0]
            second += found[1]
        return first, second / rows**2

    return _sampling.Rounds(rows, POINTS * rows, sums, within=True)


def _paths(inputs: Array, background: Array, places: Array) -> PathRows:
    """From each background row to each sample, the places t₁, 1 − t₁, t₂, 1 − t₂; a sample's sum is that over rows, its second sum that of squared halves of
    the difference between the pairs' means, so that divided by rows² it estimates the variance of the round's mean."""
    samples, rows = len(inputs), len(background)
    starts, ends = np.tile(background, (samples, *(1,) * (inputs.ndim - 1))), np.repeat(inputs, rows, axis=0)
    path = np.repeat(np.arange(samples * rows), POINTS)
    position = np.tile(np.stack([places[:, 0], 1 - places[:, 0], places[:, 1], 1 - places[:, 1]], axis=1).ravel(), samples)
    last = np.tile([0.0, 0.0, 0.0, 0.25], samples * rows)
    weight = np.full(len(path), 1 / POINTS)
    return PathRows(starts, ends, path, position, weight, last, path // rows, samples, stencil=(0.5, 0.5, -0.5, -0.5))
