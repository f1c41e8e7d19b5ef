"""Weight randomisation: whether the map changes when the network's weights are replaced by noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Passes, disturbed, ranges
from pellucid.metrics.sanity._maps import Likeness, check_similarity, no_ssim
from pellucid.metrics.sanity._weights import check_draw, random_weights

Array = np.ndarray
ORDERS = ("cascading", "bottom_up", "independent")


@dataclass(frozen=True)
class WeightRandomisation(Metric):
    """The mean similarity of the explanation to those of networks in which noise stands for weights, layer by layer: the smaller the better.

    At each step it is one more layer. A map that stays shows the input and not the network.

    `order`: "cascading" from the output down, "bottom_up" from the input, layers that have been reached keep their noise; "independent", one layer at a time.
    `steps`: the map is made anew at so many of the layers, evenly spread, the last of them always; None at every one. `similarity`: "spearman", "pearson" or
    "ssim" (images), of absolute values where `absolute`. `draw`: each array "normal" with its own mean and standard deviation, or "permuted"; what is the same
    everywhere in an array, as the zeros of a bias before training, stays. `draws` networks are drawn for each step, and `error` is the standard error over
    them (0 for one, which leaves it open). `noisy` copies of each input, disturbed by normal noise of `noise` times its range, are explained and averaged first
    (smooth MPRT); 0 explains the input alone.

    Each draw costs as many explanations as there are steps, times `noisy`. They are made with the seed of the explanation: a method that draws meets the same
    draws, so that the network is all that changes; its own error, where that is large, still lowers the similarity. Where a random network gives a constant
    map, that is like nothing: 0. `curves["similarity"]` (samples, steps) is the mean over draws, `curves["by_draw"]` (samples, draws) that over steps; the
    layers stand in `settings["layers"]`. A method that goes on until its tolerance is met may need more passes on a random network; what bounds them is
    again={"max_evaluations": …}.

    Quantus's MPRT means over the unchanged network too, whose similarity is 1. arXiv 2211.12486 shows what the cascade does not show: it keeps the scale of
    what comes from below, so that "bottom_up" is the stricter order.

    >>> WeightRandomisation(order="bottom_up").better
    'lower'
    """

    order: str = "cascading"
    similarity: str = "spearman"
    absolute: bool = False
    draw: str = "normal"
    draws: int = 3
    steps: int | None = 8
    noisy: int = 0
    noise: float = 0.1
    title = "Weight randomisation"
    asks = "Does the map change when the network's weights are replaced by noise?"
    group = "sanity"
    better = "lower"
    by_chance = False
    limits = "similarity"
    needs = frozenset({"weights", "again"})
    cost = "`draws` × `steps` explanations, times `noisy` where that is above 0"
    citation = "Adebayo et al. 2018, arXiv 1810.03292; smooth: Hedström et al. 2024, arXiv 2401.06465"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise SettingError(unknown("order", self.order, ORDERS))
        check_similarity(self.similarity)
        check_draw(self.draw, self.draws)
        if (self.steps is not None and self.steps < 1) or self.noisy < 0 or not self.noise > 0:
            raise SettingError(f"steps must be at least 1, noisy at least 0 and noise above 0, got {self.steps}, {self.noisy} and {self.noise}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        return super().refuses(model, explanation) or no_ssim(self.similarity, model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        weights = trial.model.weights()
        names = list(weights) if self.order == "bottom_up" else list(weights)[::-1]
        reached = _spread(len(names), self.steps)
        passes = Passes.none(len(trial.inputs))
        own = self._explained(trial, trial.model, passes) if self.noisy else trial.importance[:, 0]
        likeness = Likeness(trial, own, self.similarity, self.absolute)
        found = np.empty((self.draws, len(reached), len(own)))
        for draw in range(self.draws):
            drawn = random_weights(weights, self.draw, trial.seed, draw)
            for step, place in enumerate(reached):
                changed = names[place : place + 1] if self.order == "independent" else names[: place + 1]
                with trial.model.replaced_weights({name: drawn[name] for name in changed}) as other:
                    maps = self._explained(trial, other, passes)
                found[draw, step] = likeness.to(maps)
                trial.progress((draw * len(reached) + step + 1) / (self.draws * len(reached)))
        each = found.mean(axis=1)
        error = each.std(axis=0, ddof=1) / np.sqrt(self.draws) if self.draws > 1 else np.zeros(len(own))
        curves, layers = {"similarity": found.mean(axis=0).T, "by_draw": each.T}, [names[place] for place in reached]
        return Measurement(each.mean(axis=0)[:, None], error[:, None], passes.evaluations, passes.gradients, curves, {"layers": layers})

    def _explained(self, trial: Trial, model: Model, passes: Passes) -> Array:
        """The importances that a network's explanation gives, or their mean over noisy copies, (samples, units)."""
        rows = np.arange(len(trial.inputs))
        if not self.noisy:
            explanation = trial.again(model, trial.inputs, rows)
            passes.count(explanation, rows)
            return trial.importance_of(explanation)

        def normal(generator: np.random.Generator) -> Array:
            return generator.normal(size=trial.inputs.shape[1:])

        total = np.zeros(trial.importance[:, 0].shape)
        for piece in disturbed(trial, model, normal, np.broadcast_to(self.noise * ranges(trial), trial.inputs.shape), self.noisy, passes):
            np.add.at(total, piece.rows, trial.importance_of(piece.explanation, piece.rows))
        return total / self.noisy


def _spread(layers: int, steps: int | None) -> Array:
    """The numbers of the layers at which a map is made, the last one among them."""
    count = layers if steps is None else min(steps, layers)
    return np.unique(np.round(np.linspace(layers / count, layers, count)).astype(int) - 1)
