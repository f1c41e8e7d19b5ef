"""Every view that serves a network, one after the other: which, on how many samples, and with what budget stands in one table."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api._data import picked
from pellucid.api._given import applied_to_view
from pellucid.api._inputs import gather
from pellucid.api._parts import split_output
from pellucid.api._progress import progress_after_patience
from pellucid.api.inspect import inspect
from pellucid.api.visualize import visualize
from pellucid.core.errors import InputError, PellucidError, SettingError, UnsupportedError, unknown
from pellucid.core.evaluation import Record
from pellucid.core.model import Model
from pellucid.core.records import Inspection
from pellucid.core.scene import NONE
from pellucid.core.view import View
from pellucid.views import VIEWS
from pellucid.views._directions import FEWEST
from pellucid.views.training import snapshots

Array = np.ndarray
SAMPLES = 3
"""Samples that are shown where nothing is said."""
MOST_MAPS, FEATURED = 90, 3
"""Layers whose activations are shown, of a network with more those that compute with weights alone; convolutions with features."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""What colours a terminal, in messages of frameworks."""
FAILURES = (PellucidError, ArithmeticError, ImportError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What a view may end in without ending those that follow."""


@dataclass(frozen=True)
class Run:
    """One view: how many samples it goes through, 0 for those that are shown; its settings; which layers, where the view's own choice (None) is not taken, an
    empty list leaving the view out; a guess of its share of the time; settings of the caller's with which it is left out; and other settings for a network of
    more than `MOST_MAPS` layers, which would else take many minutes."""

    view: str
    rows: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: Callable[[Model], list[str] | None] = lambda model: None
    weight: float = 1.0
    left_out_with: tuple[str, ...] = ()
    large: Mapping[str, Any] = field(default_factory=dict)


def _mapped(model: Model) -> list[str] | None:
    """The layers whose activations are shown: all, or of a network of many those with weights alone, as many as fit, in their order."""
    layers = [layer for layer in model.layers() if layer.shape is not None or layer.sequential]
    weighted = [layer for layer in layers if layer.parameters and "Norm" not in layer.kind]
    chosen = layers if len(layers) <= MOST_MAPS else weighted or layers
    return [layer.name for layer in chosen[:MOST_MAPS]] or None


def _featured(model: Model) -> list[str]:
    """Three convolutions, evenly over the depth, the last among them: those whose channels are drawn as features."""
    convolutions = [layer.name for layer in model.layers() if "Conv" in layer.kind and layer.shape is not None]
    places = set(np.linspace(0, len(convolutions) - 1, FEATURED + 1).astype(int)[1:].tolist()) if convolutions else set()
    return [convolutions[place] for place in sorted(places)]


def _exemplified(model: Model) -> list[str] | None:
    """Of a network of convolutions the same, and the last layer with weights, whose units are the answers."""
    convolutions, weighted = _featured(model), [layer.name for layer in model.layers() if layer.parameters and layer.shape is not None]
    return list(dict.fromkeys([*convolutions, *weighted[-1:]])) if convolutions else None


SOONER = {"budget": 128, "most": 2}
"""Features of a large network."""
RUNS = (
    Run("graph", weight=0.2),
    Run("activation_map", layers=_mapped),
    Run("recurrent_state"),
    Run("attention"),
    Run("filters"),
    Run("activation_statistics", rows=1000, weight=2),
    Run("gradient_flow", rows=256, settings={"samples": 256}, weight=2),
    Run("top_examples", rows=1000, settings={"count": 6}, layers=_exemplified, weight=4),
    Run(
        "feature_visualization",
        rows=64,
        settings={"budget": 256, "tolerance": 0.05, "most": 6},
        weight=5,
        left_out_with=("channels", "direction"),
        large=SOONER,
    ),
    Run(
        "feature_visualization",
        rows=64,
        settings={"budget": 256, "tolerance": 0.05, "most": 6},
        layers=_featured,
        weight=10,
        left_out_with=("classes",),
        large=SOONER,
    ),
    Run("embedding", rows=1000, weight=2),
    Run("similarity", rows=256, weight=4),
    Run("inversion", settings={"budget": 256, "tolerance": 0.05, "most": 1, "restarts": 2}, weight=10, large={"budget": 128, "restarts": 1}),
    Run("loss_landscape", rows=128, settings={"samples": 128, "points": 9, "directions": 3}, weight=10, large={"samples": 32, "points": 5}),
    Run("decision_boundary", settings={"points": 32}, weight=3),
)
"""The views of `inside`, in the order of the page, and what each may cost: a small network is shown within a minute or two on a processor, at any of these
numbers by `settings` of the caller's."""


@dataclass(frozen=True)
class Looked:
    """What was found: the records, the seconds each view took, and for each view that gave none the reason. `inspection` keeps these reasons in a file."""

    views: tuple[View, ...]
    seconds: Mapping[str, float]
    missing: Mapping[str, str]
    inspection: Inspection | None = None

    @property
    def records(self) -> list[Record]:
        """What there is to be stored; `of` gives it back."""
        return [*self.views, *([] if self.inspection is None else [self.inspection])]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Looked:
        """What was found, from records of one network; what is neither a view nor an inspection is left out. Times are not stored."""
        views = tuple(record for record in records if isinstance(record, View))
        networks: dict[str, str] = {}
        for view in views:
            told = view.provenance
            key = str(told.get("fingerprint") or told.get("network") or "")
            if view.view != "training" and key:  # a training may have gone on after it was recorded
                networks.setdefault(key, str(told.get("network") or told.get("framework") or ""))
        if len(networks) > 1:
            called = ", ".join(f"{name} ({key})" for key, name in networks.items())
            raise InputError(f"the records are of {len(networks)} networks, {called}, and a page is of the inside of one; give the records of one.")
        inspections = [record for record in records if isinstance(record, Inspection)]
        inspection = next((one for one in inspections if not one.fingerprint or not networks or one.fingerprint in networks), None)
        reasons = {} if inspection is None else inspection.views
        missing = {run.view: reasons[run.view] for run in RUNS if reasons.get(run.view)}
        return cls(views, {}, missing, inspection)


def look(
    model: Any,
    x: Any = None,
    *,
    samples: Sequence[int] | None = None,
    labels: Sequence[int] | None = None,
    views: Sequence[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    training: Sequence[View] = (),
    data: str | None = None,
    allow_unsafe: bool = False,
    progress: bool | None = None,
    **more: Any,
) -> Looked:
    """Show what happens inside a network by every view that serves it; `more` is `visualize`'s: class_names, output, seed, network,
    preprocessing.

    `samples` are the rows of `x` that are shown, the first three where left out; views of a data set go through as many rows, drawn evenly, as the table says.
    `views` are the names of those that are wanted, `settings` those of single views by name. `training` are records of the network's training, which join the
    views; of one with snapshots of the weights the landscape of the loss shows the path.
    """
    adapted = adapt(model, allow_unsafe=allow_unsafe)
    settings = _with_path(settings or {}, training)
    rows = _count(x)
    met = _met(adapted, x, more) if rows else adapted
    runs = _runs(met, views, settings)
    shown = np.arange(min(SAMPLES, rows)) if samples is None else _shown(samples, rows)
    found: list[View] = []
    seconds: dict[str, float] = {}
    missing: dict[str, str] = {}
    total, done, many = sum(run.weight for run in runs), 0.0, len(met.layers()) > MOST_MAPS
    with progress_after_patience("looking inside", progress) as report:
        for run in runs:
            report(done / total, run.view)
            start = time.perf_counter()
            try:
                index = _index(run, shown, rows)
                if reason := VIEWS.load(run.view).refuses(adapted):
                    raise UnsupportedError(reason)
                given = None if index is None else picked(x, index)
                chosen = {"layers": run.layers(met), **run.settings, **(run.large if many else {}), **settings.get(run.view, {})}
                view = visualize(adapted, given, run.view, labels=_of(labels, index), progress=False, **more, **chosen)
                found.append(view if index is None or VIEWS.load(run.view).looks_at == NONE else _placed(view, data, index))
                seconds[run.view] = seconds.get(run.view, 0.0) + time.perf_counter() - start
            except FAILURES as error:
                missing[run.view] = ESCAPES.sub("", str(error) if isinstance(error, PellucidError) else f"{type(error).__name__}: {error}")
            done += run.weight
    inspection = replace(inspect(adapted), views={run.view: missing.get(run.view, "") for run in runs})
    return Looked((*found, *training), seconds, missing, inspection)


def _met(model: Model, x: Any, more: Mapping[str, Any]) -> Model:
    """The network as it is once it has seen a sample: before, a PyTorch module's layers have no shapes by which to choose among them. What fails here, each
    view tells of itself."""
    try:
        whole = model if more.get("output") is None else split_output(model, {more["output"]: None})[0]
        found, first = gather(whole, applied_to_view(more.get("preprocessing"), picked(x, np.zeros(1, int)))[0])
        found.meet(first)
    except FAILURES:
        return model
    return found


def _with_path(settings: Mapping[str, Mapping[str, Any]], training: Sequence[View]) -> Mapping[str, Mapping[str, Any]]:
    """The settings, the path of the training among those of the loss landscape, where a record holds it and no other slice was asked for."""
    given = settings.get("loss_landscape", {})
    path = next((view for view in training if snapshots(view) >= FEWEST), None)
    if path is None or {"path", "to", "dimensions"} & set(given):
        return settings
    return {**settings, "loss_landscape": {**given, "path": path}}


def _runs(model: Model, views: Sequence[str] | None, settings: Mapping[str, Mapping[str, Any]]) -> list[Run]:
    """The views to run, in the table's order."""
    known = [run.view for run in RUNS]
    for name in (*(views or ()), *settings):
        if name not in known:
            raise SettingError(unknown("view of the page", name, dict.fromkeys(known)))
    wanted = [run for run in RUNS if (views is None or run.view in views) and not set(run.left_out_with) & set(settings.get(run.view, {}))]
    return [run for run in wanted if run.layers(model) != []]


def _placed(view: View, data: str | None, rows: Array) -> View:
    """The view with the places of its samples in the whole data: what it says of the third sample that it was given is of the data's row `rows[2]`."""
    findings = [
        replace(finding, numbers={**finding.numbers, "sample": int(rows[int(finding.numbers["sample"])])}) if "sample" in finding.numbers else finding
        for finding in view.findings
    ]
    return replace(view, findings=tuple(findings), provenance={**view.provenance, "indices": rows.tolist()} | ({"data": data} if data else {}))


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


def _index(run: Run, shown: Array, rows: int) -> Array | None:
    """The rows of x that a view is given; None for a view of the network alone where there are none."""
    if not rows and VIEWS.load(run.view).looks_at == NONE:
        return None
    if not rows:
        raise InputError("looks at samples, and none were given.")
    return np.unique(np.linspace(0, rows - 1, min(run.rows, rows)).astype(int)) if run.rows else shown


def _of(labels: Sequence[int] | None, index: Array | None) -> list[int] | None:
    return None if labels is None or index is None else [int(labels[row]) for row in index]
