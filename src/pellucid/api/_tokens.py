"""Networks that read tokens, explained by gradients: at the layer that embeds them, with what its units get summed to one number for each token.

The sum is taken before it is squared, so that a method's own estimate of its error is one of the sums. A method that takes its gradients one by one says
something of each unit only; of the errors of its sums is then known what they can be at most, and it is asked for more until that is within the tolerance.

Of several inputs one may be embedded: the others, such as the mask of which words count, then stay what they are in each sample, and get nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api._layer import Subject
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.inputs import check_inputs, check_shape
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT, Model, PathRows, batches
from pellucid.core.packing import Packing
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped
from pellucid.methods import _stopping

Array = np.ndarray
SUMMED = ("integrated_gradients", "expected_gradients", "smooth_grad", "square_grad", "var_grad")
"""Methods whose every number comes from sums along paths."""
MOST_ROUNDS = 4
"""How often a method is asked for more."""


def embedded(model: Model, method: Method, layer: str | None, inputs: Array, baseline: Any = None) -> Subject | None:
    """The network from its embedding on, where it reads tokens alone, or all else stays as it is, the method needs gradients and no layer is named; None
    elsewhere. `baseline` says what stays."""
    if layer is not None or method.family == "layer" or "gradients" not in method.needs:
        return None
    packing = model.packing
    moved = () if packing is None else tuple(name for name in packing.names if not _stays(packing, name, inputs, baseline))
    if not model.traits.tokens if packing is None else not moved or not set(moved) <= set(packing.tokens):
        return None
    known = [known.name for known in model.layers() if "Embedding" in known.kind]
    if not known:
        return None
    if "layer" not in method.accepts:
        raise UnsupportedError(
            f"the network reads tokens, which have no gradient, and '{method.title}' attributes to no layer; use integrated_gradients or shap."
        )
    name, read = (_embedding(model, known, inputs), "") if packing is None else _one_of(model, known, inputs, moved)
    if not name:
        return None

    def carry(rows: Array) -> Array:
        return model.activations(rows, (name,))[name]

    return Subject(model.above(name, inputs[:1]), carry(inputs), carry, embedding=name, tokens=read)


def _stays(packing: Packing, name: str, inputs: Array, baseline: Any) -> bool:
    """Whether an input is its own baseline."""
    given = packing.unpack(baseline).get(name) if isinstance(baseline, np.ndarray) and baseline.shape[-1:] == (packing.total,) else None
    given = baseline.get(name) if isinstance(baseline, Mapping) else given
    own = packing.unpack(inputs)[name]
    return isinstance(given, np.ndarray) and given.shape in (own.shape, own.shape[1:]) and bool((given == own).all())


def _one_of(model: Model, known: Sequence[str], inputs: Array, moved: Sequence[str]) -> tuple[str, str]:
    """The layer that embeds one of several inputs, and that input; nothing where none is embedded, an error where several are."""
    packing = model.packing
    found = [] if packing is None else [(layer, name) for name in moved for layer in _embed(model, known, inputs, packing, name)]
    if len(found) < 2:
        return found[0] if found else ("", "")
    told, other = ", ".join(f"'{name}' at '{layer}'" for layer, name in found), next((name for _, name in found if name != found[0][1]), found[0][1])
    raise UnsupportedError(
        f"the network embeds several times ({told}), and one embedding at a time is attributed to; name one, layer='{found[0][0]}', or leave an input as it "
        f"is: baseline={{'{other}': x['{other}']}}."
    )


def _embed(model: Model, known: Sequence[str], inputs: Array, packing: Packing, name: str) -> list[str]:
    """The layers that give one vector for each token of an input: others' tokens change nothing there, its own do."""
    shape = packing.shapes[packing.names.index(name)]
    fitting = [layer for layer in known if _fits(model.layer(layer).shape, shape)]
    if not fitting:
        return []
    changed = inputs[:1].copy()
    changed[:, packing.slices[name]] = changed[:, packing.slices[name]] == 0  # 1 in place of 0, 0 of all others: tokens that every embedding has
    before, after = (model.activations(rows, fitting) for rows in (inputs[:1], changed))
    return [layer for layer in fitting if not np.array_equal(before[layer], after[layer])]


