"""Embedding: what a layer makes of a data set, as points in the plane, and how far the plane can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import InputError, SettingError
from pellucid.core.language import later
from pellucid.core.method import Progress
from pellucid.core.model import Layer
from pellucid.core.scene import DATA, Scene, Shown, ViewMethod
from pellucid.core.view import FAULT, NOTE, WARNING, Finding
from pellucid.maths.climbing import BUDGET, TOLERANCE
from pellucid.maths.neighbours import nearest, trustworthiness
from pellucid.maths.pca import Components, blocks, pca
from pellucid.views import _projections
from pellucid.views._kept import Kept, spread
from pellucid.views._representation import Reader, check_pooling, last_hidden, pooled
from pellucid.views._spool import Spool

Array = np.ndarray
SEARCHED, QUERIES, TOGETHER = 20_000, 1_000, 256
"""Among so many samples neighbours are looked for; for so many of them it is asked how well the plane keeps theirs; of so many at a time."""
INNER = 50
"""Principal components that t-SNE and UMAP are given."""
PICTURES, DOUBTFUL = 12, 100
READING, PLACING = 0.7, 0.5
"""The share of the work, as it is told, that is the network's; and of the rest, that which is to place points in the plane."""
LOW, VERY_LOW, NEARLY_ALL, COLLAPSED, ONE_DIRECTION = 0.9, 0.8, 0.9, 1e-6, 0.95
"""Trustworthiness below which neighbours in the plane are often none, and nearly as good as drawn; the share of neighbours of another class that puts a label
in doubt; the share of a representation's size that varies, below which it is the same for all samples; the share of variance along one direction above which
there is no other."""
EVERY_POINT = ("predicted", "probability", "label", "error", "neighbours", "distances", "agreement")


