"""Integrated Gradients, refined per sample until its own error estimate meets the tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.errors import SettingError, unknown
from pellucid.core.method import Attribution, Method, Task
from pellucid.maths.quadrature import RULES
from pellucid.methods import _stopping
from pellucid.methods.path import _integration, _nested


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
    promises: ClassVar[frozenset[str]] = frozenset({"completeness", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"baseline", "layer"})
    several_inputs: ClassVar[bool] = True
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
        _stopping.require(task.max_evaluations, self.steps or _nested.LEAST_NODES, "this rule")
        starts, at_baseline = _integration.baselines(task), _integration.baseline_scores(task)
        span = task.scores - at_baseline
        nested = self.steps is None
        found = _integration.integrate(task, starts, span) if nested else _integration.integrate_fixed(task, starts, self.rule, self.steps or 0)
        return _integration.attribution(task, found, span, at_baseline, self.error_kind)
