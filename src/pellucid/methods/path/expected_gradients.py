"""Expected Gradients (GradientSHAP): Integrated Gradients averaged over a background, drawn until its standard error is small enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path import _stratified


@dataclass(frozen=True)
class ExpectedGradients(Method):
    """How much each input element moved the score away from what is usual: Integrated Gradients, averaged over background samples as baselines.

    Use it where no single baseline means "nothing", and for gradients' view of SHAP (also called GradientSHAP). With b the background's rows, in full,

        values_i = mean_b (x_i − b_i) ∫₀¹ ∂f/∂x_i (b + t (x − b)) dt,      Σ_i values_i = f(x) − mean_b f(b)   (completeness, within the error).

    Each round cuts the path from every row into cells and draws two independent places in each, the next round in finer cells: the spread between rows is no
    error, and what is left falls like one over the number of gradients, not over its root.

    Shapes: values and error (samples, *input), in units of the score; `error` is the standard error within rows. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample. The first round costs 2 gradients a row, at least 60: a background of 20 to 200 rows is usual.
    Source: Erion et al. 2019, arXiv:1906.10670; Lundberg & Lee 2017 (GradientExplainer of shap). Does not respect how inputs depend on each other: its paths
    run through mixtures of samples.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "expected_gradients", background=np.array([[0.0, 0.0], [1.0, 0.0]] * 15)).values.round(6)
    array([[1., 3.]])
    """

    title: ClassVar[str] = "Expected Gradients"
    answers: ClassVar[str] = "How much did each input element move the score away from that of usual data?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"completeness", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 20_000
    citation: ClassVar[str] = "Erion, Janizek, Sturmfels, Lundberg, Lee 2019, arXiv:1906.10670"

    def explain(self, task: Task) -> Attribution:
        background = task.inputs[:1] if task.fills is None else task.fills[0]
        found = _stratified.integrate(task, background)
        outputs = task.model.predict(background, logits=task.target.reads_logits)
        samples = range(len(task.inputs))
        usual = np.array([task.target.take(np.full(len(background), i)).of(outputs).mean() for i in samples])
        gap = found.mean.reshape(len(found.mean), -1).sum(axis=1) - (task.scores - usual)
        return Attribution(
            values=found.mean,
            error=found.error,
            error_kind=self.error_kind,
            axes=("sample", *(f"input_{i}" for i in range(task.inputs.ndim - 1))),
            evaluations=found.gradients + len(background),
            gradients=found.gradients,
            stops=found.stops,
            degrees=found.degrees,
            baseline_score=usual,
            statistics={"completeness_gap": gap, "relative_error": found.estimate},
            state=found.state,
        )
