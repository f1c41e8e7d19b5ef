"""Random labels: whether the map is another one for a network that was trained on labels without meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.metrics._explained import Passes
from pellucid.metrics.sanity._maps import Likeness, check_similarity, no_ssim


@dataclass(frozen=True)
class RandomLabel(Metric):
    """The similarity of the explanation to that of a network trained on the same inputs with their labels permuted: the smaller the better.

    A map that is the same for both says nothing of what was learnt.

    `network`, of the same kind, is what `explain` takes, and must be given: metrics={"random_label": {"network": other}}. With Keras, for instance:

        other = keras.models.clone_model(model)  # the same kind, with new weights
        other.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        other.fit(x, np.random.default_rng(0).permutation(y), epochs=60)

    It must fit the random labels, far better than chance on what it was trained on, or it is a network with random weights and nothing more; augmentation
    (that of `pellucid train`, too) keeps it from that. `similarity` and
    `absolute` as in weight_randomisation. One explanation, by the seed of the first, of the classes that were explained, and a forward pass.

    >>> RandomLabel().better
    'lower'
    """

    network: Any = None
    similarity: str = "spearman"
    absolute: bool = False
    title = "Random labels"
    asks = "Is the map another one for a network trained on labels without meaning?"
    group = "sanity"
    better = "lower"
    by_chance = False
    limits = "similarity"
    needs = frozenset({"again"})
    cost = "one explanation"
    citation = "Adebayo et al. 2018, arXiv 1810.03292"

    def __post_init__(self) -> None:
        check_similarity(self.similarity)

    def refuses(self, model: Model, explanation: Explanation) -> str:
        if self.network is None:
            return "needs a network trained on random labels: metrics={'random_label': {'network': other}}"
        return super().refuses(model, explanation) or no_ssim(self.similarity, model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        rows, passes = np.arange(len(trial.inputs)), Passes.none(len(trial.inputs))
        other = self._other(trial)
        explanation = trial.again(other, trial.inputs, rows)
        passes.count(explanation, rows)
        found = Likeness(trial, trial.importance[:, 0], self.similarity, self.absolute).to(trial.importance_of(explanation))
        named = {"network": f"{other.traits.framework}, fingerprint {other.traits.fingerprint}"}
        return Measurement(found[:, None], np.zeros((len(rows), 1)), passes.evaluations + 1, passes.gradients, {}, named)

    def _other(self, trial: Trial) -> Model:
        """The other network, read as the explained one is."""
        own, other = trial.model, adapt(self.network)
        other = other.reading(own.traits.output) if own.traits.output and other.traits.output != own.traits.output else other
        other = other.packed(own.packing) if own.packing is not None and other.packing is None else other
        other.meet(trial.inputs)
        if own.traits.output_shape != other.traits.output_shape:
            raise SettingError(
                f"random_label was given a network with outputs of shape {other.traits.output_shape}, the explained one has {own.traits.output_shape}."
            )
        if np.array_equal(other.scores(trial.inputs, trial.target), trial.scores):
            raise SettingError("random_label was given the explained network itself; give one of the same kind that was trained on permuted labels.")
        return other
