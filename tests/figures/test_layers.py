"""The figure of a whole view."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core.view import View

pytest.importorskip("matplotlib")

from pellucid.figures.layers import layers


def test_every_letter_of_states_lies_on_the_figure() -> None:
    draw = np.random.default_rng(0)
    states = {"lstm": draw.uniform(-0.9, 0.9, (2, 28, 12)), "gru": draw.uniform(-0.9, 0.9, (2, 28, 12))}
    view = View("activation_map", states, dict.fromkeys(states, ("sample", "time", "unit")), np.zeros((2, 28, 3)))
    figure = layers(view)[0].figure
    figure.canvas.draw()
    letters = figure.get_tightbbox()
    assert letters.x0 >= 0
    assert letters.x1 <= figure.get_figwidth()
    assert letters.y0 >= 0
    assert letters.y1 <= figure.get_figheight()
