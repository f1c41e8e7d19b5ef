"""Gradient × input: the score's linear part at the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.path._gradient import plain_gradient


@dataclass(frozen=True)
class GradientXInput(Method):
    """What each input element contributes to the network's linear part at the input: values_i = x_i ∂f/∂x_i.

    Use it as a cheap relative of Integrated Gradients from zero, to which it is equal for a network without biases and with ReLU.

    Shapes: values (samples, *input), in units of the score; exact (error 0).
    Source: Shrikumar et al. 2016, arXiv:1605.01713. Does not add up to the score where the network is not linear between 0 and the input.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[2.0], [-3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 2.0]]), "gradient_x_input").values
    array([[ 2., -6.]])
    """

    title: ClassVar[str] = "Gradient × input"
    answers: ClassVar[str] = "What does each input element contribute to the network's linear part at this input?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"insensitivity"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    single_pass: ClassVar[bool] = True
    citation: ClassVar[str] = "Shrikumar, Greenside, Shcherbina, Kundaje 2016, arXiv:1605.01713"

    def explain(self, task: Task) -> Attribution:
        return plain_gradient(task, lambda gradient, inputs: gradient * inputs)
