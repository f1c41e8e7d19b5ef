"""What a feature is, and what stands in its place when it is absent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError

Array = np.ndarray


@dataclass(frozen=True)
class FeatureMap:
    """Which feature each element of an input belongs to.

    `labels`: integers of shape (1 or samples, *map), where `map` broadcasts to the input's shape (an image map
    of shape (28, 28, 1) serves all channels). Labels run from 0 to `counts[i] - 1` for sample i; an element labelled −1
    belongs to no feature and is always present. `names` are shown in tables.
    """

    labels: Array
    names: tuple[str, ...]
    kind: str = "features"

    def __post_init__(self) -> None:
        if self.labels.dtype.kind not in "iu":
            raise CombinationError(f"feature labels must be integers, got {self.labels.dtype}; use labels.astype(int).")

    @property
    def counts(self) -> Array:
        """Number of features of each row of `labels`."""
        return self.labels.reshape(len(self.labels), -1).max(axis=1) + 1

    def present(self, width: int) -> Array:
        """Which of `width` features each row of `labels` has, (rows, width): some may be missing in the midst where several inputs have their own."""
        found = np.zeros((len(self.labels), width), dtype=bool)
        for row, labels in enumerate(self.labels):
            found[row, np.unique(labels[labels >= 0])] = True
        return found

    def of(self, sample: int) -> Array:
        """The label map of one sample, shape `map`."""
        return np.asarray(self.labels[sample if len(self.labels) > 1 else 0])

    def __getitem__(self, index: slice | Array) -> FeatureMap:
        return self if len(self.labels) == 1 else FeatureMap(self.labels[index], self.names, self.kind)

    def spread(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Paint each feature's value over its elements: (samples, features) → (samples, *shape)."""
        out = np.zeros((len(values), *shape), dtype=values.dtype)
        for row, value in enumerate(values):
            labels = self.of(row)
            painted = np.where(labels >= 0, value[np.maximum(labels, 0)], 0)
            out[row] = np.broadcast_to(painted, shape)
        return out


class Features(ABC):
    """How an input is cut into features; one file of `data/features/` each."""

    @abstractmethod
    def label(self, inputs: Array) -> FeatureMap:
        """The feature map for `inputs` of shape (samples, *shape)."""


class Fill(ABC):
    """What absent features hold; one file of `data/fills/` each."""

    @abstractmethod
    def rows(self, inputs: Array) -> Array:
        """Replacement inputs, shape (1 or samples, rows, *shape); several rows make a background (a marginal game)."""

    def rows_for(self, inputs: Array, features: FeatureMap | None) -> Array:
        """As `rows`, for a method with these features (None: it has none); a fill that depends on them defines this."""
        return self.rows(inputs)
