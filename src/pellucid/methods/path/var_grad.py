"""VarGrad: how unsteady the gradient is, drawn until its standard error is small enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path import _sampling


@dataclass(frozen=True)
class VarGrad(Method):
    """How much the gradient changes over a neighbourhood of the input: where the score is not linear.

    values = Var ∇f(x + σ ε) per element, ε standard normal, σ = `noise` × (max x − min x) of each sample. Use it beside `smooth_grad`: an element may
    have a mean gradient near 0 and still decide, by a slope that changes its sign.

    Shapes: values and error (samples, *input), in units of (score per unit of input) squared, never negative. A draw is half the mean squared difference of
    successive gradients in a chain of 8, which is unbiased; `error` is the standard error of the mean over draws. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample.
    Source: Adebayo et al. 2018, arXiv:1810.03307; differences: von Neumann 1941, doi:10.1214/aoms/1177731677. Does not say for or against, and is 0 for a
    linear score.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [-3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 2.0]]), "var_grad").values
    array([[0., 0.]])
    """

    noise: float = 0.15

    title: ClassVar[str] = "VarGrad"
    answers: ClassVar[str] = "How much does the gradient of each input element change over small disturbances of the input?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"insensitivity"})
    directed: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 8000
    citation: ClassVar[str] = "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, arXiv:1810.03307"

    def __post_init__(self) -> None:
        if not self.noise > 0:
            raise SettingError(f"noise must be above 0 (a fraction of each sample's range), got {self.noise}.")

    def explain(self, task: Task) -> Attribution:
        found = _sampling.variance(task, self.noise)
        return _sampling.attribution(found, found.mean)
