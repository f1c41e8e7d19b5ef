"""The figure of the loss landscape, by the data of what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import LogNorm, Normalize

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError
from pellucid.core.view import View
from pellucid.figures import FIGURES

X = np.random.default_rng(7).normal(size=(40, 6))
MODEL = NumpyModel(random_stack(2, (6, 8, 3)), (6,), softmax=True)


def landscape(**settings: Any) -> View:
    return pellucid.visualize(MODEL, X, "loss_landscape", labels=np.arange(40) % 3, progress=False, **settings)


def draw(view: View, **keywords: Any) -> Any:
    return FIGURES.load("loss_landscape")(view, **keywords)


def test_a_plane_with_the_network_at_its_cross() -> None:
    view = landscape(points=5, span=0.5)
    image, cross = draw(view)
    assert np.array_equal(np.asarray(image.get_array()).reshape(5, 5), view.values["network"])
    assert [list(cross.get_xdata()), list(cross.get_ydata())] == [[0.0], [0.0]]
    assert image.axes.get_xlim() == image.axes.get_ylim() == (-0.5, 0.5)
    assert type(image.norm) is Normalize
    assert (image.norm.vmin, image.norm.vmax) == (view.values["network"].min(), view.values["network"].max())
    far = landscape(points=5, span=40.0)
    assert isinstance(draw(far)[0].norm, LogNorm)


def test_lines_of_a_plane_and_alone() -> None:
    for view, keywords in ((landscape(points=5, directions=3), {"lines": True}), (landscape(points=5, directions=3, dimensions=1), {})):
        lines = draw(view, **keywords)
        assert len(lines) == 3
        for line, values in zip(lines, view.details["network"]["profiles"], strict=True):
            assert np.array_equal(line.get_ydata(), values)
            assert np.array_equal(line.get_xdata(), view.details["network"]["place"])
        assert "3 directions" in lines[0].axes.get_title()


def test_the_path_and_its_beginning() -> None:
    own, generator = MODEL.weights(), np.random.default_rng(0)
    path = [{name: [array + 0.3 * generator.normal(size=array.shape) for array in arrays] for name, arrays in own.items()} for _ in range(3)] + [own]
    view = landscape(points=5, directions=0, path=path)
    _, _, line, ring = draw(view)
    assert np.array_equal(line.get_xydata(), view.details["network"]["path"])
    assert np.array_equal(ring.get_xydata(), view.details["network"]["path"][:1])
    assert "variance" in line.axes.get_xlabel()
    with pytest.raises(SettingError, match="no lines"):
        draw(view, lines=True)


def test_from_one_network_to_the_other_on_given_axes() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    view = landscape(points=5, directions=0, to={name: [-array for array in arrays] for name, arrays in MODEL.weights().items()})
    (line,) = draw(view, ax=ax)
    assert line.axes is ax
    assert np.array_equal(line.get_ydata(), view.values["network"][0])
    assert "barrier" in ax.get_title()
