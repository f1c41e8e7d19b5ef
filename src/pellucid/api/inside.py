"""Every view that serves a network, one after the other: which, on how many samples, and with what budget stands in one table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api._data import picked
from pellucid.api._progress import progress_after_patience
from pellucid.api.visualize import visualize
from pellucid.core.errors import InputError, PellucidError, SettingError, UnsupportedError, unknown
from pellucid.core.model import Model
from pellucid.core.scene import DATA, NONE
from pellucid.core.view import View
from pellucid.views import VIEWS

Array = np.ndarray
SAMPLES = 3
"""Samples that are shown where nothing is said."""
MOST_MAPS = 90
"""Layers whose activations are shown; of a network with more, those that compute with weights, and then the first of the others."""
FAILURES = (PellucidError, ArithmeticError, ImportError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What a view may end in without ending those that follow."""


@dataclass(frozen=True)
class Run:
    """One view: how many samples it goes through, 0 for those that are shown; its settings; a guess of its share of the time."""

    rows: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0


RUNS: Mapping[str, Run] = {
    "graph": Run(weight=0.2),
    "activation_map": Run(),
    "recurrent_state": Run(),
    "attention": Run(),
    "filters": Run(),
    "activation_statistics": Run(rows=1000, weight=2),
    "gradient_flow": Run(rows=512, settings={"samples": 512}, weight=2),
    "top_examples": Run(rows=1000, weight=4),
    "feature_visualization": Run(weight=20),
    "embedding": Run(rows=1000, weight=2),
    "similarity": Run(rows=512, weight=4),
    "inversion": Run(weight=10),
    "loss_landscape": Run(rows=256, weight=10),
    "decision_boundary": Run(weight=3),
}
"""The views of `inside`, in the order of the page. Numbers of samples are such that a small network is shown within a minute or two on a processor."""


@dataclass(frozen=True)
class Looked:
    """What was found: the records, the seconds each view took, and for each view that gave none the reason."""

    views: tuple[View, ...]
    seconds: Mapping[str, float]
    missing: Mapping[str, str]


def look(
    model: Any,
    x: Any = None,
    *,
    samples: Sequence[int] | None = None,
    labels: Sequence[int] | None = None,
    views: Sequence[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    allow_unsafe: bool = False,
    progress: bool | None = None,
    **more: Any,
) -> Looked:
    """Show what happens inside a network by every view that serves it; `more` is `visualize`'s: class_names, seed, network, preprocessing.

    `samples` are the rows of `x` that are shown, the first three where left out; views of a data set go through as many rows, drawn evenly, as the table says.
    `views` are the names of those that are wanted, `settings` those of single views by name.
    """
    adapted = adapt(model, allow_unsafe=allow_unsafe)
    names = _names(views, settings or {})
    rows = _count(x)
    shown = np.arange(min(SAMPLES, rows)) if samples is None else _shown(samples, rows)
    found: list[View] = []
    seconds: dict[str, float] = {}
    missing: dict[str, str] = {}
    total, done = sum(RUNS[name].weight for name in names), 0.0
    with progress_after_patience("inside", progress) as report:
        for name in names:
            start = time.perf_counter()
            try:
                index = _index(name, shown, rows)
                if reason := VIEWS.load(name).refuses(adapted):
                    raise UnsupportedError(reason)
                one = _one(adapted, None if index is None else picked(x, index), name, _of(labels, index), (settings or {}).get(name, {}), more)
                found.append(one)
                seconds[name] = time.perf_counter() - start
            except FAILURES as error:
                missing[name] = str(error) if isinstance(error, PellucidError) else f"{type(error).__name__}: {error}"
            done += RUNS[name].weight
            report(done / total)
    return Looked(tuple(found), seconds, missing)


def _names(views: Sequence[str] | None, settings: Mapping[str, Any]) -> list[str]:
    """The views to run, in the table's order; those that this release has."""
    known = [name for name in RUNS if name in VIEWS]
    for name in (*(views or ()), *settings):
        if name not in known:
            raise SettingError(unknown("view of the page", name, known))
    return [name for name in known if views is None or name in views]


def _count(x: Any) -> int:
    if x is None:
        return 0
    part = next(iter(x.values())) if isinstance(x, Mapping) else x[0] if isinstance(x, tuple) else x
    if not hasattr(part, "__len__"):
        raise InputError("the page shows some samples and goes through others, so it takes arrays and no stream; give some thousand samples as an array.")
    return len(part)


def _shown(samples: Sequence[int], rows: int) -> Array:
    chosen = np.asarray(samples, int)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= rows:
        raise SettingError(f"samples={list(samples)} are the rows of x that are shown, from 0 to {rows - 1}; x has {rows}.")
    return chosen


def _index(name: str, shown: Array, rows: int) -> Array | None:
    """The rows of x that a view is given; None for a view of the network alone where there are none."""
    run, part = RUNS[name], VIEWS.load(name)
    if not rows and part.looks_at == NONE:
        return None
    if not rows:
        raise InputError("looks at samples, and none were given.")
    most = run.rows if part.looks_at == DATA or run.rows else len(shown)
    return shown if most <= len(shown) and not run.rows else np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int))


def _of(labels: Sequence[int] | None, index: Array | None) -> list[int] | None:
    return None if labels is None or index is None else [int(labels[row]) for row in index]


def _one(model: Model, x: Any, name: str, labels: list[int] | None, settings: Mapping[str, Any], more: Mapping[str, Any]) -> View:
    """One view; it must be served, and is given the table's settings and the caller's."""
    layers = None
    if name == "activation_map":
        visualize(model, x, "graph", progress=False, **more)  # a module meets its input by it, and has its layers in order
        layers = _mapped(model) or None
    return visualize(model, x, name, labels=labels, layers=layers, progress=False, **more, **{**RUNS[name].settings, **settings})


def _mapped(model: Model) -> list[str]:
    """The layers whose activations are shown: as many as fit, those with weights before the others, in their order."""
    layers = [layer for layer in model.layers() if layer.shape is not None or layer.sequential]
    kept = sorted(sorted(layers, key=lambda layer: not (layer.parameters and "Norm" not in layer.kind))[:MOST_MAPS], key=layers.index)
    return [layer.name for layer in kept]
