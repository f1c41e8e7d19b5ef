"""Directions in the space of weights: random ones, filter-normalised, and those in which a path of training went."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.core.errors import SettingError, ShapeError, UnknownLayerError
from pellucid.core.model import Model, checked_weights
from pellucid.core.view import View
from pellucid.views.training import snapshots_of

Array = np.ndarray
Weights = Mapping[str, Sequence[Array]]
NATIVE = ("PyTorch", "TorchScript")
"""Frameworks whose kernels have their outputs first."""
FEWEST = 3
"""Sets of weights that have a plane."""


def random_direction(model: Model, weights: Weights, generator: np.random.Generator) -> dict[str, list[Array]]:
    """Normal numbers, each filter's made as long as the filter itself (Li et al. 2018, section 4); biases, normalisations and all else that is no filter stay.

    Drawn as Keras has the weights, layer by layer: networks with the same weights in the same order of layers get the same direction on every framework, unless
    a layer between images and units flattens in another order.
    """
    kinds, native = {layer.name: layer.kind for layer in model.layers()}, model.traits.framework in NATIVE
    found = {}
    for name, arrays in weights.items():
        kind = kinds.get(name, "" if kinds else "Dense")
        drawn = [_drawn(array, filters_of(kind, arrays, i, native), generator) for i, array in enumerate(arrays)]
        if any(one is not None for one in drawn):
            found[name] = [np.zeros_like(array) if one is None else one for array, one in zip(arrays, drawn, strict=True)]
    return found


def _drawn(array: Array, filters: tuple[tuple[int, ...], tuple[int, ...]] | None, generator: np.random.Generator) -> Array | None:
    if filters is None:
        return None
    order, within = filters
    own = array.transpose(order)
    drawn = generator.standard_normal(own.shape)
    length, wanted = (np.sqrt(np.square(one, dtype=np.float64).sum(axis=within, keepdims=True)) for one in (drawn, own))
    return np.ascontiguousarray((drawn * (wanted / length)).transpose(np.argsort(order)).astype(array.dtype))


def filters_of(kind: str, arrays: Sequence[Array], place: int, native: bool) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """How the axes of one of a layer's weights are ordered to lie as in Keras, and over which of these one filter spreads; None where it holds no filters.

    A filter is all that one output is computed from; the vector of a word, or a row of a table that is no layer's, counts as one.

    >>> filters_of("Conv2d", [np.zeros((8, 3, 5, 5)), np.zeros(8)], 0, True), filters_of("Conv2D", [np.zeros((5, 5, 3, 8))], 0, False)
    (((2, 3, 1, 0), (0, 1, 2)), ((0, 1, 2, 3), (0, 1, 2)))
    """
    array = arrays[place]
    axes = tuple(range(array.ndim))
    if array.ndim < 2 or kind == "PReLU" or _is_bias(kind, arrays, place):
        return None
    if not kind or kind.startswith("Embedding"):
        return axes, axes[-1:]
    if native:
        if "Conv" in kind:
            output = axes[-2] if "Transpose" in kind else axes[-1]  # inputs come first there
            return (*axes[2:], 1, 0), tuple(axis for axis in axes if axis != output)
        return axes[::-1], axes[:-1]
    if kind.endswith("Attention"):
        return axes, axes[:1] if sum(one.ndim > 2 for one in arrays[:place]) < 3 else axes[:-1]
    if kind.startswith(("Depthwise", "Separable")) and place == 0:
        return axes, axes[:-2]
    if "Transpose" in kind:
        return axes, (*axes[:-2], axes[-1])
    return axes, axes[:-1]


def _is_bias(kind: str, arrays: Sequence[Array], place: int) -> bool:
    """Whether two axes are those of a bias: of a GRU, which has two rows, or of the heads of attention."""
    array = arrays[place]
    if kind.endswith("Attention"):
        return any(one.ndim == 3 for one in arrays) and array.ndim == 2
    before = arrays[place - 1] if place >= 2 else None
    return before is not None and array.ndim == 2 and array.shape == (2, 3 * len(before)) and before.shape == (len(before), 3 * len(before))


def moved(weights: Weights, directions: Sequence[Weights], places: Sequence[float]) -> dict[str, list[Array]]:
    """The weights after a step in each direction; of layers that none changes nothing is given."""
    names = dict.fromkeys(name for direction in directions for name in direction)
    return {name: [_added(array, i, name, directions, places) for i, array in enumerate(weights[name])] for name in names}


def _added(array: Array, i: int, name: str, directions: Sequence[Weights], places: Sequence[float]) -> Array:
    total = array
    for direction, place in zip(directions, places, strict=True):
        if name in direction and place:
            total = total + array.dtype.type(place) * direction[name][i]
    return total


@dataclass(frozen=True)
class Path:
    """Sets of weights one after the other, as a setting of a view; `epochs` says when each was, `source` whose they are. A short name in records."""

    sets: tuple[Weights, ...]
    epochs: tuple[float, ...]
    source: str = ""

    def __repr__(self) -> str:
        return self.source or f"{len(self.sets)} sets of weights"

    @classmethod
    def of(cls, given: Any) -> Path:
        """From the record of a training with snapshots, from mappings layer → arrays, or pairs of an epoch and one."""
        if isinstance(given, Path):
            return given
        record = _record(given)
        if record is not None:
            epochs, sets = zip(*snapshots_of(record), strict=True)
            return cls(sets, epochs, f"{len(sets)} sets of weights of a recorded training")
        expected = "expected sets of weights, each a mapping from layer to arrays as Model.weights() gives it, or the record of a training with snapshots"
        if not isinstance(given, (list, tuple)):
            raise SettingError(f"path is {_called(given)}; {expected}. For the line to another network's weights: to=network.")
        pairs = [one if isinstance(one, tuple) and len(one) == 2 and not isinstance(one[0], Mapping) else (float(i), one) for i, one in enumerate(given)]
        for i, (_, weights) in enumerate(pairs):
            if not isinstance(weights, Mapping):
                raise SettingError(f"path[{i}] is {_called(weights)}; {expected}.")
        return cls(tuple(weights for _, weights in pairs), tuple(float(epoch) for epoch, _ in pairs))

    @classmethod
    def to(cls, given: Any) -> Path:
        """The one set that a line goes to: weights, those of a network, or those with which a recorded training began."""
        if isinstance(given, Path):
            return given
        if isinstance(given, Mapping):
            return cls((given,), (0.0,))
        record = _record(given)
        if record is not None:
            epoch, weights = snapshots_of(record)[0]
            return cls((weights,), (epoch,), f"the weights at epoch {epoch:g} of a recorded training")
        if isinstance(given, (str, os.PathLike)) or not (isinstance(given, Model) or callable(given)):
            raise SettingError(
                f"to is {_called(given)}; expected weights as Model.weights() gives them, a network, or the record of a training with snapshots."
            )
        model = adapt(given)
        if not model.has_weights:
            raise SettingError(f"to is {model.traits.framework}, which does not show its weights; give a network that does, or its weights themselves.")
        return cls((model.weights(),), (0.0,), f"the weights of a network, {model.traits.framework}, {model.traits.fingerprint}")


def _record(given: Any) -> View | None:
    """The record of a training, alone or among those of a file; another record where there is no such one."""
    records = [one for one in (given if isinstance(given, (list, tuple)) else [given]) if isinstance(one, View)]
    return next((one for one in records if one.view == "training"), records[0] if records else None)


def _called(given: Any) -> str:
    return f"'{given}'" if isinstance(given, (str, os.PathLike)) else f"a {type(given).__name__}"


def fitting(shapes: Mapping[str, Sequence[tuple[int, ...]]], weights: Weights, setting: str) -> dict[str, list[Array]]:
    """Weights that are to stand in layers of these shapes. Those of a network of the same shapes, layer by layer, may have other names."""
    if any(name not in shapes for name in weights) and [_shapes(arrays) for arrays in weights.values()] == list(shapes.values()):
        weights = dict(zip(shapes, weights.values(), strict=True))
    try:
        return checked_weights(shapes, weights)
    except (ShapeError, UnknownLayerError) as error:
        wanted = "the record of this network's own training" if setting == "path" else "those of a network built the same"
        raise ShapeError(f"'{setting}' holds weights of a network of other layers than this one; give {wanted}. {error}") from error


def _shapes(arrays: Sequence[Array]) -> list[tuple[int, ...]]:
    return [tuple(np.shape(array)) for array in arrays]


@dataclass(frozen=True)
class Plane:
    """The plane through the end of a path along its first two principal components: `directions` of length one, `places` (sets, 2) of the path on it, `shares`
    (2,) of the path's variance along each."""

    origin: Weights
    directions: tuple[dict[str, list[Array]], ...]
    places: Array
    shares: Array


