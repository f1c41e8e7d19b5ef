"""Total variation, contrast, and limits to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.maths.variation import (
    SMOOTH,
    Limit,
    contrast,
    contrast_with_gradient,
    smoothed_gradient,
    total_variation,
    unit,
    variation_with_gradient,
)


def test_a_picture_of_stripes_has_the_variation_of_its_edges() -> None:
    stripes = np.tile([0.0, 2.0], 4)[None, None, :, None] * np.ones((1, 8, 1, 1))
    assert total_variation(stripes, 2.0) == pytest.approx(1.0)
    assert total_variation(stripes[:, :, :1], 2.0) == pytest.approx(0.0)


@pytest.mark.parametrize("shape", [(2, 7, 2), (2, 4, 5, 3)])
def test_the_gradient_is_that_of_finite_differences(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    signals, reach = generator.normal(0, 0.02, shape), np.arange(1.0, shape[-1] + 1)

    def smooth(some: np.ndarray) -> float:
        scaled = some / reach
        each = (np.sqrt(np.diff(scaled, axis=axis) ** 2 + SMOOTH**2) for axis in range(1, len(shape) - 1))
        return float(sum(found.reshape(len(some), -1).mean(axis=1).sum() for found in each))

    slow = np.zeros(shape)
    for place in np.ndindex(*shape):
        nudge = np.zeros(shape)
        nudge[place] = 1e-6
        slow[place] = (smooth(signals + nudge) - smooth(signals - nudge)) / 2e-6
    np.testing.assert_allclose(smoothed_gradient(signals, reach), slow, atol=1e-7)


@pytest.mark.parametrize("shape", [(2, 7, 2), (2, 4, 5, 3)])
def test_contrast_is_the_standard_deviation_and_its_gradient_that_of_finite_differences(shape: tuple[int, ...]) -> None:
    signals, reach = np.random.default_rng(0).normal(size=shape), np.arange(1.0, shape[-1] + 1)
    places = tuple(range(1, len(shape) - 1))
    np.testing.assert_allclose(contrast(signals, reach), (signals / reach).std(axis=places).mean(axis=1))
    slow = np.zeros(shape)
    for place in np.ndindex(*shape):
        nudge = np.zeros(shape)
        nudge[place] = 1e-6
        slow[place] = (contrast(signals + nudge, reach) - contrast(signals - nudge, reach)).sum() / 2e-6
    np.testing.assert_allclose(contrast_with_gradient(signals, reach)[1], slow, atol=1e-7)
    assert not contrast_with_gradient(np.ones(shape), reach)[1].any()


@pytest.mark.parametrize("measure", [variation_with_gradient, contrast_with_gradient])
def test_the_weight_of_a_limit_rises_above_it_and_falls_below_it(measure: Any) -> None:
    rough = np.random.default_rng(0).normal(size=(1, 6, 6, 1))
    limit = Limit(measure, 0.5 * float(measure(rough, np.ones(1))[0][0]), np.ones(1))
    first, excess = limit.pull(rough)
    second, _ = limit.pull(rough)
    assert excess[0] == pytest.approx(np.log(2))
    assert np.abs(second).mean() > np.abs(first).mean() > 0
    for _ in range(20):
        quiet, _ = limit.pull(0.1 * rough)
    assert not quiet.any()


def test_unit_gradients_have_unit_size_and_zero_stays_zero() -> None:
    some = np.stack([np.full((3, 2), 5.0), np.zeros((3, 2))])
    np.testing.assert_array_equal(unit(some), np.stack([np.ones((3, 2)), np.zeros((3, 2))]))
