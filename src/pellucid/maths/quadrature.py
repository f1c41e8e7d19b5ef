"""Rules for integrals over [0, 1], and the error of a rule on integrands that jump, as gradients of ReLU networks along a path do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

JUMP_VARIANCE = 1 / 12
"""A jump at a uniformly random place between two nodes a distance h apart leaves an error uniform over ±h/2 times the jump: variance h²/12."""


def sine_positions(angles: Array) -> Array:
    """Places on [0, 1] of the sine rule's angles in (0, π)."""
    return (1 - np.cos(angles)) / 2


def sine_rule(nodes: int) -> tuple[Array, Array]:
    """Nodes (1 − cos θ)/2 and weights ∝ sin θ at θ = kπ/(n+1): the trapezoidal rule after the substitution that Clenshaw–Curtis and Fejér rules use.

    Its weights keep their proportions when n+1 is multiplied, so that a sum over old nodes can be kept and old values need not; nodes
    crowd at both ends, where the path leaves the baseline. Exact for constants; error O(n⁻²) for smooth integrands.

    >>> nodes, weights = sine_rule(3)
    >>> float(weights.sum().round(12))
    1.0
    """
    angles = np.arange(1, nodes + 1) * np.pi / (nodes + 1)
    weights = np.sin(angles)
    return sine_positions(angles), weights / weights.sum()


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
    "sine": sine_rule,
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
