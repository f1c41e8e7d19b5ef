"""Saliency: the size of the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path._gradient import plain_gradient


@dataclass(frozen=True)
class Saliency(Method):
    """How strongly the score reacts to a small change of each input element.

    Use it for a first look; one backward pass. values_i = |∂f/∂x_i|, or the signed gradient with `absolute=False`.

    Shapes: values (samples, *input), in units of score per unit of input; exact (error 0).
    Source: Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034 (there the maximum over channels; here channels are kept).
    Does not say how much an element contributed: where the network saturates, what decided has a gradient near 0.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [-3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "saliency").values
    array([[2., 3.]])
    """

    absolute: bool = True

    title: ClassVar[str] = "Saliency"
    answers: ClassVar[str] = "How strongly does the score react to a small change of each input element?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"insensitivity"})
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    single_pass: ClassVar[bool] = True
    citation: ClassVar[str] = "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034"

    def explain(self, task: Task) -> Attribution:
        return plain_gradient(task, lambda gradient, inputs: np.abs(gradient) if self.absolute else gradient)
