"""Explanations made once more: of the inputs themselves, and of inputs that a metric disturbs, many in one call so that queues are full, in pieces of bounded
memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.metric import Trial
from pellucid.core.model import Model, batches
from pellucid.core.records import Explanation
from pellucid.metrics._draws import key_of

Array = np.ndarray
EXPLAINED_BYTES = 16e6
"""What the inputs of one piece may take; their values, errors and sums take several times that."""


@dataclass
class Passes:
    """What explanations cost, (samples,)."""

    evaluations: Array
    gradients: Array

    @classmethod
    def none(cls, samples: int) -> Passes:
        return cls(np.zeros(samples, int), np.zeros(samples, int))

    def count(self, explanation: Explanation, rows: Array) -> None:
        """Add what an explanation cost, each of its samples to that of `rows` for which it stands."""
        np.add.at(self.evaluations, rows, explanation.cost.evaluations.astype(int))
        np.add.at(self.gradients, rows, explanation.cost.gradients.astype(int))


@dataclass(frozen=True)
class Piece:
    """Disturbed inputs (n, *shape), explained: `rows` (n,) says of which sample each is, `draws` (n,) by which disturbance."""

    rows: Array
    draws: Array
    inputs: Array
    explanation: Explanation = field(repr=False)


def disturbed(trial: Trial, model: Model, noise: Callable[[np.random.Generator], Array], amounts: Array, draws: int, passes: Passes) -> Iterator[Piece]:
    """Every sample disturbed `draws` times, `x + amounts · noise`, and explained with the seed of the explanation, so that a method that draws meets the same
    draws; `amounts` (samples, *shape), noise (*shape). Each sample has streams of its own, which do not depend on its place."""
    samples = len(trial.inputs)
    keys = [key_of(trial, sample) for sample in range(samples)]
    rows, each = np.tile(np.arange(samples), draws), np.repeat(np.arange(draws), samples)
    size = max(int(EXPLAINED_BYTES / max(trial.inputs[:1].nbytes, 1)), 1)
    for part in batches(len(rows), size):
        sample, draw = rows[part], each[part]
        moved = np.stack([noise(np.random.default_rng((*keys[i], k))) for i, k in zip(sample.tolist(), draw.tolist(), strict=True)])
        inputs = (trial.inputs[sample] + amounts[sample] * moved).astype(trial.inputs.dtype)
        explanation = trial.again(model, inputs, sample)
        passes.count(explanation, sample)
        yield Piece(sample, draw, inputs, explanation)


def ranges(trial: Trial) -> Array:
    """Largest less smallest number of each sample, (samples, 1, …, 1); of several inputs, of each by itself, (samples, total)."""
    packing = trial.model.packing
    if packing is None:
        flat = trial.inputs.reshape(len(trial.inputs), -1)
        return np.ptp(flat, axis=1).reshape(-1, *(1,) * (trial.inputs.ndim - 1))
    found = np.zeros(trial.inputs.shape)
    for place in packing.slices.values():
        found[:, place] = np.ptp(trial.inputs[:, place], axis=1, keepdims=True)
    return found


def movable(trial: Trial) -> Array:
    """Which numbers of an input can be moved a little, (*shape): not the whole numbers of tokens and masks."""
    found = np.ones(trial.inputs.shape[1:], dtype=bool)
    packing = trial.model.packing
    for name in packing.tokens if packing is not None else ():
        found[packing.slices[name]] = False  # type: ignore[union-attr]
    return found


def stands_still(model: Model, explanation: Explanation, setting: str, given: bool) -> str:
    """Why no input can be moved; empty where one can. Whether whole numbers are tokens is not always known: by the `setting` that is `given`, the user says
    that they are numbers."""
    if model.packing is not None:
        return "moves the inputs, which whole numbers cannot be" if len(model.packing.tokens) == len(model.packing) else ""
    if not model.traits.tokens or not np.array_equal(explanation.inputs, np.round(explanation.inputs)):
        return ""
    if any("Embedding" in layer.kind for layer in model.layers()):
        return "moves the inputs, which tokens cannot be"
    return "" if given else f"moves the inputs, which tokens cannot be; where these whole numbers are numbers, say by how much: {setting}"


def own_error(explanation: Explanation) -> Array:
    """‖error‖ / ‖values‖ of each sample, (samples,): what an explanation leaves open by itself. NaN where it does not know its error."""
    size, error = (np.linalg.norm(np.asarray(array, dtype=float).reshape(len(explanation), -1), axis=1) for array in (explanation.values, explanation.error))
    return np.divide(error, size, out=np.full(len(size), np.nan), where=size > 0)


def distance(a: Array, b: Array) -> Array:
    """‖a − b‖ / ‖b‖ of each row, (n,); NaN where b is nothing."""
    size = np.linalg.norm(b, axis=1)
    return np.divide(np.linalg.norm(a - b, axis=1), size, out=np.full(len(size), np.nan), where=size > 0)
