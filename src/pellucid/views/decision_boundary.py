"""Decision boundary: a slice of input space through chosen samples, with the class and the confidence at each of its points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.distance import pdist, squareform

from pellucid.core.errors import CombinationError, SettingError, UnsupportedError, unknown
from pellucid.core.language import later
from pellucid.core.model import INPUT, Model, batches
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.scene import Scene, Shown, ViewMethod
from pellucid.core.target import Target
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.views import _slices
from pellucid.views._representation import log_probabilities
from pellucid.views._slices import Slice
from pellucid.views._spool import flat

Array = np.ndarray
DIRECTIONS = ("random", "gradient")
MOST_CLASSES = 32
"""Of networks with more classes those that win somewhere, and those of the samples, are kept."""
NEAR, CONFIDENT, MUCH = 0.1, 0.99, 0.2
"""A sample whose boundary is nearer than this share of the way to the next sample stands near it; confidence that leaves no doubt; the share of the slice
that is much."""


@dataclass(frozen=True)
class DecisionBoundary(ViewMethod):
    """A slice of input space through chosen samples: which class the network names at each of its points, and how sure it is.

    Use it to see where one class turns into another, how far a sample is from there, and whether the network is sure where there is no data. One sample: a
    plane of two directions drawn with the seed, or, with `directions="gradient"`, of the way that changes its class soonest and one drawn. Two samples: the
    line through them. Three: the plane through them. More: the plane that fits them best, off which they may lie. Of a table, `columns=("age", "duration")`,
    names or numbers, lets two columns vary, the others staying as in the first sample.

    `points`: how many along the longer side. `margin`: what is seen beyond the samples, as a share of what they take. `reach`: how far the slice goes from a
    sample that is alone, in the input's units; None takes the sample's own length. Points are made and asked batch by batch. Outputs of a network without a
    softmax or sigmoid count as what a softmax would be given, unless they add up to 1.

    Shapes: (rows, columns, classes) of "network", probabilities; of a line (places, classes). Details: `across` and `down`, the places of columns and rows, in
    the input's units along a direction or in those of a table's column; `positions` (samples, 2) of the samples there, `off` how far from these they lie;
    `classes` at their places; `boundary` (samples,), how far along the slice it is to another class, NaN where none is seen; `share` of the slice by class;
    `away` (rows, columns), how far each point is from the nearest sample.
    Does not say what lies outside the slice: of an image's many directions it holds two, and another class may be far nearer off it. Most of its points are no
    data that anybody will meet.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2))], (2,), softmax=True)
    >>> found = pellucid.visualize(model, np.array([[1.0, 0.0], [0.0, 1.0]]), "decision_boundary")
    >>> found.details["network"]["boundary"].round(3).tolist()
    [0.707, 0.707]
    """

    columns: Any = None
    directions: str = "random"
    points: int = 64
    margin: float = 0.3
    reach: float | None = None
    title: ClassVar[str] = "Decision boundary"
    answers: ClassVar[str] = "Where between samples does the network's answer change, and how sure is it there?"
    citation: ClassVar[str] = "Goodfellow et al. 2015, arXiv:1412.6572; Fawzi et al. 2018, arXiv:1705.09552"

    def __post_init__(self) -> None:
        if self.directions not in DIRECTIONS:
            raise SettingError(unknown("directions", self.directions, DIRECTIONS))
        if self.points < _slices.LEAST:
            raise SettingError(f"points must be at least {_slices.LEAST}, got {self.points}.")
        if self.margin < 0 or not np.isfinite(self.margin):
            raise SettingError(f"margin must be 0 or more, got {self.margin}.")
        if self.reach is not None and not 0 < self.reach < float("inf"):
            raise SettingError(f"reach must be more than 0, got {self.reach}.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        shape, traits = model.traits.output_shape, model.traits
        if shape is not None and (len(shape) != 1 or (shape[0] == 1 and traits.head != "sigmoid")):
            return f"needs an output that names one class, (classes,); this network's is of shape {shape}"
        if model.packing is None and len(traits.needed) < 2 and any(layer.kind.startswith("Embedding") for layer in model.layers()):
            return "goes from sample to sample through what lies between, and this network reads whole numbers (tokens), between which there is nothing"
        return ""

    def show(self, scene: Scene) -> Shown:
        if scene.layers is not None:
            raise SettingError("view 'decision_boundary' is of the whole network and takes no layers; leave layers= (--layer) out.")
        model, samples = scene.model, flat(scene.inputs)
        taken, names = self._slice(scene, samples)
        logs = self._grid(scene, taken)
        own = _log_probabilities(model, _inputs(taken.origin + taken.positions @ taken.directions, scene))
        winner, classes = logs.argmax(axis=-1), own.argmax(axis=1)
        boundary = np.array([_slices.to_boundary(_lead(logs, number), taken, place) for number, place in zip(classes, taken.positions, strict=True)])
        share = np.bincount(winner.ravel(), minlength=logs.shape[-1]) / winner.size
        kept = np.arange(logs.shape[-1]) if logs.shape[-1] <= MOST_CLASSES else np.union1d(np.flatnonzero(share), classes)
        probabilities, away = np.exp(logs), taken.to_samples(samples)
        line = len(taken.directions) == 1
        table = _units(scene.preprocessing, scene, taken) if self.columns is not None else None
        across, down = (taken.across, taken.down) if table is None else table
        details: dict[str, Array] = {"across": across, "down": down, "positions": taken.positions, "off": taken.off, "classes": classes.astype(np.int32)}
        if table is not None:
            grid = [np.interp(taken.positions[:, axis], inner, outer) for axis, (inner, outer) in enumerate(((taken.across, across), (taken.down, down)))]
            details["positions"] = np.stack(grid, axis=1)
        details |= {"boundary": boundary, "share": share[kept], "away": away[0] if line else away, "class numbers": kept.astype(np.int32)}
        if scene.labels is not None:
            details["labels"] = scene.labels.astype(np.int32)
        values = probabilities[..., kept].astype(np.float32)
        return Shown(
            {"network": values[0] if line else values},
            {"network": ("place", "class") if line else ("row", "column", "class")},
            {"axes": list(names), "points": winner.size, "step": float(taken.across[1] - taken.across[0])},
            {"network": details},
            _axes(line),
            list(_findings(samples, taken, probabilities.max(axis=-1), boundary, away, share, self.columns is None)),
        )

    def _slice(self, scene: Scene, samples: Array) -> tuple[Slice, tuple[str, ...]]:
        """The slice, and what its axes are called, where they are columns."""
        if self.columns is not None:
            columns, names = _columns(self.columns, scene, samples.shape[1])
            return _slices.along_columns(samples, columns, self.points, self.margin, 3.0 if self.reach is None else self.reach), names
        if scene.model.packing is not None and any(scene.model.packing.whole):
            raise CombinationError(
                "this network reads whole numbers besides, between which there is nothing; name two columns of numbers: columns=('age', 'sum')."
            )
        reach = self.reach or float(np.linalg.norm(samples[0])) or 1.0
        return _slices.through(samples, self.points, self.margin, reach, lambda sample: self._directions(scene, sample)), ()

    def _directions(self, scene: Scene, sample: Array) -> Array:
        """Two directions from a sample that is alone."""
        drawn = np.random.default_rng(scene.seed).standard_normal((2, sample.size))
        if self.directions == "random":
            return drawn
        if not scene.model.traits.gradients:
            raise UnsupportedError(f"directions='gradient' needs gradients, which {scene.model.traits.framework} does not give; leave it out for random ones.")
        model, inputs = scene.model, _inputs(sample[None], scene)
        head = model.traits.head
        outputs = model.predict(inputs, logits=head is not None)
        order = np.argsort(-_log_probabilities(model, inputs)[0], kind="stable")
        weights = np.zeros_like(outputs)
        if outputs.shape[1] == 1:
            weights[0, 0] = 1.0 if order[0] == 0 else -1.0
        else:
            weights[0, order[1]], weights[0, order[0]] = 1.0, -1.0
        target = Target(weights, "output" if head is None else "logit", (), head=None if outputs.shape[1] == 1 else head, class_axis=model.traits.class_axis)
        slope = model.gradients(inputs, target).gradients[INPUT].ravel().astype(np.float64)
        if not slope.any():
            raise UnsupportedError("the gradient at this sample is 0 everywhere, so that it gives no direction; leave directions= out for random ones.")
        return np.stack([slope, drawn[0]])

    def _grid(self, scene: Scene, taken: Slice) -> Array:
        """The logarithm of each class's probability over the slice, (rows, columns, classes)."""
        rows, columns = taken.shape
        found: list[Array] = []
        for part in batches(rows * columns, scene.model.rows_at_once(scene.inputs)):
            found.append(_log_probabilities(scene.model, _inputs(taken.points(part.start, part.stop), scene)).astype(np.float32))
            scene.progress(part.stop / (rows * columns))
        return np.concatenate(found).reshape(rows, columns, -1)


