"""Pixels, Fourier coefficients and phases as ways to write an input: their gradients by finite differences, and their ranges."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.maths.colour import NATURAL, channel_root, natural_root
from pellucid.maths.fourier import Fourier
from pellucid.maths.parameterisation import Coefficients, Palette, Parameterisation, Phases, Pixels

LOW, HIGH, MEAN = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 1.0, 7.0]), np.array([0.2, 0.4, 3.0])
PALETTE = Palette(LOW, HIGH, MEAN, NATURAL)
KINDS = [Pixels, Coefficients, Phases]


@pytest.mark.parametrize("grid", [(6,), (4, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: type[Parameterisation], grid: tuple[int, ...]) -> None:
    made, generator = kind(grid, PALETTE), np.random.default_rng(0)
    parameters = made.starts([generator, generator], 0.3)
    weights = generator.normal(size=made.made_of(parameters).shape)
    found = made.transpose(parameters, made.made_of(parameters), weights)
    slow, step = np.zeros_like(found), 1e-5
    for place in np.ndindex(*parameters.shape):
        nudge = np.zeros_like(parameters)
        nudge[place] = step
        slow[place] = np.sum(weights * (made.made_of(parameters + nudge) - made.made_of(parameters - nudge))) / (2 * step)
    np.testing.assert_allclose(found, slow, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_stay_in_their_range_and_start_about_their_mean(kind: type[Parameterisation]) -> None:
    made = kind((16, 16), PALETTE)
    quiet = made.made_of(made.starts([np.random.default_rng(0)], 0.01))
    assert ((quiet > LOW) & (quiet < HIGH)).all()
    assert (np.abs(quiet.mean(axis=(0, 1, 2)) - MEAN) < 0.12 * (HIGH - LOW)).all()
    loud = made.made_of(100 * made.starts([np.random.default_rng(0)], 1.0))
    assert ((loud >= LOW) & (loud <= HIGH)).all()


@pytest.mark.parametrize("kind", [Pixels, Coefficients])
def test_an_input_is_had_back_from_its_parameters(kind: type[Parameterisation]) -> None:
    made = kind((5, 6), PALETTE)
    inputs = LOW + (HIGH - LOW) * np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, 6, 3))
    np.testing.assert_allclose(made.made_of(made.fitted(inputs)), inputs, atol=1e-9)


def test_phases_keep_the_amplitudes_whatever_they_are_and_those_of_an_input_are_had_back() -> None:
    palette, generator = Palette(np.zeros(1), np.ones(1), np.full(1, 0.5), np.eye(1)), np.random.default_rng(0)
    raw = generator.normal(0, 0.05, (1, 8, 9, 1))
    raw -= raw.mean()
    given = Phases((8, 9), palette, Fourier((8, 9)).amplitudes(raw))
    np.testing.assert_allclose(given.made_of(given.fitted(palette.painted(raw))), palette.painted(raw), atol=1e-9)
    drawn = given.raw(given.starts([generator]))
    spectrum = np.abs(np.fft.rfft2(drawn[0, ..., 0], norm="ortho"))
    inner = slice(1, None)  # frequencies that are their own negatives keep the real part alone
    np.testing.assert_allclose(spectrum[:, inner], Fourier((8, 9)).amplitudes(raw)[:, inner, 0], atol=1e-12)


def test_the_root_of_channels_gives_their_correlation_and_that_of_one_channel_is_one() -> None:
    generator = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.5, 0.2], [0.0, 1.0, 0.4], [0.0, 0.0, 0.7]])
    images = generator.normal(size=(50, 20, 20, 3)) @ mixing.T
    root = channel_root(images)
    wanted = mixing @ mixing.T
    np.testing.assert_allclose(root @ root.T, 3 * wanted / np.trace(wanted), atol=0.03)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    np.testing.assert_allclose(channel_root(generator.normal(size=(3, 9, 9, 1))), [[1.0]])
    np.testing.assert_array_equal(channel_root(np.ones((1, 4, 2))), np.eye(2))
    np.testing.assert_array_equal(natural_root(1), np.eye(1))
    assert np.trace(natural_root(3) @ natural_root(3).T) == pytest.approx(3, rel=0.02)


def test_a_step_of_all_coefficients_one_way_changes_large_images_no_more_than_small_ones() -> None:
    palette = Palette(np.zeros(1), np.ones(1), np.full(1, 0.5), np.eye(1))
    small, large = (Coefficients((side, side), palette) for side in (32, 128))
    steps = [made.raw(np.full((1, 2, *made.fourier.half, 1), made.rate)) for made in (small, large)]
    assert large.rate == pytest.approx(small.rate / 4)
    assert np.abs(steps[1]).max() <= 1.05 * np.abs(steps[0]).max()


def test_the_mean_moves_a_tenth_as_fast_as_the_lowest_frequency() -> None:
    made = Coefficients((16, 16), Palette(np.zeros(1), np.ones(1), np.full(1, 0.5), np.eye(1)))
    mean, lowest = np.zeros((2, 2, *made.fourier.half, 1))
    mean[0, 0, 0], lowest[0, 1, 0] = 1.0, 1.0
    moved = made.raw(mean[None])
    np.testing.assert_allclose(moved, moved.mean())
    assert made.scale[0, 0, 0] == pytest.approx(0.1 * made.scale[1, 0, 0])