def _fits(found: Sequence[int | None] | None, shape: Sequence[int]) -> bool:
    """Whether a layer gives one vector for each of so many tokens."""
    return found is not None and len(found) == len(shape) + 1 and all(want in (None, have) for want, have in zip(found, shape, strict=False))


def _embedding(model: Model, known: Sequence[str], inputs: Array) -> str:
    """The layer that gives one vector for each token."""
    fitting = [name for name in known if _fits(model.layer(name).shape, inputs.shape[1:])]
    telling = inputs[:1] if inputs[:1].any() or not inputs.any() else inputs[inputs.reshape(len(inputs), -1).any(axis=1)][:1]
    if telling.any() and fitting:
        before, after = (model.activations(tokens, fitting) for tokens in (telling, np.zeros_like(telling)))
        fitting = [name for name in fitting if not np.array_equal(before[name], after[name])]  # one of places is the same for all tokens
    if len(fitting) == 1:
        return fitting[0]
    told = f"{' and '.join(fitting)} give one each" if fitting else f"none of {', '.join(known)} gives one"
    raise UnsupportedError(f"the network reads tokens, which are attributed to by the vector that stands for each, and {told}; name one: layer='{known[0]}'.")


def baseline_of(subject: Subject, baseline: Any, inputs: Array, packing: Packing | None) -> Array:
    """A baseline (1 or samples, *tokens, units): zeros, or what stands for a token, or for an array of tokens, that is given; of several inputs by name."""
    if packing is not None and baseline is not None:
        return _of_several(subject, baseline, inputs, packing)
    if baseline is None:
        return np.zeros_like(subject.inputs[:1])
    return subject.carry(_tokens_of(baseline, inputs)).astype(subject.inputs.dtype)


def _of_several(subject: Subject, baseline: Any, inputs: Array, packing: Packing) -> Array:
    """The same where the other inputs stay what they are."""
    moved = [name for name in packing.names if name != subject.tokens and not _stays(packing, name, inputs, baseline)]
    if not isinstance(baseline, Mapping) or any(name in baseline for name in moved):
        raise SettingError(
            f"the tokens of '{subject.tokens}' are attributed to, at '{subject.embedding}', and all other inputs stay as they are. Give a baseline for these "
            f"tokens alone, baseline={{'{subject.tokens}': 0}}, or name the layer: layer='{subject.embedding}'."
        )
    if baseline.get(subject.tokens) is None:
        return np.zeros_like(subject.inputs[:1])
    rows, own = inputs.copy(), packing.unpack(inputs)[subject.tokens]
    tokens = np.broadcast_to(_tokens_of(baseline[subject.tokens], own), own.shape)
    rows[:, packing.slices[subject.tokens]] = tokens.reshape(len(rows), -1)
    return subject.carry(rows).astype(subject.inputs.dtype)


def _tokens_of(baseline: Any, inputs: Array) -> Array:
    """A baseline's tokens, (1 or samples, *tokens)."""
    if isinstance(baseline, str) or not (np.isscalar(baseline) or isinstance(baseline, (np.ndarray, list))):
        raise SettingError(f"baseline of tokens is the number of one (padding, mask) or an array of them, got {baseline!r}; None takes vectors of zeros.")
    rows = np.full((1, *inputs.shape[1:]), baseline) if np.ndim(baseline) == 0 else np.asarray(baseline)
    rows = check_inputs(rows[None] if rows.shape == inputs.shape[1:] else rows, None, "baseline")
    check_shape(rows, inputs.shape[1:], "baseline")
    if len(rows) not in (1, len(inputs)) or not np.array_equal(rows, np.round(rows)):
        raise SettingError(f"baseline holds {len(rows)} rows of tokens for {len(inputs)} samples; give one, or one each, in whole numbers.")
    return rows


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


def among(found: Attribution, packing: Packing, name: str) -> Attribution:
    """What the tokens of one input get, in an array over all inputs, (…, total); the others get nothing, and that exactly."""
    wide = [np.zeros((len(found.values), packing.total), dtype=array.dtype) for array in (found.values, found.error)]
    for array, own in zip(wide, (found.values, found.error), strict=True):
        array[:, packing.slices[name]] = own.reshape(len(own), -1)
    others = ", ".join(other for other in packing.names if other != name)
    return replace(found, values=wide[0], error=wide[1], axes=("sample", "input_0"), resolved=dict(found.resolved) | {"others": others})


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
