"""Gradient ascent without a framework: Adam, and an end on a plateau that is measured and not assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.maths.variation import unit

Array = np.ndarray
NOISE, TOLERANCE, BUDGET, LIMIT = "not told apart from noise", "below the tolerance", "budget", "above a limit"
"""Why a climb ended: it no longer rose by more than its own error, or by little; or there were no steps left, while it rose, or was flat above a limit."""
FAR = 6.0
"""How far a parameter could have gone when steps are half as large as at first."""
BLOCK, FEWEST = 8, 4
"""Steps whose mean is one value of a climb, and the fewest of these for a line."""


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) for rows that are climbed side by side, upwards, in steps that fall: their size is half of
    `rate` once they could have gone `far` altogether, a third after as far again. At an even rate a climb under random transformations comes to rest where
    its own steps shake it, below what it can reach.

    Gradients of each row are brought to unit size first, so that `floor`, which is added to the root of the second moment, is a share of a gradient's usual
    size: what is only rounding stays small, whatever the network's scale.
    """

    def __init__(self, rate: float, far: float = FAR, floor: float = 1e-3, first: float = 0.9, second: float = 0.99) -> None:
        self.rate, self.far, self.floor, self.first, self.second = rate, far, floor, first, second
        self._mean, self._square = np.zeros(0), np.zeros(0)
        self._steps = 0

    def step(self, values: Array, gradients: Array, slower: Array | float = 1.0) -> Array:
        """The values (rows, ...) one step further up; `slower` (rows,) is what each row's step is divided by."""
        even = unit(gradients)
        rate = self.rate / (1 + self._steps * self.rate / self.far)
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
        step *= rate / (1 - self.first**self._steps)
        step /= np.broadcast_to(slower, len(step)).reshape(-1, *[1] * (step.ndim - 1))
        return np.asarray(values + step)

    def keep(self, rows: Array) -> None:
        """Go on with some of the rows alone."""
        if self._steps:
            self._mean, self._square = self._mean[rows], self._square[rows]


@dataclass(frozen=True)
class Plateau:
    """Says when a climb has ended: when `ahead` steps more would bring less than `tolerance` of all that it gained, by as much as `errors` standard errors
    make sure; at the latest after `budget` steps.

    What they would bring is told by the straight line through the last third of the climb, of 4 blocks of `BLOCK` steps at least; its error by how far each
    block's mean lies off those beside it, over the last two thirds, so that draws which even out within a block are no noise. Noise that could hide such a gain
    lets the climb go on, until the longer line tells. Where the line through the whole of it does not rise, there is nothing to be hidden.
    """

    budget: int
    tolerance: float = 0.01
    ahead: int = 16
    errors: float = 1.0

    def ended(self, history: Array, since: int = 0) -> list[str]:
        """Why each climb ended, "" for one that goes on; `history` (steps, rows) holds the values so far, of which the line leaves out those before `since`."""
        return self.judged(history, since)[0]

    def judged(self, history: Array, since: int = 0) -> tuple[list[str], Array]:
        """What `ended` says, and how near each climb is to its end, (rows,): what 16 steps more may bring there, over what they may bring now; 1 at the end."""
        steps, rows = history.shape
        found, near = [""] * rows, np.zeros(rows)
        all_blocks = (steps - since) // BLOCK
        if all_blocks >= 2 * FEWEST:
            means = history[steps - all_blocks * BLOCK :].reshape(all_blocks, BLOCK, rows).mean(axis=1)
            total = np.abs(means[-1] - history[:BLOCK].mean(axis=0))
            gain, error = self._ahead(means, max(FEWEST, all_blocks // 3))
            left, enough = np.maximum(gain, 0) + error, self.tolerance * total
            ended = left <= enough
            if all_blocks >= 3 * FEWEST:
                whole, hidden = self._ahead(means, all_blocks)
                ended |= (whole <= hidden) & (gain <= error)
            found = [("" if not end else NOISE if none else TOLERANCE) for end, none in zip(ended, gain <= error, strict=True)]
            near = np.divide(enough, left, out=np.ones(rows), where=~ended)
        return [why or (BUDGET if steps >= self.budget else "") for why in found], near

    def _ahead(self, means: Array, last: int) -> tuple[Array, Array]:
        """What `ahead` steps more would bring by the line through the `last` of the blocks' means (blocks, rows), and its error, each (rows,)."""
        places = np.arange(last) - (last - 1) / 2
        scatter = np.sqrt(np.square(np.diff(means[-2 * last :], 2, axis=0)).mean(axis=0) / 6)
        scale, size = self.ahead / BLOCK, places @ places
        return scale * (places @ means[-last:]) / size, scale * self.errors * scatter / np.sqrt(size)
