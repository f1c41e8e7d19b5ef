"""Networks that read tokens, explained by gradients: at the layer that embeds them, with what its units get summed to one number for each token.

The sum is taken before it is squared, so that a method's own estimate of its error is one of the sums. A method that takes its gradients one by one says
something of each unit only; of the errors of its sums is then known what they can be at most, and it is asked for more until that is within the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api._layer import Subject
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.inputs import check_inputs, check_shape
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT, Model, PathRows, batches
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped
from pellucid.methods import _stopping

Array = np.ndarray
SUMMED = ("integrated_gradients", "expected_gradients", "smooth_grad", "square_grad", "var_grad")
"""Methods whose every number comes from sums along paths."""
MOST_ROUNDS = 4
"""How often a method is asked for more."""


def embedded(model: Model, method: Method, layer: str | None, inputs: Array) -> Subject | None:
    """The network from its embedding on, where it reads tokens, the method needs gradients and no layer is named; None elsewhere."""
    if layer is not None or method.family == "layer" or "gradients" not in method.needs or not model.traits.tokens or model.packing is not None:
        return None
    known = [known.name for known in model.layers() if "Embedding" in known.kind]
    if not known:
        return None
    if "layer" not in method.accepts:
        raise UnsupportedError(
            f"the network reads tokens, which have no gradient, and '{method.title}' attributes to no layer; use integrated_gradients or shap."
        )
    name = _embedding(model, known, inputs)

    def carry(rows: Array) -> Array:
        return model.activations(rows, (name,))[name]

    return Subject(model.above(name, inputs[:1]), carry(inputs), carry, embedding=name)


def _embedding(model: Model, known: Sequence[str], inputs: Array) -> str:
    """The layer that gives one vector for each token."""
    shape = inputs.shape[1:]
    fitting = []
    for name in known:
        found = model.layer(name).shape
        if found is not None and len(found) == len(shape) + 1 and all(want in (None, have) for want, have in zip(found, shape, strict=False)):
            fitting.append(name)
    telling = inputs[:1] if inputs[:1].any() or not inputs.any() else inputs[inputs.reshape(len(inputs), -1).any(axis=1)][:1]
    if telling.any() and fitting:
        before, after = (model.activations(tokens, fitting) for tokens in (telling, np.zeros_like(telling)))
        fitting = [name for name in fitting if not np.array_equal(before[name], after[name])]  # one of places is the same for all tokens
    if len(fitting) == 1:
        return fitting[0]
    told = f"{' and '.join(fitting)} give one each" if fitting else f"none of {', '.join(known)} gives one"
    raise UnsupportedError(f"the network reads tokens, which are attributed to by the vector that stands for each, and {told}; name one: layer='{known[0]}'.")


def baseline_of(subject: Subject, baseline: Any, inputs: Array) -> Array:
    """A baseline (1 or samples, *tokens, units): zeros, or what stands for a token, or for an array of tokens, that is given."""
    if baseline is None:
        return np.zeros_like(subject.inputs[:1])
    if isinstance(baseline, str) or not (np.isscalar(baseline) or isinstance(baseline, (np.ndarray, list))):
        raise SettingError(f"baseline of tokens is the number of one (padding, mask) or an array of them, got {baseline!r}; None takes vectors of zeros.")
    rows = np.full((1, *inputs.shape[1:]), baseline) if np.ndim(baseline) == 0 else np.asarray(baseline)
    rows = check_inputs(rows[None] if rows.shape == inputs.shape[1:] else rows, None, "baseline")
    check_shape(rows, inputs.shape[1:], "baseline")
    if len(rows) not in (1, len(inputs)) or not np.array_equal(rows, np.round(rows)):
        raise SettingError(f"baseline holds {len(rows)} rows of tokens for {len(inputs)} samples; give one, or one each, in whole numbers.")
    return subject.carry(rows).astype(subject.inputs.dtype)


class Summed(Wrapped):
    """A model above an embedding. Along paths, what the units of a token get is summed at the first of them: gradient × displacement before it is squared, or,
    where only squares are wanted (weights of zero), the squares."""

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        reach, of_squares = len(rows.stencil) - 1, not rows.weight.any()
        tail = np.zeros((reach, *(shape[1:] if of_squares else shape[1:-1])))
        for part in batches(len(rows), self.batch_size):
            group, found = rows.group[part], self.inner.gradients(rows.points(part), target.unnamed(rows.group[part])).gradients[INPUT].astype(np.float64)
            if rows.displace:
                found *= rows.ends[rows.path[part]] - rows.starts[rows.path[part]]
            found = found if of_squares else found.sum(axis=-1)
            chain = np.concatenate([tail, found])
            mixed = np.square(sum(c * chain[reach - j : len(chain) - j] for j, c in enumerate(rows.stencil)))
            mixed = mixed.sum(axis=-1) if of_squares else mixed
            tail = chain[len(chain) - reach :]
            column = (-1,) + (1,) * (mixed.ndim - 1)
            if not of_squares:
                np.add.at(first[..., 0], group, rows.weight[part].reshape(column) * found)
            np.add.at(second[..., 0], group, rows.square[part].reshape(column) * mixed)
        return first, second


def attribute(name: str, method: Method, task: Task) -> Attribution:
    """What a method gives each token."""
    if name in SUMMED and not getattr(method, "absolute", False):
        found = method.explain(replace(task, model=Summed(task.model)))
        return _by_token(found, found.error[..., 0])
    found = method.explain(task)
    for _ in range(MOST_ROUNDS):
        wider = _widening(found)
        estimates = found.statistics.get("relative_error")
        if estimates is None or found.error_kind not in ("bound", "standard_error") or task.tolerance <= 0:
            break
        late = (estimates * wider > task.tolerance) & np.array([stop.code == "converged" for stop in found.stops])
        if not late.any():
            break
        found = method.explain(replace(task, tolerance=task.tolerance / float(wider[late].max()), state=found.state))
    return _told(_by_token(found, found.error.sum(axis=-1)), _widening(found), task.tolerance)


def _widening(found: Attribution) -> Array:
    """How much larger the relative error of a sum over units can be than that of the units."""
    axes = tuple(range(1, found.values.ndim))
    values, error = found.values.astype(np.float64), found.error.astype(np.float64)

    def norm(array: Array) -> Array:
        size: Array = (
            np.abs(array).sum(axis=axes[: array.ndim - 1]) if found.error_kind == "bound" else np.sqrt(np.square(array).sum(axis=axes[: array.ndim - 1]))
        )
        return np.maximum(size, _stopping.TINY)

    return np.asarray(norm(error.sum(axis=-1)) / norm(error) * norm(values) / norm(values.sum(axis=-1)))


def _by_token(found: Attribution, error: Array) -> Attribution:
    return replace(found, values=found.values.sum(axis=-1), error=error, axes=found.axes[:-1])


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
