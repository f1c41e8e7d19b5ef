"""How far an explanation depends on choices that nobody can prove right: its values under other baselines, fills, features, scores, backgrounds and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.core.outcome import SEVERITY

Array = np.ndarray
VARIABLE = ("baseline", "fill", "background", "features", "score", "seed")
"""Keywords of `explain` that can be varied."""
FEW, SHARE = 5, 0.05


@dataclass(frozen=True)
class Choice:
    """One option in place of which others were tried. `given` says what the explanation was made with, `names` what else was tried. `values` and `error`
    (samples, alternatives, *feature) are in the explanation's own units: other features summed to its own, a score of another scale brought to the length of
    the explanation's map (`scaled` says which). `codes` are the worst outcome of each."""

    option: str
    given: str
    names: tuple[str, ...]
    values: Array
    error: Array
    codes: tuple[str, ...]
    scaled: tuple[bool, ...]


@dataclass(frozen=True)
class Choices:
    """What became of an explanation under each alternative, one option varied at a time.

    `values` and `error` (samples, *feature) are the explanation's own. `low` and `high` are the smallest and the largest value under any choice, its own among
    them, and `spread` is their difference. The range, not a standard deviation: alternatives are a short list that somebody made, no draws from a distribution,
    so that there is nothing to average over; a range says what holds under every one of them. It can only grow with more alternatives, and what the values'
    numerical errors bring is in it too. `left_out` says why an option, or one alternative of it, was not tried. `top`: how many features count as strongest.
    `of_pairs`: values are of pairs of features, each of which counts once. `evaluations` and `gradients` (samples,) count what all alternatives cost; the cost
    of the explanation holds them too.
    """

    values: Array
    error: Array
    options: tuple[Choice, ...]
    evaluations: Array
    gradients: Array
    left_out: Mapping[str, str] = field(default_factory=dict)
    top: int = FEW
    of_pairs: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def low(self) -> Array:
        return np.asarray(self._all().min(axis=1))

    @property
    def high(self) -> Array:
        return np.asarray(self._all().max(axis=1))

    @property
    def spread(self) -> Array:
        """High minus low, shape of `values`."""
        return self.high - self.low

    def _all(self) -> Array:
        """The explanation's own values, then every alternative's, (samples, choices, *feature)."""
        return np.concatenate([self.values[:, None], *(choice.values for choice in self.options)], axis=1)

    @property
    def strongest(self) -> Array:
        """Which are the `top` largest in size, shape of `values`; a value of 0 is never among them."""
        return self._largest(self.values)

    @property
    def survives(self) -> Array:
        """Which of the strongest are among the strongest under every choice, shape of `values`."""
        return np.all([self.strongest, *(self._largest(choice.values[:, i]) for choice in self.options for i in range(len(choice.names)))], axis=0)

    def _largest(self, values: Array) -> Array:
        size = np.abs(np.triu(values) if self.of_pairs else values).reshape(len(values), -1)
        found = np.zeros(size.shape, dtype=bool)
        np.put_along_axis(found, np.argsort(-size, axis=1, kind="stable")[:, : self.top], True, axis=1)
        return (found & (size > 0)).reshape(values.shape)

    @property
    def change(self) -> Array:
        """By how much each option changes the map at most, (samples, options): the largest of ‖alternative − own‖ / ‖own‖, L2."""
        return np.stack([self._changes(choice).max(axis=1) for choice in self.options], axis=1)

    @property
    def noise(self) -> Array:
        """What `change` would be about if there were numerical errors alone, (samples, options); NaN where they are unknown."""
        found = [np.sqrt((_norms(choice.error) ** 2).max(axis=1) + _norms(self.error[:, None])[:, 0] ** 2) for choice in self.options]
        return np.stack(found, axis=1) / self._size()[:, None]

    def _changes(self, choice: Choice) -> Array:
        """Per alternative, (samples, alternatives)."""
        return np.asarray(_norms(choice.values - self.values[:, None]) / self._size()[:, None])

    def _size(self) -> Array:
        """‖own‖; where it is 0, that of the largest alternative, and 1 where all are 0."""
        size = _norms(self._all())
        return np.where(size[:, 0] > 0, size[:, 0], np.where(size.max(axis=1) > 0, size.max(axis=1), 1.0))

    @property
    def matters_most(self) -> tuple[str, ...]:
        """For each sample the option with the largest `change`, the first of equals."""
        return tuple(self.options[place].option for place in self.change.argmax(axis=1))

    def furthest(self, sample: int, option: str = "") -> tuple[Choice, int]:
        """The alternative that changes a sample's map most, of an option, of the one that matters most where none is named: the choice, and its place there."""
        option = option or self.matters_most[sample]
        choice = next(choice for choice in self.options if choice.option == option)
        return choice, int(self._changes(choice)[sample].argmax())

    def of(self, rows: slice | Array) -> Choices:
        """The choices of some samples."""
        return replace(self.each(lambda array: array[rows]), evaluations=self.evaluations[rows], gradients=self.gradients[rows])

    def each(self, function: Callable[[Array], Array]) -> Choices:
        """The same with what a function makes of every array of values and errors, (samples, *feature) and (samples, alternatives, *feature)."""
        options = tuple(replace(choice, values=function(choice.values), error=function(choice.error)) for choice in self.options)
        return replace(self, values=function(self.values), error=function(self.error), options=options)


def _norms(arrays: Array) -> Array:
    """L2 norms, (samples, alternatives)."""
    return np.linalg.norm(arrays.reshape(*arrays.shape[:2], -1).astype(np.float64), axis=2)


def joined_choices(choices: Sequence[Choices | None]) -> Choices | None:
    """Those of all samples, one after the other; None unless all were tried with the same alternatives."""
    found = [one for one in choices if one is not None]
    told = [([(choice.option, choice.names, choice.scaled, choice.values.shape[2:]) for choice in one.options], one.top) for one in found]
    if len(found) < len(choices) or any(one != told[0] for one in told):
        return None

    def all_of(parts: Sequence[Choice] | Sequence[Choices], name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    options = tuple(
        replace(
            same[0],
            values=all_of(same, "values"),
            error=all_of(same, "error"),
            codes=tuple(max(codes, key=lambda code: SEVERITY[code]) for codes in zip(*(choice.codes for choice in same), strict=True)),
        )
        for same in zip(*(one.options for one in found), strict=True)
    )
    left_out = {name: reason for one in found for name, reason in one.left_out.items()}
    values, error, evaluations, gradients = (all_of(found, name) for name in ("values", "error", "evaluations", "gradients"))
    return Choices(values, error, options, evaluations, gradients, left_out, found[0].top, found[0].of_pairs)
