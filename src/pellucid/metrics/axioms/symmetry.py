"""Symmetry: what the network treats alike gets the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Trial
from pellucid.metrics.axioms._game import ROUNDING, STREAM, Game, Request, games, jackknifed, of_some, ratio
from pellucid.metrics.axioms._promise import Axiom

Array = np.ndarray
SMALLEST = 1e-3
"""An effect, relative to the largest score, that stands out of rounding far enough to be compared."""


@dataclass(frozen=True)
class Symmetry(Axiom):
    """How differently two units are paid that the network treats alike: Σ |φ_i − φ_j| / Σ (|φ_i| + |φ_j|) over such pairs, from 0 (the same) to 1.

    Two units are alike where the score stays when they change places: v(S ∪ i) = v(S ∪ j) whatever else, S, is there (Shapley's symmetric players). The
    game is the one that was explained: units are as they are or as in the fill or background; for Integrated and Expected Gradients anything between, since
    f(b + z(x − b)) must be symmetric in z_i and z_j for all z. Candidates are pairs that change the score alike when taken from the whole input, and when put
    into the reference alone; `pairs` of them, drawn where there are more, are swapped on `masks` random masks. Alike means to within `tolerance` of the larger
    of their two effects; units whose effect is below 0.001 of the score are no pair (dummy tests those that have none). A pair is let go once it has differed
    on two masks.

    0 is what is promised (for Shapley values |φ_i − φ_j| is a mean of |v(S ∪ i) − v(S ∪ j)|, and so within the tolerance); NaN where no two units are alike,
    as in most networks on most images. `error` is the jackknife's over masks and, where pairs were drawn, over pairs too. `curves`: how many pairs were
    alike. Costs 2 evaluations a unit (of at most `units`, drawn) and 2 a mask and pair.

    >>> Symmetry(pairs=20).better
    'lower'
    """

    masks: int = 10
    pairs: int = 50
    units: int = 500
    tolerance: float = 0.01
    title = "Symmetry"
    asks = "Do units that the network treats alike get the same?"
    promise = "symmetry"
    says = "the same for what changes the score alike"
    cost = "2 evaluations a unit, of at most `units`, and 2 a mask and pair"
    citation = "Shapley 1953, doi:10.1515/9781400881970-018; Sundararajan, Taly & Yan 2017, arXiv 1703.01365"

    def __post_init__(self) -> None:
        if self.masks < 2 or self.pairs < 1 or self.units < 2 or not 0 <= self.tolerance < 1:
            raise SettingError(
                f"symmetry needs masks ≥ 2, pairs ≥ 1, units ≥ 2 and 0 ≤ tolerance < 1, got {self.masks}, {self.pairs}, {self.units}, {self.tolerance}."
            )

    def measure(self, trial: Trial) -> Measurement:
        samples, maps = trial.importance.shape[:2]
        values, error = np.full((samples, maps), np.nan), np.full((samples, maps), np.nan)
        passes, found = np.zeros(samples, int), np.zeros(samples, int)
        for part, game in games(trial, anywhere=False, masks=2 * max(min(self.units, trial.importance.shape[2]) + 1, self.pairs)):
            for sample, one in enumerate(self._play(game), part.start):
                passes[sample], found[sample] = one.used, int((~one.differed.any(axis=0)).sum())
                if not found[sample]:
                    continue
                first, second = (trial.importance[sample][:, some] for some in one.pairs.T)
                apart, sizes = np.abs(first - second), np.abs(first) + np.abs(second)
                values[sample], by_masks = jackknifed(one.differed, partial(_ratio, apart, sizes))
                alike = ~one.differed.any(axis=0)
                error[sample] = np.sqrt(by_masks**2 + of_some(apart[:, alike], sizes[:, alike], round(found[sample] * one.drawn_from / len(one.pairs))))
            trial.progress(part.stop / samples)
        return Measurement(values, error, passes, np.zeros(samples, int), {"pairs": found})

    def _play(self, game: Game) -> list[_Pairs]:
        found = [self._candidates(game, sample, *effects) for sample, effects in enumerate(self._effects(game))]
        for number in range(self.masks):
            requests = [one.swapped(game, number) for one in found]
            asked = [request for request in requests if len(request.kept)]
            scores = iter(game.score(asked))
            for request, one in zip(requests, found, strict=True):
                if len(request.kept):
                    one.take(number, next(scores))
        return found

    def _effects(self, game: Game) -> list[tuple[Array, Array, Array]]:
        """Of each sample its units, what each changes when taken from the whole input and when put into the reference (2, units), and the largest score."""
        units = [game.looked_at(sample, self.units) for sample in range(len(game.trial.inputs))]
        requests = []
        for number in (0, 1):
            for sample, some in enumerate(units):
                draw = game.draw(sample, number)
                kept = np.repeat(draw.kept[None], len(some) + 1, axis=0)
                kept[np.arange(1, len(kept)), some] = number == 1
                requests.append(Request(sample, kept, draw.row))
        scores = game.score(requests)
        both = [np.stack(pair) for pair in zip(scores[: len(units)], scores[len(units) :], strict=True)]
        return [(some, one[:, 1:] - one[:, :1], np.abs(one).max()) for some, one in zip(units, both, strict=True)]

    def _candidates(self, game: Game, sample: int, units: Array, effects: Array, largest: Array) -> _Pairs:
        """Pairs with the same two effects."""
        size = np.abs(effects).max(axis=0)
        bound = self.tolerance * np.maximum(size[:, None], size[None]) + ROUNDING * largest
        same = (np.abs(effects[:, :, None] - effects[:, None, :]) <= bound).all(axis=0)
        acts = size > SMALLEST * largest
        first, second = np.nonzero(np.triu(same & acts[:, None] & acts[None], 1))
        drawn_from = len(first)
        if drawn_from > self.pairs:
            some = np.sort(np.random.default_rng((game.trial.seed, STREAM)).choice(drawn_from, self.pairs, replace=False))
            first, second = first[some], second[some]
        pairs = np.stack([units[first], units[second]], axis=1)
        return _Pairs(sample, pairs, bound[first, second], np.zeros((self.masks, len(pairs)), dtype=bool), drawn_from, 2 * len(units) + 2)


@dataclass
class _Pairs:
    """The candidates of one sample, (pairs, 2), by how much two scores may differ (pairs,), on which masks they did (masks, pairs), from how many they were
    drawn, and the evaluations so far."""

    sample: int
    pairs: Array
    bound: Array
    differed: Array
    drawn_from: int
    used: int

    @property
    def open_ones(self) -> Array:
        return np.flatnonzero(self.differed.sum(axis=0) < 2)

    def swapped(self, game: Game, number: int) -> Request:
        """Of each pair that is open the mask with one of the two, and with the other."""
        draw = game.draw(self.sample, number + 2)
        first, second = self.pairs[self.open_ones].T
        rows = np.arange(len(first))
        one = np.repeat(draw.kept[None], len(rows), axis=0)
        other = one.copy()
        high, low = (draw.kept[first], draw.other[first]) if game.blends else (True, False)
        one[rows, first], one[rows, second] = high, low
        other[rows, first], other[rows, second] = low, high
        return Request(self.sample, np.concatenate([one, other]), draw.row)

    def take(self, number: int, scores: Array) -> None:
        one, other = np.split(scores, 2)
        self.used += len(scores)
        self.differed[number, self.open_ones] = np.abs(one - other) > self.bound[self.open_ones]


def _ratio(apart: Array, sizes: Array, alike: Array) -> Array:
    """How far alike pairs are apart, of all that they have, (maps,)."""
    return ratio(apart * alike, sizes * alike)
