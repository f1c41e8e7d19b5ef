"""The `Model` contract: what every framework must answer, NumPy at the boundary, the loop inside.

An adapter implements the coarse verbs. The fused verbs `path_gradients` and `masked_scores` have their plain form here; an adapter
overrides them where its framework can keep the work on the device, and the test grid holds the two equal.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.errors import ShapeError, UnknownLayerError, UnsupportedError, unknown
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.recurrence import Recurrence, StateGradients
from pellucid.core.target import Target

Array = np.ndarray
INPUT, OUTPUT = "input", "output"
"""The names by which `wrt` means the network's input, and `at` its output."""


@dataclass(frozen=True)
class Layer:
    """One layer of a network. `shape` is its output's without the batch axis; None where it is unknown."""

    name: str
    kind: str
    shape: tuple[int | None, ...] | None
    parameters: int = 0
    activation: str = ""
    spatial: bool = False
    sequential: bool = False
    channel_axis: int = -1
    inputs: tuple[str, ...] = ()
    """`spatial`: channels over a grid, so that class activation maps apply. `sequential`: a state per time step can be read. `channel_axis`: which
    axis of `shape` counts channels, the last or, in PyTorch, 0. `inputs`: the layers whose output reaches this one, "input" for the network's own input;
    empty where that is not known."""


@dataclass(frozen=True)
class Call:
    """One use of a layer: which, empty for a place where several meet without a layer; the uses and places that feed it; the shape of what it gave."""

    layer: str
    inputs: tuple[str, ...]
    shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True)
class Gradients:
    """Scores (samples,), outputs on the target's side of the softmax, and per name in `wrt` the gradient and the value it was taken at
    (samples, *shape)."""

    scores: Array
    outputs: Array
    gradients: Mapping[str, Array]
    values: Mapping[str, Array]


@dataclass(frozen=True)
class PathRows:
    """Gradients to take at points on straight paths, and the sums wanted of them.

    Row r lies at `starts[path[r]] + position[r] · (ends[path[r]] − starts[path[r]])` and adds to group `group[r]` (ascending).
    With q = gradient × displacement (or the gradient alone where `displace` is False), a group's sums are

        first  = Σ weight[r] · q[r]
        second = Σ square[r] · (Σ_j stencil[j] · q[r−j])²

    so that the stencil (1,) gives a second moment, (½, ½) that of antithetic pairs, (1, −1) the roughness along a path. Rows whose stencil
    would reach into another path must have `square` 0.
    """

    starts: Array
    ends: Array
    path: Array
    position: Array
    weight: Array
    square: Array
    group: Array
    groups: int
    stencil: tuple[float, ...] = (1.0,)
    displace: bool = True

    def __len__(self) -> int:
        return len(self.path)

    def points(self, rows: slice) -> Array:
        """The points themselves, shape (rows, *shape)."""
        path = self.path[rows]
        position = self.position[rows].reshape((-1,) + (1,) * (self.starts.ndim - 1)).astype(self.starts.dtype)
        start = self.starts[path]
        points: Array = start + position * (self.ends[path] - start)
        return points


@dataclass(frozen=True)
class MaskRows:
    """Masked inputs to score.

    Row r keeps the features of `inputs[sample[r]]` where `masks[r]` is 1 and takes those of `fills[sample[r] or 0, fill[r]]` where it is 0
    (between the two, a blend; masks of an unsigned or boolean type hold nothing between). `labels` has shape (1 or samples, *map) as in
    `FeatureMap`; −1 is always kept. Rows of one sample had best stand together.
    """

    inputs: Array
    fills: Array
    labels: Array
    masks: Array
    sample: Array
    fill: Array

    def __len__(self) -> int:
        return len(self.masks)

    def compose(self, rows: slice) -> Array:
        """The masked inputs themselves, shape (rows, *shape)."""
        sample, fill, masks = self.sample[rows], self.fill[rows], self.masks[rows]
        edges = [0, *(np.flatnonzero(sample[1:] != sample[:-1]) + 1).tolist(), len(sample)]
        pieces = [self._composed(int(sample[start]), fill[start:stop], masks[start:stop]) for start, stop in itertools.pairwise(edges) if stop > start]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else self.inputs[:0]

    def _composed(self, sample: int, fill: Array, masks: Array) -> Array:
        """The masked forms of one sample."""
        present = self.inputs[sample]
        absent = self.fills[sample if len(self.fills) > 1 else 0]
        absent = absent if len(absent) == 1 else absent.take(fill, axis=0)
        keep = _spread(masks, self.labels[sample if len(self.labels) > 1 else 0], present.dtype)
        if masks.dtype.kind not in "bu":
            blend: Array = keep * present + (1 - keep) * absent
            return blend
        bits = keep.dtype
        present, absent = present.view(bits), absent.astype(present.dtype, copy=False).view(bits)
        chosen: Array = (present ^ absent) * keep  # x where kept, the fill elsewhere, bit by bit: three times as fast as np.where on random masks
        chosen ^= absent
        return chosen.view(self.inputs.dtype)


