"""The figure of gradient flow, by the data of what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import UnknownLayerError
from pellucid.core.view import View
from pellucid.figures import FIGURES

X = np.random.default_rng(7).normal(size=(40, 6))


@pytest.fixture(scope="module")
def view() -> View:
    stack = random_stack(1, (6, 8, 8, 8, 3))
    stack[1] = Dense(stack[1].weights, stack[1].bias - 1e3, "relu")
    model = NumpyModel(stack, (6,), softmax=True)
    return pellucid.visualize(model, X, "gradient_flow", labels=np.arange(40) % 3, batch=8, learning_rate=0.01, progress=False)


def draw(view: View, **keywords: Any) -> Any:
    return FIGURES.load("gradient_flow")(view, **keywords)


def test_bars_marks_and_what_was_found(view: View) -> None:
    artists = draw(view)
    gradients, (weights, errors), steps, (mark,) = artists[:4], artists[4:6], artists[6:10], artists[10:]
    found = [float(one["gradient_rms"]) for one in view.details.values()]
    assert [bar.get_width() if value else 0.0 for bar, value in zip(gradients, found, strict=True)] == found
    assert np.isnan([bar.get_width() for bar in gradients[:2]]).all()  # no gradient: no bar
    assert list(weights.get_xdata()) == [float(one["weight_rms"]) for one in view.details.values()]
    noise = [float(one["noise"] * one["gradient_rms"] / one["gradient_norm"]) for one in list(view.details.values())[2:]]
    assert list(errors.get_xdata())[2:] == pytest.approx(noise)
    assert [bar.get_width() for bar in steps[2:]] == [float(one["update_ratio"]) for one in list(view.details.values())[2:]]
    assert mark.get_text() == "no gradient"
    assert mark.get_position()[1] == list(view.values).index("dense_1")
    for bar in (gradients[3], steps[3]):
        low, high = bar.axes.get_xlim()
        assert low < bar.get_width() < high
        assert bar.axes.get_xscale() == "log"
    assert "0.01" in steps[3].axes.get_legend().get_texts()[0].get_text()
    assert [label.get_text() for label in gradients[0].axes.get_yticklabels()] == list(view.values)


def test_one_layer_and_given_axes(view: View) -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    artists = draw(view, layer="dense_3", ax=ax, title="here")
    assert artists[0].get_width() == float(view.details["dense_3"]["gradient_rms"])
    assert artists[0].figure is ax.figure
    assert ax.get_title() == "here"
    with pytest.raises(UnknownLayerError, match="dense_0"):
        draw(view, layer="none")


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_a_layer_without_a_gradient_has_a_scale_that_holds_its_weights(scale: float) -> None:
    stack = random_stack(1, (6, 8, 3))
    stack[0], stack[1] = Dense(0 * stack[0].weights, stack[0].bias - 1e3, "relu"), Dense(scale * stack[1].weights, np.zeros(3), "relu")
    view = pellucid.visualize(NumpyModel(stack, (6,)), X, "gradient_flow", labels=np.arange(40) % 3, progress=False)
    for layer in view.values:  # warnings are errors
        artists = draw(view, layer=layer)
        weight, (low, high) = float(view.details[layer]["weight_rms"]), artists[0].axes.get_xlim()
        assert 0 < low < high
        assert not weight or low < weight < high
        artists[0].figure.canvas.draw()
