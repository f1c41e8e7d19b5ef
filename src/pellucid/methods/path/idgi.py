"""IDGI: Integrated Gradients that keep only the direction in which the score changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT
from pellucid.methods.path import _curve, _integration

Array = np.ndarray


@dataclass(frozen=True)
class Idgi(Method):
    """How much each input element moved the score on the way from a baseline, counted only along the gradient, the direction in which the score changes.

    Use it where maps of Integrated Gradients are noisy: what the straight way does across the gradient changes no score, yet Integrated Gradients hand it out
    as pairs of values that cancel. Each step hands the change of the score out in proportion to the squares of the gradient, so that no values cancel:

        values_i = Σ_k g_i² / (g·g) · (f(x_{k+1}) − f(x_k))   →   ∫₀¹ g_i² / (g·g) · (df/dt) dt,   g = ∇f(b + t (x − b)),   Σ_i values_i = f(x) − f(b).

    The limit of infinitely many steps is computed, by the nested rule of Integrated Gradients; where g = 0 nothing changes and nothing is handed out. What
    the rule leaves of f(x) − f(b) is handed out in proportion to the values, so that they add up exactly.

    Shapes: values and error (samples, *input), in units of the score. `error` is one standard deviation of the quadrature error (kind "bound"). `tolerance`
    bounds the 95 % quantile of ‖error‖₁/‖values‖₁ per sample.
    Source: Yang, Wang, Bilgic 2023, arXiv:2303.14242. Not linear in the model. Does not give 0 to an element that equals its baseline, and does not depend on
    how far an element lies from its baseline but through the score: an element counts by how steep the score is in it, its unit of measure included.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[1.0], [3.0]]), np.zeros(1))], (2,))
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "idgi").values.round(4)
    array([[0.4, 3.6]])
    """

    title: ClassVar[str] = "IDGI"
    answers: ClassVar[str] = "How much did each input element move the score away from a baseline, counted along the gradient alone?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"completeness", "insensitivity"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    accepts: ClassVar[frozenset[str]] = frozenset({"baseline", "layer"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "bound"
    default_tolerance: ClassVar[float] = 0.02
    default_max_evaluations: ClassVar[int] = 1023
    citation: ClassVar[str] = "Yang, Wang, Bilgic 2023, arXiv:2303.14242"

    def explain(self, task: Task) -> Attribution:
        starts = _integration.baselines(task)
        ways = task.inputs.astype(np.float64) - starts

        def important(samples: Array, position: Array) -> Array:
            way = ways[samples]
            points = starts[samples] + position.reshape(-1, *(1,) * (way.ndim - 1)) * way
            return along(task.model.gradients(points.astype(task.inputs.dtype), task.target.take(samples)).gradients[INPUT], way)

        still = ~ways.reshape(len(ways), -1).any(axis=1)
        return _curve.attribute(task, important, _integration.baseline_scores(task), still, complete=True)


def along(gradient: Array, way: Array) -> Array:
    """g² (g·d) / (g·g) of each row, d the way; g is scaled first, so that squares neither vanish nor overflow."""
    flat = gradient.reshape(len(gradient), -1).astype(np.float64)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    squares = np.square(np.divide(flat, largest, out=np.zeros_like(flat), where=largest > 0))
    slope = np.einsum("ri,ri->r", flat, way.reshape(flat.shape))
    shares = squares * (slope / np.maximum(squares.sum(axis=1), 1.0))[:, None]
    return shares.reshape(gradient.shape)
