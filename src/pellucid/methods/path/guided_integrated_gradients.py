"""Guided Integrated Gradients: a way from the baseline that goes first where the score changes least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT
from pellucid.core.outcome import Check
from pellucid.methods import _stopping
from pellucid.methods.path import _integration, _nested

Array = np.ndarray

RULES = ("trapezoid", "left")
CLOSE = 1e-9
"""Relative distance at which a step has reached its goal, as in the authors' code."""


@dataclass(frozen=True)
class GuidedIntegratedGradients(Method):
    """How much each input element moved the score on a way from a baseline that avoids steep places as long as it can.

    Use it where maps of Integrated Gradients are noisy because the straight way crosses places where the gradient is large and says little. Every step moves
    only the `fraction` of the elements with the smallest |∂f/∂x_i| (those that have not arrived yet), as far as brings the L1 distance to the end down by its
    due part (algorithm 1 of the paper). values_i is the sum over steps of the movement of x_i times ∂f/∂x_i, the mean of both ends of the step; `rule="left"`
    takes the beginning, as the paper does. The way is tied to the straight one: it passes the ends of `anchors` equal pieces of it; `anchors=1` leaves it
    free, many bring it to Integrated Gradients.

    Shapes: values and error (samples, *input), in units of the score. `error` is NaN (kind "none"): which elements move next is decided anew at each step, so
    that more steps may take another way, and no estimate can promise where that ends. A free way may zigzag across a kink of the network with every step,
    however small; Σ values then misses f(x) − f(b) for good, on small ReLU networks by 2 to 3 % of ‖values‖₁ (by the rule "left" 11 to 17 %).
    `tolerance` bounds |Σ values − (f(x) − f(b))| / ‖values‖₁; above it the outcome is "incomplete". All samples take each step together, in one batch.
    Source: Kapishnikov et al. 2021, arXiv:2106.09788. Does not give the same values for two networks that differ by rounding: near a tie of two gradients the
    way forks. Not linear in the model.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "guided_integrated_gradients").values.round(4)
    array([[2., 3.]])
    """

    steps: int = 200
    fraction: float = 0.25
    anchors: int = 20
    rule: str = "trapezoid"

    title: ClassVar[str] = "Guided Integrated Gradients"
    answers: ClassVar[str] = "How much did each input element move the score on a way from a baseline that avoids steep places?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"completeness", "insensitivity"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"baseline", "layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "none"
    default_tolerance: ClassVar[float] = 0.02
    default_max_evaluations: ClassVar[int] = 1023
    citation: ClassVar[str] = "Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi 2021, arXiv:2106.09788"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SettingError(unknown("rule", self.rule, RULES))
        if not 1 <= self.anchors <= self.steps:
            raise SettingError(f"anchors must lie between 1 and steps={self.steps}: each piece of the way takes a step at least; got {self.anchors}.")
        if not 0 <= self.fraction <= 1:
            raise SettingError(f"fraction must lie between 0 and 1 (0.25 moves a quarter of the elements at a time), got {self.fraction}.")

    def explain(self, task: Task) -> Attribution:
        count = self.steps + (self.rule == "trapezoid")
        _stopping.require(task.max_evaluations, count, f"steps={self.steps}")
        starts, at_baseline = _integration.baselines(task), _integration.baseline_scores(task)
        values = np.concatenate([self._chunk(task, starts[samples], samples) for samples in _nested.chunks(task.inputs.shape)])
        gap = values.reshape(len(values), -1).sum(axis=1) - (task.scores - at_baseline)
        sizes = np.abs(values).reshape(len(values), -1).sum(axis=1)
        used = np.full(len(values), count)
        return Attribution(
            values=values,
            error=np.full(values.shape, np.nan),
            error_kind=self.error_kind,
            axes=("sample", *(f"input_{i}" for i in range(values.ndim - 1))),
            evaluations=used + 1,
            gradients=used,
            stops=[self._stop(float(one), float(size), task.tolerance) for one, size in zip(gap, sizes, strict=True)],
            baseline_score=at_baseline,
            statistics={"completeness_gap": gap},
        )

    def _chunk(self, task: Task, baseline: Array, samples: slice) -> Array:
        """Values of some samples, which advance together."""
        inputs = task.inputs[samples]
        target = task.target.take(np.arange(len(task.inputs))[samples])
        ends = inputs.reshape(len(inputs), -1).astype(np.float64)
        starts = baseline.reshape(ends.shape).astype(np.float64)
        values, place = np.zeros_like(ends), starts.copy()

        def slopes() -> Array:
            at = place.reshape(inputs.shape).astype(inputs.dtype)
            return task.model.gradients(at, target).gradients[INPUT].reshape(ends.shape).astype(np.float64)

        movement = np.zeros_like(ends)
        for piece, numbers in enumerate(np.array_split(np.arange(self.steps), self.anchors)):
            anchor = ends if piece + 1 == self.anchors else starts + (ends - starts) * ((piece + 1) / self.anchors)
            whole = np.abs(anchor - place).sum(axis=1)
            for number in numbers:
                gradient = slopes()
                moved = advanced(place, anchor, np.abs(gradient), whole * (1 - (number - numbers[0] + 1) / len(numbers)), self.fraction)
                before, movement = movement, moved - place
                values += gradient * (movement if self.rule == "left" else (before + movement) / 2)
                place = moved
                task.progress((samples.start + len(inputs) * (number + 1) / self.steps) / len(task.inputs))
        if self.rule == "trapezoid":
            values += slopes() * movement / 2
        return values.reshape(inputs.shape)

    def _stop(self, gap: float, size: float, tolerance: float) -> Check:
        if size == 0:
            return _stopping.nothing("no element moved the score")
        part, numbers = abs(gap) / size, {"completeness_gap": gap, "tolerance": tolerance}
        told = f"The values miss f(x) − f(baseline) by {_stopping.percent(part)} of their sizes after {self.steps} steps"
        if part <= tolerance:
            return Check("fixed", f"{told}; what they would be after more is not estimated.", numbers=numbers)
        return Check("incomplete", f"{told}; at most {_stopping.percent(tolerance)} was asked for.", "Raise steps, or the tolerance.", numbers)


def advanced(place: Array, end: Array, steepness: Array, goal: Array, fraction: float) -> Array:
    """Where each row goes from `place`, (rows, elements): the flattest elements move towards `end` until the L1 distance to it is `goal`, (rows,)."""
    place = place.copy()
    last = int(fraction * (place.shape[1] - 1))
    going = np.arange(len(place))
    while len(going):
        left = np.abs(end[going] - place[going])
        excess = left.sum(axis=1) - goal[going]
        far = excess > CLOSE * goal[going]
        going, left, excess = going[far], left[far], excess[far]
        cost = np.where(left > 0, steepness[going], np.inf)
        chosen = (cost <= np.partition(cost, last, axis=1)[:, last, None]) & (left > 0)
        room = (left * chosen).sum(axis=1)
        short = excess >= room
        pace = np.divide(excess, room, out=np.ones_like(room), where=~short)[:, None]
        nearer = np.where(short[:, None], end[going], place[going] + pace * (end[going] - place[going]))
        place[going] = np.where(chosen, nearer, place[going])
        going = going[short]
    return place
