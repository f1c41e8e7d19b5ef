"""Figures of several records: samples by methods, samples by layers."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import CombinationError
from pellucid.figures import FIGURES, png_bytes

DRAW = np.random.default_rng(0)
MODEL = NumpyModel([Dense(DRAW.normal(size=(5, 4)), np.zeros(4), "relu"), Dense(DRAW.normal(size=(4, 3)), np.zeros(3))], (5,))
INPUTS = DRAW.normal(size=(2, 5))


def test_comparison_has_a_row_per_sample_and_a_column_per_method() -> None:
    explanations = [pellucid.explain(MODEL, INPUTS, name) for name in ("saliency", "shap")]
    artists = FIGURES.load("comparison")(explanations)
    titles = [ax.get_title() for ax in artists[0].figure.axes if ax.get_title()]
    assert len(titles) == 2 * 3
    assert sum("saliency" in title for title in titles) == 2
    assert png_bytes(artists[0].figure).startswith(b"\x89PNG")


def test_comparison_refuses_other_samples() -> None:
    with pytest.raises(CombinationError, match="different samples"):
        FIGURES.load("comparison")([pellucid.explain(MODEL, INPUTS, "saliency"), pellucid.explain(MODEL, INPUTS[::-1], "saliency")])
    with pytest.raises(CombinationError, match="at least one"):
        FIGURES.load("comparison")([])


def test_layers_has_a_cell_per_sample_and_layer() -> None:
    view = pellucid.visualize(MODEL, INPUTS, "activation_map")
    titles = [ax.get_title() for ax in FIGURES.load("layers")(view)[0].figure.axes]
    assert len([title for title in titles if title]) == 2 * len(view.values)