def plane_of(model: Model, path: Path) -> Plane:
    """The plane of a path, as in Li et al. 2018, section 7.2: PCA of what is left to the last set. Through products of sets, so that nothing as large as all of
    them is made; a component's sign is such that the path begins at a place of at most zero."""
    shapes = {name: _shapes(arrays) for name, arrays in model.weights().items()}
    if len(path.sets) < FEWEST:
        raise SettingError(f"the plane of a path needs {FEWEST} sets of weights or more, got {len(path.sets)}; for the line between two: to=weights.")
    sets = [fitting(shapes, weights, "path") for weights in path.sets]
    if any(list(one) != list(sets[0]) for one in sets):
        raise SettingError("the sets of weights of a path must be of the same layers, in the same order.")
    end = sets[-1]
    left = [_flat_difference(one, end) for one in sets]
    gram = np.array([[sum(float(a @ b) for a, b in zip(one, other, strict=True)) for other in left] for one in left])
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    values, vectors = np.linalg.eigh(centred)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if values[0] <= 0 or values[1] <= 1e-12 * values[0]:
        raise SettingError("the sets of weights of the path lie on one line, or are all the same, so that they have no plane; draw to=weights instead.")
    weigh = (vectors[:, :2] - vectors[:, :2].mean(axis=0)) / np.sqrt(values[:2])
    places = gram @ weigh
    signs = np.where(places[0] > 0, -1.0, 1.0)
    directions = tuple(_combined(left, weigh[:, axis] * signs[axis], end) for axis in range(2))
    return Plane(end, directions, places * signs, values[:2] / values.sum())


def length(weights: Weights, origin: Weights | None = None) -> float:
    """Of all weights as one vector, from an origin where there is one."""
    start = {name: [np.zeros(()) for _ in arrays] for name, arrays in weights.items()} if origin is None else origin
    return float(np.sqrt(sum(part @ part for part in _flat_difference(weights, start))))


def _flat_difference(one: Weights, end: Weights) -> list[Array]:
    return [(np.asarray(a, np.float64) - np.asarray(b, np.float64)).ravel() for name in end for a, b in zip(one[name], end[name], strict=True)]


def _combined(left: Sequence[Sequence[Array]], weigh: Array, like: Weights) -> dict[str, list[Array]]:
    flat = iter([sum(weight * one[i] for weight, one in zip(weigh, left, strict=True)) for i in range(len(left[0]))])
    return {name: [np.asarray(next(flat)).reshape(array.shape).astype(array.dtype) for array in arrays] for name, arrays in like.items()}
