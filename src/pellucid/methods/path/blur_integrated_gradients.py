"""Blur Integrated Gradients: the way from a blurred to the sharp image, without a baseline from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.layout import from_last, to_last
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import INPUT, Model
from pellucid.methods.path import _curve

Array = np.ndarray

MOST_SIGMA = 50.0
"""The authors' widest blur, for images of 224 × 224 and more."""
LEAST_SIGMA = 0.15
"""A Gaussian as narrow as this leaves every element as it is, to 2 parts in 10^10."""
REACH = 9
"""Standard deviations beyond which a Gaussian is 0 in float64."""


@dataclass(frozen=True)
class BlurIntegratedGradients(Method):
    """How much each input element moved the score while the image came into focus.

    Use it for images (and series) where no colour means "nothing": nothing is brought in from outside, only detail is taken away. With x(σ) the input
    blurred by a Gaussian of standard deviation σ,

        values_i = ∫ ∂f/∂x_i (x(σ)) · dx_i(σ)/dσ dσ,   from σ = `max_sigma` down to 0,      Σ_i values_i = f(x) − f(x(max_sigma)).

    The integral does not depend on how fast the way is gone; here σ falls by equal factors, σ = max_sigma · (0.15/max_sigma)^t, and the nested rule of
    Integrated Gradients runs over t. The derivative is that of the discrete Gaussian itself, not a difference. Beyond the border lies 0.

    Shapes: values and error (samples, *input), in units of the score. `error` is one standard deviation of the quadrature error (kind "bound"); it takes the
    smooth part of the way for jumps too, and so rather over- than understates. `tolerance` bounds the 95 % quantile of ‖error‖₁/‖values‖₁ per sample.
    Settings: `max_sigma` in elements; None takes 50, or the longer side where that is less. Series are blurred over time, channel by channel.
    Source: Xu, Venugopalan, Sundararajan 2020, arXiv:2004.03383. Does not serve tables, and does not see what survives the widest blur, such as the mean.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.ones((9, 1)), np.zeros(1))], (9, 1))
    >>> found = pellucid.explain(model, np.eye(9)[None, :, 4:5], "blur_integrated_gradients")
    >>> bool(abs(found.values.sum() - found.score[0] + found.baseline_score[0]) < 0.02)
    True
    """

    max_sigma: float | None = None

    title: ClassVar[str] = "Blur Integrated Gradients"
    answers: ClassVar[str] = "How much did each input element move the score while the image came into focus?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"completeness", "insensitivity"})
    unit: ClassVar[str] = "score"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    error_kind: ClassVar[str] = "bound"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 1023
    modalities: ClassVar[tuple[str, ...]] = ("image", "series")
    citation: ClassVar[str] = "Xu, Venugopalan, Sundararajan 2020, arXiv:2004.03383"

    def __post_init__(self) -> None:
        if self.max_sigma is not None and not LEAST_SIGMA < self.max_sigma < np.inf:
            raise SettingError(f"max_sigma must be a number of elements above {LEAST_SIGMA}, got {self.max_sigma}.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        shape = model.traits.input_shape
        return super().refuses(model) or ("needs images or series; a table has no neighbours to blur over" if shape is not None and len(shape) == 1 else "")

    def explain(self, task: Task) -> Attribution:
        if task.inputs.ndim not in (3, 4):
            raise CombinationError(f"method 'blur_integrated_gradients' got inputs of shape {task.inputs.shape}, expected images or series of them.")
        channels = task.model.traits.channels
        grid = to_last(task.inputs[:1], channels).shape[1:-1]
        widest = float(self.max_sigma or min(MOST_SIGMA, max(grid)))

        def integrand(samples: Array, position: Array) -> Array:
            points, tangents = focusing(to_last(task.inputs[samples], channels), position, widest)
            gradient = task.model.gradients(from_last(points, channels).astype(task.inputs.dtype), task.target.take(samples)).gradients[INPUT]
            pulled: Array = gradient * from_last(tangents, channels)
            return pulled

        first = [focusing(to_last(one[None], channels), np.zeros(1), widest)[0] for one in task.inputs]
        starts = from_last(np.concatenate(first), channels).astype(task.inputs.dtype)
        still = np.array([np.array_equal(one, start) for one, start in zip(task.inputs, starts, strict=True)])
        found = _curve.attribute(task, integrand, task.model.scores(starts, task.target), still)
        return replace(found, resolved={"max_sigma": widest})


def focusing(sharp: Array, position: Array, widest: float) -> tuple[Array, Array]:
    """The blurred inputs and their change per unit of the way, at each row's position in [0, 1]; `sharp` is (rows, [height,] width, channels)."""
    step = np.log(LEAST_SIGMA / widest)
    places, which = np.unique(position, return_inverse=True)
    sigmas = widest * np.exp(step * places)
    turned = np.moveaxis(sharp.astype(np.float64), -1, 1)
    kernels = [[array[which, None] for array in gaussian_matrices(sigmas, size)] for size in turned.shape[2:]]
    over_last, last_changes = kernels[-1]
    if len(kernels) == 1:
        points, changes = (np.einsum("rcij,rcj->rci", array, turned) for array in (over_last, last_changes))
    else:
        over_first, first_changes = kernels[0]
        across = turned @ over_last.swapaxes(-1, -2)
        points = over_first @ across
        changes = first_changes @ across + over_first @ (turned @ last_changes.swapaxes(-1, -2))
    speed = (sigmas * step)[which].reshape(-1, *(1,) * (sharp.ndim - 1))
    return np.moveaxis(points, 1, -1), np.moveaxis(changes, 1, -1) * speed


def gaussian_matrices(sigmas: Array, size: int) -> tuple[Array, Array]:
    """What blurs `size` elements in a row by each σ, zeros beyond the border, and its derivative by σ: two arrays (σ, size, size)."""
    lags = np.arange(max(size, int(REACH * sigmas.max()) + 2))
    sigma = sigmas[:, None]
    bell = np.exp(-np.square(lags) / (2 * sigma**2))
    change = bell * np.square(lags) / sigma**3
    whole, whole_change = (2 * array.sum(axis=1, keepdims=True) - array[:, :1] for array in (bell, change))
    place = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return (bell / whole)[:, place], ((change - bell * whole_change / whole) / whole)[:, place]
