"""The rules integrate what they claim to, nest where they claim to, and the jump model predicts the error on integrands that jump."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.quadrature import JUMP_VARIANCE, RULES, cosine_rule, gauss_legendre_rule, jump_weights, midpoint_rule, trapezoid_rule

ROUNDING = 1e-13
"""Of a weighted sum in float64."""
MONTE_CARLO = 0.1
"""Relative; the standard error of a variance over 20,000 draws is 1 %, the rest is the rule's ends, where a jump cannot be seen."""

EXACT_DEGREE = {"midpoint": 1, "trapezoid": 1, "cosine": 0, "gauss_legendre": None}
"""The highest power that a rule of any number of nodes integrates exactly; None: 2n − 1. Symmetry gives every rule degree 1."""


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("count", [2, 3, 7, 15, 64])
def test_weights_are_positive_and_sum_to_one_and_nodes_ascend_within_the_path(name: str, count: int) -> None:
    nodes, weights = RULES[name](count)
    assert nodes.shape == weights.shape == (count,)
    assert abs(weights.sum() - 1) < ROUNDING
    assert (weights > 0).all()
    assert (np.diff(nodes) > 0).all()
    assert nodes[0] >= 0
    assert nodes[-1] <= 1


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("count", [2, 3, 8])
def test_polynomials_are_exact_up_to_the_claimed_degree(name: str, count: int) -> None:
    nodes, weights = RULES[name](count)
    degree = EXACT_DEGREE[name] if EXACT_DEGREE[name] is not None else 2 * count - 1
    for power in range(degree + 1):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), abs=ROUNDING)


def test_gauss_legendre_is_not_exact_beyond_its_degree() -> None:
    nodes, weights = gauss_legendre_rule(3)
    assert abs(weights @ nodes**6 - 1 / 7) > 1e-4


@pytest.mark.parametrize(("rule", "order"), [(cosine_rule, 2), (midpoint_rule, 2), (trapezoid_rule, 2)])
def test_smooth_integrands_converge_at_the_claimed_order(rule, order: int) -> None:
    def error(count: int) -> float:
        nodes, weights = rule(count)
        return abs(weights @ np.exp(nodes) - (np.e - 1))

    observed = np.log2(error(127) / error(255))
    assert observed == pytest.approx(order, abs=0.05)


def test_the_cosine_rule_is_nested_and_keeps_the_proportions_of_its_weights() -> None:
    for count in (3, 4, 8, 31):
        coarse = cosine_rule(count)
        for factor in (2, 3, 4):
            fine = cosine_rule(factor * count)
            np.testing.assert_allclose(fine[0][factor - 1 :: factor], coarse[0], atol=ROUNDING)
            kept = fine[1][factor - 1 :: factor]
            np.testing.assert_allclose(kept / kept.sum(), coarse[1], atol=ROUNDING)


def test_the_variance_of_a_jump_in_a_cell_is_a_twelfth() -> None:
    place = np.random.default_rng(0).uniform(-0.5, 0.5, 1_000_000)
    assert place.var() == pytest.approx(JUMP_VARIANCE, rel=0.01)


def _random_steps(generator: np.random.Generator, draws: int, jumps: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (draws, jumps) of jumps between 0 and 1 and their heights."""
    return generator.uniform(0, 1, (draws, jumps)), generator.standard_normal((draws, jumps))


def _estimate_and_error(nodes: np.ndarray, weights: np.ndarray, squares: np.ndarray) -> tuple[float, float]:
    """Mean estimated and mean true squared error of a rule on random step functions."""
    places, heights = _random_steps(np.random.default_rng(1), 20_000, 6)
    values = (heights[:, :, None] * (nodes > places[:, :, None])).sum(axis=1)
    exact = (heights * (1 - places)).sum(axis=1)
    true = np.square(values @ weights - exact).mean()
    estimate = (np.square(np.diff(values, axis=1, prepend=values[:, :1])) @ squares).mean()
    return float(estimate), float(true)


@pytest.mark.parametrize(("rule", "count"), [(midpoint_rule, 32), (trapezoid_rule, 32), (cosine_rule, 32), (cosine_rule, 64)])
def test_the_jump_model_predicts_the_mean_squared_error_on_random_steps(rule, count: int) -> None:
    nodes, weights = rule(count)
    estimate, true = _estimate_and_error(nodes, weights, jump_weights(nodes))
    assert estimate == pytest.approx(true, rel=MONTE_CARLO)


def test_the_differences_of_every_second_node_predict_the_error_of_the_whole_rule() -> None:
    nodes, weights = cosine_rule(64)
    places, heights = _random_steps(np.random.default_rng(2), 20_000, 6)
    values = (heights[:, :, None] * (nodes > places[:, :, None])).sum(axis=1)
    true = np.square(values @ weights - (heights * (1 - places)).sum(axis=1)).mean()
    seen = values[:, ::2]
    squares = jump_weights(nodes[::2], refinement=2)
    estimate = (np.square(np.diff(seen, axis=1, prepend=seen[:, :1])) @ squares).mean()
    assert estimate == pytest.approx(true, rel=MONTE_CARLO)


def test_the_first_node_has_no_neighbour_and_no_weight() -> None:
    assert jump_weights(np.array([0.1, 0.5, 0.6]))[0] == 0
    np.testing.assert_allclose(jump_weights(np.array([0.1, 0.5, 0.6]))[1:], np.array([0.16, 0.01]) / 12)