@dataclass(frozen=True)
class Embedding(ViewMethod):
    """A layer's representation of a data set in two dimensions, with each sample's neighbours in the representation itself.

    Use it to see what a layer tells apart, which classes it mixes, where errors lie, and which samples stand among those of another class. Without `layers`,
    the layer that the network's head reads. Colours are chosen where it is drawn: class, prediction, error or probability.

    `projection`: "pca", the two directions along which most varies, of all samples; "tsne" and "umap", which keep neighbours together, of the first 50
    principal components of at most `most` samples, drawn evenly: the others are left out of the plane (NaN). They need pip install 'pellucid[embedding]'.
    `budget`: the most iterations of t-SNE, which ends when 251 more take less than a hundredth off its divergence. PCA has no iterations; UMAP's are of a fixed
    number, by which its method lets positions come to rest.
    `pooling`: "mean" averages a grid over its places and a sequence over its steps, "last" takes a sequence's last step, "flat" everything side by side.
    `neighbours`: how many. They are looked for in the representation, not in the plane, among 20,000 samples where there are more.

    Trustworthiness says how far neighbours in the plane are neighbours in the representation, continuity the reverse (Venna & Kaski 2001,
    doi:10.1007/3-540-44668-0_68): 1 is perfect, about 0.5 chance. Of 1,000 samples drawn, with a standard error, where there are more.
    The representation lies in a temporary file; memory holds some tens of numbers a sample, and the data is gone through once.

    Shapes: per layer (points, 2), in the layer's own units for "pca", without units else. Details of each point: `predicted`, `probability`, `label`, `error`
    (points,), as far as they are known; `neighbours` and `distances` (points, k); `agreement`, the share of neighbours with the same label, or the same
    prediction without labels. `inputs` are a few pictures whose points are in `picture`.
    Does not say that what lies apart in the plane is apart in the representation: distances between clusters mean nothing in t-SNE and little in UMAP.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(3), np.zeros(3)), Dense(np.eye(3), np.zeros(3))], (3,))
    >>> x = np.array([[0.0, 0, 0], [4, 0, 0], [0, 2, 0], [4, 2, 0]])
    >>> pellucid.visualize(model, x, "embedding").values["dense_0"].tolist()
    [[-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0], [2.0, 1.0]]
    """

    projection: str = "pca"
    pooling: str = "mean"
    neighbours: int = 10
    most: int = 2_000
    budget: int = 5_000
    title: ClassVar[str] = "Embedding"
    answers: ClassVar[str] = "What does a layer tell apart in a data set, and what lies beside what?"
    citation: ClassVar[str] = "Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68"
    looks_at: ClassVar[str] = DATA

    def __post_init__(self) -> None:
        _projections.check_projection(self.projection)
        check_pooling(self.pooling)
        for name, value, least in (("neighbours", self.neighbours, 1), ("most", self.most, 10), ("budget", self.budget, _projections.LEAST)):
            if value < least:
                raise SettingError(f"{name} must be at least {least}, got {value}.")

    def show(self, scene: Scene) -> Shown:
        layers = scene.chosen([last_hidden(scene.model)])
        with ExitStack() as held:
            spools = {layer.name: held.enter_context(Spool()) for layer in layers}
            read = _Read(scene)
            for batch in read.batches():
                found, answers = read.reader(layers).read(batch)
                read.add(batch, answers.classes, answers.confidence)
                for layer in layers:
                    spools[layer.name].add(pooled(found[layer.name], layer, self.pooling))
            points, kept = read.points(), read.kept
            if len(points) < 4:
                raise InputError(f"an embedding needs at least 4 samples to say what lies beside what, and {len(points)} came.")
            seen = {layer.name: self._seen(spools[layer.name], points, scene, i / len(layers), 1 / len(layers)) for i, layer in enumerate(layers)}
        return self._shown(scene, layers, points, kept, seen)

    def _seen(self, rows: Spool, points: _Points, scene: Scene, begun: float, share: float) -> _Seen:
        """One layer's points, neighbours and quality: a `share` of what is to do after the data is read, of which so much is done when it begins."""

        def told(part: float) -> None:
            scene.progress(READING + (1 - READING) * (begun + share * part))

        generator = np.random.default_rng(scene.seed)
        inner = 2 if self.projection == "pca" else INNER
        components = pca(rows, inner, scene.seed)
        placed = np.arange(len(rows)) if self.projection == "pca" or len(rows) <= self.most else _drawn(generator, len(rows), self.most)
        plane = np.full((len(rows), 2), np.nan)
        plane[placed], descent = self._plane(rows, components, placed, scene.seed, lambda part: told(PLACING * part))
        told(PLACING)
        quality = self._quality(rows, plane, placed, generator)
        told((1 + PLACING) / 2)
        return _Seen(components, plane.astype(np.float32), self._neighbours(rows, points, generator), quality, len(placed), descent)

    def _plane(self, rows: Spool, components: Components, placed: Array, seed: int, progress: Progress) -> tuple[Array, _projections.Descent | None]:
        if self.projection == "pca":
            found = np.concatenate([components.project(block) for _, block in blocks(rows)])
            return found if found.shape[1] == 2 else np.concatenate([found, np.zeros((len(found), 2 - found.shape[1]))], axis=1), None
        chosen = np.concatenate([components.project(rows[int(number) : int(number) + 1]) for number in placed])
        if self.projection == "umap":
            return _projections.umap(chosen, seed), None
        descent = _projections.tsne(chosen, seed, int(self.budget), progress)
        return descent.plane, descent

    def _neighbours(self, rows: Spool, points: _Points, generator: np.random.Generator) -> dict[str, Array]:
        """Neighbours of every sample, −1 of those among which none were looked for, and how many are of its own class."""
        k = min(self.neighbours, len(rows) - 1)
        searched = np.arange(len(rows)) if len(rows) <= SEARCHED else _drawn(generator, len(rows), SEARCHED)
        places, distances = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), np.nan, np.float32)
        with rows.of(searched) if len(searched) < len(rows) else ExitStack() as part:
            among = part if isinstance(part, Spool) else rows
            for start in range(0, len(searched), TOGETHER):  # a block at a time, so that what comes back in full width is short-lived
                block = np.arange(start, min(start + TOGETHER, len(searched)))
                found = nearest(among, k, block)
                places[searched[block]], distances[searched[block]] = searched[found.places], found.distances
        classes = points.label if points.label is not None else points.predicted
        near = {"neighbours": places, "distances": distances}
        if classes is None:
            return near
        same = (classes[places] == classes[:, None]).mean(axis=1)
        return near | {"agreement": np.where(places[:, 0] >= 0, same, np.nan).astype(np.float32)}

    def _quality(self, rows: Spool, plane: Array, placed: Array, generator: np.random.Generator) -> dict[str, float]:
        """Trustworthiness and continuity with their standard errors, of the samples that are in the plane; NaN where they are too few."""
        count = min(len(placed), SEARCHED)
        chosen = placed if count == len(placed) else placed[_drawn(generator, len(placed), count)]
        k = min(self.neighbours, (count - 1) // 2)
        queries = None if count <= QUERIES else _drawn(generator, count, QUERIES)
        low = plane[chosen]
        with rows.of(chosen) if count < len(rows) else ExitStack() as part:
            high = part if isinstance(part, Spool) else rows
            trust, trust_error = trustworthiness(high, low, k, queries)
            kept, kept_error = trustworthiness(low, high, k, queries)
        return {"trustworthiness": trust, "trustworthiness error": trust_error, "continuity": kept, "continuity error": kept_error}

    def _shown(self, scene: Scene, layers: list[Layer], points: _Points, kept: Kept, seen: Mapping[str, _Seen]) -> Shown:
        first = seen[layers[0].name].plane[kept.numbers]
        known = np.flatnonzero(np.isfinite(first).all(axis=1)) if kept.numbers else np.zeros(0, np.int64)
        drawn = known[spread(first[known], PICTURES)] if len(known) else known
        pictures = np.array(kept.numbers, np.int64)[drawn]
        details, findings = {}, []
        for layer in layers:
            one = seen[layer.name]
            scalars = {name: np.array(value) for name, value in one.quality.items()}
            doubtful = _doubtful(points, one.neighbours)
            details[layer.name] = points.details | one.neighbours | scalars | {"explained variance": one.components.shares, "picture": pictures}
            details[layer.name] |= {"doubtful": doubtful[:DOUBTFUL]} if points.label is not None else {}
            findings += list(_findings(layer.name, self, one, doubtful, len(points)))
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(EVERY_POINT, ("point",)) | dict.fromkeys(("neighbours", "distances"), ("point", "neighbour"))
        axes |= {"explained variance": ("component",), "picture": ("sample",), "doubtful": ("place",)}
        axes |= dict.fromkeys(seen[layers[0].name].quality, ())
        resolved: dict[str, Any] = {"samples": len(points), "placed": seen[layers[0].name].placed, "layers": [layer.name for layer in layers]}
        resolved |= {"samples searched": min(len(points), SEARCHED), "samples asked": min(seen[layers[0].name].placed, QUERIES)}
        descents = {name: one.descent for name, one in seen.items() if one.descent is not None}
        if descents:
            resolved["iterations"] = {name: descent.iterations for name, descent in descents.items()}
            resolved["ended"] = {name: TOLERANCE if descent.settled else BUDGET for name, descent in descents.items()}
        resolved |= {f"width of {layer.name}": len(seen[layer.name].components.mean) for layer in layers}
        return Shown(
            {name: one.plane for name, one in seen.items()},
            dict.fromkeys(seen, ("point", "component")),
            resolved,
            details,
            {name: kind for name, kind in axes.items() if name in details[layers[0].name]},
            findings,
            np.stack([kept.inputs[number] for number in drawn]) if len(drawn) else None,
        )


def _drawn(generator: np.random.Generator, count: int, most: int) -> Array:
    """Numbers drawn evenly, in order."""
    return np.sort(generator.choice(count, most, replace=False))


@dataclass(frozen=True)
class _Points:
    """What is known of every sample; None what is not."""

    count: int
    predicted: Array | None
    probability: Array | None
    label: Array | None

    def __len__(self) -> int:
        return self.count

    @property
    def details(self) -> dict[str, Array]:
        found = {"predicted": self.predicted, "probability": self.probability, "label": self.label}
        if self.predicted is not None and self.label is not None:
            found["error"] = (self.predicted != self.label).astype(np.uint8)
        return {name: array for name, array in found.items() if array is not None}


@dataclass(frozen=True)
class _Seen:
    """What was found of one layer."""

    components: Components
    plane: Array
    neighbours: dict[str, Array]
    quality: dict[str, float]
    placed: int
    descent: _projections.Descent | None


@dataclass
class _Read:
    """The data set as it is gone through."""

    scene: Scene
    predicted: list[Array] = field(default_factory=list)
    probability: list[Array] = field(default_factory=list)
    count: int = 0
    kept: Kept = field(init=False)
    _reader: Reader | None = None

    def __post_init__(self) -> None:
        self.kept = Kept(self.scene.model, self.scene.seed)

    def reader(self, layers: list[Layer]) -> Reader:
        if self._reader is None:
            self._reader = Reader(self.scene.model, layers)
        return self._reader

    def batches(self) -> Iterator[Array]:
        if self.scene.data is None:
            raise InputError("an embedding is of a data set: pellucid.visualize(model, x, 'embedding').")
        for batch in self.scene.data:
            yield batch
            self.count += len(batch)
            if self.scene.data.count:
                self.scene.progress(READING * self.count / self.scene.data.count)

    def add(self, batch: Array, classes: Array | None, confidence: Array | None) -> None:
        self.kept.add(batch)
        if classes is not None:
            self.predicted.append(classes.astype(np.int32))
        if confidence is not None:
            self.probability.append(confidence.astype(np.float32))

    def points(self) -> _Points:
        labels = self.scene.labels
        if labels is not None and len(labels) != self.count:
            raise InputError(f"labels are {len(labels)}, and {self.count} samples came; give one a sample, in their order.")
        predicted, probability = (np.concatenate(found) if found else None for found in (self.predicted, self.probability))
        return _Points(self.count, predicted, probability, None if labels is None else labels.astype(np.int32))


def _doubtful(points: _Points, near: Mapping[str, Array]) -> Array:
    """Samples whose neighbours nearly all have one other label, those with the nearest neighbours first."""
    if points.label is None:
        return np.zeros(0, np.int64)
    places = near["neighbours"]
    around = np.sort(np.where(places >= 0, points.label[places], -1), axis=1)
    middle = around[:, around.shape[1] // 2]  # the label of nearly all is that of the middle one
    share = (around == middle[:, None]).mean(axis=1)
    found = np.flatnonzero((middle >= 0) & (middle != points.label) & (share >= NEARLY_ALL))
    return found[np.argsort(near["distances"][found, -1], kind="stable")]


def _findings(layer: str, view: Embedding, one: _Seen, doubtful: Array, count: int) -> Iterator[Finding]:
    components = one.components
    size = float(np.square(components.mean).sum()) + components.total
    varies = components.total / size if size > 0 else 0.0
    if varies < COLLAPSED:
        yield Finding(
            "collapsed representation",
            layer,
            later("Layer {layer} answers the same to every sample: {share} of the size of its representation varies."),
            later("What comes after it sees no difference between samples. Look for dead units (activation_statistics) and for inputs on the wrong scale."),
            {"share": varies},
            FAULT,
        )
        return
    if len(components.mean) > 2 and components.shares[0] > ONE_DIRECTION:
        yield Finding(
            "one direction",
            layer,
            later("{share} of what varies in layer {layer} lies along one of its {width} directions."),
            later("Units do the same work, or one of them is far larger than the others; a smaller layer, or normalisation before it, may do as well."),
            {"share": float(components.shares[0]), "width": len(components.mean)},
            NOTE,
        )
    if one.descent is not None and not one.descent.settled:
        yield Finding(
            "budget ended",
            layer,
            later("The points of layer {layer} had not come to rest when t-SNE's budget of {steps} iterations ended."),
            later("Groups may still part or meet. A larger budget= lets them come to rest."),
            {"steps": view.budget},
            NOTE,
        )
    trust = one.quality["trustworthiness"]
    if trust < LOW:
        yield Finding(
            "low trustworthiness",
            layer,
            later("In the plane of layer {layer} many points are beside each other that are not in the representation: trustworthiness {trust}."),
            later("Read neighbours from the record, not from the picture.")
            if view.projection != "pca"
            else later("Read neighbours from the record, not from the picture; projection='tsne' or 'umap' keeps neighbours better than two directions can."),
            {"trust": trust},
            WARNING if trust < VERY_LOW else NOTE,
        )
    if len(doubtful):
        yield Finding(
            "mislabelled candidates",
            layer,
            later("{number} of {count} samples stand among samples of one other class; the nearest to them is sample {sample}."),
            later("Look at them: their labels may be wrong, or they are hard. Their numbers are in the record's detail 'doubtful'."),
            {"number": len(doubtful), "count": count, "sample": int(doubtful[0])},
            WARNING if len(doubtful) > 0.01 * count else NOTE,
        )
