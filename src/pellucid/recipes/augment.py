"""Small shifts and turns of training images, drawn ahead from one generator, so that the network itself holds no random layer."""

from __future__ import annotations

import numpy as np

from pellucid.recipes.schedule import Schedule

Array = np.ndarray


def batches(samples: int, size: int, epochs: int, draw: np.random.Generator) -> Array:
    """Rows of each step, (epochs × steps, size): every epoch a new order, of which a last incomplete batch is left out."""
    size = min(size, samples)
    steps = samples // size
    orders = [draw.permutation(samples)[: steps * size].reshape(steps, size) for _ in range(epochs)]
    return np.concatenate(orders).astype(np.int32)


def movements(count: int, height: int, width: int, schedule: Schedule, draw: np.random.Generator) -> Array:
    """Projective transforms (count, 8) from a moved image's pixels to the original's: a turn about the centre, then a shift.

    >>> still = Schedule(shift=0, turn=0)
    >>> movements(1, 28, 28, still, np.random.default_rng(0))[0].tolist()
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    angle = draw.uniform(-1, 1, count) * 2 * np.pi * schedule.turn
    right, down = (draw.uniform(-1, 1, (2, count)).T * schedule.shift * np.array([width, height])).T
    x, y = (width - 1) / 2, (height - 1) / 2
    cos, sin, none = np.cos(angle), np.sin(angle), np.zeros(count)
    return np.stack([cos, -sin, x - cos * x + sin * y + right, sin, cos, y - sin * x - cos * y + down, none, none], axis=1).astype(np.float32) + 0.0
