"""Gradient ascent without a framework: Adam, and an end on a plateau that is measured and not assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.maths.variation import unit

Array = np.ndarray
NOISE, TOLERANCE, BUDGET = "not told apart from noise", "below the tolerance", "budget"
"""Why a climb ended: what the last steps gained was within its own error, or small; or there were no steps left."""


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) for rows that are climbed side by side, upwards.

    Gradients of each row are brought to unit size first, so that `floor`, which is added to the root of the second moment, is a share of a gradient's usual
    size: what is only rounding stays small, whatever the network's scale.
    """

    def __init__(self, rate: float, floor: float = 1e-3, first: float = 0.9, second: float = 0.99) -> None:
        self.rate, self.floor, self.first, self.second = rate, floor, first, second
        self._mean, self._square = np.zeros(0), np.zeros(0)
        self._steps = 0

    def step(self, values: Array, gradients: Array) -> Array:
        """The values (rows, ...) one step further up."""
        even = unit(gradients)
        self._steps += 1
        if self._steps == 1:
            self._mean, self._square = np.zeros(even.shape), np.zeros(even.shape)
        self._mean *= self.first
        self._mean += (1 - self.first) * even
        self._square *= self.second
        even *= even
        even *= 1 - self.second
        self._square += even
        size = np.sqrt(self._square / (1 - self.second**self._steps), out=even)
        size += self.floor
        step = np.divide(self._mean, size, out=size)
        step *= self.rate / (1 - self.first**self._steps)
        return np.asarray(values + step)

    def keep(self, rows: Array) -> None:
        """Go on with some of the rows alone."""
        if self._steps:
            self._mean, self._square = self._mean[rows], self._square[rows]


@dataclass(frozen=True)
class Plateau:
    """Says when a climb has ended: when the mean of the last quarter of its values is not above that of the quarter before by more than `errors` standard
    errors of their difference, or by no more than `tolerance` of all that was gained since the first of `window` steps; at the latest after `budget` steps.

    A quarter is no shorter than `window` steps. It grows with the climb, so that a slow rise under much noise is told from none.
    """

    budget: int
    tolerance: float = 0.01
    window: int = 16
    errors: float = 1.0

    def ended(self, history: Array) -> list[str]:
        """Why each climb ended, "" for one that goes on; `history` (steps, rows) holds the values so far."""
        steps, rows = history.shape
        length = max(self.window, steps // 4)
        found = [""] * rows
        if steps >= 2 * length + self.window:
            late, early = history[-length:], history[-2 * length : -length]
            gain = late.mean(axis=0) - early.mean(axis=0)
            error = np.sqrt((_scatter(late) + _scatter(early)) / length)
            total = late.mean(axis=0) - history[: self.window].mean(axis=0)
            for row in range(rows):
                if gain[row] <= self.errors * error[row]:
                    found[row] = NOISE
                elif gain[row] <= self.tolerance * total[row]:
                    found[row] = TOLERANCE
        return [why or (BUDGET if steps >= self.budget else "") for why in found]


def _scatter(values: Array) -> Array:
    """The variance about a straight line, (steps, rows) → (rows,): a rise is no noise."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    centred = values - values.mean(axis=0)
    slope = steps @ centred / (steps @ steps)
    return np.asarray(((centred - steps[:, None] * slope) ** 2).sum(axis=0) / max(len(values) - 2, 1))
