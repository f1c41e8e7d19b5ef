"""Similarity: how alike the layers of a network, or of two, represent the same data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy.stats import chi2_contingency

from pellucid.adapters import adapt
from pellucid.core.errors import InputError, SettingError, ShapeError, UnsupportedError
from pellucid.core.language import later
from pellucid.core.layout import from_last, to_last
from pellucid.core.model import Layer, Model
from pellucid.core.scene import DATA, NETWORK, Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.maths.cka import LEAST, Minibatches, centred_gram
from pellucid.views._representation import widened
from pellucid.views._spool import flat

Array = np.ndarray
TRIVIAL = ("Dropout", "Identity", "InputLayer", "Flatten", "Reshape", "Permute", "Masking", "SpatialDropout", "GaussianNoise", "GaussianDropout")
"""Layers that hand on what they are given; left out unless they are asked for."""
MOST_LAYERS, HELD = 60, 64e6
"""Layers that are compared unless they are asked for; bytes of representations that are held at a time."""
ENOUGH, FEWEST = 8, 32
"""Minibatches there should be, for the error, as long as each has so many samples."""
ALIKE, MIXING = 0.98, 3
"""CKA from which layers count as the same; how many of them in a row with weights of their own are more than needed."""
CHANCE = 1e-6


@dataclass(frozen=True)
class Similarity(ViewMethod):
    """How alike layers represent the same data: linear CKA (centred kernel alignment) between all layers, or between those of two networks.

    Use it to see where in a network the representation changes, which layers do nothing new, and whether two networks, or one before and after training, have
    come to the same. `other`: a second network, or its file, which takes the same inputs; its images may have their channels elsewhere.
    `batch`: samples a minibatch; smaller ones where there is little data, or where layers are large.

        CKA(X, Y) = HSIC(X, Y) / √(HSIC(X, X) · HSIC(Y, Y)),    HSIC by its unbiased estimate, summed over minibatches

    It is 1 for representations that are the same up to a turn, a reflection and a common scale, whatever their widths; other linear maps change it.

    Shapes: (layers, layers) of "network", layers of the second network along the second axis; details: `error`, the standard error over minibatches. Their
    names are in the record's provenance, `resolved`. A layer that answers the same to every sample has 0, and a finding says so.
    Minibatches must be drawn evenly: of data that is sorted by class they show the similarity within a class, and a finding says so.
    Does not say that what two layers share matters for the answer; a few directions of large variance can make up most of it.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2)), Dense(3 * turn, np.ones(2))], (2,))
    >>> pellucid.visualize(model, np.random.default_rng(0).normal(size=(64, 2)), "similarity").values["network"].round(6).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    other: Any = None
    batch: int = 128
    title: ClassVar[str] = "Similarity of layers"
    answers: ClassVar[str] = "Which layers represent the data alike, in one network or in two?"
    citation: ClassVar[str] = "Kornblith et al. 2019, arXiv:1905.00414; Nguyen et al. 2021, arXiv:2010.15327"
    looks_at: ClassVar[str] = DATA
    opens: ClassVar[Mapping[str, frozenset[str]]] = {"other": frozenset({NETWORK})}

    def __post_init__(self) -> None:
        if self.batch < LEAST:
            raise SettingError(f"batch must be at least {LEAST}, got {self.batch}.")

    def show(self, scene: Scene) -> Shown:
        first = _Side(scene.model, None if scene.layers is None else scene.chosen(()), scene.inputs[:2])
        second = None
        if self.other is not None:
            other = adapt(self.other)
            samples = _as_taken(scene.inputs[:2], scene.model, other)
            other.meet(samples)
            second = _Side(other, None, samples)
        found, spread, count = Minibatches(), _Spread(), 0
        for part, labels in self._parts(scene):
            one = first.grams(part)
            found.add_grams(one, one if second is None else second.grams(_as_taken(part, scene.model, second.model)))
            spread.add(first.last_winner if labels is None else labels)
            count += len(part)
            if scene.data is not None and scene.data.count:
                scene.progress(count / scene.data.count)
        if not len(found):
            raise InputError(f"similarity needs at least {LEAST} samples, better some hundreds, and {len(scene.inputs)} came.")
        values, error = found.similarity(), found.error()
        sides = (first.layers, first.layers if second is None else second.layers)
        findings = [*_constant(values, sides, second is not None), *spread.findings()]
        findings += _redundant(np.nan_to_num(values), first.layers) if second is None else _between(np.nan_to_num(values), sides)
        resolved: dict[str, Any] = {"layers": [layer.name for layer in first.layers], "minibatches": len(found), "samples": count}
        if second is not None:
            resolved |= {"other layers": [layer.name for layer in second.layers], "other network": second.model.traits.framework}
        return Shown(
            {"network": np.nan_to_num(values)},
            {"network": ("layer", "other layer" if second is not None else "layer")},
            resolved,
            {"network": {"error": error}},
            {"error": ("layer", "other layer" if second is not None else "layer")},
            findings,
        )

    def _parts(self, scene: Scene) -> Iterator[tuple[Array, Array | None]]:
        """The data in minibatches of about the same size, with their labels where they are known."""
        if scene.data is None:
            raise InputError("a similarity is of a data set: pellucid.visualize(model, x, 'similarity').")
        count = scene.data.count
        size = self.batch if count is None else min(self.batch, max(count // ENOUGH, FEWEST))
        start = 0
        for batch in scene.data:
            for part in np.array_split(np.arange(len(batch)), max(round(len(batch) / size), 1)):
                if len(part) >= LEAST:
                    yield batch[part[0] : part[-1] + 1], None if scene.labels is None else scene.labels[start + part]
            start += len(batch)


class _Side:
    """One of the networks: its layers, asked in groups that fit into memory."""

    def __init__(self, model: Model, asked: list[Layer] | None, samples: Array) -> None:
        layers = _default(model) if asked is None else asked
        try:
            found = model.activations(samples, [layer.name for layer in layers])
        except UnsupportedError:
            if asked is not None:
                raise
            found = _readable(model, layers, samples)
        self.model, self.layers = model, [layer for layer in layers if layer.name in found and found[layer.name].dtype.kind not in "iub"]
        if not self.layers:
            raise UnsupportedError("similarity needs layers that give numbers, a row a sample; none of this network's does. Name some: layers=[...].")
        self._bytes = [found[layer.name].nbytes / len(samples) for layer in self.layers]
        self.last_winner: Array = np.zeros(0, np.int64)

    def grams(self, inputs: Array) -> Array:
        """The centred inner products of each layer's representations, (layers, n, n)."""
        found = []
        for group in self._groups(len(inputs)):
            activations = self.model.activations(inputs, [layer.name for layer in group])
            for layer in group:
                rows = widened(flat(activations.pop(layer.name)))
                found.append(centred_gram(rows))
                self.last_winner = rows.argmax(axis=1)
        return np.stack(found)

    def _groups(self, rows: int) -> Iterator[list[Layer]]:
        group: list[Layer] = []
        held = 0.0
        for layer, size in zip(self.layers, self._bytes, strict=True):
            if group and held + size * rows > HELD:
                yield group
                group, held = [], 0.0
            group.append(layer)
            held += size * rows
        yield group


def _default(model: Model) -> list[Layer]:
    """Layers that compute something; of many those with weights, and of these evenly as many as can be read."""
    layers = [layer for layer in model.layers() if not layer.kind.startswith(TRIVIAL)] or list(model.layers())
    if len(layers) > MOST_LAYERS:
        layers = [layer for layer in layers if layer.parameters and "Norm" not in layer.kind] or layers
    if len(layers) > MOST_LAYERS:
        layers = [layers[place] for place in np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)]
    return layers


def _readable(model: Model, layers: list[Layer], samples: Array) -> dict[str, Array]:
    """Outputs of those layers that have one for each sample."""
    found: dict[str, Array] = {}
    for layer in layers:
        with suppress(UnsupportedError):
            found |= model.activations(samples, [layer.name])
    return found


def _as_taken(inputs: Array, model: Model, other: Model) -> Array:
    """Inputs of one network as another takes them, whose channels may lie elsewhere."""
    shape = other.traits.input_shape
    fits = shape is None or (len(shape) == inputs.ndim - 1 and all(size in (None, have) for size, have in zip(shape, inputs.shape[1:], strict=True)))
    if fits and (shape is not None or other.traits.channels == model.traits.channels):
        return inputs
    turned = np.ascontiguousarray(from_last(to_last(inputs, model.traits.channels), other.traits.channels))
    if shape is not None and tuple(turned.shape[1:]) != tuple(shape):
        raise ShapeError(f"other takes inputs of shape {shape}, and the samples are {tuple(inputs.shape[1:])}; both networks must take the same.")
    return turned


@dataclass
class _Spread:
    """Whether minibatches hold the same classes, as far as chance goes."""

    counts: list[Array] = field(default_factory=list)

    def add(self, classes: Array) -> None:
        self.counts.append(np.bincount(np.asarray(classes, np.int64)))

    def findings(self) -> Iterator[Finding]:
        width = max((len(counts) for counts in self.counts), default=0)
        table = np.stack([np.pad(counts, (0, width - len(counts))) for counts in self.counts])
        table = table[:, table.sum(axis=0) > 0]
        if len(table) > 1 and table.shape[1] > 1 and chi2_contingency(table, correction=False).pvalue < CHANCE:
            yield Finding(
                "sorted data",
                "",
                later("The minibatches hold different classes, more than chance explains, so that similarities are those within a few classes, not of all."),
                later("Shuffle the data first: x[np.random.default_rng(0).permutation(len(x))]."),
            )


def _constant(values: Array, sides: tuple[list[Layer], list[Layer]], two: bool) -> Iterator[Finding]:
    for axis, layers in enumerate(sides if two else sides[:1]):
        for place in np.flatnonzero(np.isnan(values).all(axis=1 - axis)):
            yield Finding(
                "nothing to compare",
                layers[int(place)].name,
                later("Layer {layer} answers the same to every sample, or there are too few samples; its similarity is put as 0."),
                later("Look for dead units (activation_statistics), or give more samples."),
            )


def _redundant(values: Array, layers: list[Layer]) -> Iterator[Finding]:
    """Runs of layers that are all alike, the longest first come."""
    start = 0
    while start < len(layers):
        stop = start + 1
        while stop < len(layers) and values[start:stop, stop].min() >= ALIKE:
            stop += 1
        mixing = sum(layer.parameters > 0 and "Norm" not in layer.kind for layer in layers[start:stop])
        if mixing >= MIXING:
            yield Finding(
                "redundant layers",
                layers[start].name,
                later("{number} layers in a row, from {layer} on, represent the data alike: CKA of at least {least} among them."),
                later("Some of them may be left out: take one away, train on, and compare the accuracy."),
                {"number": stop - start, "least": float(values[start:stop, start:stop].min())},
                NOTE,
            )
        start = stop


def _between(values: Array, sides: tuple[list[Layer], list[Layer]]) -> Iterator[Finding]:
    """What two networks have in common: for each layer of the first the most similar one of the second."""
    best = values.max(axis=1)
    least = int(best.argmin())
    if best[least] >= ALIKE:
        text = later("The two networks represent the data alike: every layer has a counterpart in the other with a CKA of at least {least}.")
        yield Finding("the same representation", "", text, "", {"least": float(best[least])}, NOTE)
        return
    yield Finding(
        "what two networks share",
        sides[0][least].name,
        later("A layer's best counterpart in the other network has a CKA of {mean} on average; least like any other is layer {layer}, with {least}."),
        "",
        {"mean": float(best.mean()), "least": float(best[least])},
        NOTE if best[least] >= 0.5 else WARNING,
    )
