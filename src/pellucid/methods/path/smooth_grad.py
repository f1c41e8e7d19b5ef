"""SmoothGrad, drawn until its standard error is small enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path import _sampling


@dataclass(frozen=True)
class SmoothGrad(Method):
    """The gradient averaged over a neighbourhood, which takes out the noise that a single gradient shows.

    values = E[∇f(x + σ ε)], ε standard normal, σ = `noise` × (max x − min x) of each sample, drawn in antithetic pairs ±ε.
    With `absolute=True` the size of the averaged gradient is given.

    Shapes: values and error (samples, *input), in units of score per unit of input. `error` is the standard error of the mean over pairs.
    `tolerance` bounds the 95 % quantile of ‖error‖₂/‖values‖₂ per sample.
    Source: Smilkov et al. 2017, arXiv:1706.03825. Does not say how much an element contributed, and depends on `noise`.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [-3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 2.0]]), "smooth_grad").values.round(4)
    array([[ 2., -3.]])
    """

    noise: float = 0.15
    absolute: bool = False

    title: ClassVar[str] = "SmoothGrad"
    answers: ClassVar[str] = "How does the score react to each input element, on average over small disturbances of the input?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"insensitivity"})
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 4000
    citation: ClassVar[str] = "Smilkov, Thorat, Kim, Viégas, Wattenberg 2017, arXiv:1706.03825"

    def __post_init__(self) -> None:
        if not self.noise > 0:
            raise SettingError(f"noise must be above 0 (a fraction of each sample's range), got {self.noise}.")

    def explain(self, task: Task) -> Attribution:
        found = _sampling.mean_gradient(task, self.noise)
        return _sampling.attribution(found, np.abs(found.mean) if self.absolute else found.mean)
