"""Methods of one's own, of which it is known what a check must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT
from pellucid.core.outcome import Check

Array = np.ndarray


class Own(Method):
    """Gives what `values` says."""

    title: ClassVar[str] = "Of one's own"
    answers: ClassVar[str] = "?"
    family: ClassVar[str] = "path"
    error_kind: ClassVar[str] = "exact"
    citation: ClassVar[str] = "none"

    def values(self, task: Task) -> Array:
        raise NotImplementedError

    def explain(self, task: Task) -> Attribution:
        found = np.asarray(self.values(task), dtype=float)
        ones = np.ones(len(found), dtype=int)
        axes = ("sample", *(f"input_{i}" for i in range(found.ndim - 1)))
        return Attribution(found, np.zeros(found.shape), self.error_kind, axes, ones, ones, [Check("exact", "Exact.")] * len(found))


@dataclass(frozen=True)
class InputItself(Own):
    """|x|, as an edge detector: a picture of the input and of no network."""

    def values(self, task: Task) -> Array:
        return np.abs(task.inputs)


@dataclass(frozen=True)
class Blend(Own):
    """`share` of the input, scaled to the gradient, and the rest of the gradient."""

    share: float

    def values(self, task: Task) -> Array:
        gradient = task.model.gradients(task.inputs, task.target).gradients[INPUT].astype(float)
        x = np.abs(task.inputs) * np.abs(gradient).mean() / np.abs(task.inputs).mean()
        return self.share * x + (1 - self.share) * gradient


@dataclass(frozen=True)
class Given(Own):
    """What a function of the task gives."""

    function: Callable[[Task], Array]

    def values(self, task: Task) -> Array:
        return self.function(task)
