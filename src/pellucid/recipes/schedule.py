"""How a network is trained: one set of numbers that each network's file names its own of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Passes over the data, samples a step, the learning rate it starts from (it falls to zero along a cosine), and the augmentation.

    `shift` is a fraction of height and width, `turn` a fraction of a full turn; images are moved by up to so much either way.
    """

    epochs: int = 12
    batch: int = 64
    rate: float = 1e-3
    shift: float = 0.08
    turn: float = 0.04
