"""Every view on every kind of network: it shows finite numbers on the axes it names, or one of our errors says why not; the network stays as it was."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
import pytest

import pellucid
from architectures import CASES
from pellucid.adapters import adapt
from pellucid.core.errors import PellucidError
from pellucid.core.view import View
from pellucid.store.file import from_bytes, to_bytes
from pellucid.views import VIEWS

Array = np.ndarray
FEW = ("functional", "nested", "embedding", "lstm", "stacked", "conv1d", "residual", "token encoder", "vision transformer", "binary", "class per step")
CHOSEN = tuple(CASES) if os.environ.get("PELLUCID_EVERY_NETWORK") else FEW
CHEAP: dict[str, dict[str, Any]] = {
    "feature_visualization": {"budget": 4},
    "inversion": {"budget": 4},
    "loss_landscape": {"points": 3},
    "decision_boundary": {"points": 5},
}
"""Settings that keep a view short."""


def shown(name: str, model: Any, inputs: Array) -> View | str:
    """The view, or why there is none."""
    try:
        labels = np.zeros(len(inputs), int)
        return pellucid.visualize(model, inputs, name, labels=labels, progress=False, **CHEAP.get(name, {}))
    except PellucidError as error:
        return f"{type(error).__name__}: {error}"


def check(view: View, samples: int) -> None:
    for layer, values in view.values.items():
        assert len(view.axes[layer]) == values.ndim, (layer, view.axes[layer], values.shape)
        assert np.isfinite(values).all(), layer
        if view.by_sample(layer):
            assert len(values) == len(view), layer
    assert len(view) <= samples or view.view == "top_examples"
    for found in view.details.values():
        for name, array in found.items():
            assert name not in view.detail_axes or len(view.detail_axes[name]) == np.ndim(array), (name, view.detail_axes[name], np.shape(array))
    for finding in view.findings:
        assert str(finding)
        assert "{" not in str(finding)
    (back,) = from_bytes(to_bytes([view]))
    assert repr(back) == repr(view)


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.parametrize("framework", ["keras", "torch"])
@pytest.mark.parametrize("name", CHOSEN)
def test_every_view_shows_or_says_why_not(name: str, framework: str) -> None:
    pytest.importorskip(framework)
    zoo = importlib.import_module(f"architectures_{framework}")
    if name not in zoo.NETWORKS:
        pytest.skip("not an architecture of this framework")
    network, case = zoo.build(name), CASES[name]
    inputs = case.inputs(framework)
    zoo.bare(network, inputs[:1], case.output)  # Keras notes some things of its own when a network first runs
    before = zoo.snapshot(network)
    model = adapt(network)
    found = {view: shown(view, model, inputs) for view in VIEWS}
    for view in found.values():
        if isinstance(view, View):
            check(view, len(inputs))
    assert isinstance(found["activation_map"], View), found["activation_map"]
    assert zoo.unchanged(before, zoo.snapshot(network))
