"""Which part of the input each place of a layer sees, measured: where gradients of a place are not zero, for several inputs, and what fits that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import PellucidError
from pellucid.core.layout import to_last
from pellucid.core.model import INPUT, Layer, Model, batches
from pellucid.maths.receptive_field import Field, fitted, whole

Array = np.ndarray
PLACES, VARIANTS, FEWEST, ELEMENTS = 7, 16, 4, 1e6
"""Places that are measured along an axis, the inputs that each is measured on, fewer of large ones, and how many elements these may have together."""
NOTHING = 1e-9
"""A gradient that is smaller than the largest by this is none."""


@dataclass(frozen=True)
class Seen:
    """What places of a layer see: a field for each axis of the input that has places (`lengths`), and how it was found. `axes` says to which axis of the
    layer's places each of them belongs, −1 where every place sees all of it."""

    fields: tuple[Field, ...]
    axes: tuple[int, ...]
    lengths: tuple[int, ...]
    how: str

    def windows(self, places: Array) -> Array:
        """Of places (..., axes of the layer), the parts of the input that they see, (..., axes of the input, 2)."""
        flat = places.reshape(int(np.prod(places.shape[:-1])), places.shape[-1])
        found = np.zeros((len(flat), len(self.fields), 2), np.int64)
        for i, place in enumerate(flat):
            for k, (field, axis, length) in enumerate(zip(self.fields, self.axes, self.lengths, strict=True)):
                found[i, k] = field.window(int(place[axis]) if axis >= 0 else 0, length)
        return found.reshape(*places.shape[:-1], len(self.fields), 2)


def grid_of(model: Model, inputs: Array) -> tuple[int, ...]:
    """The lengths of the input's axes along which it has places: rows and columns, time steps or tokens; none of a table or of several inputs."""
    if model.packing is not None:
        return ()
    if model.traits.tokens and inputs.ndim == 2:
        return (inputs.shape[1],)
    return to_last(inputs, model.traits.channels).shape[1:-1]


def seen_by(model: Model, inputs: Array, layer: Layer, values: Array, seed: int) -> Seen:
    """The fields of a layer, whose values (samples, *places, channels) for these inputs are given."""
    grid, places = grid_of(model, inputs), values.shape[1:-1]
    everything = Seen(tuple(whole(length) for length in grid), (-1,) * len(grid), grid, "the whole input")
    if not grid or not places or len(grid) != len(places):
        return everything
    so_far = Seen((Field(grid[0], 1.0, 1.0 - grid[0]),), (0,), grid, "all steps up to its own")
    if layer.sequential and len(layer.shape or ()) != 2:  # it gives its last state alone, from which no gradient of an earlier one is had
        return everything if layer.kind == "Bidirectional" or grid != places else so_far
    try:
        chosen, found = _measured(model, inputs, layer, places, grid, seed)
    except PellucidError:
        return everything
    if layer.sequential:
        later = any(row[place + 1 :].any() for (place,), row in zip(chosen, found[0], strict=True))
        return everything if later or grid != places else so_far
    fits = [fitted(chosen[:, axis].tolist(), found[axis], grid[axis], places[axis]) for axis in range(len(grid))]
    fields = tuple(field for field, _ in fits)
    size = " × ".join(str(min(field.size, length)) for field, length in zip(fields, grid, strict=True))
    step = " × ".join(f"{field.stride:g}" for field in fields)
    how = f"{size}, every {step}" if any(field.size < length for field, length in zip(fields, grid, strict=True)) else "the whole input"
    pooled = not all(exact for _, exact in fits) or _pools(model, layer)
    return Seen(fields, tuple(range(len(grid))), grid, how + (", measured: pooling or thresholds may hide more" if pooled else ""))


def _pools(model: Model, layer: Layer) -> bool:
    """Whether a layer that only lets its largest input pass comes before this one."""
    names = [one.name for one in model.layers()]
    before = model.layers()[: names.index(layer.name) + 1] if layer.name in names else ()
    return any("MaxPool" in one.kind for one in before)


def _measured(model: Model, inputs: Array, layer: Layer, places: tuple[int, ...], grid: tuple[int, ...], seed: int) -> tuple[Array, list[Array]]:
    """The places that were tried (places, axes), and for each axis of the input where gradients reached from each (places, length)."""
    generator = np.random.default_rng(seed)
    chosen = np.unique(np.stack([np.linspace(0, count - 1, PLACES).round().astype(int) for count in places], axis=-1), axis=0)
    variants = _variants(inputs, generator, tokens=model.traits.tokens)
    at = _cotangents(chosen, places, _channels(model, layer), generator)
    if layer.channel_axis != -1:
        at = np.moveaxis(at, -1, 1 + layer.channel_axis)
    wrt = _embedding(model) if model.traits.tokens else INPUT
    reached = [np.zeros((len(chosen), length), bool) for length in grid]
    for variant in variants:
        if all(found.all() for found in reached):  # nothing more can be reached
            break
        for part in batches(len(chosen), model.batch_size):
            rows = np.repeat(variant[None], len(at[part]), axis=0)
            gradient = model.pullback(rows, layer.name, at[part].astype(np.float32), (wrt,)).gradients[wrt]
            size = np.abs(gradient if model.traits.tokens else to_last(gradient, model.traits.channels))
            size = size.reshape(len(size), *grid, -1).max(axis=-1)
            there = size > NOTHING * size.reshape(len(size), -1).max(axis=1).reshape(-1, *(1,) * len(grid))
            for axis, found in enumerate(reached):
                found[part] |= there.any(axis=tuple(1 + other for other in range(len(grid)) if other != axis))
    return chosen, reached


def _variants(inputs: Array, generator: np.random.Generator, *, tokens: bool) -> Array:
    """Inputs that places are measured on: some that are given, and noise like them, which opens what is closed for these."""
    count = int(np.clip(ELEMENTS // max(inputs[0].size, 1), FEWEST, VARIANTS))
    given = inputs[: max(1, count // 2)]
    if tokens:
        return inputs[:count]
    noise = generator.normal(inputs.mean(), float(inputs.std()) or 1.0, (count - len(given), *inputs.shape[1:]))
    return np.concatenate([given, noise.astype(inputs.dtype)])


def _cotangents(chosen: Array, places: tuple[int, ...], channels: int, generator: np.random.Generator) -> Array:
    """One place each, all its channels by weights without a sign, so that none cancels another (places, *grid, channels)."""
    at = np.zeros((len(chosen), *places, channels))
    for row, place in enumerate(chosen):
        at[(row, *place)] = generator.uniform(0.5, 1.5, channels)
    return at


def _channels(model: Model, layer: Layer) -> int:
    shape = model.layer(layer.name).shape or (1,)
    return int(shape[layer.channel_axis] or 1)


def _embedding(model: Model) -> str:
    """The layer that makes vectors of tokens, which have a gradient."""
    found: Sequence[str] = [layer.name for layer in model.layers() if layer.kind == "Embedding"]
    return found[0] if found else INPUT
