"""What views of training have in common: the loss that judges a network, and samples drawn from a data set and mixed, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.errors import SettingError, ShapeError
from pellucid.core.loss import Loss, check_kind, kind_for, of_classes
from pellucid.core.model import Model
from pellucid.core.scene import Scene

Array = np.ndarray
MIXED = 64e6
"""Bytes of samples that are held and mixed at a time."""


class Judge(NamedTuple):
    """The kind of loss, the loss of samples by their places in the data, and how many samples have a truth."""

    kind: str
    loss: Callable[[Array], Loss]
    known: int


def judge(scene: Scene, kind: str, truth: Any) -> Judge:
    """What judges the network: the true outputs where they are given, else the true classes of the samples."""
    output, traits = _output(scene.model, scene.inputs), scene.model.traits
    if truth is not None:
        given = _as_outputs(np.asarray(truth), output, traits.class_axis)
        chosen = kind_for(traits.head, output, traits.class_axis, None) if kind == "auto" else kind
        check_kind(chosen, traits.head)
        return Judge(chosen, lambda rows: Loss(given[rows], chosen, (), head=traits.head, class_axis=traits.class_axis), len(given))
    labels = scene.labels
    if labels is None:
        raise SettingError("this view needs the truth of the samples: labels=[...], one class a sample, or truth=array of the true outputs.")
    known = kind_for(traits.head, output, traits.class_axis, labels) if kind == "auto" else kind
    of_classes(labels, output, known, traits.head, traits.class_axis)
    return Judge(known, lambda rows: of_classes(labels[rows], output, known, traits.head, traits.class_axis), len(labels))


def without_labels(needs: frozenset[str], truth: Any) -> frozenset[str]:
    """What a view still needs where the true outputs are given."""
    return needs - {"labels"} if truth is not None else needs


def _output(model: Model, inputs: Array) -> tuple[int, ...]:
    """The shape of one sample's output."""
    known = model.traits.output_shape
    return model.predict(inputs[:1]).shape[1:] if known is None or None in known else tuple(size for size in known if size is not None)


def _as_outputs(truth: Array, output: tuple[int, ...], class_axis: int) -> Array:
    """The truth as (samples, *output), float32: of one output also (samples,), and of classes at many places their whole numbers, (samples, *places)."""
    if truth.ndim == 1 and output == (1,):
        truth = truth[:, None]
    axis = class_axis % max(len(output), 1)
    places = output[:axis] + output[axis + 1 :]
    if truth.dtype.kind in "iu" and len(output) > 1 and truth.shape[1:] == places and output[axis] > int(truth.max(initial=0)) and truth.min(initial=0) >= 0:
        truth = np.moveaxis(np.eye(output[axis], dtype=np.float32)[truth], -1, axis + 1)
    if truth.shape[1:] != output:
        raise ShapeError(f"truth has shape {truth.shape}, and the network's outputs are of shape (samples, {', '.join(map(str, output))}).")
    return truth.astype(np.float32)


def drawn(scene: Scene, count: int, samples: int, size: int, generator: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Samples drawn from the data, with their places in it, in batches of `size`, the last of what is left. At most `MIXED` bytes are held at a time and mixed:
    data that lies in the order of its classes gives batches of all of them, as far as that reaches."""
    kept = np.sort(generator.permutation(count)[:samples])
    held: list[tuple[Array, Array]] = []
    seen = bytes_held = 0
    for batch in scene.data if scene.data is not None else (scene.inputs,):
        rows = kept[(kept >= seen) & (kept < seen + len(batch))]
        if len(rows):
            held.append((batch[rows - seen], rows))
            bytes_held += held[-1][0].nbytes
        seen += len(batch)
        if bytes_held > MIXED:
            *whole, rest = list(_mixed(held, size, generator))
            yield from whole
            held, bytes_held = ([rest], rest[0].nbytes) if len(rest[1]) < size else ([], 0)
            if not held:
                yield rest
    if seen != count:
        raise SettingError(f"the data holds {seen} samples, and {count} labels or true outputs were given; give one for each sample.")
    if held:
        yield from _mixed(held, size, generator)


def _mixed(held: list[tuple[Array, Array]], size: int, generator: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    inputs, rows = (np.concatenate(parts) for parts in zip(*held, strict=True))
    order = generator.permutation(len(rows))
    for start in range(0, len(rows), size):
        part = order[start : start + size]
        yield inputs[part], rows[part]