def _inputs(points: Array, scene: Scene) -> Array:
    """Points (rows, inputs) as the network takes them."""
    kind = scene.inputs.dtype if scene.inputs.dtype.kind == "f" else np.float32
    return points.reshape(-1, *scene.inputs.shape[1:]).astype(kind)


def _log_probabilities(model: Model, inputs: Array) -> Array:
    outputs = model.predict(inputs, logits=model.traits.head is not None)
    if outputs.ndim != 2 or (outputs.shape[1] == 1 and model.traits.head != "sigmoid"):
        raise UnsupportedError(f"a decision boundary needs an output that names one class, (samples, classes); this network gives {outputs.shape}.")
    return log_probabilities(model, outputs)


def _lead(logs: Array, number: int) -> Array:
    """How far a class is ahead of the best of the others, (rows, columns)."""
    return np.asarray(logs[..., number] - np.delete(logs, number, axis=-1).max(axis=-1))


def _axes(line: bool) -> dict[str, tuple[str, ...]]:
    axes: dict[str, tuple[str, ...]] = {"across": ("column",), "down": ("row",), "positions": ("sample", "direction"), "away": ("row", "column")}
    axes |= dict.fromkeys(("off", "classes", "boundary", "labels"), ("sample",)) | dict.fromkeys(("share", "class numbers"), ("class",))
    return axes | ({"away": ("column",)} if line else {})


