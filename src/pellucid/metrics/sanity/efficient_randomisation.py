"""Efficient randomisation: whether the map becomes more complex when all weights are replaced by noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Passes
from pellucid.metrics.sanity._weights import check_draw, random_weights

Array = np.ndarray
RULES = ("scott", "fd")
FEWEST, MOST = 10, 200
"""Bins that a rule may give."""
UNITS = 49
"""Values that a map needs for a histogram."""


@dataclass(frozen=True)
class EfficientRandomisation(Metric):
    """The relative rise of the map's complexity, (H(ê) − H(e)) / H(e), when noise stands for all weights at once (eMPRT): the larger the better.

    H is the entropy of the histogram of the map's values. No similarity of maps is asked for, which noise in gradients makes small by itself.

    `bins` of equal width from the smallest to the largest value of each map: a number, or "scott" (width 3.49 s n^(−1/3)) or "fd" (Freedman–Diaconis, width
    2 IQR n^(−1/3)), which count them by the explanation itself, n being its values, between 10 and 200; the random network's map has as many bins. `absolute`
    takes absolute values. `draw` and `draws` as in weight_randomisation: one explanation each; `error` is the standard error over draws (0 for one). NaN where
    the explanation is constant; needs a map of at least 49 values.

    Quantus's EfficientMPRT counts bins over the whole batch, and takes for n the number of axes of a map and not of its values; with a number the two agree.

    >>> EfficientRandomisation().better
    'higher'
    """

    bins: int | str = 100
    absolute: bool = False
    draw: str = "normal"
    draws: int = 5
    title = "Efficient randomisation"
    asks = "Does the map become more complex when all of the network's weights are replaced by noise?"
    group = "sanity"
    better = "higher"
    by_chance = False
    needs = frozenset({"weights", "again"})
    cost = "`draws` explanations"
    citation = "Hedström et al. 2024, arXiv 2401.06465"

    def __post_init__(self) -> None:
        check_draw(self.draw, self.draws)
        if isinstance(self.bins, bool) or (self.bins not in RULES if isinstance(self.bins, str) else self.bins < 2):
            raise SettingError(f"bins must be a number of at least 2, 'scott' or 'fd', got {self.bins!r}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        features = explanation.features
        count = len(features.names) if features is not None else explanation.inputs[0].size
        few = f"needs a map of at least {UNITS} values for a histogram; this one has {count}" if count < UNITS else ""
        return super().refuses(model, explanation) or few

    def measure(self, trial: Trial) -> Measurement:
        rows, passes, weights = np.arange(len(trial.inputs)), Passes.none(len(trial.inputs)), trial.model.weights()
        bins, own = zip(*(self._described(values[here]) for values, here in zip(trial.importance[:, 0], trial.present, strict=True)), strict=True)
        entropies = np.empty((len(rows), self.draws))
        for draw in range(self.draws):
            with trial.model.replaced_weights(random_weights(weights, self.draw, trial.seed, draw)) as other:
                explanation = trial.again(other, trial.inputs, rows)
            passes.count(explanation, rows)
            maps = trial.importance_of(explanation)
            entropies[:, draw] = [self._entropy(values[here], count) for values, here, count in zip(maps, trial.present, bins, strict=True)]
            trial.progress((draw + 1) / self.draws)
        before = np.array(own)[:, None]
        rises = np.divide(entropies - before, before, out=np.full(entropies.shape, np.nan), where=before > 0)
        error = rises.std(axis=1, ddof=1) / np.sqrt(self.draws) if self.draws > 1 else np.zeros(len(rows))
        curves = {"entropy": before[:, 0], "random": entropies, "by_draw": rises}
        return Measurement(rises.mean(axis=1)[:, None], error[:, None], passes.evaluations, passes.gradients, curves)

    def _described(self, values: Array) -> tuple[int, float]:
        """How many bins a map is given, and its entropy with them."""
        if not isinstance(self.bins, str):
            return self.bins, self._entropy(values, self.bins)
        shown = np.abs(values) if self.absolute else values
        count = int(np.clip(len(np.histogram_bin_edges(shown, self.bins)) - 1, FEWEST, MOST))
        return count, self._entropy(values, count)

    def _entropy(self, values: Array, bins: int) -> float:
        """Of the histogram of a map, in nats; NaN where a random network gives no finite map."""
        if not np.isfinite(values).all():
            return float("nan")
        counts = np.histogram(np.abs(values) if self.absolute else values, bins)[0]
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * np.log(shares)).sum())
