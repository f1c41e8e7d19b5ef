"""Integrated Gradients, refined per sample until its own error estimate meets the tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.method import Attribution, Method, Task
from pellucid.maths.quadrature import RULES
from pellucid.methods import _stopping
from pellucid.methods.path import _integration


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """How much each input element moved the score on the straight way from a baseline to the input.

    Use it for a differentiable network when a meaningful "nothing" (black, zero, a mean) exists. With x the input and b the baseline,

        values_i = (x_i − b_i) ∫₀¹ ∂f/∂x_i (b + t (x − b)) dt,      Σ_i values_i = f(x) − f(b)   (completeness).

    Shapes: values and error (samples, *input), in units of the score. `error` is one standard deviation of the quadrature error (kind "bound"): the
    gradient of a ReLU network jumps along the path, and each jump may lie anywhere between two nodes. `tolerance` bounds the 95 % quantile
    of ‖error‖₁/‖values‖₁ per sample. Nested rules of 4, 8, then 16, 24 or 32, ... nodes; no gradient is taken twice.

    Settings: `rule="nested"` (stops by itself), or one of "midpoint", "trapezoid", "gauss_legendre", "cosine" with `steps` nodes.

    Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365. Does not say which baseline is right, and gives 0 to every element that equals its baseline.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "integrated_gradients").values.round(4)
    array([[2., 3.]])
    """

    rule: str = "nested"
    steps: int | None = None

    title: ClassVar[str] = "Integrated Gradients"
    answers: ClassVar[str] = "How much did each input element move the score away from a baseline?"
    family: ClassVar[str] = "path"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"baseline", "layer"})
    error_kind: ClassVar[str] = "bound"
    default_tolerance: ClassVar[float] = 0.02
    default_max_evaluations: ClassVar[int] = 1023
    citation: ClassVar[str] = "Sundararajan, Taly, Yan 2017, arXiv:1703.01365"

    def __post_init__(self) -> None:
        known = ["nested", *RULES]
        if self.rule not in known:
            raise SettingError(unknown("rule", self.rule, known))
        if self.rule == "nested" and self.steps is not None:
            raise SettingError("steps goes with a fixed rule; give rule='gauss_legendre' as well, or a tolerance instead of steps.")
        if self.rule != "nested" and (self.steps is None or self.steps < 2):
            raise SettingError(f"rule='{self.rule}' needs steps, a whole number of at least 2; got {self.steps}.")

    def explain(self, task: Task) -> Attribution:
        _stopping.require(task.max_evaluations, self.steps or _integration.LEAST_NODES, "this rule")
        baseline = task.baseline if task.baseline is not None else np.zeros_like(task.inputs[:1])
        at_baseline = task.model.scores(baseline, task.target)
        span = task.scores - at_baseline
        parts = []
        for done, samples in enumerate(work := _integration.chunks(task)):
            if self.steps is None:
                parts.append(_integration.integrate(task, baseline, span, samples, task.max_evaluations))
            else:
                parts.append(_integration.integrate_fixed(task, baseline, samples, self.rule, self.steps))
            task.progress((done + 1) / len(work))
        values = np.concatenate([part.values for part in parts])
        nodes = np.concatenate([part.nodes for part in parts])
        gap = values.reshape(len(values), -1).sum(axis=1) - span
        return Attribution(
            values=values,
            error=np.concatenate([part.error for part in parts]),
            error_kind=self.error_kind,
            axes=("sample", *(f"input_{i}" for i in range(values.ndim - 1))),
            evaluations=nodes + 1,
            gradients=nodes,
            stops=[stop for part in parts for stop in part.stops],
            degrees=np.concatenate([part.degrees for part in parts]),
            baseline_score=at_baseline,
            statistics={"completeness_gap": gap, "relative_error": np.concatenate([part.estimate for part in parts])},
        )
