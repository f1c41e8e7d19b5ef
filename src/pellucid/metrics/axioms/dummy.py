"""Dummy: what changes no score gets nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Trial
from pellucid.core.records import Explanation
from pellucid.metrics.axioms._game import ROUNDING, Game, Request, games, jackknifed, of_some, ratio
from pellucid.metrics.axioms._promise import Axiom

Array = np.ndarray


@dataclass(frozen=True)
class Dummy(Axiom):
    """The share of the absolute attribution that lies on dummies: units whose change never changed the score, on `masks` random masks of the others.

    A dummy is looked for in the game that was explained. Of methods that share it out (Shapley values, feature ablation, …) units are as they are or as in the
    fill or background; of Integrated and Expected Gradients anything between. Gradients, and methods that make their own way, promise nothing to a unit only
    if the network does not depend on it at all: there every element is changed by normal noise, as wide as the sample's values are spread. Masks begin with
    the whole input and the reference itself; the others keep a share of units that is drawn. A unit is let go once it has changed the score on two of them.

    0 is what is promised; NaN where no dummy was found. On networks that use everything the units that equal the fill are the only ones. `error` is the
    jackknife's over masks and, where only `units` of them were looked at, drawn, over units too. A unit called dummy may still change the score on rare masks:
    with 95 % confidence on less than 3/`masks` of them. `curves`: how many dummies were found. Costs about 2 evaluations a unit that is used, and `masks` a
    dummy that differs from the fill.

    >>> Dummy(masks=40).better
    'lower'
    """

    masks: int = 20
    units: int = 500
    title = "Dummy"
    asks = "How much is attributed to what changes no score?"
    promise = "dummy"
    says = "nothing for what changes no score"
    cost = "about 2 evaluations a unit that is used, and `masks` a dummy"
    citation = "Shapley 1953, doi:10.1515/9781400881970-018; sensitivity(b) of Sundararajan, Taly & Yan 2017, arXiv 1703.01365"

    def __post_init__(self) -> None:
        if self.masks < 2 or self.units < 1:
            raise SettingError(f"dummy needs masks of at least 2 and units of at least 1, got {self.masks} and {self.units}.")

    def promised(self, explanation: Explanation) -> bool:
        return super().promised(explanation) or "insensitivity" in explanation.provenance["promises"]

    def measure(self, trial: Trial) -> Measurement:
        samples, maps = trial.importance.shape[:2]
        values, error = np.full((samples, maps), np.nan), np.full((samples, maps), np.nan)
        passes, found = np.zeros(samples, int), np.zeros(samples, int)
        anywhere = "dummy" not in trial.explanation.provenance["promises"]
        for part, game in games(trial, anywhere=anywhere, masks=min(self.units, trial.importance.shape[2]) + 1, rows=self.masks):
            for sample, (units, changed, used) in enumerate(self._play(game), part.start):
                passes[sample], found[sample] = used, int((~changed.any(axis=0)).sum())
                sizes = np.abs(trial.importance[sample][:, units])
                if found[sample]:
                    values[sample], by_masks = jackknifed(changed, partial(_share, sizes))
                    error[sample] = np.sqrt(by_masks**2 + of_some(sizes * ~changed.any(axis=0), sizes, int(trial.present[sample].sum())))
            trial.progress(part.stop / samples)
        return Measurement(values, error, passes, np.zeros(samples, int), {"dummies": found})

    def _play(self, game: Game) -> list[tuple[Array, Array, int]]:
        """Of each sample the units looked at, on which masks each changed the score (masks, units), and the evaluations."""
        samples = range(len(game.trial.inputs))
        units = [game.looked_at(sample, self.units) for sample in samples]
        changed = [np.zeros((self.masks, len(some)), dtype=bool) for some in units]
        largest, used = np.abs(game.trial.scores), np.zeros(len(units), int)
        for number in range(self.masks):
            requests: list[Request] = []
            asked: list[Array] = []
            for sample in samples:
                draw = game.draw(sample, number)
                open_ones = np.flatnonzero((changed[sample].sum(axis=0) < 2) & game.touched(sample, draw.row)[units[sample]])
                kept = np.repeat(draw.kept[None], len(open_ones) + 1, axis=0)
                those = units[sample][open_ones]
                kept[np.arange(1, len(kept)), those] = draw.other[those]
                if len(open_ones):
                    requests.append(Request(sample, kept, draw.row))
                    asked.append(open_ones)
            for request, scores, open_ones in zip(requests, game.score(requests), asked, strict=True):
                used[request.sample] += len(scores)
                largest[request.sample] = max(largest[request.sample], abs(scores[0]))
                changed[request.sample][number, open_ones] = np.abs(scores[1:] - scores[0]) > ROUNDING * largest[request.sample]
        return [(some, which, int(count)) for some, which, count in zip(units, changed, used, strict=True)]


def _share(sizes: Array, dummy: Array) -> Array:
    """What the dummies have of all, (maps,)."""
    return ratio(sizes * dummy, sizes)
