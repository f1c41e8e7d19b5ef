"""Networks that read tokens, explained by gradients: at the layer that embeds them, with what its units get summed to one number for each token.

Of several inputs one may be embedded: the others, such as the mask of which words count, then stay what they are in each sample, and get nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api import _sums
from pellucid.api._layer import Subject
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import check_inputs, check_shape
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import Model
from pellucid.core.naming import NO_WORD
from pellucid.core.packing import Packing

Array = np.ndarray


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
    telling = inputs[[int((inputs.reshape(len(inputs), -1) != 0).sum(axis=1).argmax())]]
    others = np.where(telling > 1, 1, 2 * telling)  # where padding stands there it stays
    for least, changed in ((1, np.zeros_like(telling)), (2, others)):  # one of places is the same for all tokens, or for all that are no padding
        if len(fitting) >= least and telling.any():
            before, after = (model.activations(tokens, fitting) for tokens in (telling, changed))
            fitting = [name for name in fitting if not np.array_equal(before[name], after[name])]
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


def attribute(name: str, method: Method, task: Task) -> Attribution:
    """What a method gives each token."""
    shape = task.inputs.shape[1:]
    return _sums.attribute(name, method, task, _sums.Sums.over_units(shape), ("sample", *(f"input_{i}" for i in range(len(shape) - 1))))


def among(found: Attribution, packing: Packing, name: str) -> Attribution:
    """What the tokens of one input get, in an array over all inputs, (…, total); the others get nothing, and that exactly."""
    wide = [np.zeros((len(found.values), packing.total), dtype=array.dtype) for array in (found.values, found.error)]
    for array, own in zip(wide, (found.values, found.error), strict=True):
        array[:, packing.slices[name]] = own.reshape(len(own), -1)
    others = ", ".join(other for other in packing.names if other != name)
    return replace(found, values=wide[0], error=wide[1], axes=("sample", "input_0"), resolved=dict(found.resolved) | {"others": others})


def own_map(features: FeatureMap, subject: Subject, packing: Packing | None) -> FeatureMap:
    """A map over the network's inputs as one over what is attributed to: the input itself, or the vector that stands for each of its tokens."""
    if not subject.embedding:
        return features
    labels = features.labels if packing is None else packing.unpack(features.labels)[subject.tokens]
    return FeatureMap(labels[..., None], features.names, features.kind)


def with_rest(features: FeatureMap, subject: Subject, packing: Packing | None, baseline: Array | None, fills: Array | None) -> FeatureMap:
    """The map with one feature more for what belongs to none, where that is not what it is in the baseline or background: what moves has a share of the score,
    which is not to be lost."""
    own, rows = own_map(features, subject, packing), fills if baseline is None else baseline
    if not _sums.rest_moves(own.labels < 0, subject.inputs, np.zeros_like(subject.inputs[:1]) if rows is None else rows):
        return features
    rest = features.labels < 0
    if packing is not None and subject.tokens:
        beside = np.ones(packing.total, dtype=bool)
        beside[packing.slices[subject.tokens]] = False
        rest &= ~beside
    name = NO_WORD if features.kind == "words" else "the rest"
    return FeatureMap(np.where(rest, len(features.names), features.labels), (*features.names, name), features.kind)
