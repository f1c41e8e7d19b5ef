"""Filters: the weights themselves, as kernels, gates and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.language import later
from pellucid.core.model import Model
from pellucid.core.scene import NONE, Scene, Shown, ViewMethod
from pellucid.core.view import FAULT, NOTE, WARNING, Finding
from pellucid.views._kernels import CONVOLUTION, DENSE, PARTS, TABLE, Kernel, kernels
from pellucid.views._units import MANY

Array = np.ndarray
LIKE = 0.99
"""Cosine above which two filters are the same but for their size."""
FEWEST, LARGEST = 8, 4096
"""A filter of fewer weights may be like another by chance; of more filters than this not every pair is looked at."""
FAINT = 0.02
"""A filter is dead when its norm is below so much of the layer's median."""
CHANNEL_NORMS = ("BatchNorm", "InstanceNorm")
"""Within the kinds of normalisations that scale each channel by itself."""
NEAREST, ROWS = 5, 10_000
"""Nearest entries of an embedding that are told, for tables of up to so many."""
AT_ONCE = 1024


@dataclass(frozen=True)
class Filters(ViewMethod):
    """The filters of a network: kernels of convolutions, gates of recurrent layers, dense weights, embeddings.

    Use it to see what a first layer looks for, whether filters repeat each other or do nothing, and how a recurrent layer mixes its state. It needs no data.
    Without `layers`, every layer with such weights is shown, except dense matrices of more than `largest` numbers; those of many layers are told by name only.

    Shapes, in one layout whatever the framework: convolutions (rows, columns, inputs, outputs), a depthwise one with one input, one of a series with one
    row; a dense first layer that reads a flattened image the same, in the image's shape; another dense one (inputs, units); recurrent layers and the
    projections of attention (parts, inputs, units), the parts being input, forget, cell, output; update, reset, candidate; query, key, value: `resolved`
    names them; an embedding (entries, size). Units are those of the weights.
    Details: "norm" of each output, unit or entry; of convolutions with several inputs "component" (rows, columns, outputs), the first principal component of
    each filter over its inputs, as long as its share of the filter, which "share" (outputs,) gives; "recurrent" (parts, units, units); "pointwise"; of
    embeddings "plane" (entries, 2), their first two principal components, "nearest" (entries, 5) and "similarity", the entries whose direction is most alike
    and the cosine.
    Small filters are no finding where a normalisation of each channel is all that reads them: it undoes their size.
    Does not say what deeper filters answer to in an input: `activation_map` and `feature_visualization` do. A weight's size says little of its importance.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[3.0, 0.0], [4.0, 0.0]]), np.zeros(2))], (2,))
    >>> view = pellucid.visualize(model, view="filters")
    >>> view.details["dense_0"]["norm"], view.worst.code
    (array([5., 0.]), 'dead filters')
    """

    title: ClassVar[str] = "Filters"
    answers: ClassVar[str] = "What do the weights of each layer look like, and which filters repeat others or do nothing?"
    citation: ClassVar[str] = "Krizhevsky, Sutskever & Hinton 2012, NeurIPS 25:1097"
    looks_at: ClassVar[str] = NONE
    needs: ClassVar[frozenset[str]] = frozenset({"weights"})

    largest: int = 4_000_000

    def __post_init__(self) -> None:
        if self.largest < 1:
            raise SettingError(f"largest is {self.largest}; give at least 1.")

    def show(self, scene: Scene) -> Shown:
        found = kernels(scene.model, scene.chosen(scene.model.layers()))
        self._check(scene, found)
        kept = [one for one in found if scene.layers is not None or one.axes != DENSE or one.values.size <= self.largest]
        left_out = [one.subject for one in found if one not in kept]
        values, axes, details, findings = {}, {}, {}, []
        resolved: dict[str, Any] = {}
        scaled = _scaled(scene.model)
        for i, kernel in enumerate(kept):
            values[kernel.subject], axes[kernel.subject] = kernel.values, kernel.axes
            details[kernel.subject] = _details(kernel)
            resolved[f"kind of {kernel.subject}"] = kernel.layer.kind
            if kernel.parts:
                resolved[f"parts of {kernel.subject}"] = list(kernel.parts)
            findings += _findings(kernel, details[kernel.subject]["norm"], kernel.layer.name in scaled)
            scene.progress((i + 1) / len(kept))
        if left_out:
            resolved["left out as larger than largest"] = left_out
        return Shown(values, axes, resolved, details, AXES, findings)

    @staticmethod
    def _check(scene: Scene, found: Sequence[Kernel]) -> None:
        """Raise where a layer that was asked for has nothing to show, or no layer has."""
        have = {kernel.layer.name for kernel in found}
        missing = [name for name in scene.layers or () if name not in have]
        if missing or not found:
            which = f"layer '{missing[0]}' has" if missing else "its layers have"
            raise UnsupportedError(f"{which} no kernel, matrix or table to show; layers that do: {', '.join(sorted(have_any(scene.model))) or 'none'}.")


def have_any(model: Model) -> set[str]:
    """Layers with something to show."""
    return {kernel.layer.name for kernel in kernels(model, model.layers())}


AXES = {
    "norm": ("output",),
    "component": ("row", "column", "output"),
    "share": ("output",),
    "recurrent": ("part", "unit", "unit"),
    "pointwise": ("row", "column", "input", "output"),
    "plane": ("entry", "direction"),
    "nearest": ("entry", "rank"),
    "similarity": ("entry", "rank"),
}


