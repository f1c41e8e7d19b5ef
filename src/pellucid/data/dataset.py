"""What a data set is: samples, labels, names, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.core.errors import EmptyError, ShapeError

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with their labels.

    `inputs` is float32 of shape (samples, *shape). Sentences are an array of str, (samples,); rows of a table with words in it are a structured array,
    (samples,), whose fields are float64 or str: both are for people, and a network takes what a `Preprocessing` makes of them. `labels` holds class numbers of
    shape (samples,), or is None; `class_names` may be empty. `feature_names` are those of a table's columns, `units` those of columns that have one.
    `rate` is a sound's, samples a second, 0 for all else.
    `source` says where the data was found, `licence` under which terms it may be used.

    >>> data = Dataset("two", "test", np.zeros((2, 3), np.float32), np.array([0, 1]), ("no", "yes"), "made here", "CC0")
    >>> len(data), len(data.take(slice(0, 1)))
    (2, 1)
    """

    name: str
    split: str
    inputs: Array
    labels: Array | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    feature_names: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    rate: int = 0

    def __post_init__(self) -> None:
        if self.labels is not None and self.labels.shape != (len(self.inputs),):
            raise ShapeError(
                f"data set '{self.name}' has labels of shape {self.labels.shape} for {len(self.inputs)} samples; give one class number per sample."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, index: slice | Sequence[int] | Array) -> Dataset:
        """The chosen samples; `EmptyError` where the index chooses none."""
        rows = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        if not len(rows):
            raise EmptyError(f"'{self.name}' has {len(self)} samples, numbered 0 to {len(self) - 1}; {index} chooses none of them.")
        return replace(self, inputs=self.inputs[rows], labels=None if self.labels is None else self.labels[rows])
