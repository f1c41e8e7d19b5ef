"""The loss around a network's weights: slices along random directions, in the plane of a path of training, or between two sets of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError, UnknownLayerError, unknown
from pellucid.core.language import later
from pellucid.core.model import Model
from pellucid.core.scene import DATA, NETWORK, RECORD, Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.views import _truth
from pellucid.views._directions import Path, Plane, Weights, fitting, length, moved, plane_of, random_direction

Array = np.ndarray
MARGIN, BEYOND = 0.25, 0.25
"""What is seen around a path, as a share of what it takes, and beyond the two ends of a line between networks."""
LOWER, SURE, LITTLE, ELSEWHERE = 0.05, 4.0, 0.5, 1e-4
"""By how much of the network's own loss, and of the standard error of the difference (a lowest one of many has to pass more than one of one), a lower loss lies
below it that is worth a word; a plane's share of a path's variance; and how far from the network's weights, by their length, a path ends that is another's."""
AXES: Mapping[str, tuple[str, ...]] = {
    "across": ("column",),
    "down": ("row",),
    "accuracy": ("row", "column"),
    "place": ("place",),
    "profiles": ("direction", "place"),
    "curvature": ("direction",),
    "path": ("set", "axis"),
    "path_loss": ("set",),
    "epoch": ("set",),
    "shares": ("axis",),
} | dict.fromkeys(("loss", "curvature_mean", "curvature_error", "barrier", "ridge"), ())


@dataclass(frozen=True)
class LossLandscape(ViewMethod):
    """The mean loss on `samples` drawn from the data, at weights around the network's own.

    Use it to see how sharp the place is at which training ended, whether it is the bottom of a valley, and how training came there. Weights stand in for
    the network's own only while it predicts; they are put back to the byte, also where it is interrupted. Batch normalisation keeps its running statistics.

    Random directions are filter-normalised: normal numbers, each filter's (all that one unit or channel is computed from) made as long as the filter's own
    weights, biases and normalisations left alone, so that networks whose weights differ in scale alone look the same. One unit of a slice moves each filter
    by its own length. `dimensions`: 2 draws a plane of `points` × `points` from −`span` to `span`, 1 lines alone. Sharpness is the curvature along a
    direction, the second difference of the loss at ±`step` and 0, with its mean and standard error over `directions` random ones.

    `path`: the record of a training with snapshots of its weights (`pellucid train … --record FILE --snapshots`, `pellucid.Recorder(…, snapshots=True)`), its
    file, or a list of what `Model.weights()` gave, the last being where training ended: the plane is then that of the path's first two principal components,
    in lengths of weights, and `shares` says how much of its variance that plane holds; `path_loss` is the loss at the path's own weights, off the plane.
    `to`: another set of weights, for the line from the network's own (0) to it (1); the barrier is the highest loss on it above the straight line between
    its ends, the ridge above the higher of these. It may be a network of the same shapes or its file, or the record of a training or its file, of which
    the first weights are taken.

    Shapes: `values["network"]` (rows, columns) of a plane, (directions, places) of lines. In the details of "network": `across`, `down` and `place`, the
    places on the axes; `profiles` (directions, places); `curvature` (directions,), `curvature_mean` and `curvature_error`; `loss`, at the network's own
    weights; of a classifier `accuracy` (rows, columns). Units: of the loss, which `loss` names as in `gradient_flow`. Does not show what the other of very
    many directions hold, nor loss on other data; two landscapes are compared on one scale and the same samples alone.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> line = NumpyModel([Dense(np.array([[2.0]]), np.zeros(1))], (1,))
    >>> view = pellucid.visualize(line, np.array([[1.0]]), "loss_landscape", truth=[2.0], dimensions=1, points=3, directions=1)
    >>> view.values["network"]
    array([[4., 0., 4.]])
    """

    title: ClassVar[str] = "Loss landscape"
    answers: ClassVar[str] = "How does the loss change around the weights, and how did training come there?"
    citation: ClassVar[str] = "Li et al. 2018, arXiv:1712.09913; between networks: Goodfellow et al. 2015, arXiv:1412.6544"
    looks_at: ClassVar[str] = DATA
    needs: ClassVar[frozenset[str]] = frozenset({"weights", "labels"})
    opens: ClassVar[Mapping[str, frozenset[str]]] = {"path": frozenset({RECORD}), "to": frozenset({RECORD, NETWORK})}

    dimensions: int = 2
    points: int = 15
    span: float = 1.0
    directions: int = 5
    step: float = 0.05
    samples: int = 256
    path: Any = None
    to: Any = None
    loss: str = "auto"
    truth: Any = None

    def __post_init__(self) -> None:
        if self.dimensions not in (1, 2):
            raise SettingError(f"dimensions is {self.dimensions!r}, expected 1 (lines) or 2 (a plane).")
        if self.points < 3 or not self.points % 2:
            raise SettingError(f"points is {self.points}, expected an odd number from 3 on, so that the network itself is one of them.")
        if self.samples < 1 or self.directions < 0 or not 0 < self.span < np.inf or not 0 < self.step < np.inf:
            raise SettingError("samples, span and step must be above 0, directions at least 0.")
        if self.path is not None and self.to is not None:
            raise SettingError("give either path or to, not both: the plane of a path, or the line to another set of weights.")
        if self.path is None and self.to is None and self.dimensions == 1 and not self.directions:
            raise SettingError("directions=0 leaves no line to draw; give at least 1.")
        object.__setattr__(self, "path", None if self.path is None else Path.of(self.path))
        object.__setattr__(self, "to", None if self.to is None else Path.to(self.to))
        object.__setattr__(self, "needs", _truth.without_labels(type(self).needs, self.truth))

    @classmethod
    def refuses(cls, model: Model) -> str:
        return "" if model.has_weights else f"needs the network's weights, which {model.traits.framework} does not show"

    def show(self, scene: Scene) -> Shown:
        work = _Work(scene, self)
        plane = plane_of(scene.model, self.path) if self.path is not None else None
        grid = _path_grid(plane, self.points) if plane is not None else _grid(self.points, self.span)
        slices = list(self._slices(work, plane, grid))
        work.run(slices)
        own = float(work.mean(("own", 0))[0])
        details: dict[str, Array] = {"loss": np.array(own)}
        if self.to is not None:
            values, axes, more = _between(work, self.points)
        elif self.dimensions == 2 or plane is not None:
            values, axes, more = _plane(work, grid, plane, self.path)
        else:
            values = np.stack([work.mean(("line", k)) for k in range(self.directions)])
            axes, more = ("direction", "place"), {}
        details |= more | self._lines(work, own, grid[0] if plane is None else _grid(self.points, self.span)[0])
        resolved = {"loss": work.judge.kind, "samples": work.samples, "passes": sum(len(one.places) for one in slices)}
        return Shown({"network": values}, {"network": axes}, resolved, {"network": details}, AXES, list(_findings(self, work, values, details)))

    def _slices(self, work: _Work, plane: Plane | None, grid: tuple[Array, Array]) -> Iterator[_Slice]:
        """All that is looked at: the network itself, lines with their curvature, and what is asked for besides."""
        base = work.weights
        yield _Slice(("own", 0), base, lambda: (), np.zeros((1, 0)))
        line = _grid(self.points, self.span)[0]
        for k in range(self.directions):
            make = work.random(k)
            if self.path is None and self.to is None:
                yield _Slice(("line", k), base, lambda make=make: (make(),), line[:, None])  # type: ignore[misc]
            yield _Slice(("curve", k), base, lambda make=make: (make(),), np.array([[-self.step], [self.step]]))  # type: ignore[misc]
        if self.to is not None:
            other = work.fitting(self.to.sets[0], "to")
            step = {name: [b - np.asarray(a, b.dtype) for a, b in zip(base[name], arrays, strict=True)] for name, arrays in other.items()}
            yield _Slice(("between", 0), base, lambda: (step,), _from_one_to_the_other(self.points)[:, None])
        elif plane is not None:
            yield _Slice(("plane", 0), plane.origin, lambda: plane.directions, _pairs(*grid))
            for i, weights in enumerate(self.path.sets):
                yield _Slice(("set", i), work.fitting(weights, "path"), lambda: (), np.zeros((1, 0)))
        elif self.dimensions == 2:
            yield _Slice(("plane", 0), base, lambda: (work.random(0)(), work.random(1)()), _pairs(*grid))

    def _lines(self, work: _Work, own: float, places: Array) -> dict[str, Array]:
        """What the random lines tell."""
        if not self.directions:
            return {}
        ends = np.stack([work.mean(("curve", k)) for k in range(self.directions)])
        curvature = (ends.sum(axis=1) - 2 * own) / self.step**2
        error = curvature.std(ddof=1) / np.sqrt(self.directions) if self.directions > 1 else np.nan
        found = {"curvature": curvature, "curvature_mean": np.array(curvature.mean()), "curvature_error": np.array(error)}
        if ("line", 0) in work.totals:
            found |= {"place": places, "profiles": np.stack([work.mean(("line", k)) for k in range(self.directions)])}
        return found


@dataclass(frozen=True)
class _Slice:
    """Places (points, directions) on a slice through `origin`; its directions are made when they are needed, and not kept."""

    name: tuple[str, int]
    origin: Weights
    directions: Callable[[], Sequence[Weights]]
    places: Array


class _Work:
    """Losses summed up over the data, at all places of all slices."""

    def __init__(self, scene: Scene, view: LossLandscape) -> None:
        self.scene, self.model, self.seed = scene, scene.model, scene.seed
        self.judge = _truth.judge(scene, view.loss, view.truth)
        self.samples = min(view.samples, self.judge.known)
        self.weights = scene.model.weights()
        self.chosen = dict(self.weights)
        if scene.layers is not None:
            if lacking := [name for name in scene.layers if name not in self.weights]:
                raise UnknownLayerError(unknown("layer with weights", lacking[0], self.weights))
            self.chosen = {name: self.weights[name] for name in scene.layers}
        self.labels = scene.labels if view.truth is None and self.judge.kind != "squared_error" else None
        self.totals: dict[tuple[str, int], Array] = {}
        self.squares: dict[tuple[str, int], Array] = {}
        self.right: dict[tuple[str, int], Array] = {}

    def random(self, number: int) -> Callable[[], dict[str, list[Array]]]:
        """What makes the random direction of a number."""
        return lambda: random_direction(self.model, self.chosen, np.random.default_rng([self.seed, number]))

    def fitting(self, weights: Weights, setting: str) -> dict[str, list[Array]]:
        return fitting({name: [array.shape for array in arrays] for name, arrays in self.weights.items()}, weights, setting)

    def apart(self, weights: Weights) -> float:
        """How far weights lie from the network's own, as a share of the length of these."""
        there = self.fitting(weights, "path")
        own = {name: self.weights[name] for name in there}
        return length(there, own) / max(length(own), np.finfo(np.float64).tiny)

    def mean(self, name: tuple[str, int]) -> Array:
        return self.totals[name] / self.samples

    def below(self) -> Array:
        """The lowest loss of the slices, how much it lies below the network's own, and the standard error of that over samples, (3,)."""
        own = self.mean(("own", 0))[0]
        losses = {name: self.mean(name) for name in self.totals if name[0] in ("plane", "line")}
        name = min(losses, key=lambda name: float(np.nanmin(losses[name])))
        place = int(np.nanargmin(losses[name]))
        less = own - losses[name][place]
        spread = max(self.squares[name][place] / self.samples - less**2, 0.0)
        return np.array([losses[name][place], less, np.sqrt(spread / max(self.samples - 1, 1))])

    def run(self, slices: Sequence[_Slice]) -> None:
        """Each batch of data at every place, so that the data is gone through once and never held as a whole."""
        generator = np.random.default_rng(self.seed)
        size = int(max(1, min(self.samples, _truth.MIXED // max(self.scene.inputs[0].nbytes, 1))))
        done, every = 0.0, float(self.samples * sum(len(one.places) for one in slices))
        for one in slices:
            self.totals[one.name], self.squares[one.name], self.right[one.name] = (np.zeros(len(one.places)) for _ in range(3))
        for inputs, rows in _truth.drawn(self.scene, self.judge.known, self.samples, size, generator):
            loss = self.judge.loss(rows)
            own = np.zeros(len(rows))
            for one in slices:
                directions = one.directions()
                for i, place in enumerate(one.places):
                    stands_in = moved(one.origin, directions, place) if directions else one.origin
                    outputs = self._outputs(inputs, {} if stands_in is self.weights else stands_in, loss.reads_logits)
                    losses = loss.of(outputs)
                    own = losses if one.name == ("own", 0) else own
                    self.totals[one.name][i] += float(losses.sum())
                    self.squares[one.name][i] += float(np.square(losses - own).sum())
                    if self.labels is not None and outputs.ndim == 2:
                        self.right[one.name][i] += int((_classes(outputs) == self.labels[rows]).sum())
                    done += len(rows)
                    self.scene.progress(done / every)

    def _outputs(self, inputs: Array, weights: Weights, logits: bool) -> Array:
        if not weights:
            return self.model.predict(inputs, logits=logits)
        with self.model.replaced_weights(weights) as other:
            return other.predict(inputs, logits=logits)


def _classes(logits: Array) -> Array:
    return (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)


def _grid(points: int, span: float) -> tuple[Array, Array]:
    line = np.linspace(-span, span, points)
    line[points // 2] = 0.0
    return line, line


def _path_grid(plane: Plane, points: int) -> tuple[Array, Array]:
    """Places that hold the path, with a margin; an axis on which it goes little is shown no narrower than a fifth of the other."""
    low, high = plane.places.min(axis=0), plane.places.max(axis=0)
    reach = np.maximum(high - low, 0.2 * (high - low).max())
    middle = (low + high) / 2
    ends = middle - reach * (0.5 + MARGIN), middle + reach * (0.5 + MARGIN)
    across, down = (np.linspace(ends[0][axis], ends[1][axis], points) for axis in range(2))
    return across, down


def _pairs(across: Array, down: Array) -> Array:
    """(rows × columns, 2): row by row, the first number across."""
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def _plane(work: _Work, grid: tuple[Array, Array], plane: Plane | None, path: Path | None) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    shape = len(grid[1]), len(grid[0])
    more = {"across": grid[0], "down": grid[1]}
    if work.labels is not None:
        more["accuracy"] = (work.right[("plane", 0)] / work.samples).reshape(shape)
    if plane is not None and path is not None:
        losses = np.array([float(work.mean(("set", i))[0]) for i in range(len(path.sets))])
        more |= {"path": plane.places, "path_loss": losses, "epoch": np.array(path.epochs), "shares": plane.shares}
    return work.mean(("plane", 0)).reshape(shape), ("row", "column"), more


def _from_one_to_the_other(points: int) -> Array:
    """Places on a line between networks, both among them."""
    return np.unique(np.concatenate([np.linspace(-BEYOND, 1 + BEYOND, points), [0.0, 1.0]]))


def _between(work: _Work, points: int) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    places = _from_one_to_the_other(points)
    losses = work.mean(("between", 0))
    ends = losses[places == 0][0], losses[places == 1][0]
    inside = (places >= 0) & (places <= 1)
    above = losses[inside] - (ends[0] + places[inside] * (ends[1] - ends[0]))
    return losses[None], ("direction", "place"), {"place": places, "barrier": np.array(above.max()), "ridge": np.array(losses[inside].max() - max(ends))}


# ---- what was found -------------------------------------------------------------------------------------------------


def _findings(view: LossLandscape, work: _Work, values: Array, details: Mapping[str, Array]) -> Iterator[Finding]:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        text = later("At {count} of {all} places the loss is infinite or no number.")
        yield Finding(later("loss not finite"), "", text, later("Look at a smaller span."), {"count": bad, "all": values.size}, WARNING)
        return
    own = float(details["loss"])
    lowest, less, error = work.below() if view.path is None and view.to is None else np.zeros(3)
    if less > max(LOWER * own, SURE * error):
        text = later("On this slice the loss falls to {lowest}; at the network's own weights it is {own}.")
        advice = later("Training has not come to a minimum of this loss. Go on training; of samples that it was not trained on this need not worry.")
        yield Finding(later("not a minimum"), "", text, advice, {"lowest": float(lowest), "own": own}, NOTE)
    if view.directions:
        mean, error = float(details["curvature_mean"]), float(details["curvature_error"])
        down = int((details["curvature"] < 0).sum())
        if down > view.directions / 2:
            text = later("Along {down} of {count} random directions the loss curves downwards (curvature {mean} ± {error} on average).")
            numbers = {"down": down, "count": view.directions, "mean": mean, "error": error}
            yield Finding(later("curves downwards"), "", text, later("The weights lie on a saddle or a slope rather than in a valley."), numbers, NOTE)
    if view.path is not None and (share := work.apart(view.path.sets[-1])) > ELSEWHERE:
        text = later("The path ends at other weights than the network's own, {share} of their length away: loss {end} there, {own} at the network's own.")
        advice = later(
            "Take the record of the training that this network comes from. Where its best epoch was restored, or it was trained further, all is well."
        )
        yield Finding(later("path ends elsewhere"), "", text, advice, {"share": share, "end": float(details["path_loss"][-1]), "own": own}, WARNING)
    if view.path is not None and float(details["shares"].sum()) < LITTLE:
        text = later("The plane holds {share} of the variance of the path; most of it happened outside.")
        yield Finding(
            later("path off the plane"),
            "",
            text,
            later("Trust the losses along the path, and less the picture around it."),
            {"share": float(details["shares"].sum())},
            NOTE,
        )
    if view.to is not None and min(float(details["barrier"]), float(details["ridge"])) > 0.1 * max(own, 1e-12):
        text = later("Between the two sets of weights the loss rises {barrier} above the line between their ends.")
        yield Finding(
            later("barrier"), "", text, later("They lie in different valleys, as far as the straight line tells."), {"barrier": float(details["barrier"])}, NOTE
        )
