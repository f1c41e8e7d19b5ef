"""Monotonicity: whether a unit of more importance matters more to the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.maths.correlation import spearman, spearman_error
from pellucid.metrics._draws import key_of
from pellucid.metrics._masks import Removal, removed_scores, row_by_row
from pellucid.metrics.faithfulness._steps import measured, scores_after

Array = np.ndarray
STREAM = 12
FORMS = ("effects", "steps")
ROUNDING = 1e-6
"""By how much, relative to the largest score, a score may fall and count as staying: batches of another size differ in their last bits."""


@dataclass(frozen=True)
class Monotonicity(Metric):
    """Whether units of more importance matter more, in one of two forms.

    "effects" (Nguyen & Martínez): Spearman's correlation, over units i, of |φ_i| with the mean square change of the explained score when unit i alone is
    replaced by the rows of the fill, E (f(x) − f(x with i replaced))²; from −1 to 1. A `background` of data makes it the expectation that is meant. Of more
    than `units` units that many are drawn, and `error` is the jackknife's over them. Costs an evaluation for each unit and row of the fill.

    "steps" (Arya et al., in AIX360): units are put into the fill, the least important first (values, not amounts), in `steps` equal steps; the
    share of steps at which the score does not fall, of which Arya et al. ask only whether it is 1. Where no unit ever lowers the score, any order gets 1, and
    this form cannot tell an explanation from chance: its lead is 0.

    Quantus 0.6's MonotonicityCorrelation is the first form with units in groups and its changes divided by f(x)², which leaves ranks as they are. Its
    Monotonicity never puts a unit in, so that everything passes.

    >>> Monotonicity(units=200).better
    'higher'
    """

    form: str = "effects"
    units: int = 500
    steps: int = 20
    title: ClassVar[str] = "Monotonicity"
    asks: ClassVar[str] = "Does a unit of more importance matter more to the network?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "higher"
    cost = "an evaluation for each unit, of at most `units`, and row of the fill"
    citation: ClassVar[str] = "Nguyen & Martínez 2020, arXiv 2007.07584; Arya et al. 2019, arXiv 1909.03012"

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.units < 3 or self.steps < 1:
            raise SettingError(f"monotonicity needs form 'effects' or 'steps', units ≥ 3 and steps ≥ 1; got {self.form!r}, {self.units}, {self.steps}.")

    def measure(self, trial: Trial) -> Measurement:
        return self._by_effects(trial) if self.form == "effects" else self._by_steps(trial)

    def _by_effects(self, trial: Trial) -> Measurement:
        (samples, maps, width), rows = trial.importance.shape, trial.fills.shape[1]
        values, error, passes = np.full((samples, maps), np.nan), np.zeros((samples, maps)), np.zeros(samples, int)
        looked_at = [self._looked_at(np.flatnonzero(trial.present[sample]), key_of(trial, sample)) for sample in range(samples)]

        def removals() -> Iterator[Removal]:
            for sample, units in enumerate(looked_at):
                kept = np.ones((len(units), width), dtype=bool)
                kept[np.arange(len(units)), units] = False
                yield row_by_row(sample, kept, rows)

        for sample, (units, scores) in enumerate(zip(looked_at, removed_scores(trial, removals(), samples), strict=True)):
            effects = np.square(trial.scores[sample] - scores).reshape(-1, rows).mean(axis=1)
            effects[effects <= (ROUNDING * np.abs(scores).max(initial=0.0)) ** 2] = 0  # ranks would order what is rounding
            sizes, have = np.abs(trial.importance[sample][:, units]), int(trial.present[sample].sum())
            values[sample] = spearman(sizes, np.broadcast_to(effects, sizes.shape))
            if len(units) < have:  # drawn without replacement
                error[sample, 0] = spearman_error(sizes[0], effects) * np.sqrt(1 - len(units) / have)
            passes[sample] = len(scores)
        return Measurement(values, error, passes, np.zeros(samples, int))

    def _looked_at(self, units: Array, key: tuple[int, int]) -> Array:
        """The units of a sample, or as many of them as may be, drawn."""
        if len(units) <= self.units:
            return units
        return np.random.default_rng((*key, STREAM)).choice(units, self.units, replace=False)

    def _by_steps(self, trial: Trial) -> Measurement:
        shares = np.linspace(0, 1, self.steps + 1)
        found = scores_after(trial, shares, insert=True, least_first=True)
        slack = ROUNDING * np.abs(found).max(axis=-1, keepdims=True)
        return measured(trial, (np.diff(found, axis=-1) >= -slack).mean(axis=-1), shares, found)
