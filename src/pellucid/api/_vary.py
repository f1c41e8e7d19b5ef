"""`explain(…, vary=…)`: the same explanation once more for each alternative to an option, and what that makes of its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.api._alternatives import usual
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import plain
from pellucid.api._resume import Axes, axes_of, of_rows
from pellucid.core.choices import FEW, SHARE, VARIABLE, Choice, Choices
from pellucid.core.errors import CombinationError, PellucidError, SettingError, UnsupportedError, unknown
from pellucid.core.inputs import on_host
from pellucid.core.method import OPTIONS
from pellucid.core.metric import unit_importance
from pellucid.core.records import Cost, Explanation
from pellucid.core.target import Several, resolve_score

if TYPE_CHECKING:
    from pellucid.api.explain import _Call

Array = np.ndarray
INSTEAD = {"fill": {"background": None}, "background": {"fill": None}}
"""What makes room for an alternative: a background is a fill."""
Otherwise = Callable[[Mapping[str, Any]], Explanation]
"""The same call with other keywords."""


@dataclass(frozen=True)
class Tried:
    """One option: what the explanation is made with, in words, and by name the keywords of each alternative."""

    given: str
    alternatives: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What is to be varied. `usual`: by the stated lists, of which whatever does not serve is left out; what a user listed must serve. `axes` is how many the
    inputs have."""

    options: Mapping[str, Tried]
    axes: Axes
    left_out: Mapping[str, str] = field(default_factory=dict)
    usual: bool = True

    def of(self, rows: Array, samples: int) -> Asked:
        """The same for some of the samples."""
        return replace(
            self,
            options={
                option: replace(tried, alternatives={name: self._of_rows(changes, rows, samples) for name, changes in tried.alternatives.items()})
                for option, tried in self.options.items()
            },
        )

    def _of_rows(self, changes: Mapping[str, Any], rows: Array, samples: int) -> dict[str, Any]:
        found = of_rows({"target": "predicted"} | dict(changes), rows, samples, self.axes)
        return {name: found[name] for name in changes}


VaryLike = str | Sequence[str] | Mapping[str, Sequence[Any]] | Asked | None


def asked(vary: VaryLike, call: _Call, *, embedding: bool) -> Asked | None:
    """What a call is to vary, checked; None where nothing is."""
    if vary is None or isinstance(vary, Asked):
        return vary
    if isinstance(call.given["target"], Several):
        raise CombinationError("vary takes one target; call once for each of them.")
    names = [vary] if isinstance(vary, str) else list(vary)
    for name in names:
        if name not in VARIABLE:
            raise SettingError(f"vary: {unknown('option', name, VARIABLE)}")
    if not names:
        raise SettingError(f"vary names no option; known: {', '.join(VARIABLE)}.")
    options = _with_defaults(call, embedding)
    if isinstance(vary, Mapping):
        return Asked({name: _own(name, vary[name], call, options) for name in names}, axes_of(call.inputs, call.model.packing), usual=False)
    found: dict[str, Tried] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            _check_takes(name, call)
            found[name] = _tried(name, usual(name, call, options), call, options)
        except SettingError as error:
            left_out[name] = str(error)
    if not found:
        raise SettingError(f"vary: nothing can be varied. {'; '.join(f'{name}: {reason}' for name, reason in left_out.items())}")
    return Asked(found, axes_of(call.inputs, call.model.packing), left_out)


def _with_defaults(call: _Call, embedding: bool) -> dict[str, Any]:
    if embedding:
        return dict(call.options)
    if call.model.packing is None:
        return _parts.with_defaults(call.method, call.options, call.inputs, call.model.traits.channels)
    return _inputs.with_defaults(call.method, call.options, call.inputs, call.model.packing)


def _check_takes(name: str, call: _Call) -> None:
    if name in OPTIONS and name not in call.method.accepts:
        takes = [option for option in VARIABLE if option not in OPTIONS or option in call.method.accepts]
        raise SettingError(f"'{call.name}' does not take {name}; of what can be varied it takes {', '.join(takes)}")


def _own(name: str, values: Any, call: _Call, options: Mapping[str, Any]) -> Tried:
    """What a user listed."""
    _check_takes(name, call)
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence) or not values:
        raise SettingError(f"vary: {name} needs a list of what is to be tried, e.g. vary={{'{name}': [0.0, 'mean']}}; got {values!r}.")
    named: dict[str, Any] = {}
    for value in values:
        word = _word(value)
        named[word if word not in named else f"{word} ({len(named) + 1})"] = on_host(value)
    return _tried(name, named, call, options)


