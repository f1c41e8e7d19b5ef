"""What the metrics of robustness share: explanations of inputs that were moved a little, and the largest of what is measured at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError, ShapeError
from pellucid.core.metric import Measurement, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.core.target import predicted_classes
from pellucid.metrics._explained import Passes, Piece, disturbed, movable, own_error, ranges, stands_still

Array = np.ndarray
At = Callable[[Piece, Array, Array], Array]
"""What is measured at a piece, given the importances there and those of the samples themselves, both (n, units), in which absent units are 0."""


def check_nearby(draws: int, radius: Any) -> None:
    if draws < 1:
        raise SettingError(f"draws must be at least 1, got {draws}.")
    given = np.asarray(radius, dtype=float)
    if not (np.isfinite(given).all() and (given >= 0).all() and (given > 0).any()):
        raise SettingError(f"radius must be a number above 0, or an array of such for each number of an input, got {radius!r}.")


def cannot_move(radius: Any, model: Model, explanation: Explanation) -> str:
    """Why an input cannot be moved a little; empty where it can."""
    return stands_still(model, explanation, "radius=array of amounts, one for each number of an input", bool(np.ndim(radius)))


def largest(trial: Trial, draws: int, radius: Any, same_prediction: bool, at: At, name: str) -> Measurement:
    """The largest over draws of what `at` measures. Its error is that of the largest of few draws, by the jackknife: (n − 1) / n times the gap between the two
    largest; NaN for one draw."""
    samples, passes = len(trial.inputs), Passes.none(len(trial.inputs))
    found = np.full((samples, draws), np.nan)
    own, classes = np.where(trial.present, trial.importance[:, 0], 0.0), _classes(trial, trial.explanation)

    def noise(generator: np.random.Generator) -> Array:
        return generator.uniform(-1, 1, trial.inputs.shape[1:])

    for piece in disturbed(trial, trial.model, noise, _amounts(trial, radius), draws, passes):
        there = np.where(trial.present[piece.rows], trial.importance_of(piece.explanation, piece.rows), 0.0)
        values = at(piece, there, own[piece.rows])
        stays = _classes(trial, piece.explanation) == classes[piece.rows]
        found[piece.rows, piece.draws] = np.where(stays, values, np.nan) if same_prediction else values
        trial.progress((int(piece.draws[-1]) + 1) / draws)
    ordered = np.sort(np.where(np.isnan(found), -np.inf, found), axis=1)[:, ::-1]
    count = (ordered > -np.inf).sum(axis=1)
    values = np.where(count > 0, ordered[:, 0], np.nan)
    second = ordered[:, 1] if draws > 1 else np.full(samples, np.nan)
    gap = np.subtract(ordered[:, 0], second, out=np.full(samples, np.nan), where=count > 1)
    error = gap * (count - 1) / np.maximum(count, 1)
    curves = {name: found, "own_error": own_error(trial.explanation)}
    return Measurement(values[:, None], error[:, None], passes.evaluations, passes.gradients, curves)


def _amounts(trial: Trial, radius: Any) -> Array:
    """By how much each number of each sample is moved at most, (samples, *shape)."""
    shape, given = trial.inputs.shape, np.asarray(radius, dtype=float)
    if given.ndim:
        if given.shape != shape[1:]:
            raise ShapeError(f"radius has shape {given.shape}, the inputs {shape}; give one number, or an array of shape {shape[1:]}.")
        return np.broadcast_to(given * movable(trial), shape)
    return np.asarray(given * _scales(trial) * movable(trial))


def _scales(trial: Trial) -> Array:
    """The range of each sample; of what is a table, one axis of columns with a unit each, the size of every number."""
    packing, inputs = trial.model.packing, trial.inputs
    if packing is None:
        return np.abs(inputs) if inputs.ndim == 2 else np.broadcast_to(ranges(trial), inputs.shape)
    found = ranges(trial)
    for name, shape in zip(packing.names, packing.shapes, strict=True):
        if len(shape) < 2:
            found[:, packing.slices[name]] = np.abs(inputs[:, packing.slices[name]])
    return found


def _classes(trial: Trial, explanation: Explanation) -> Array:
    """The class that each prediction names; where it names none, a number that never changes."""
    traits = trial.model.traits
    found = predicted_classes(np.asarray(explanation.prediction), traits.head, traits.class_axis)
    return np.zeros(len(explanation), int) if found is None else found
