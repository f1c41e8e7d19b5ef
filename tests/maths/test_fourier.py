"""Fourier synthesis: its transpose, its inverse, and the scale of natural images."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.fourier import Fourier

GRIDS = [(7,), (8,), (5, 6), (6, 5), (4, 4), (3, 4, 5)]


def _drawn(grid: tuple[int, ...], seed: int = 0) -> tuple[Fourier, np.ndarray, np.ndarray]:
    generator, fourier = np.random.default_rng(seed), Fourier(grid)
    return fourier, generator.normal(size=(2, 2, *fourier.half, 3)), generator.normal(size=(2, *grid, 3))


@pytest.mark.parametrize("grid", GRIDS)
def test_the_transpose_is_exact(grid: tuple[int, ...]) -> None:
    fourier, coefficients, signals = _drawn(grid)
    assert np.vdot(fourier.made_of(coefficients), signals) == pytest.approx(np.vdot(coefficients, fourier.transpose(signals)), rel=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_signals_are_had_back_from_their_coefficients(grid: tuple[int, ...]) -> None:
    fourier, _, signals = _drawn(grid)
    np.testing.assert_allclose(fourier.made_of(fourier.coefficients(signals)), signals, atol=1e-12)


def test_synthesis_is_a_sum_of_waves_written_out() -> None:
    fourier, coefficients, _ = _drawn((5, 6))
    rows, columns = np.arange(5)[:, None], np.arange(6)
    waves = 0.0
    for i in range(5):
        for j in range(4):
            angle = 2 * np.pi * (i * rows / 5 + j * columns / 6)
            real, imaginary = coefficients[0, 0, i, j, 0], coefficients[0, 1, i, j, 0]
            waves = waves + (1 if j in (0, 3) else 2) * (real * np.cos(angle) - imaginary * np.sin(angle)) / np.sqrt(30)
    np.testing.assert_allclose(fourier.made_of(coefficients)[0, ..., 0], waves, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_coefficients_of_unit_variance_make_elements_of_unit_variance_that_fall_with_frequency(decay: float) -> None:
    fourier = Fourier((16, 18))
    drawn = np.random.default_rng(0).normal(size=(400, 2, *fourier.half, 1)) * fourier.natural_scale(decay)[..., None]
    signals = fourier.made_of(drawn)
    assert signals.var() == pytest.approx(1.0, rel=0.1)
    amplitudes = fourier.amplitudes(signals)[..., 0]
    low, high = amplitudes[1, 1], amplitudes[4, 4]
    assert low / high == pytest.approx((fourier.frequencies[4, 4] / fourier.frequencies[1, 1]) ** decay, rel=0.15)