def _tried(name: str, values: Mapping[str, Any], call: _Call, options: Mapping[str, Any]) -> Tried:
    changes = {word: {name: value} | INSTEAD.get(name, {}) for word, value in values.items()}
    if name == "score":
        return Tried(resolve_score(call.given["score"], call.model.traits.head, by_function=callable(call.given["target"])), changes)
    given = call.given[name] if name == "seed" else options[name]
    unsaid = "the background" if name == "fill" else "the fill" if name == "background" else "vectors of zeros"
    return Tried(unsaid if given is None else _word(given), changes)


def _word(value: Any) -> str:
    """A value as one short text."""
    shown = plain(value)
    return ", ".join(f"{key}: {item}" for key, item in shown.items()) if isinstance(shown, Mapping) else str(shown)


def with_choices(record: Explanation, ask: Asked, otherwise: Otherwise, earlier: Explanation | None, progress: bool | None) -> Explanation:
    """The record with what becomes of it under each alternative, and the cost of all of them. `otherwise` explains with other keywords; `earlier` is what was
    gone on with, whose alternatives have cost too."""
    if record.of_pairs and "features" in ask.options:
        others_than = {option: tried for option, tried in ask.options.items() if option != "features"}
        ask = replace(ask, options=others_than, left_out=dict(ask.left_out) | {"features": "pairs of other features cannot be brought to pairs of these"})
    found, left_out = _explained(ask, otherwise, progress)
    if not found:
        raise UnsupportedError(f"vary: no alternative can be explained. {'; '.join(f'{name}: {reason}' for name, reason in left_out.items())}")
    others = [other for alternatives in found.values() for other in alternatives.values()]
    before = None if earlier is None else earlier.choices
    forward, backward = (
        sum((getattr(other.cost, kind) for other in others), 0 if before is None else getattr(before, kind)) for kind in ("evaluations", "gradients")
    )
    present = int(record.counted_mask.reshape(len(record), -1).sum(axis=1).max())
    options = tuple(_choice(record, option, ask.options[option].given, alternatives) for option, alternatives in found.items())
    choices = Choices(record.values, record.error, options, forward, backward, left_out, max(FEW, math.ceil(SHARE * present)), record.of_pairs)
    seconds = record.cost.seconds + sum(other.cost.seconds for other in others)
    return replace(record, choices=choices, cost=Cost(record.cost.evaluations + forward, record.cost.gradients + backward, seconds))


def _explained(ask: Asked, otherwise: Otherwise, progress: bool | None) -> tuple[dict[str, dict[str, Explanation]], dict[str, str]]:
    """By option and alternative what was explained, and why the rest was not."""
    found: dict[str, dict[str, Explanation]] = {}
    left_out = dict(ask.left_out)
    every = [(option, name, changes) for option, tried in ask.options.items() for name, changes in tried.alternatives.items()]
    with progress_after_patience(f"{len(every)} other choices of {', '.join(ask.options)}", progress) as report:
        for done, (option, name, changes) in enumerate(every):
            try:
                found.setdefault(option, {})[name] = otherwise(changes)
            except PellucidError as error:
                if not ask.usual:
                    raise type(error)(f"vary, {option}={name}: {error}") from error
                left_out[f"{option} {name}"] = str(error)
            report((done + 1) / len(every))
    return {option: alternatives for option, alternatives in found.items() if alternatives}, left_out


def _choice(record: Explanation, option: str, given: str, found: Mapping[str, Explanation]) -> Choice:
    """What alternatives to one option give, in the units of the record."""
    scaled = tuple(_other_scale(record, other) for other in found.values())
    values: list[Array] = []
    error: list[Array] = []
    for other, apart in zip(found.values(), scaled, strict=True):
        factor = _lengths(record) / np.maximum(_lengths(other), np.finfo(float).tiny) if apart else np.ones(len(record))
        for arrays, array in ((values, other.values), (error, other.error)):
            own = unit_importance(replace(other, values=array), record.features) if option == "features" and record.features is not None else array
            arrays.append((own * factor.reshape(-1, *(1,) * (own.ndim - 1))).astype(record.values.dtype))
    codes = tuple(other.outcome.worst.code for other in found.values())
    return Choice(option, given, tuple(found), np.stack(values, axis=1), np.stack(error, axis=1), codes, scaled)


def _other_scale(record: Explanation, other: Explanation) -> bool:
    """Whether one is of a probability and the other of its logarithm or of a logit, so that only the shape of their maps can be compared."""
    return (record.target.score == "probability") != (other.target.score == "probability")


def _lengths(explanation: Explanation) -> Array:
    return np.linalg.norm(explanation.values.reshape(len(explanation), -1).astype(np.float64), axis=1)
