"""Networks in NumPy with random weights, whose answers are known in closed form."""

from __future__ import annotations

import itertools

import numpy as np

from pellucid.adapters.numpy_model import Dense


def random_stack(seed: int, sizes: tuple[int, ...], activation: str = "relu") -> list[Dense]:
    """Dense layers with random weights and random biases (a network without biases would make Integrated Gradients exact in one step)."""
    generator = np.random.default_rng(seed)
    last = len(sizes) - 2
    return [
        Dense(
            generator.normal(size=(i, o)) / np.sqrt(i),
            0.3 * generator.normal(size=o),
            "linear" if n == last else activation,
        )
        for n, (i, o) in enumerate(itertools.pairwise(sizes))
    ]
