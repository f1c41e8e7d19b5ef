"""Integrated gradients on straight paths from a baseline, by the nested rule or by one fixed rule."""

from __future__ import annotations

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.model import PathRows
from pellucid.maths.quadrature import RULES, jump_weights
from pellucid.methods import _stopping
from pellucid.methods.path import _nested
from pellucid.methods.path._nested import Integral, Moments

Array = np.ndarray


def baselines(task: Task) -> Array:
    """The baseline of every sample, (samples, *shape); zero where none was given."""
    baseline = task.baseline if task.baseline is not None else np.zeros_like(task.inputs[:1])
    return np.broadcast_to(baseline, task.inputs.shape)


def baseline_scores(task: Task) -> Array:
    """The target's scores at the baselines, (samples,)."""
    baseline = task.baseline if task.baseline is not None else np.zeros_like(task.inputs[:1])
    return task.model.scores(baseline, task.target)


def straight(task: Task, starts: Array) -> Moments:
    """What the nested rule asks for, on the straight paths from `starts` to the inputs."""

    def moments(active: Array, nodes: Array, factors: Array) -> tuple[Array, Array]:
        path, position, weight, square = _nested.levels(nodes, factors)
        rows = PathRows(starts[active], task.inputs[active], path, position, weight, square, path, len(active), stencil=(1.0, -1.0))
        return task.model.path_gradients(rows, task.target.take(active))

    return moments


def integrate(task: Task, starts: Array, span: Array) -> Integral:
    """Integrated gradients by the nested rule."""
    still = np.array([np.array_equal(one, start) for one, start in zip(task.inputs, starts, strict=True)])
    return _nested.integrate(task, span, still, straight(task, starts))


def integrate_fixed(task: Task, starts: Array, rule: str, steps: int) -> Integral:
    """The same by one rule of a chosen number of nodes."""
    nodes, weights = RULES[rule](steps)
    squares = jump_weights(nodes)
    values, error = np.zeros(task.inputs.shape), np.zeros(task.inputs.shape)
    axes = tuple(range(1, values.ndim))
    for chunk in _nested.chunks(task.inputs.shape):
        some = np.arange(len(values))[chunk]
        path = np.repeat(np.arange(len(some)), steps)
        position, weight, square = (np.tile(array, len(some)) for array in (nodes, weights, squares))
        rows = PathRows(starts[chunk], task.inputs[chunk], path, position, weight, square, path, len(some), stencil=(1.0, -1.0))
        values[chunk], variance = task.model.path_gradients(rows, task.target.take(some))
        error[chunk] = np.sqrt(variance)
        task.progress((some[-1] + 1) / len(values))
    size = np.abs(values)
    estimate = _nested.expected_quantile(error) / np.maximum(size.sum(axes), _stopping.TINY)
    error = np.hypot(error, _nested.ROUNDING * size.max(axis=axes, keepdims=True))
    degrees = np.full(len(values), _nested.INDEPENDENT * max(steps - 1, 1))
    stops = [_stopping.fixed(float(one), steps, "gradients") for one in estimate]
    return Integral(values, error, degrees, estimate, np.full(len(values), steps), stops, {})


def attribution(task: Task, found: Integral, span: Array, at_baseline: Array, error_kind: str) -> Attribution:
    """An integral whose values must add up to `span`, as a method gives it back; each sample's baseline went forward once."""
    gap = found.values.reshape(len(found.values), -1).sum(axis=1) - span
    return Attribution(
        values=found.values,
        error=found.error,
        error_kind=error_kind,
        axes=("sample", *(f"input_{i}" for i in range(found.values.ndim - 1))),
        evaluations=found.nodes + 1,
        gradients=found.nodes,
        stops=found.stops,
        degrees=found.degrees,
        baseline_score=at_baseline,
        statistics={"completeness_gap": gap, "relative_error": found.estimate},
        state=found.state,
    )
