"""SquareGrad: the mean squared gradient under noise, drawn until its standard error is small enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path import _sampling


@dataclass(frozen=True)
class SquareGrad(Method):
    """How strongly the score reacts to each element over a neighbourhood of the input, whichever way.

    values = E[(∇f(x + σ ε))²] per element, ε standard normal, σ = `noise` × (max x − min x) of each sample, drawn in pairs ±ε. It is `smooth_grad` squared plus
    `var_grad`.

    Shapes: values and error (samples, *input), in units of (score per unit of input) squared, never negative; `error` is the standard error of the mean over
    pairs. `tolerance` bounds the 95 % quantile of ‖error‖₂/‖values‖₂ per sample.
    Source: Hooker et al. 2019, arXiv:1806.10758 (SmoothGrad²). Does not say for or against, nor how much an element contributed.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [-3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 2.0]]), "square_grad").values
    array([[4., 9.]])
    """

    noise: float = 0.15

    title: ClassVar[str] = "SquareGrad"
    answers: ClassVar[str] = "How strongly does the score react to each input element, whichever way, over small disturbances of the input?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"insensitivity"})
    directed: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 8000
    citation: ClassVar[str] = "Hooker, Erhan, Kindermans, Kim 2019, arXiv:1806.10758"

    def __post_init__(self) -> None:
        if not self.noise > 0:
            raise SettingError(f"noise must be above 0 (a fraction of each sample's range), got {self.noise}.")

    def explain(self, task: Task) -> Attribution:
        found = _sampling.mean_square(task, self.noise)
        return _sampling.attribution(found, found.mean)
