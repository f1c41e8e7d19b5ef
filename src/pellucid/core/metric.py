"""The contract between `evaluate` and the metrics: a `Metric` measures how far an explanation can be believed.

As with methods, a metric is a frozen dataclass: its fields are its settings, its class attributes say what it asks, which way is better and where it
comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.method import Progress
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.core.target import Target

Array = np.ndarray
GROUPS: Mapping[str, str] = {
    "faithfulness": "Does the network use what the explanation calls important?",
    "sanity": "Is the explanation of this network at all?",
    "robustness": "Does the explanation stay where input and prediction stay?",
    "complexity": "How much has a reader to take in?",
    "localisation": "Does the explanation lie where the reason is known to lie?",
    "axioms": "Does the explanation keep what its method promises?",
}
"""What metrics ask, group by group."""


class Again(Protocol):
    """Explains once more, by the same method with the same settings and the same classes as targets."""

    def __call__(self, model: Model, inputs: Array, rows: Array, seed: int | None = None) -> Explanation:
        """`inputs` (n, *shape) in place of the samples `rows` (n,) of the explanation; another seed where one is given."""

    def __getitem__(self, rows: Array) -> Again:
        """The same for some samples of the explanation."""

    def reference(self, model: Model) -> Array | None:
        """What the method set the inputs against: its baseline, or the rows of its fill or background, (1 or samples, rows, *shape); None where it has none."""


@dataclass(frozen=True)
class Trial:
    """Everything a metric is given.

    `importance` (samples, maps, units) is what is tried: map 0 is the explanation's, the others are random ones of the same values, against which a metric's
    number can be read. `units` say which elements of an input each number belongs to, `present` (samples, units) which of them a sample has. `target` is fixed:
    the classes that were explained, whatever a changed network predicts; `scores` (samples,) are its scores at the inputs. `fills` (1 or samples, rows, *shape)
    stand for what is taken away. `again` explains once more; `truth` (samples, *shape) marks where the reason is known to lie, with shares from 0 to 1.
    """

    model: Model
    inputs: Array
    target: Target
    scores: Array
    importance: Array
    units: FeatureMap
    present: Array
    fills: Array
    explanation: Explanation
    again: Again
    seed: int
    truth: Array | None = None
    progress: Progress = lambda fraction: None

    @property
    def maps(self) -> int:
        return self.importance.shape[1]

    def __getitem__(self, part: slice) -> Trial:
        """The trial of some samples."""
        rows = np.arange(len(self.inputs))[part]
        return replace(
            self,
            inputs=self.inputs[part],
            target=self.target.take(rows),
            scores=self.scores[part],
            importance=self.importance[part],
            units=self.units[part],
            present=self.present[part],
            fills=self.fills[part] if len(self.fills) > 1 else self.fills,
            explanation=self.explanation[part],
            again=self.again[rows],
            truth=None if self.truth is None else self.truth[part],
        )

    def alone(self) -> Trial:
        """The explanation's own map without the random ones."""
        return replace(self, importance=self.importance[:, :1])

    def as_probability(self) -> Trial:
        """The same read as a probability, where the network ends in softmax or sigmoid."""
        if self.target.head is None or self.target.function is not None or self.target.score == "probability":
            return self
        target = replace(self.target, score="probability")
        return replace(self, target=target, scores=self.model.scores(self.inputs, target))

    def importance_of(self, explanation: Explanation, rows: Array | None = None) -> Array:
        """What an explanation of the same kind gives each unit, (its samples, units); `rows` says which of the samples here each of its samples stands for."""
        return unit_importance(explanation, self.units if rows is None else self.units[rows])

    def known_truth(self) -> Array:
        """Which share of each unit lies in `truth`, (samples, units), or an error that says how to give it."""
        if self.truth is None:
            raise UnsupportedError(
                "the reason's place is not given; give a mask or boxes: truth=mask of the inputs' shape, or truth=[(top, left, bottom, right)]."
            )
        return summed(self.truth / elements_of(self.units, self.truth.shape), self.units)