def _details(kernel: Kernel) -> dict[str, Array]:
    if kernel.axes == TABLE:
        return _table(kernel.values)
    found = {"norm": np.linalg.norm(kernel.values.reshape(-1, kernel.values.shape[-1]), axis=0)}
    if kernel.axes == CONVOLUTION and kernel.values.shape[2] > 1:
        found |= _component(kernel.values)
    if kernel.second is not None:
        found["recurrent" if kernel.axes == PARTS else "pointwise"] = kernel.second
    return found


def _component(values: Array) -> dict[str, Array]:
    """Of each filter as a matrix (places, inputs), the first left singular vector times the singular value, with the sign of the filter's sum over inputs;
    and its share of the squared norm."""
    rows, columns, inputs, outputs = values.shape
    matrices = values.reshape(rows * columns, inputs, outputs).transpose(2, 0, 1).astype(np.float64)
    lengths, vectors = np.linalg.eigh(matrices @ matrices.transpose(0, 2, 1))
    first, energy = vectors[:, :, -1], np.maximum(lengths, 0)
    sign = np.where(np.einsum("op,op->o", first, matrices.sum(axis=2)) < 0, -1.0, 1.0)
    shown = first * (sign * np.sqrt(energy[:, -1]))[:, None]
    total = energy.sum(axis=1)
    return {
        "component": shown.T.reshape(rows, columns, outputs).astype(values.dtype),
        "share": np.divide(energy[:, -1], total, out=np.zeros(outputs), where=total > 0),
    }


def _table(table: Array) -> dict[str, Array]:
    """Norms, the first two principal components, and the nearest entries of an embedding."""
    wide = table.astype(np.float64)
    norm = np.linalg.norm(wide, axis=1)
    centred = wide - wide.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions = vectors[:, ::-1][:, :2]
    places = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[places, np.arange(directions.shape[1])] < 0, -1, 1)
    found = {"norm": norm, "plane": centred @ directions}
    if 1 < len(table) <= ROWS:
        unit = wide / np.maximum(norm, np.finfo(float).tiny)[:, None]
        count = min(NEAREST, len(table) - 1)
        nearest, similarity = np.empty((len(table), count), np.int64), np.empty((len(table), count))
        for start in range(0, len(table), AT_ONCE):
            cosine = unit[start : start + AT_ONCE] @ unit.T
            here = np.arange(len(cosine))
            cosine[here, start + here] = -np.inf
            order = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
            nearest[start : start + AT_ONCE], similarity[start : start + AT_ONCE] = order, np.take_along_axis(cosine, order, axis=1)
        found |= {"nearest": nearest, "similarity": similarity}
    return found


def _scaled(model: Model) -> set[str]:
    """Layers that feed nothing but a normalisation of each channel, which undoes the size of their filters."""
    layers, sources = model.layers(), model.connections()
    norms = {layer.name for layer in layers if any(kind in layer.kind for kind in CHANNEL_NORMS)}
    readers: dict[str, set[str]] = {}
    for name, read in sources.items():
        for source in read:
            readers.setdefault(source, set()).add(name)
    if not sources:  # not known: what stands next reads
        readers = {layer.name: {after.name} for layer, after in pairwise(layers)}
    return {name for name, reading in readers.items() if reading <= norms}


def _findings(kernel: Kernel, norm: Array, scaled: bool = False) -> list[Finding]:
    layer, total = kernel.subject, len(norm)
    broken = int((~np.isfinite(kernel.values)).sum())
    if broken:
        text = later("{count} weights of {layer} are no numbers, or infinite.")
        return [Finding("not finite", layer, text, later("Train again with a lower learning rate, or clip gradients."), {"count": broken}, FAULT)]
    dead = norm <= FAINT * np.median(norm[norm > 0]) if (norm > 0).any() else np.ones(total, bool)
    found = []
    if dead.any() and kernel.axes != PARTS and not scaled:
        numbers = {"dead": int(dead.sum()), "total": total, "share_dead": float(dead.mean())}
        if kernel.axes == TABLE:
            text = later("{dead} of the {total} entries of {layer} ({share_dead}) are near zero.")
            advice = later("One may be that of padding. Others were hardly trained: their words are rare in the training data, or missing from it.")
        else:
            text = later(
                "{dead} of the {total} filters of {layer} ({share_dead}) have weights near zero: without a normalisation after them they answer to nothing."
            )
            advice = later("Leave them out (pruning), or weaken the weight decay and the learning rate that drove them there.")
        found.append(Finding("dead filters", layer, text, advice, numbers, WARNING if dead.sum() > 1 and dead.mean() >= MANY else NOTE))
    if kernel.axes in (CONVOLUTION, DENSE) and not kernel.apart:  # equal filters of different inputs do not answer alike
        found += _duplicates(kernel, ~dead)
    return found


def _duplicates(kernel: Kernel, live: Array) -> list[Finding]:
    """Filters that are like an earlier one."""
    flat = kernel.values.reshape(-1, kernel.values.shape[-1]).T[live].astype(np.float64)
    if len(flat) > LARGEST or flat.shape[1] < FEWEST or len(flat) < 2:
        return []
    unit = flat / np.linalg.norm(flat, axis=1)[:, None]
    like = np.tril(unit @ unit.T > LIKE, -1)
    again = like.any(axis=1)
    if not again.any():
        return []
    place = int(again.argmax())
    numbers = np.flatnonzero(live)
    told = {"copies": int(again.sum()), "total": len(live), "share_copies": float(again.sum() / len(live))}
    pair = {"one": int(numbers[like[place].argmax()]), "other": int(numbers[place])}
    text = later("{copies} of the {total} filters of {layer} ({share_copies}) are like another one but for their size, such as {one} and {other}.")
    advice = later("The layer may be wider than it need be; where it was trained from equal weights, start from random ones.")
    return [Finding("duplicate filters", kernel.subject, text, advice, told | pair, WARNING if again.sum() >= MANY * len(live) else NOTE)]