def _spread(masks: Array, labels: Array, dtype: np.dtype[Any]) -> Array:
    """Each mask's number at every element of the input, shape (masks, *labels' shape): whole numbers of the input's width, or the input's own type."""
    masks = masks.astype(f"u{dtype.itemsize}" if masks.dtype.kind in "bu" else dtype)
    if labels.shape == masks.shape[1:] and np.array_equal(labels, np.arange(labels.size)):
        return masks
    if labels.min() < 0:  # the last column is label −1, always kept
        masks = np.concatenate([masks, np.ones((len(masks), 1), masks.dtype)], axis=1)
    return masks.take(labels.ravel(), axis=1).reshape(-1, *labels.shape)


@dataclass(frozen=True)
class Traits:
    """What a model can do and what it takes.

    `input_shape` and `output_shape` have no batch axis; None where a length is free; None as a whole where it is unknown. `head` is
    "softmax", "log_softmax", "sigmoid" or None. `class_axis` says which axis of the output counts classes: the last, or, as in PyTorch's segmentations, 0.
    `output` is the name of the one of several outputs that is read.
    `inputs` says what inputs the network is known to have, empty where it does not say; of several, `input_shape` is None until they are packed.
    `outputs` holds the shapes of several outputs by their names, empty where there is one.
    `scales_input`: the network holds a layer that rescales its input itself. `tokens`: it reads integers. `channels`: where an image's channels lie,
    "last" or, in PyTorch, "first". `class_names` and `feature_names` are those the model itself brings, of its outputs and of a table's columns; empty where
    it brings none.
    """

    framework: str
    input_shape: tuple[int | None, ...] | None = None
    output_shape: tuple[int | None, ...] | None = None
    head: str | None = None
    class_axis: int = -1
    output: str = ""
    gradients: bool = False
    scales_input: bool = False
    tokens: bool = False
    channels: str = "last"
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[InputSpec, ...] = ()
    outputs: Mapping[str, tuple[int | None, ...] | None] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the inputs that the network cannot do without."""
        return tuple(spec.name for spec in self.inputs if not spec.optional)


class Model(ABC):
    """A network behind one contract. Arrays in and out are NumPy's; the first axis counts samples."""

    traits: Traits
    batch_size: int
    packing: Packing | None = None
    """Where the inputs lie in the one array that this model takes; None for a model that takes its own one."""

    def packed(self, packing: Packing) -> Model:
        """The same network as a model of one array (samples, total), which holds its several inputs."""
        names = ", ".join(packing.names)
        raise UnsupportedError(f"{self.traits.framework} is served with one input, and {len(packing)} were given ({names}); give a callable that takes them.")

    def reading(self, output: str) -> Model:
        """The same network, read at one of its several outputs."""
        raise UnsupportedError(
            f"{self.traits.framework} is served with one output, so that there is no '{output}'; write target=… without a name of an output."
        )

    def meet(self, inputs: Array) -> None:  # noqa: B027 - most frameworks have nothing to learn
        """Learn from a first sample what cannot be known before any data: shapes, the order of layers. Called by each verb; changes no answer."""

    @abstractmethod
    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        """Outputs, shape (samples, *output); before the final softmax or sigmoid where `logits`."""

    def rows_at_once(self, inputs: Array) -> int:
        """How many inputs like these are made at a time."""
        return self.batch_size

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that computes something, in the order it is called."""
        return ()

    def connections(self) -> dict[str, tuple[str, ...]]:
        """Layer → what its input comes from: layers, `INPUT`, or a name that is neither for a place where several meet without a layer, such as a sum, which
        has an entry of its own. Empty where it is not known; some frameworks run the network once, on zeros, to find out."""
        return {layer.name: layer.inputs for layer in self.layers() if layer.inputs}

    def calls(self) -> dict[str, Call]:
        """What `connections` says, a layer's every use by itself where the framework tells them apart: `relu`, `relu (2)`."""
        shapes = {layer.name: layer.shape for layer in self.layers()}
        return {name: Call(name if name in shapes else "", sources, shapes.get(name)) for name, sources in self.connections().items()}

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Layer → the shapes of its weights and biases, as `weights()` orders them; empty where they are not shown."""
        return {name: tuple(array.shape for array in arrays) for name, arrays in self.weights().items()} if self.has_weights else {}

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Layer → its output, shape (samples, *layer)."""
        raise UnsupportedError(f"{self.traits.framework} shows no layers; activations need a network, e.g. a Keras model.")

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Recurrent layer → its hidden state at every time step, shape (samples, time, units)."""
        raise UnsupportedError(f"{self.traits.framework} shows no recurrent layers; states need a network, e.g. a Keras model.")

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        """Scores and their gradients with respect to the input or named layers."""
        raise UnsupportedError(f"{self.traits.framework} gives no gradients.")

    def scores(self, inputs: Array, target: Target) -> Array:
        """The target's score of each sample, shape (samples,), float64; one input serves a target of many samples."""
        outputs = self.predict(inputs, logits=target.reads_logits)
        return target.of(np.broadcast_to(outputs, (len(target.weights), *outputs.shape[1:])))

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        """The sums of `PathRows`, each (groups, *shape) in float64; `target` has one entry per group."""
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        reach = len(rows.stencil) - 1
        tail = np.zeros((reach, *shape[1:]))
        for part in batches(len(rows), self.batch_size):
            group = rows.group[part]
            found = self.gradients(rows.points(part), target.unnamed(group)).gradients[INPUT].astype(np.float64)
            if rows.displace:
                found = found * (rows.ends[rows.path[part]] - rows.starts[rows.path[part]])
            chain = np.concatenate([tail, found])
            mixed = sum(c * chain[reach - j : len(chain) - j] for j, c in enumerate(rows.stencil))
            tail = chain[len(chain) - reach :]
            column = (-1,) + (1,) * (found.ndim - 1)
            np.add.at(first, group, rows.weight[part].reshape(column) * found)
            np.add.at(second, group, rows.square[part].reshape(column) * np.square(mixed))
        return first, second

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        """The score of every masked input, shape (rows,), float64; `target` has one entry per sample of `rows.inputs`."""
        found = np.empty(len(rows))
        for part in batches(len(rows), self.rows_at_once(rows.inputs)):
            outputs = self.predict(rows.compose(part), logits=target.reads_logits)
            found[part] = target.unnamed(rows.sample[part]).of(outputs)
        return found

    def above(self, layer: str, context: Array) -> Model:
        """The network from a layer's output on, as a model whose input is that output. What goes round the layer is computed from
        `context`, one input (1, *shape); a layer that is used more than once is refused."""
        raise UnsupportedError(f"{self.traits.framework} shows no layers; attribution at a layer needs a network, e.g. a Keras model.")

    def below(self, layer: str) -> Model:
        """The network up to a layer, as a model whose output is that layer's."""
        raise UnsupportedError(f"{self.traits.framework} shows no layers; explaining a unit needs a network, e.g. a Keras model.")

    def pullback(self, inputs: Array, at: str, cotangents: Array, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        """A vector-Jacobian product from a layer's output, or, with `at` OUTPUT, from the network's (before its softmax or sigmoid, where it ends in one):
        Σ cotangents (samples, *layer) × the output, and its gradients. `scores` of what is given back is that sum, `outputs` the layer's output."""
        if at == OUTPUT:
            score = "logit" if self.traits.head is not None else "output"
            return self.gradients(inputs, Target(cotangents, score, (), head=self.traits.head, class_axis=self.traits.class_axis), wrt)
        owner, parts = vars(self).get("_parts_below", (None, {}))
        if owner is not self:  # none yet, or those of a model that this one is a copy of
            parts = {}
            vars(self)["_parts_below"] = (self, parts)
        if at not in parts:
            parts[at] = self.below(at)
        found: Gradients = parts[at].gradients(inputs, Target(cotangents, "output", ()), wrt)
        return found

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        """Layer → the arrays that it is given, (samples, ...) each, in the order of its arguments."""
        raise UnsupportedError(f"{self.traits.framework} does not show what its layers are given.")

    def recurrence(self, layer: str) -> Recurrence:
        """What a recurrent layer computes, with its weights."""
        raise UnsupportedError(f"{self.traits.framework} does not show what its recurrent layers compute.")

    def state_gradients(self, inputs: Array, target: Target, layers: Sequence[str]) -> dict[str, StateGradients]:
        """Recurrent layer → the gradients of the target's score with respect to all that it gives out."""
        found = self.gradients(inputs, target, layers).gradients
        return {name: StateGradients(found[name]) for name in layers}

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        """Layer → the gradients with respect to its weights, as `weights()` orders and shapes them, of the sum of the target's scores over the samples; of a
        `Loss`, of the sum of the samples' losses. Frozen weights have theirs too. The network runs as it predicts: nothing is dropped out, and batch
        normalisation uses its running statistics. Batches are added up, so that memory does not grow with samples; the network is left as it was, its own
        gradients too."""
        raise UnsupportedError(f"{self.traits.framework} gives no gradients of weights.")

    has_weights: bool = False
    """Whether `weights` and `replaced_weights` are served."""

    def weights(self) -> dict[str, tuple[Array, ...]]:
        """Layer → its weights and biases, layers in the order they are called (of a JAX function, of its parameters), what belongs to no layer first; copies.
        Layers without any are left out, and so are statistics that no gradient changes (of batch normalisation). What several layers share is the first
        one's."""
        raise UnsupportedError(f"{self.traits.framework} shows no weights.")

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> AbstractContextManager[Model]:
        """A context that gives the network with other weights in some layers, of the shapes that `weights()` gives. When it is left, whether by an error or
        not, the user's network is as it was, to the byte. Parts of it, `above` and `below`, are to be made of the network that the context gives."""
        raise UnsupportedError(f"{self.traits.framework} shows no weights that could be replaced.")

    def layer(self, name: str) -> Layer:
        """The layer of this name; an unknown one is an error that lists those there are."""
        known = {layer.name: layer for layer in self.layers()}
        if name not in known:
            raise UnknownLayerError(unknown("layer", name, known))
        return known[name]


def checked_weights(shapes: Mapping[str, Sequence[tuple[int, ...]]], given: Mapping[str, Sequence[Array]]) -> dict[str, list[Array]]:
    """Weights that are to stand in layers whose own have these shapes; an error for another layer, or for arrays of another number or shape."""
    for name, arrays in given.items():
        if name not in shapes:
            raise UnknownLayerError(unknown("layer with weights", name, shapes))
        have, want = [tuple(np.shape(array)) for array in arrays], [tuple(shape) for shape in shapes[name]]
        if have != want:
            raise ShapeError(f"layer '{name}' has weights of the shapes {want}, and arrays of {have} were given; give them as weights() gives them.")
    return {name: [np.asarray(array) for array in arrays] for name, arrays in given.items()}


def batches(rows: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` rows."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def power_of_two_batch(bytes_per_row: float, budget: float = 8e6, most: int = 512) -> int:
    """Rows a batch: the power of two whose activations fit a budget near the size of a processor's cache.

    A fixed function of shapes and dtype, never of a measured time: predictions differ in their last bits with batch size.
    """
    sizes = itertools.takewhile(lambda n: n * bytes_per_row <= budget and n <= most, (2**k for k in range(20)))
    return max(sizes, default=1)


FLOAT, MOST_OF = 4, 0.5
"""Bytes of a number; and what share of what a pass makes is most of it."""


def rows_to_keep(shapes: Iterable[tuple[int | None, ...] | None], made: float, samples: int, usual: int) -> int:
    """Rows a batch where layers of these shapes are read: all, where what is kept of a sample is most of the `made` bytes of its pass, so that nothing need
    be joined and a pass takes little more than its result; else the usual number.

    >>> rows_to_keep([(10, 10), (5,)], 600.0, 300, 32), rows_to_keep([(5,)], 600.0, 300, 32)
    (300, 32)
    """
    kept = FLOAT * sum(math.prod(size or 1 for size in shape) for shape in shapes if shape is not None)
    return max(samples, 1) if kept >= MOST_OF * made else usual