def _columns(asked: Any, scene: Scene, width: int) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Where two columns lie in the inputs, and their names."""
    wanted = [one.strip() for one in asked.split(",")] if isinstance(asked, str) else list(asked) if isinstance(asked, (list, tuple)) else [asked]
    if len(wanted) != 2 or wanted[0] == wanted[1]:
        raise SettingError(f"columns names two columns, by name or number, e.g. columns=('age', 'duration') or columns=(0, 3); got {asked!r}.")
    places = _places(scene, width)
    found = []
    for one in wanted:
        name = str(one)
        number = int(name) if name not in places and name.isdigit() else None
        if number is not None and number >= width:
            raise SettingError(f"columns: there is no column {number}; the inputs have {width}, numbered 0 to {width - 1}.")
        if number is None and name not in places:
            raise SettingError(unknown("column of numbers", name, places) if places else f"columns: no names are known; give numbers from 0 to {width - 1}.")
        found.append(
            (number, next((known for known, place in places.items() if place == number), f"column {number}")) if number is not None else (places[name], name)
        )
    (first, one_name), (second, other_name) = found
    if first == second:
        raise SettingError(f"columns names the same column twice: {asked!r}.")
    return (first, second), (_with_unit(one_name, scene.preprocessing), _with_unit(other_name, scene.preprocessing))


def _places(scene: Scene, width: int) -> dict[str, int]:
    """Columns that hold one number each, by name."""
    given = scene.preprocessing
    if given is not None and given.kind == "table":
        features = given.features(scene.inputs)
        if features is not None and features.labels.shape[-1] == width:
            labels = features.labels.reshape(-1, width)[0]
            words = {column.name for column in getattr(given, "columns", ()) if column.categories}
            return {name: int(np.flatnonzero(labels == i)[0]) for i, name in enumerate(features.names) if (labels == i).sum() == 1 and name not in words}
    names = scene.model.traits.feature_names
    return {str(name): i for i, name in enumerate(names)} if len(names) == width else {}


def _with_unit(name: str, given: Preprocessing | None) -> str:
    unit = next((column.unit for column in getattr(given, "columns", ()) if column.name == name), "")
    return f"{name} ({unit})" if unit else name


def _units(given: Preprocessing | None, scene: Scene, taken: Slice) -> tuple[Array, Array] | None:
    """Places along the two columns as a person reads them."""
    if given is None or given.kind != "table":
        return None
    first, second = (int(direction.argmax()) for direction in taken.directions)
    names = {place: name for name, place in _places(scene, taken.directions.shape[1]).items()}
    found = []
    for column, places in ((first, taken.across), (second, taken.down)):
        rows = np.repeat(taken.origin[None], len(places), axis=0)
        rows[:, column] = places
        found.append(np.asarray(given.restored(rows)[names[column]], dtype=np.float64) if column in names else places)
    return found[0], found[1]


def _findings(samples: Array, taken: Slice, sure: Array, boundary: Array, away: Array, share: Array, plain: bool) -> Iterator[Finding]:
    between = squareform(pdist(samples)) + np.diag(np.full(len(samples), np.inf))
    nearest = between.min(axis=1) if len(samples) > 1 else np.zeros(1)
    if share.max() == 1.0:
        yield Finding(
            "one class",
            "",
            later("The network names one class on the whole slice."),
            later("Take samples of different classes, or more room: margin= for several samples, reach= for one."),
            {},
            NOTE,
        )
    near = np.flatnonzero((boundary < NEAR * nearest) & (taken.off == 0))
    if len(near) and plain:
        first = int(near[np.argmin(boundary[near] / nearest[near])])
        yield Finding(
            "near the boundary",
            "",
            later("Sample {sample} stands {distance} from another class along this slice, {share} of the way to the nearest other sample."),
            later("A small change turns the answer; look at its counterfactual, and at how sure the network is of it."),
            {"sample": first, "distance": float(boundary[first]), "share": float(boundary[first] / nearest[first])},
        )
    apart = float(nearest.min()) or float(away.max()) / 2
    far = away > apart
    if plain and (far & (sure > CONFIDENT)).mean() > MUCH:
        yield Finding(
            "sure far from data",
            "",
            later("On {share} of the slice the network is more than 99 % sure although the nearest sample is farther away than {distance}."),
            later("Its confidence says nothing of how usual an input is; inputs unlike the training data need a check of their own."),
            {"share": float((far & (sure > CONFIDENT)).mean()), "distance": apart},
            WARNING,
        )
