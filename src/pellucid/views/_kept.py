"""A few inputs of a data set of any length, to be looked at beside what is calculated of all."""

from __future__ import annotations

import numpy as np

from pellucid.core.model import Model

Array = np.ndarray
MOST, MOST_BYTES = 64, 4e6


class Kept:
    """So many samples drawn evenly from a stream, each as likely as any other (Vitter 1985, algorithm R, doi:10.1145/3147.3165). Holds no more than
    `MOST_BYTES`; nothing of inputs that are no pictures."""

    def __init__(self, model: Model, seed: int) -> None:
        self._model, self._generator, self._seen = model, np.random.default_rng(seed), 0
        self.inputs: list[Array] = []
        self.numbers: list[int] = []

    def add(self, batch: Array) -> None:
        """Offer a batch."""
        room = int(min(MOST, MOST_BYTES // max(batch[0].nbytes, 1))) if _pictures(self._model, batch) else 0
        for sample in batch[:0] if not room else batch:
            place = self._seen if self._seen < room else int(self._generator.integers(self._seen + 1))
            if self._seen < room:
                self.inputs.append(sample.copy())
                self.numbers.append(self._seen)
            elif place < room:
                self.inputs[place], self.numbers[place] = sample.copy(), self._seen
            self._seen += 1


def _pictures(model: Model, batch: Array) -> bool:
    """Whether the samples can be drawn as pictures of one or three colours."""
    axis = 1 if model.traits.channels == "first" else -1
    return model.packing is None and batch.ndim == 4 and batch.shape[axis] in (1, 3)


def spread(points: Array, most: int) -> Array:
    """Numbers of points (n, 2) that lie far from each other: the one nearest the middle, then always the one farthest from all that are chosen.

    >>> spread(np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [4.0, 0.0]]), 3).tolist()
    [3, 2, 0]
    """
    if not len(points):
        return np.zeros(0, np.int64)
    chosen = [int(np.square(points - points.mean(axis=0)).sum(axis=1).argmin())]
    away = np.square(points - points[chosen[0]]).sum(axis=1)
    while len(chosen) < min(most, len(points)):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.square(points - points[chosen[-1]]).sum(axis=1))
    return np.array(chosen)
