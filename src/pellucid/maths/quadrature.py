"""Rules for integrals over [0, 1], and the error of a rule on integrands that jump, as gradients of ReLU networks along a path do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

JUMP_VARIANCE = 1 / 12
"""A jump at a uniformly random place between two nodes a distance h apart leaves an error uniform over ±h/2 times the jump: variance h²/12."""


def cosine_positions(angles: Array) -> Array:
    """Places on [0, 1] of the cosine rule's angles in (0, π/2]."""
    return 1 - np.cos(angles)


def cosine_total(nodes: Array) -> Array:
    """Σ sin φ over the cosine rule's angles kπ/2n, the last halved."""
    total: Array = 0.5 / np.tan(np.pi / (4 * nodes))
    return total


def cosine_rule(nodes: int) -> tuple[Array, Array]:
    """Nodes 1 − cos φ and weights ∝ sin φ at φ = kπ/2n, the last weight halved: the trapezoidal rule after the substitution t = 1 − cos φ.

    Its weights keep their proportions when n is multiplied, so that a sum over old nodes can be kept and old values need not; nodes crowd at 0,
    where a path leaves its baseline and a network's units switch most. Exact for constants; error O(n⁻²) for smooth integrands.

    >>> nodes, weights = cosine_rule(3)
    >>> float(weights.sum().round(12))
    1.0
    """
    angles = np.arange(1, nodes + 1) * np.pi / (2 * nodes)
    weights = np.sin(angles)
    weights[-1] /= 2
    return cosine_positions(angles), weights / weights.sum()


def midpoint_rule(nodes: int) -> tuple[Array, Array]:
    """Equal cells, a node in the middle of each."""
    return (np.arange(nodes) + 0.5) / nodes, np.full(nodes, 1 / nodes)


def trapezoid_rule(nodes: int) -> tuple[Array, Array]:
    """Equal cells, both ends included (two nodes at least)."""
    weights = np.full(nodes, 1 / (nodes - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, nodes), weights


def gauss_legendre_rule(nodes: int) -> tuple[Array, Array]:
    """Exact for polynomials of degree 2n − 1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


RULES: dict[str, Callable[[int], tuple[Array, Array]]] = {
    "cosine": cosine_rule,
    "midpoint": midpoint_rule,
    "trapezoid": trapezoid_rule,
    "gauss_legendre": gauss_legendre_rule,
}
"""Rules by name: number of nodes → (nodes in ascending order, weights that sum to 1)."""


def jump_weights(nodes: Array, refinement: Array | float = 1.0) -> Array:
    """The factor of each squared difference of neighbouring values in the variance of the rule's error; 0 for the first node.

    `refinement` is how many cells of the rule lie between a node and the one before it (2 where every second node of the rule is given).
    """
    gaps = np.diff(nodes, prepend=nodes[0]) / refinement
    return JUMP_VARIANCE * gaps**2
