"""The engine of integrals whose integrand is not gradient × displacement on a straight line: the nested rule and its error estimate serve them unchanged.

What these need of an integrand is what gradients along a line have too: it jumps where a unit switches, and is smooth between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.model import batches
from pellucid.methods import _stopping
from pellucid.methods.path import _integration, _nested

Array = np.ndarray
Integrand = Callable[[Array, Array], Array]
"""(which sample each row is of, its position on the way from 0 to 1) → what is to be integrated, (rows, *shape)."""


def attribute(task: Task, integrand: Integrand, at_start: Array, still: Array, *, complete: bool = False) -> Attribution:
    """The integral over each sample's way, refined until its estimate meets the tolerance.

    `at_start` (samples,) are the scores where the ways begin; `still` samples have none. Where `complete`, the gap that is left is handed out in proportion to
    the sizes of the values, so that they add up to the difference of the scores exactly.
    """
    _stopping.require(task.max_evaluations, _nested.LEAST_NODES, "this rule")
    span = task.scores - at_start
    found = _nested.integrate(task, span, still, _moments(task, integrand))
    if complete:
        values, error = _completed(found.values, found.error, span)
        found = replace(found, values=values, error=error)
    return _integration.attribution(task, found, span, at_start, "bound")


def _moments(task: Task, integrand: Integrand) -> _nested.Moments:
    """What the nested rule asks for, a batch of the network at a time."""

    def moments(active: Array, nodes: Array, factors: Array) -> tuple[Array, Array]:
        place, position, weight, square = _nested.levels(nodes, factors)
        shape = (len(active), *task.inputs.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        last = np.zeros((1, *shape[1:]))
        for part in batches(len(place), task.model.batch_size):
            found = integrand(active[place[part]], position[part])
            changes = np.diff(found, axis=0, prepend=last)
            last = found[-1:]
            low, high = place[part][0], place[part][-1] + 1
            member = np.arange(low, high)[:, None] == place[part][None]
            first[low:high] += np.tensordot(member * weight[part], found, 1)
            second[low:high] += np.tensordot(member * square[part], np.square(changes), 1)
        return first, second

    return moments


def _completed(values: Array, error: Array, span: Array) -> tuple[Array, Array]:
    """Values with the gap handed out, p_i = |values_i|/‖values‖₁ to each, and the deviation of what is left of independent errors e_i: e_i − p_i Σe."""
    axes = tuple(range(1, values.ndim))
    sizes = np.abs(values)
    shares = sizes / np.maximum(sizes.sum(axis=axes, keepdims=True), np.finfo(float).tiny)
    gap = span.reshape(-1, *(1,) * len(axes)) - values.sum(axis=axes, keepdims=True)
    variance = np.square(error)
    left = variance * (1 - 2 * shares) + np.square(shares) * variance.sum(axis=axes, keepdims=True)
    return values + shares * gap, np.sqrt(np.maximum(left, 0.0))