@dataclass(frozen=True)
class Measurement:
    """What a metric gives back: `values` and `error` (samples, maps), the error being the standard error that comes from what the metric draws itself, 0 where
    it draws nothing. `evaluations` and `gradients` (samples,) count what the explanation's own map cost. `curves` hold further arrays of map 0, one row a
    sample, among them "by_draw" (samples, draws): the values by what was drawn for all samples alike. `resolved` is what the metric chose by itself, as plain
    values that are kept with the settings."""

    values: Array
    error: Array
    evaluations: Array
    gradients: Array
    curves: Mapping[str, Array] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)


def joined(parts: Sequence[Measurement]) -> Measurement:
    """Measurements of some samples after others as one; what a metric chose by itself is told as it was for the first."""

    def rows(name: str) -> Array:
        return np.concatenate([np.asarray(getattr(part, name)) for part in parts])

    curves = {name: np.concatenate([part.curves[name] for part in parts]) for name in parts[0].curves}
    return Measurement(rows("values"), rows("error"), rows("evaluations"), rows("gradients"), curves, parts[0].resolved)


class Metric(ABC):
    """One way to measure. Settings are the dataclass fields of a subclass."""

    title: ClassVar[str]
    asks: ClassVar[str]
    group: ClassVar[str]
    better: ClassVar[str] = ""
    """"higher" or "lower"; empty where neither is."""
    by_chance: ClassVar[bool] = True
    """Whether random importances are measured beside the explanation's, so that a number can be read against chance."""
    limits: ClassVar[str] = ""
    """Where a verdict does not read it against chance: "similarity" (with the map of a network with random weights) or "change" (relative, of the map)."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Of "gradients", "weights" (of the network, to be replaced), "truth" and "again" (the explanation can be made once more)."""
    cost: ClassVar[str] = ""
    """What it takes a sample, in words: evaluations, or explanations made once more. Random importances take evaluations again, each of them."""
    citation: ClassVar[str]

    @abstractmethod
    def measure(self, trial: Trial) -> Measurement:
        """One number for each sample and map."""

    def refuses(self, model: Model, explanation: Explanation) -> str:
        """Why this metric, as it is set, cannot measure the explanation; empty where it can."""
        if "gradients" in self.needs and not model.traits.gradients:
            return f"needs gradients, which {model.traits.framework} does not give"
        if "weights" in self.needs and not (model.has_weights and model.weights()):
            return f"replaces the network's weights, which {model.traits.framework} does not show"
        return ""


def unit_importance(explanation: Explanation, units: FeatureMap) -> Array:
    """The sum of an explanation's values over the elements of each unit, (samples, units): what was attributed by these features themselves as it is."""
    same = explanation.features
    if same is not None and same.kind == units.kind and np.array_equal(same.labels, units.labels):
        shares = np.asarray(explanation.shares, dtype=np.float64)
        return np.pad(shares, ((0, 0), (0, len(units.names) - shares.shape[1])))  # one sample alone may have fewer units than it has in company
    spread = np.asarray(explanation.to_input(), dtype=np.float64)
    if same is not None:
        spread = spread / elements_of(same, spread.shape)
    return summed(spread, units)


def summed(spread: Array, units: FeatureMap) -> Array:
    """The sums over the elements of each unit of what lies over the inputs: (samples, *shape) → (samples, units)."""
    found = np.zeros((len(spread), len(units.names)))
    if len(units.labels) == 1 and found.shape[1] == spread[:1].size == units.labels.size and np.array_equal(units.labels.ravel(), np.arange(found.shape[1])):
        return spread.reshape(found.shape)  # a unit an element, in their order
    for row, values in enumerate(spread):
        labels = np.broadcast_to(units.of(row), values.shape)
        inside = labels >= 0
        found[row] = np.bincount(labels[inside], weights=values[inside], minlength=len(units.names))
    return found


def elements_of(units: FeatureMap, shape: tuple[int, ...]) -> Array:
    """How many elements of an input the unit of each element has, `shape` (samples, *input)."""
    found = np.ones(shape)
    for row in range(shape[0]):
        labels = np.broadcast_to(units.of(row), shape[1:])
        counts = np.bincount(labels[labels >= 0], minlength=len(units.names))
        found[row] = np.where(labels >= 0, counts[np.maximum(labels, 0)], 1)
    return found
