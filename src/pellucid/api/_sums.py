"""Gradient methods whose values are summed: the units that stand for a token, the columns of a category, the pieces of a word.

The sum is taken before it is squared, so that a method's own estimate of its error is one of the sums. A method that takes its gradients one by one says
something of each element only; of the errors of its sums is then known what they can be at most, the sum of the errors, and it is asked for more until that
is within the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.core.features import FeatureMap
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT, PathRows, batches
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped
from pellucid.methods import _stopping

Array = np.ndarray
SUMMED = ("integrated_gradients", "expected_gradients", "smooth_grad", "square_grad", "var_grad")
"""Methods whose every number comes from sums along paths."""
MOST_ROUNDS = 4
"""How often a method is asked for more."""


def joins(method: Method) -> bool:
    """Whether what elements get can be summed: it is part of the score, and one number an element of the input.

    >>> from pellucid.methods import METHODS
    >>> [name for name in METHODS if joins(METHODS.load(name))]
    ['blur_integrated_gradients', 'expected_gradients', 'gradient_x_input', 'guided_integrated_gradients', 'idgi', 'integrated_gradients']
    """
    return method.family == "path" and method.unit == "score" and method.directed


@dataclass(frozen=True)
class Sums:
    """Which elements are summed to one value: `labels` (1 or rows, *shape) numbers them, −1 to none; `shape` is that of a sample's values."""

    labels: Array
    shape: tuple[int, ...]

    @classmethod
    def over_units(cls, shape: tuple[int, ...]) -> Sums:
        """Of inputs (rows, *tokens, units) one value a token."""
        tokens = np.arange(int(np.prod(shape[:-1]))).reshape(1, *shape[:-1], 1)
        return cls(np.broadcast_to(tokens, (1, *shape)), shape[:-1])

    @classmethod
    def of_features(cls, features: FeatureMap, shape: tuple[int, ...]) -> Sums:
        """One value a feature of a map that lies over inputs (rows, *shape)."""
        return cls(np.broadcast_to(features.labels, (len(features.labels), *shape)), (len(features.names),))

    @property
    def width(self) -> int:
        return int(np.prod(self.shape))

    def repeated(self, rows: int) -> Sums:
        """The same where each sample stands several times, once for each target."""
        return self if len(self.labels) in (1, rows) else replace(self, labels=np.repeat(self.labels, rows // len(self.labels), axis=0))

    def of(self, array: Array, rows: Array | None = None) -> Array:
        """The sums of arrays (n, *shape) of the samples `rows` (of all of them in order where None), (n, width)."""
        flat, labels = array.reshape(len(array), -1), self.labels.reshape(len(self.labels), -1)
        if len(labels) == 1:
            return _summed(flat, labels[0], self.width)
        found = np.zeros((len(flat), self.width), dtype=flat.dtype)
        rows = np.arange(len(flat)) if rows is None else rows
        for row in np.unique(rows):
            found[rows == row] = _summed(flat[rows == row], labels[row], self.width)
        return found


def _summed(flat: Array, labels: Array, width: int) -> Array:
    """Arrays (n, elements) summed by label, (n, width)."""
    order = np.argsort(labels, kind="stable")
    order = order[np.searchsorted(labels[order], 0) :]
    found = np.zeros((len(flat), width), dtype=flat.dtype)
    if len(order):
        ordered = labels[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        found[:, ordered[starts]] = np.add.reduceat(flat[:, order], starts, axis=1)
    return found


def rest_moves(none: Array, inputs: Array, rows: Array) -> bool:
    """Whether a baseline (1 or samples, *shape) or a background (1 or samples, rows, *shape) differs from the inputs where these belong to no feature."""
    each = [rows] if rows.ndim == inputs.ndim else [rows[:, i] for i in range(rows.shape[1])]
    return any(bool((none & (one != inputs)).any()) for one in each)


class Summed(Wrapped):
    """A model whose gradients along paths are summed: what the elements of one value get, gradient × displacement before it is squared, or, where only squares
    are wanted (weights of zero), the squares. The sums lie at `places` of the flattened input, one for each value, and zeros everywhere else."""

    def __init__(self, inner: Any, sums: Sums, places: Array) -> None:
        super().__init__(inner)
        self.sums, self.places = sums, places

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = rows.starts.shape[1:]
        first, second = (np.zeros((rows.groups, self.sums.width)) for _ in range(2))
        reach, of_squares = len(rows.stencil) - 1, not rows.weight.any()
        tail = np.zeros((reach, *((int(np.prod(shape)),) if of_squares else first.shape[1:])))
        for part in batches(len(rows), self.batch_size):
            group, found = rows.group[part], self.inner.gradients(rows.points(part), target.unnamed(rows.group[part])).gradients[INPUT].astype(np.float64)
            sample = None if target.origin is None else target.origin[group]
            if rows.displace:
                found *= rows.ends[rows.path[part]] - rows.starts[rows.path[part]]
            found = found.reshape(len(found), -1) if of_squares else self.sums.of(found, sample)
            chain = np.concatenate([tail, found])
            mixed = np.square(sum(c * chain[reach - j : len(chain) - j] for j, c in enumerate(rows.stencil)))
            mixed = self.sums.of(mixed, sample) if of_squares else mixed
            tail = chain[len(chain) - reach :]
            if not of_squares:
                np.add.at(first, group, rows.weight[part][:, None] * found)
            np.add.at(second, group, rows.square[part][:, None] * mixed)
        return self._placed(first, shape), self._placed(second, shape)

    def _placed(self, found: Array, shape: tuple[int, ...]) -> Array:
        out = np.zeros((len(found), int(np.prod(shape))))
        out[:, self.places] = found
        return out.reshape(-1, *shape)


def attribute(name: str, method: Method, task: Task, sums: Sums, axes: tuple[str, ...]) -> Attribution:
    """What a method gives each value, with these axes. `sums` are over the task's inputs."""
    count = len(task.inputs)
    sums = sums.repeated(count)
    if len(sums.labels) > 1 and task.target.origin is None:
        task = replace(task, target=replace(task.target, origin=np.arange(count)))

    def told(found: Attribution, values: Array, error: Array) -> Attribution:
        return replace(found, values=values.reshape(count, *sums.shape), error=error.reshape(count, *sums.shape), axes=axes)

    if name in SUMMED and not getattr(method, "absolute", False):
        places = _places(sums)
        found = method.explain(replace(task, model=Summed(task.model, sums, places)))
        return told(found, *(array.reshape(count, -1)[:, places] for array in (found.values, found.error)))
    found = method.explain(task)
    for _ in range(MOST_ROUNDS):
        wider = _widening(found, sums)
        estimates = found.statistics.get("relative_error")
        if estimates is None or found.error_kind not in ("bound", "standard_error") or task.tolerance <= 0:
            break
        late = (estimates * wider > task.tolerance) & np.array([stop.code == "converged" for stop in found.stops])
        if not late.any():
            break
        found = method.explain(replace(task, tolerance=task.tolerance / float(wider[late].max()), state=found.state))
    return _told(told(found, sums.of(found.values), sums.of(found.error)), _widening(found, sums), task.tolerance)


def _places(sums: Sums) -> Array:
    """Where each value lies in the flattened input: at the first of its elements where these are the same in every sample, else one after the other."""
    labels = sums.labels.reshape(len(sums.labels), -1)
    if len(labels) > 1:
        return np.arange(sums.width)
    known, first = np.unique(labels[0], return_index=True)
    first = first[known >= 0]
    return first if len(first) == sums.width else np.arange(sums.width)


def _widening(found: Attribution, sums: Sums) -> Array:
    """How much larger the relative error of a sum can be than that of what is summed."""
    values, error = (array.astype(np.float64).reshape(len(array), -1) for array in (found.values, found.error))

    def norm(array: Array) -> Array:
        size: Array = np.abs(array).sum(axis=1) if found.error_kind == "bound" else np.sqrt(np.square(array).sum(axis=1))
        return np.maximum(size, _stopping.TINY)

    return np.asarray(norm(sums.of(error)) / norm(error) * norm(values) / norm(sums.of(values)))


def _told(found: Attribution, wider: Array, tolerance: float) -> Attribution:
    """The same with what is said of its accuracy said of the sums."""
    estimates = found.statistics.get("relative_error")
    if estimates is None or found.error_kind not in ("bound", "standard_error"):
        return found
    summed, stops = estimates * wider, []
    for stop, estimate, used in zip(found.stops, summed.tolist(), found.gradients.tolist(), strict=True):
        if stop.code not in ("converged", "budget_exhausted"):
            stops.append(stop)
        elif estimate <= tolerance:
            stops.append(_stopping.converged(estimate, tolerance, int(used), "gradients"))
        else:
            stops.append(_stopping.exhausted(estimate, tolerance, int(used), "gradients", 1.0 if found.error_kind == "bound" else 0.5))
    return replace(found, stops=stops, statistics=dict(found.statistics) | {"relative_error": summed})
